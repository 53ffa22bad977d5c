"""``slmbench serve`` from outside: does it agree with the in-process scenario, and does it hold under load?

    python benchmarks/service.py agreement [BUNDLE ...] [--share 0.5] [--seconds 30] [--processes 3]
    python benchmarks/service.py hold [BUNDLE] [--share 0.8] [--minutes 10]

``agreement`` profiles each bundle at a share of what one worker can do, with one thread in a process of its own and
from outside at a service with one worker, and prints both, what a request without a text takes, and how far they are
apart once that is subtracted; within 10 % is wanted.

``hold`` finds what the service with all its workers can do (as many requests in flight as it has workers, one after
the other), lets reviews arrive at a share of that as a Poisson process, with two bad requests a second among them,
and prints each minute's p50, p95 and statuses. Then come more texts than the queue takes, a single request, and
SIGTERM with requests in flight. Exit status 1 where a good request was not answered, a bad one had another status
than it should, or the service did not end well. All on the loopback device of one machine, client and service
sharing its cores.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.progress import SILENT
from slmbench.edge import Classifier
from slmbench.profiling import profile
from slmbench.profiling.outside import ServiceClient
from slmbench.profiling.workload import choose_workload
from slmbench.records import BundleRecord, ProfileRecord, artefacts
from slmbench.statistics.queueing import arrivals

#: Requests that are refused, and how.
BAD = {
    b"no JSON": 400,
    b'{"text": "of another shape"}': 422,
    b'{"inputs": 7}': 422,
    b'{"inputs": [["two", "texts"]]}': 422,
    json.dumps({"inputs": ["many"] * 33}).encode(): 413,
    json.dumps({"inputs": "long" * 30_000}).encode(): 413,
    json.dumps({"inputs": "large" * 500_000}).encode(): 413,
}
#: A request of as many texts as one may have.
MANY = json.dumps({"inputs": ["a review " * 100] * 32}).encode()


@contextmanager
def service(bundle: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``slmbench serve``; gives the process and its URL."""
    words = [
        sys.executable,
        "-m",
        "slmbench.cli.app",
        "serve",
        str(bundle),
        "--port",
        "0",
        "--json",
        "--no-access-log",
    ]
    with subprocess.Popen([*words, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def reviews_of(bundle: Path) -> list[str]:
    """Return the texts that a profile times."""
    return choose_workload(artefacts.read(bundle, BundleRecord), bundle, SILENT).texts


def agreement(bundle: Path, options: argparse.Namespace) -> bool:
    """Print both profiles of a bundle; returns whether they agree."""
    texts = reviews_of(bundle)
    classifier = Classifier(bundle, threads=1)
    classifier.predict(texts[:20], batch_tokens=0)
    began = time.perf_counter()
    for text in texts:
        classifier.predict(text)
    qps = options.share * len(texts) / (time.perf_counter() - began)
    given: dict[str, Any] = {"scenario": "server", "qps": qps, "time_limit_s": options.seconds}
    with service(bundle, "--workers", "1") as (_, url), tempfile.TemporaryDirectory() as folder:
        form = ServiceClient(url).info["model_dtype"]
        found: list[list[ProfileRecord]] = [[], []]
        for _ in range(options.processes):  # in turns
            (inside,) = profile(bundle, forms=(form,), threads=1, processes=1, output=folder, **given)
            (outside,) = profile(bundle, url=url, processes=1, output=folder, **given)
            found[0].append(inside)
            found[1].append(outside)
    inside_ms, outside_ms = ([ms for one in side for ms in one.latency.samples_ms] for side in found)
    empty = statistics.median(one.load.empty_p50_ms for one in found[1])
    print(f"{bundle.name} {form}: {qps:.1f} reviews/s, {len(inside_ms)} and {len(outside_ms)} samples;", end=" ")
    print(f"a request without a text takes {empty:.2f} ms")
    agrees = True
    for name, of in (("mean", np.mean), ("p50", np.median), ("p95", lambda ms: np.percentile(ms, 95))):
        here, there = float(of(inside_ms)), float(of(outside_ms))
        apart = (there - empty) / here - 1
        agrees &= abs(apart) <= 0.10
        print(f"  {name:4} in process {here:7.2f} ms, outside {there:7.2f} ms,", end=" ")
        print(f"less the empty {there - empty:7.2f} ms: {100 * apart:+.1f} %")
    return agrees


def capacity(client: ServiceClient, texts: list[str], at_once: int, seconds: float) -> float:
    """Return how many reviews a second are answered with so many requests in flight."""
    until, counts = time.perf_counter() + seconds, [0] * at_once

    def ask(number: int) -> None:
        while time.perf_counter() < until:
            client.predict(texts[(number + at_once * counts[number]) % len(texts)])
            counts[number] += 1

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(ask, range(at_once)))
    return sum(counts) / seconds


def keep_asking(client: ServiceClient, over: threading.Event, found: Counter[str]) -> None:
    """Send two bad requests a second, and count statuses: those that are right, and others."""
    while True:
        for body, wanted in BAD.items():
            if over.wait(0.5):
                return
            try:
                status = client.ask("POST", "/predict", body)[0]
            except OSError as error:
                status = type(error).__name__
            found[str(status) if status == wanted else f"{status} instead of {wanted}"] += 1


def flood(client: ServiceClient, seconds: float) -> Counter[str]:
    """Ask for more texts than the queue takes, and count statuses."""
    until = time.perf_counter() + seconds
    found: Counter[str] = Counter()

    def ask(_: int) -> None:
        while time.perf_counter() < until:
            found[str(client.ask("POST", "/predict", MANY)[0])] += 1

    with ThreadPoolExecutor(48) as pool:
        list(pool.map(ask, range(48)))
    return found


def hold(bundle: Path, options: argparse.Namespace) -> bool:
    """Print what a service does for some minutes; returns whether it did well."""
    texts = reviews_of(bundle)
    with service(bundle) as (process, url):
        client, bad, over = ServiceClient(url), Counter(), threading.Event()
        workers = client.info["tokenization_workers"]
        capacity(client, texts, workers, 1.0)
        most = capacity(client, texts, workers, 5.0)
        qps = options.share * most
        print(
            f"{bundle.name} {client.info['model_dtype']}, workers: {workers}: {most:.0f} reviews/s at most,", end=" "
        )
        print(f"{qps:.0f} arrive ({100 * options.share:.0f} %)")
        asking = threading.Thread(target=keep_asking, args=(client, over, bad))
        asking.start()
        statuses: Counter[str] = Counter()
        left, minute = 60 * options.minutes, 0
        while left > 0:
            minute, duration = minute + 1, min(60.0, left)
            left -= duration
            answer = client.serve(texts, arrivals(max(1, round(qps * duration)), qps, minute))
            statuses += Counter(answer["statuses"])
            p50, p95 = np.percentile(answer["ms"], [50, 95])
            told = ", ".join(f"{status}: {count}" for status, count in sorted(answer["statuses"].items()))
            print(f"  minute {minute}: p50 {p50:.1f} ms, p95 {p95:.1f} ms; {told}", flush=True)
        over.set()
        asking.join()
        flooded = flood(client, 3.0)
        print(
            f"bad requests: {dict(sorted(bad.items()))}; more than the queue takes: {dict(sorted(flooded.items()))}"
        )
        client.predict(texts[0])
        with ThreadPoolExecutor(8) as pool:
            last = [pool.submit(client.ask, "POST", "/predict", MANY) for _ in range(8)]
            time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            ends: Counter[str] = Counter()
            for one in last:
                with suppress(OSError):
                    ends[str(one.result()[0])] += 1
        status = process.wait(60)
        print(f"SIGTERM with requests in flight: {dict(ends)}, {8 - ends.total()} found nobody; exit status {status}")
    well = set(statuses) == {"200"} and set(flooded) <= {"200", "429"} and "429" in flooded and status == 0
    return well and not any("instead" in one for one in bad) and set(ends) <= {"200", "503"}


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    agree = commands.add_parser("agreement")
    agree.add_argument("bundles", nargs="*", type=Path, default=[Path("exported/bert-tiny-imdb")])
    agree.add_argument("--share", type=float, default=0.5)
    agree.add_argument("--seconds", type=float, default=30.0)
    agree.add_argument("--processes", type=int, default=3)
    load = commands.add_parser("hold")
    load.add_argument("bundle", nargs="?", type=Path, default=Path("exported/bert-tiny-imdb"))
    load.add_argument("--share", type=float, default=0.8)
    load.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    if options.command == "agreement":
        done = [agreement(bundle, options) for bundle in options.bundles]
    else:
        done = [hold(options.bundle, options)]
    print("as it should be" if all(done) else "not as it should be")
    sys.exit(0 if all(done) else 1)


if __name__ == "__main__":
    main()
