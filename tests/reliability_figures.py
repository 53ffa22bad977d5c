"""Print the figures of docs/reliability.md: ``python tests/reliability_figures.py``.

Attacks, sizes of disks and the like are what pytest collects, one test each; kills and inputs are counted where the
tests have their numbers.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
sys.path += [str(TESTS), str(TESTS / "faults"), str(TESTS / "fuzz")]
FILES = (
    "faults/test_faults_full_disk.py",
    "faults/test_faults_interrupted.py",
    "faults/test_faults_killed.py",
    "faults/test_faults_network.py",
    "faults/test_faults_processes.py",
    "faults/test_faults_together.py",
    "fuzz/test_fuzz_readers.py",
    "cli/test_cli_odd_places.py",
    "cli/test_cli_strangers.py",
    "edge/test_edge_strangers.py",
    "export/test_export_signature.py",
    "instruments/test_strange_folder.py",
    "records/test_records_strangers.py",
    "report/test_report_strangers.py",
    "scoring/test_scoring_strangers.py",
)


class Collected:
    """A plug-in of pytest that counts tests by file and marker."""

    def __init__(self):
        self.usual, self.hard = Counter(), Counter()

    def pytest_collection_modifyitems(self, items):
        for item in items:
            counter = self.hard if item.get_closest_marker("hard") else self.usual
            counter[str(Path(item.path).relative_to(TESTS))] += 1


def main() -> None:
    """Collect, count and print."""
    collected = Collected()
    options = ["--collect-only", "-p", "no:terminal", "-p", "no:xdist", "-o", "addopts="]
    status = pytest.main([*options, *(str(TESTS / file) for file in FILES)], plugins=[collected])
    if status:
        sys.exit(f"pytest could not collect the tests: status {int(status)}")
    import fuzz_readers
    import test_faults_killed as kills
    import test_fuzz_readers as fuzz

    print("| file | tests in `make test` | more in `make test-hard` |\n|---|---|---|")
    for file in FILES:
        print(f"| `tests/{file}` | {collected.usual[file]} | {collected.hard[file]} |")
    at_operations = {name: most for name, (most, _) in kills.HARD.items()}
    with_processes = len(kills.WITH_PROCESSES) * len(kills.SECONDS) * len(kills.SIGNALS)
    print(f"\nkills at file operations: {sum(at_operations.values())} {at_operations}")
    print(f"kills while processes of a command are at work: {with_processes} {kills.WITH_PROCESSES}")
    print(f"readers that are fuzzed: {len(fuzz_readers.NAMES)} ({', '.join(fuzz_readers.NAMES)})")
    print(f"inputs a reader: {fuzz.ALL:,} changed, {fuzz.EXAMPLES:,} of hypothesis, {fuzz.ALL:,} guided by coverage")


if __name__ == "__main__":
    main()
