"""How long onnxruntime's threads spin after an answer, and how that affects two bundles timed alternately.

    python benchmarks/thread_spinning.py [BUNDLE] [--form int8]

Two processes of one form answer alternately, four reviews each, with a pause between them. The script prints the
CPU time that a process uses after its answer, and the spread of single ratios of the two, which are equal.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from slmbench.common.progress import SILENT
from slmbench.instruments.hardware import usable_cores
from slmbench.profiling.bundle_cells import find_bundle_cells
from slmbench.profiling.process import MeasuredProcess
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.workload import choose_workload

REVIEWS, TURN = 120, 4
PAUSES_MS = (0, 10, 30, 60)


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process's threads so far, from Linux's scheduler."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("exported/bert-tiny-imdb"))
    parser.add_argument("--form", default="int8-portable")
    said = parser.parse_args()
    options = ProfileOptions(forms=(said.form,))
    (cell,) = find_bundle_cells([said.bundle], options)
    task = {**cell.task(options), "texts": choose_workload(cell.bundle, cell.folder, SILENT).texts}
    with MeasuredProcess(task) as first, MeasuredProcess(task) as second:
        for process in (first, second):
            process.ask({"do": "single", "rows": list(range(50))})
        burnt = []
        for row in range(10):
            time.sleep(0.3)
            first.ask({"do": "single", "rows": [row]})
            before = cpu_ms(first.pid)
            time.sleep(0.3)
            burnt.append(cpu_ms(first.pid) - before)
        print(f"{said.bundle} {said.form}, {usable_cores()} threads")
        print(f"CPU time after an answer: median {np.median(burnt):.0f} ms, largest {max(burnt):.0f} ms")
        for pause in PAUSES_MS:
            taken: tuple[list[float], list[float]] = ([], [])
            for start in range(0, REVIEWS, TURN):
                for process, ms in zip((first, second), taken, strict=True):
                    rows = list(range(start, start + TURN))
                    ms += process.ask({"do": "single", "rows": rows, "lead": True})["ms"]
                    time.sleep(pause / 1e3)
            ratios = np.log(np.array(taken[0]) / np.array(taken[1]))
            print(
                f"pause {pause:2} ms: medians {np.median(taken[0]):.3g} and {np.median(taken[1]):.3g} ms,"
                f" single ratios differ by {100 * (np.exp(ratios.std()) - 1):.0f} % (one standard deviation)"
            )


if __name__ == "__main__":
    main()
