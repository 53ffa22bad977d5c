"""Start-up: `slmbench --help`, and one prediction from a fresh process through slmbench.edge.

    python benchmarks/cold_start.py [BUNDLE] [--form int8] [--runs 7]

Each run is a process of its own; printed are the median and the largest of the wall time (interpreter start
included) and of the kernel's memory high-water mark. That torch is not loaded is checked, not assumed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

PREDICT = """
import sys
from slmbench.edge import Classifier
label = Classifier(sys.argv[1], form=sys.argv[2]).predict("A superb film, well worth the evening.")[0].label
from slmbench.edge.memory import high_water_mark
import json
print(json.dumps({"label": label, "peak": high_water_mark()[0], "torch": "torch" in sys.modules}))
"""


def timed(words: list[str]) -> tuple[float, str]:
    """Run a command; returns its wall time in seconds and what it printed."""
    began = time.perf_counter()
    answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return time.perf_counter() - began, answer


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", default="exported/quickstart-minilm-l6")
    parser.add_argument("--form", default="int8")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()

    from slmbench.hardware import hardware_fingerprint

    print(hardware_fingerprint()["machine"])
    python = sys.executable
    seconds = [timed([python, "-m", "slmbench.cli.app", "--help"])[0] for _ in range(arguments.runs)]
    print(f"slmbench --help: median {statistics.median(seconds):.3f} s, largest {max(seconds):.3f} s")
    runs = [timed([python, "-c", PREDICT, arguments.bundle, arguments.form]) for _ in range(arguments.runs)]
    answers = [json.loads(answer) for _, answer in runs]
    if any(answer["torch"] for answer in answers):
        raise SystemExit("torch was loaded: this is not the edge runtime alone")
    seconds = [wall for wall, _ in runs]
    peaks = [answer["peak"] / 1e6 for answer in answers]
    print(
        f"load and first prediction, {arguments.bundle} {arguments.form}:"
        f" median {statistics.median(seconds):.3f} s, largest {max(seconds):.3f} s;"
        f" peak {statistics.median(peaks):.0f} MB, largest {max(peaks):.0f} MB; torch absent"
    )


if __name__ == "__main__":
    main()
