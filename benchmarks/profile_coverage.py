"""Coverage of the confidence intervals of ``slmbench profile``.

    python benchmarks/profile_coverage.py [BUNDLE] [--form int8] [--times 10] [--time-limit 9] [--keep FOLDER]

One cell is profiled ten times. Each profile has a 95 % interval of its median latency; the script prints how many
of them cover the median over all samples of all profiles. Of ten intervals at 95 %, nine or more cover in 91 % of
cases (binomial distribution). Finished profiles are kept in ``--keep`` and not repeated when the command is run
again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from slmbench.profiling import ProfileOptions, profile
from slmbench.records import ProfileRecord, read_record


def main() -> int:
    """Run and print; the exit status is 1 when fewer than nine in ten cover."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("exported/bert-tiny-imdb"))
    parser.add_argument("--form", default="int8-portable")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--processes", type=int, default=ProfileOptions().processes)
    parser.add_argument("--time-limit", type=float, default=9.0)
    parser.add_argument("--keep", type=Path, default=Path("build/profile-coverage"))
    arguments = parser.parse_args()

    options = ProfileOptions(
        forms=(arguments.form,), processes=arguments.processes, time_limit_s=arguments.time_limit
    )
    setting = f"{arguments.bundle.name}-{arguments.form}-{arguments.processes}x-{arguments.time_limit:g}s"
    records: list[ProfileRecord] = []
    for number in range(arguments.times):
        folder = arguments.keep / f"{setting}-{number:02}"
        done = sorted(folder.glob("*.json"))
        if not done:
            list(profile([arguments.bundle], options, output=folder))
            done = sorted(folder.glob("*.json"))
        records.append(read_record(ProfileRecord, done[0]))

    # Each profile has the same weight, whatever its number of samples.
    fewest = min(len(record.latency.samples_ms) for record in records)
    generator = np.random.default_rng(0)
    pooled = np.concatenate(
        [generator.choice(record.latency.samples_ms, fewest, replace=False) for record in records]
    )
    median = float(np.median(pooled))
    print(f"{arguments.bundle} {arguments.form}: median of all {arguments.times} profiles {median:.4g} ms")
    covered = 0
    for number, record in enumerate(records):
        low, high = record.latency.ci95_ms or (float("nan"), float("nan"))
        covers = low <= median <= high
        covered += covers
        print(
            f"{number:2}: {record.latency.p50_ms:.4g} ms [{low:.4g}-{high:.4g}]"
            f" half-width {50 * (high - low) / record.latency.p50_ms:.1f} %, {len(record.latency.samples_ms)} samples"
            f"{'' if covers else '  does not cover'}"
        )
    print(f"{covered} of {arguments.times} intervals cover the pooled median")
    return int(covered < 0.9 * arguments.times)


if __name__ == "__main__":
    sys.exit(main())
