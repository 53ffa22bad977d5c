"""Start-up: `slmbench --help`, and one prediction from a fresh process through slmbench.edge and transformers.

    python benchmarks/cold_start.py [BUNDLE] [--run RUN] [--versus CHECKOUT] [--forms int8 fp32] [--threads 1]
                                    [--rounds 7]

With ``--run``, the run that the bundle was exported from, the same model is also measured in transformers' pipeline
(torch), alternating with the bundle's forms. Every prediction runs in a separate process. The script prints the
median and the largest wall time, including interpreter start, the kernel's memory high-water mark, and the medians
of each round's ratios. It checks that the edge runtime does not load torch and that all labels agree.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

TEXT = "A superb film, well worth the evening."
EDGE = """
import sys, time
times = [time.perf_counter()]
from slmbench.edge import Classifier
times.append(time.perf_counter())
threads = int(sys.argv[4]) or None
classifier = Classifier(sys.argv[1], form=sys.argv[2], threads=threads)
times.append(time.perf_counter())
label = classifier.predict(sys.argv[3])[0].label
times.append(time.perf_counter())
steps = [after - before for before, after in zip(times, times[1:])]
"""
#: What the steps are; the rest of the process is the interpreter's start and end.
STEPS = ("imports (numpy)", "loading (onnxruntime, checks, model, tokenizer)", "predicting", "interpreter")
PIPELINE = """
import sys
from transformers import pipeline
classify = pipeline("text-classification", model=sys.argv[1], device="cpu")
label = classify(sys.argv[3], truncation=True)[0]["label"]
steps = None
"""
REPORT = """
import json
from slmbench.instruments.memory import high_water_mark
peak = high_water_mark()[0]
print(json.dumps({"label": label, "peak": peak, "torch": "torch" in sys.modules, "steps": steps}))
"""


def timed(words: list[str], checkout: Path = Path(__file__).parents[1]) -> tuple[float, str]:
    """Run a command with a checkout of slmbench; returns its wall time in seconds and what it printed."""
    # The model is in a folder; without this, transformers would wait for an unreachable hub.
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(checkout)}
    # What is installed has been compiled; the first round does it here.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    # "-c" imports from the present folder first.
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment, cwd=checkout)
    return time.perf_counter() - began, done.stdout


def asked(code: str, model: str, form: str, *checkout: Path, threads: int) -> dict:
    """Run one prediction in a separate process; returns its report and ``seconds``."""
    seconds, answer = timed([sys.executable, "-c", code + REPORT, model, form, TEXT, str(threads)], *checkout)
    return {"seconds": seconds, **json.loads(answer.splitlines()[-1])}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", default="exported/quickstart-minilm-l6")
    parser.add_argument(
        "--run", type=Path, help="run that the bundle was exported from, for the transformers pipeline"
    )
    parser.add_argument("--versus", type=Path, help="another checkout of slmbench, run in turns")
    parser.add_argument("--forms", nargs="+", default=["int8", "fp32"])
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of the edge runtime; 0 is onnxruntime's default"
    )
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    from slmbench.instruments.hardware import hardware_fingerprint

    print(hardware_fingerprint()["machine"])
    seconds = [timed([sys.executable, "-m", "slmbench.cli.app", "--help"])[0] for _ in range(arguments.rounds)]
    print(f"slmbench --help: median {statistics.median(seconds):.3f} s, largest {max(seconds):.3f} s")

    bundle = str(Path(arguments.bundle).resolve())
    ways: dict[str, tuple] = {f"edge {form}": (EDGE, bundle, form) for form in arguments.forms}
    if arguments.versus:
        others = {f"{name}, other": (*way, arguments.versus) for name, way in ways.items()}
        ways = {name: way for pair in zip(ways.items(), others.items(), strict=True) for name, way in pair}
    if arguments.run:
        ways["transformers pipeline"] = (PIPELINE, str((arguments.run / "model").resolve()), "")
    rounds: dict[str, list[dict]] = {name: [] for name in ways}
    # Alternating, so that slow phases of the machine affect all of them; the first round only fills the page cache.
    for number in range(arguments.rounds + 1):
        for name, way in ways.items():
            found = asked(*way, threads=arguments.threads)
            if number:
                rounds[name].append(found)
    if any(found["torch"] for name, answers in rounds.items() if name.startswith("edge") for found in answers):
        raise SystemExit("the edge runtime loaded torch")
    if len(labels := {found["label"] for answers in rounds.values() for found in answers}) > 1:
        raise SystemExit(f"the labels differ: {', '.join(sorted(labels))}")

    print(f"one prediction, whole process, {arguments.rounds} alternating rounds, {arguments.bundle}:")
    for name, answers in rounds.items():
        walls, peaks = ([found[key] for found in answers] for key in ("seconds", "peak"))
        print(
            f"  {name:22} median {statistics.median(walls):6.3f} s, largest {max(walls):6.3f} s;"
            f" peak {statistics.median(peaks) / 1e6:5.0f} MB, largest {max(peaks) / 1e6:5.0f} MB"
        )
        if all(found["steps"] for found in answers):
            parts = [[*found["steps"], found["seconds"] - sum(found["steps"])] for found in answers]
            medians = [statistics.median(times) for times in zip(*parts, strict=True)]
            print("    " + ", ".join(f"{what} {took:.3f} s" for what, took in zip(STEPS, medians, strict=True)))
    for name, answers in rounds.items():
        if arguments.run and name != "transformers pipeline":
            pairs = list(zip(rounds["transformers pipeline"], answers, strict=True))
            time_ratio, peak_ratio = (
                statistics.median(slow[key] / fast[key] for slow, fast in pairs) for key in ("seconds", "peak")
            )
            print(f"  {name}: 1/{time_ratio:.1f} of the pipeline's time, 1/{peak_ratio:.1f} of its memory")


if __name__ == "__main__":
    main()
