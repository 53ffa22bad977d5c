"""Many rows scored in shards while processes are killed, and how fast shards are beside plain processes.

    python benchmarks/shards.py kills [--rows 10000000] [--kills 200] [--workers 2] [--engine ray] [--folder FOLDER]
    python benchmarks/shards.py throughput [--rows 600000] [--rounds 2] [--workers 2] [--engine ray] [--folder FOLDER]

``kills`` generates short rows and scores them twice with a small TF-IDF bundle: undisturbed, and with random SIGKILLs
of the command and of its workers, the command being started again whenever it is gone. It compares the answers byte
by byte, counts the ids that are lost or there twice, and prints the largest memory of a process in each third of the
undisturbed run. ``throughput`` scores rows in turns with the command and with plain processes, which read their share
of the files, answer with one thread and write one file each; rates are without the start of the
processes. The last line of both is JSON.

With ``--engine ray`` the command uses a cluster on this machine that is started for it. For ``kills`` each worker has
a node of one core, nodes are killed as well, and others added in their place; for ``throughput`` there is one node.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pyarrow
from pyarrow import parquet

FILES = 20
FILLERS = ["the", "a", "movie", "film", "was", "is", "and", "but", "not", "very", "plot", "actor", "story", "scene"]
LABELS = {"positive": ["good", "great", "superb", "loved"], "negative": ["bad", "awful", "boring", "hated"]}
WORDS = [*FILLERS, *LABELS["positive"], *LABELS["negative"]]


def make_rows(folder: Path, rows: int) -> Path:
    """Write rows of 4 to 12 words with ascending ids into Parquet files, in constant memory."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for number, ids in enumerate(np.array_split(np.arange(rows), FILES)):
        file = folder / f"rows-{number:03d}.parquet"
        if file.is_file():
            continue
        schema = pyarrow.schema([("id", pyarrow.int64()), ("text", pyarrow.string())])
        with parquet.ParquetWriter(file.with_suffix(".writing"), schema) as writer:
            for some in np.array_split(ids, max(1, len(ids) // 50_000)):
                lengths = generator.integers(4, 13, len(some))
                words = generator.choice(WORDS, (len(some), 12))
                texts = [" ".join(row[:length]) for row, length in zip(words, lengths, strict=True)]
                writer.write_table(pyarrow.table({"id": some, "text": texts}, schema))
        file.with_suffix(".writing").rename(file)
    return folder


def make_bundle(folder: Path) -> Path:
    """Train and export TF-IDF on a few generated reviews."""
    from slmbench import export, finetune, load_corpus
    from slmbench.methods.training import TrainingOptions

    if not (folder / "bundle").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        chance = random.Random(0)
        reviews = {
            " ".join([*chance.choices(FILLERS, k=12), *chance.choices(own, k=3)]): label
            for _ in range(200)
            for label, own in LABELS.items()
        }
        lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in reviews.items()]
        (folder / "reviews.jsonl").write_text("".join(lines), encoding="utf-8")
        corpus = load_corpus(str(folder / "reviews.jsonl"))
        finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=folder / "run")
        export(folder / "run", output=folder / "bundle")
    return folder / "bundle"


def add_node(cluster: object, **options: object) -> None:
    """Add a node to a cluster; on a busy machine Ray gives up on one that begins too slowly."""
    for left in reversed(range(4)):
        try:
            cluster.add_node(include_log_monitor=False, no_monitor=True, **options)
        except Exception:
            if not left:
                raise
        else:
            return


@contextmanager
def cluster_here(said: argparse.Namespace, *nodes: int) -> Iterator[object | None]:
    """Start Ray's nodes of so many cores on this machine, if asked for; commands find them by ``RAY_ADDRESS``."""
    if said.engine is None:
        yield None
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for cores in nodes:
            add_node(cluster, num_cpus=cores, include_dashboard=False)
        os.environ["RAY_ADDRESS"] = cluster.address
        yield cluster
    finally:
        cluster.shutdown()


def command(said: argparse.Namespace, bundle: Path, rows: Path, output: Path) -> list[str]:
    """Return the command that scores."""
    words = ["predict", bundle, "--input", rows, "--output", output, "--keep", "id", "--quiet"]
    words += ["--shard-rows", said.shard_rows, "--workers", said.workers]
    if said.engine:
        words += ["--engine", said.engine]
    return [sys.executable, "-m", "slmbench.cli.app", *map(str, words)]


def workers_of(process: subprocess.Popen, cluster: object | None) -> list[psutil.Process]:
    """Return the processes that score for a command: its children, or those of Ray's nodes with Ray's actors."""
    if cluster is None:
        return psutil.Process(process.pid).children(recursive=True)
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            words = " ".join(one.cmdline())
            if words.startswith("ray::_Host") or "-m slmbench.scoring.worker" in words:
                found.append(one)
    return found


def scored(words: list[str], cluster: object | None) -> tuple[float, list[float]]:
    """Run a command; returns its seconds, and the largest memory of one of its processes in each third, in MB."""
    began, seen = time.monotonic(), []
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with suppress(psutil.Error):
            family = [psutil.Process(process.pid), *workers_of(process, cluster)]
            seen.append(max(one.memory_info().rss for one in family) / 1e6)
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(words)}")
    return time.monotonic() - began, [float(max(part)) for part in np.array_split(seen, 3) if len(part)]


def scored_under_fire(
    words: list[str], output: Path, kills: int, seconds: float, seed: int, cluster: object | None
) -> dict[str, int]:
    """Run a command again and again until it is done, while it and its workers are killed; returns how often.

    Three of four kills come after the next shard is done, wherever the others are then; the rest at any time, so that
    starts are disturbed as well.
    """
    chance, killed = random.Random(seed), {"command": 0, "worker": 0, "machine": 0}

    def done() -> int:
        return len(list((output / "manifests").glob("*.json")))

    while True:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            if sum(killed.values()) == kills:
                process.wait()
                break
            before = done() if chance.random() < 0.75 else -1
            while done() <= before and process.poll() is None:
                time.sleep(0.05)
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, 0.6 * seconds / kills))
                break
            with suppress(psutil.Error, ProcessLookupError):
                workers = workers_of(process, cluster)
                what = "worker" if workers and chance.random() < 0.5 else "command"
                if cluster is not None:
                    what = ("machine", "worker", "command")[sum(killed.values()) % 3]
                if what == "machine":
                    cluster.remove_node(chance.choice(list(cluster.worker_nodes)), allow_graceful=False)
                    add_node(cluster, num_cpus=1)
                elif workers or what == "command":
                    os.kill(chance.choice(workers).pid if what == "worker" else process.pid, signal.SIGKILL)
                else:
                    continue
                killed[what] += 1
        if process.wait() == 0:
            return killed


def digests(output: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of answers."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (output / "answers").iterdir()}


def times_there(output: Path, rows: int) -> np.ndarray:
    """Return how often each id has an answer."""
    there = np.zeros(rows, dtype=np.int32)
    for file in (output / "answers").iterdir():
        np.add.at(there, parquet.read_table(file, columns=["id"])["id"].to_numpy(), 1)
    return there


def kills(said: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Score undisturbed and under fire, and compare."""
    bundle, rows = make_bundle(folder), make_rows(folder / f"rows-{said.rows}", said.rows)
    for name in ("whole", "killed"):
        shutil.rmtree(folder / name, ignore_errors=True)
    words = [command(said, bundle, rows, folder / name) for name in ("whole", "killed")]
    with cluster_here(said, 0, *[1] * said.workers) as cluster:
        seconds, thirds = scored(words[0], cluster)
        print(f"undisturbed: {said.rows:,} rows in {seconds:.1f} s, {said.rows / seconds:,.0f} rows/s", flush=True)
        killed = scored_under_fire(words[1], folder / "killed", said.kills, seconds, said.seed, cluster)
    there = times_there(folder / "killed", said.rows)
    return {
        "rows": said.rows,
        "killed": killed,
        "equal": digests(folder / "whole") == digests(folder / "killed"),
        "lost": int((there == 0).sum()),
        "twice": int((there > 1).sum()),
        "left": sorted(path.name for path in (folder / "killed").iterdir()),
        "memory_mb": [round(one) for one in thirds],
    }


def score_plainly(bundle: Path, files: list[Path], output: Path) -> float:
    """Score files one after another with one thread, without shards, manifests or locks; returns the seconds."""
    from slmbench.edge import Classifier

    classifier = Classifier(bundle, threads=1)
    rows: dict[str, list] = {"id": [], "predicted_label": [], "predicted_score": []}
    rows |= {f"score_{label}": [] for label in classifier.labels}
    writer, began = None, time.monotonic()
    for file in files:
        for batch in parquet.ParquetFile(file).iter_batches(4096):
            answers = classifier.stream(batch["text"].to_pylist())
            for number, answer in zip(batch["id"].to_pylist(), answers, strict=True):
                values = [
                    number,
                    answer.label,
                    round(answer.score, 6),
                    *(round(one, 6) for one in answer.scores.values()),
                ]
                for column, value in zip(rows.values(), values, strict=True):
                    column.append(value)
            table = pyarrow.table(rows)
            writer = writer or parquet.ParquetWriter(output, table.schema)
            writer.write_table(table)
            for column in rows.values():
                column.clear()
    if writer:
        writer.close()
    return time.monotonic() - began


def steady_rate(output: Path, rows: int, workers: int) -> float:
    """Return the rows a second of each worker from the first manifest of all on."""
    done = sorted(file.stat().st_mtime for file in (output / "manifests").iterdir())
    return rows * (len(done) - workers) / len(done) / (done[-1] - done[workers - 1]) / workers


def throughput(said: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Score in turns with the command and with plain processes, and compare the rates without their starts."""
    bundle, rows = make_bundle(folder), make_rows(folder / f"rows-{said.rows}", said.rows)
    name = said.engine or "shards"
    files, found = sorted(rows.iterdir()), {"plain": [], name: []}
    for turn in range(said.rounds):
        for what in ("plain", name) if turn % 2 == 0 else (name, "plain"):
            shutil.rmtree(folder / "whole", ignore_errors=True)
            began = time.monotonic()
            if what == "plain":
                shares = [
                    (bundle, files[at :: said.workers], folder / f"plain-{at}.parquet") for at in range(said.workers)
                ]
                with multiprocessing.get_context("spawn").Pool(said.workers) as pool:
                    rate = said.rows / said.workers / float(np.mean(pool.starmap(score_plainly, shares)))
            else:
                with cluster_here(said, said.workers):
                    words = command(said, bundle, rows, folder / "whole")
                    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
                rate = steady_rate(folder / "whole", said.rows, said.workers)
            found[what].append(round(rate))
            print(f"{what}: {rate:,.0f} rows/s a worker, {time.monotonic() - began:.1f} s in all", flush=True)
    medians = {what: float(np.median(rates)) for what, rates in found.items()}
    return {
        "rows": said.rows,
        "workers": said.workers,
        **found,
        "ratio": round(medians[name] / medians["plain"], 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["kills", "throughput"])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--engine", choices=["ray"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="Keep rows and answers there.")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = said.folder or Path(scratch)
        print(json.dumps((kills if said.what == "kills" else throughput)(said, folder)))


if __name__ == "__main__":
    main()
