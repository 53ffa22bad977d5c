"""How long `slmbench compare` takes with many stored profiles: the decision, and the report of it.

    python benchmarks/stored_profiles.py [--profiles 200] [--rounds 3] [--versus OTHER_CHECKOUT] [--where]

The profiles are made from the reference profiles in ``profiles/reference``: each copy is a bundle of its own, with
latencies scaled and two per cent of its answers changed, so that each pair is a comparison. Every round is a
fresh process, as the command is; reading the profiles and imports count for the decision. With ``--versus``, another
checkout of slmbench runs in turns with this one. ``--where`` prints the functions in which the time goes instead
(cProfile, CPU time).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: The goals, in seconds for 200 profiles.
GOALS = {"decision": 10.0, "report": 5.0}


def make_profiles(folder: Path, number: int, seed: int = 0) -> None:
    """Write profiles of different bundles on one machine."""
    draw = random.Random(seed)
    sources = [json.loads(file.read_text()) for file in sorted((ROOT / "profiles/reference").glob("*.json"))]
    folder.mkdir(parents=True)
    for index in range(number):
        profile = json.loads(json.dumps(sources[index % len(sources)]))
        profile["bundle"] = f"{profile['bundle']}-{index // len(sources):03}"
        profile["name"] = profile["name"].replace(".", f"-{index // len(sources):03}.", 1)
        scale = draw.lognormvariate(0, 0.5)
        for part, key in (("latency", "processes_ms"), ("throughput", "processes_s")):
            profile[part][key] = [[value * scale for value in run] for run in profile[part][key]]
        rows = profile["predictions"]["probabilities"]
        for row in draw.sample(range(len(rows)), len(rows) // 50):
            rows[row].reverse()
        (folder / f"{profile['name']}.json").write_text(json.dumps(profile), encoding="utf-8")


#: What a fresh process runs, in the folder of the profiles.
CHILD = """
import json, time
began = time.perf_counter()
from pathlib import Path
from slmbench.compare import compare, read_measurements
from slmbench.report import write_report
measured = read_measurements()
record = compare(measured)
decided = time.perf_counter()
write_report(record, measured.profiles, Path("comparisons/all"))
print(json.dumps({"decision": decided - began, "report": time.perf_counter() - decided}))
"""


def timed(checkout: Path, place: Path) -> dict[str, float]:
    """Compare and report in a fresh process of a checkout; returns the wall time of each in seconds."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    words = [sys.executable, "-c", CHILD]
    done = subprocess.run(words, env=environment, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def where(place: Path) -> None:
    """Print the functions that take most time."""
    import cProfile
    import pstats

    from slmbench.compare import compare, read_measurements
    from slmbench.report import write_report

    os.chdir(place)
    decision, report = cProfile.Profile(time.process_time), cProfile.Profile(time.process_time)
    measured = decision.runcall(read_measurements)
    record = decision.runcall(compare, measured)
    report.runcall(write_report, record, measured.profiles, place / "comparisons/all")
    for name, profiler in (("decision", decision), ("report", report)):
        print(f"== {name}")
        for order in ("cumulative", "tottime"):
            pstats.Stats(profiler).sort_stats(order).print_stats(40)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--versus", type=Path, help="another checkout of slmbench, run in turns")
    parser.add_argument("--where", action="store_true", help="print where the time of the decision goes")
    arguments = parser.parse_args()

    from slmbench.instruments.hardware import hardware_fingerprint

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_profiles(place / "profiles", arguments.profiles)
        if arguments.where:
            where(place)
            return
        print(
            f"{hardware_fingerprint()['machine']}; {arguments.profiles} profiles, {arguments.rounds} rounds in turns"
        )
        checkouts = {"this": ROOT, **({"other": arguments.versus} if arguments.versus else {})}
        taken: dict[tuple[str, str], list[float]] = {}
        for _ in range(arguments.rounds):
            for name, checkout in checkouts.items():
                for part, seconds in timed(checkout, place).items():
                    taken.setdefault((name, part), []).append(seconds)
        for (name, part), seconds in taken.items():
            goal = f" (goal {GOALS[part]:g} s for 200)" if name == "this" else ""
            print(
                f"  {part:9} {name:6} median {statistics.median(seconds):6.2f} s, largest {max(seconds):6.2f} s{goal}"
            )


if __name__ == "__main__":
    main()
