"""Agreement of ``slmbench profile`` with a plain onnxruntime loop and with the peak memory that the system reports.

    python benchmarks/profile_agreement.py [BUNDLE] [--forms fp32 int8] [--rounds 6] [--time-limit 10] [--keep FOLDER]

Time is compared with a script that does not use slmbench: a tokenizer, an onnxruntime session, one review at a
time, the same reviews as the profile, the same threads. Memory is compared with what the system reports for an app
that uses slmbench.edge for as many reviews, a different counter of a different process: ``/usr/bin/time -v`` if it
is installed, else ``getrusage`` in the parent. (The plain script's own peak is printed too but not judged, because
it does not check the bundle's files.) The processes of a round run one after the other and are compared with each
other; the result is the median of the rounds' ratios, so that a slow phase of the machine does not affect only one
side. Finished rounds are kept in ``--keep``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from slmbench.common.progress import SILENT
from slmbench.instruments.hardware import usable_cores
from slmbench.profiling import ProfileOptions, profile
from slmbench.profiling.workload import choose_workload
from slmbench.records import BundleRecord, ProfileRecord, read_record

INDEPENDENT = """
import json, sys, time
import numpy, onnxruntime
from tokenizers import Tokenizer

folder, model, threads, reviews, count = sys.argv[1:]
texts = json.load(open(reviews, encoding="utf-8"))
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
tokenizer.no_padding()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(folder + "/" + model, options, providers=["CPUExecutionProvider"])
names = [node.name for node in session.get_inputs()]

def classify(text):
    encoding = tokenizer.encode(text)
    columns = dict(input_ids=encoding.ids, attention_mask=encoding.attention_mask, token_type_ids=encoding.type_ids)
    logits = session.run(["logits"], {name: numpy.array([columns[name]], dtype=numpy.int64) for name in names})[0][0]
    shifted = numpy.exp(logits - logits.max())
    return int((shifted / shifted.sum()).argmax())

for text in texts[:50]:
    classify(text)
taken = []
for number in range(int(count)):
    began = time.perf_counter()
    classify(texts[number % len(texts)])
    taken.append((time.perf_counter() - began) * 1e3)
print(json.dumps(taken))
"""
APP = """
import json, sys
from slmbench.edge import Classifier

folder, form, threads, reviews, count = sys.argv[1:]
classifier = Classifier(folder, form=form, threads=int(threads))
texts = json.load(open(reviews, encoding="utf-8"))
for number in range(int(count)):
    classifier.predict(texts[number % len(texts)])
"""
TIME = shutil.which("time", path="/usr/bin:/bin")
#: Run in the child of a child, so that the figure is that of a single process.
RUSAGE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("Maximum resident set size (kbytes):", peak // (1024 if sys.platform == "darwin" else 1), file=sys.stderr)
"""


def watched(script: str, *arguments: str) -> tuple[str, int]:
    """Run a script in a separate process; returns what it printed and its peak memory in bytes."""
    watcher = [TIME, "-v"] if TIME and sys.platform.startswith("linux") else [sys.executable, "-c", RUSAGE]
    done = subprocess.run(
        [*watcher, sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"},
    )
    peak = re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr)
    if peak is None:
        raise SystemExit("neither /usr/bin/time -v nor getrusage reported the peak memory")
    return done.stdout, int(peak[1]) * 1024


def one_round(bundle: Path, form: str, reviews: Path, time_limit: float, keep: Path) -> dict:
    """Measure one round both ways, or read its result if there is one."""
    path = keep / "round.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    options = ProfileOptions(forms=(form,), processes=1, time_limit_s=time_limit)
    (record,) = profile([bundle], options, output=keep)
    record = read_record(ProfileRecord, keep / f"{record.name}.json")
    model = read_record(BundleRecord, bundle / "bundle.json").forms[form].file
    count, threads = len(record.latency.samples_ms), str(usable_cores())
    said, plain_peak = watched(INDEPENDENT, str(bundle), model, threads, str(reviews), str(count))
    _, app_peak = watched(APP, str(bundle), form, threads, str(reviews), str(count))
    found = {
        "profile_ms": record.latency.p50_ms,
        "plain_ms": statistics.median(json.loads(said.splitlines()[-1])),
        "samples": count,
        "profile_bytes": record.memory.peak_bytes,
        "app_bytes": app_peak,
        "plain_bytes": plain_peak,
    }
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def main() -> int:
    """Run and print; the exit status is 1 when something is off by more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("exported/bert-tiny-imdb"))
    parser.add_argument("--forms", nargs="+", default=["int8-portable"])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--time-limit", type=float, default=10.0)
    parser.add_argument("--keep", type=Path, default=Path("build/profile-agreement"))
    arguments = parser.parse_args()

    arguments.keep.mkdir(parents=True, exist_ok=True)
    record = read_record(BundleRecord, arguments.bundle / "bundle.json")
    reviews = arguments.keep / f"{arguments.bundle.name}-reviews.json"
    workload = choose_workload(record, arguments.bundle, SILENT)
    reviews.write_text(json.dumps(workload.texts), encoding="utf-8")
    print(
        f"{arguments.bundle}: {len(workload.texts)} {workload.identity.inputs}, {arguments.rounds} alternating rounds"
    )
    off = 0
    for form in [form for form in arguments.forms if form in record.forms]:
        rounds = [
            one_round(
                arguments.bundle,
                form,
                reviews,
                arguments.time_limit,
                arguments.keep / f"{arguments.bundle.name}-{form}-{arguments.time_limit:g}s-{number:02}",
            )
            for number in range(arguments.rounds)
        ]
        for what, theirs, judged in (
            ("median ms", "plain_ms", True),
            ("peak MB", "app_bytes", True),
            ("peak MB", "plain_bytes", False),
        ):
            ours, scale = ("profile_ms", 1.0) if what == "median ms" else ("profile_bytes", 1e6)
            mine, other = (statistics.median(one[key] for one in rounds) / scale for key in (ours, theirs))
            apart = statistics.median(one[ours] / one[theirs] for one in rounds) - 1
            off += judged and abs(apart) > 0.05
            each = ", ".join(f"{100 * (one[ours] / one[theirs] - 1):+.1f}" for one in rounds)
            print(
                f"{form:6} {what:10} profile {mine:8.4g}, {theirs.partition('_')[0]:5} {other:8.4g}:"
                f" {100 * apart:+.1f} %  (rounds: {each}){'' if judged else '  not judged'}"
            )
    print("all within 5 %" if not off else f"{off} off by more than 5 %")
    return int(off > 0)


if __name__ == "__main__":
    sys.exit(main())
