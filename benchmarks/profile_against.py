"""Error rates of ``slmbench versus``: equal bundles called different, and planted slowdowns missed.

    python benchmarks/profile_against.py [BUNDLE] [--form int8] [--tries 20] [--planted 5] [--slowdown 10]
                                         [--time-limit 6] [--keep FOLDER]

The bundle is compared with itself ``--tries`` times, and ``--planted`` times with a slowed copy of itself as the
first of the two: its worker waits after each answer for a share of the answer's time. The script prints the ratios
with their intervals and how often the two were called different, which is expected for 5 % of equal pairs. Finished
tries are kept in ``--keep`` and not repeated when the command is run again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from slmbench.profiling import ProfileOptions, process
from slmbench.profiling.versus import PAIRS, versus
from slmbench.records import read_record
from slmbench.records.versus import VersusRecord

#: A worker that waits after each answer of the bundle whose folder's name ends with "slowed".
SLOWED_WORKER = """
import time
from slmbench.edge.runtime import Classifier
from slmbench.profiling import worker

share, answer, load = {share}, Classifier.predict, Classifier.__init__

def load_and_note(self, path, **more):
    self.slowed = path.name.endswith("slowed")
    load(self, path, **more)

def answer_slowly(self, texts, **more):
    began = time.perf_counter()
    found = answer(self, texts, **more)
    if self.slowed:
        until = began + (1 + share) * (time.perf_counter() - began)
        while time.perf_counter() < until:
            pass
    return found

Classifier.__init__, Classifier.predict = load_and_note, answer_slowly
worker.main()
"""


def tried(first: Path, second: Path, path: Path, options: ProfileOptions) -> VersusRecord:
    """Measure one try, or read its record if there is one."""
    if path.is_file():
        return read_record(VersusRecord, path)
    record = versus(str(first), str(second), options, output=path.parent)
    (path.parent / f"{record.name}.json").replace(path)
    return record


def main() -> int:
    """Run and print; the exit status is 1 when a planted slowdown was missed or equals differ too often."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("exported/bert-tiny-imdb"))
    parser.add_argument("--form", default="int8-portable")
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--planted", type=int, default=5)
    parser.add_argument("--slowdown", type=float, default=10.0, help="per cent")
    parser.add_argument("--time-limit", type=float, default=6.0)
    parser.add_argument("--keep", type=Path, default=Path("build/profile-against"))
    arguments = parser.parse_args()

    options = ProfileOptions(forms=(arguments.form,), processes=PAIRS, time_limit_s=arguments.time_limit)
    arguments.keep.mkdir(parents=True, exist_ok=True)
    slowed = arguments.keep / f"{arguments.bundle.resolve().name}-slowed"
    if not slowed.exists():
        slowed.symlink_to(arguments.bundle.resolve(), target_is_directory=True)

    print(
        f"{arguments.bundle} {arguments.form}, {PAIRS} pairs of processes a try, {arguments.time_limit:g} s to sample"
    )
    setting = f"{arguments.bundle.name}-{arguments.form}-{arguments.time_limit:g}s"
    counts = {}
    for kind, first, tries in (("equal", arguments.bundle, arguments.tries), ("planted", slowed, arguments.planted)):
        name = setting if kind == "equal" else f"{setting}-{arguments.slowdown:g}percent"
        if kind == "planted":
            process.WORKER = ("-c", SLOWED_WORKER.format(share=arguments.slowdown / 100))
        records = []
        for number in range(tries):
            path = arguments.keep / f"{kind}-{name}-{number:02}.json"
            records.append(tried(first, arguments.bundle, path, options))
            low, high = records[-1].ratio.ci95 or (float("nan"), float("nan"))
            verdict = records[-1].verdict
            print(f"{kind:8} {number:2}: {records[-1].ratio.value:.3f} [{low:.3f}-{high:.3f}] {verdict}", flush=True)
        counts[kind] = [record.verdict for record in records]
        counts[f"{kind} gates"] = [record.gate(0.05) for record in records]

    different = sum(verdict in ("faster", "slower") for verdict in counts["equal"])
    found = counts["planted"].count("slower")
    print(f"equal: called different {different} of {arguments.tries}, expected {0.05 * arguments.tries:g}")
    print(f"equal: --fail-if-slower 5%: {gates_of(counts['equal gates'])}")
    print(f"planted {arguments.slowdown:g} %: called slower {found} of {arguments.planted}")
    print(f"planted: --fail-if-slower 5%: {gates_of(counts['planted gates'])}")
    # Of twenty tries at 5 % each, more than three differ with a probability of 1.6 %, which is not chance.
    return int(found < arguments.planted or different > 3 * max(1.0, 0.05 * arguments.tries))


def gates_of(results: list[str]) -> str:
    """Return how many gates passed, failed and were inconclusive."""
    return ", ".join(f"{results.count(result)} {result}" for result in ("pass", "fail", "inconclusive"))


if __name__ == "__main__":
    sys.exit(main())
