"""Record one session of measurement for ``operating_characteristics.py``: a few small cells, in turns.

    python benchmarks/record_session.py exported/quickstart-tfidf exported/quickstart-bert-tiny

Every accepted form of the bundles is profiled in fresh processes, one process of each cell in turn, in an order drawn
again for each turn; before each turn a fixed workload of the processor is timed, the sentinel. Three cells take about
a minute. The file of about 8 kB in ``benchmarks/sessions`` is described in ``recorded_sessions.py``.

Sessions of the same files on the same kind of machine are compared: record the same bundles every time, hours apart,
with nothing else running.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from recorded_sessions import MACHINE_KEYS, REVIEWS, SESSIONS, write_session
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace

from slmbench.common.version import __version__
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.profiling import profile
from slmbench.records import BundleRecord, ProfileRecord, read_record


def make_sentinel() -> Callable[[], dict[str, float]]:
    """Return a function that does three kinds of work of inference and says how long each took (ms, medians)."""
    generator = np.random.default_rng(0)
    matrix = generator.standard_normal((256, 256), dtype=np.float32)
    source = np.ones(32 << 20, dtype=np.uint8)
    target = np.empty_like(source)
    text = " ".join(f"word{number}" for number in generator.integers(0, 10_000, 3000))
    pieces = ["[UNK]", "word", "w", "o", "r", "d", *(f"##{number}" for number in range(100))]
    tokenizer = Tokenizer(WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    kinds: dict[str, Callable[[], Any]] = {
        "gemm": lambda: [matrix @ matrix for _ in range(8)],
        "copy": lambda: np.copyto(target, source),
        "text": lambda: tokenizer.encode(text),
    }

    def milliseconds(work: Callable[[], Any]) -> float:
        began = time.perf_counter_ns()
        work()
        return (time.perf_counter_ns() - began) / 1e6

    def run() -> dict[str, float]:
        rounds = [{kind: milliseconds(work) for kind, work in kinds.items()} for _ in range(6)][1:]
        return {kind: float(f"{np.median([one[kind] for one in rounds]):.4g}") for kind in kinds}

    return run


def find_cells(bundles: list[Path]) -> list[tuple[Path, str]]:
    """Return the accepted forms of bundles, or of the bundles in folders."""
    folders = [
        found.parent for path in bundles for found in sorted([*path.glob("bundle.json"), *path.glob("*/bundle.json")])
    ]
    return [
        (folder, form)
        for folder in folders
        for form, what in read_record(BundleRecord, folder / "bundle.json").forms.items()
        if what.accepted
    ]


def one_process(bundle: Path, form: str, time_limit_s: float) -> ProfileRecord:
    """Profile a cell in one fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        (record,) = profile([bundle], forms=(form,), processes=1, time_limit_s=time_limit_s, output=folder)
    return record


def per_review(record: ProfileRecord) -> list[float]:
    """Return the median time of each of the first reviews, with four digits."""
    (samples,) = record.latency.processes_ms
    reviews = record.latency.reviews or len(samples)
    return [float(f"{np.median(samples[row::reviews]):.4g}") for row in range(min(REVIEWS, reviews, len(samples)))]


def record_session(bundles: list[Path], turns: int, time_limit_s: float) -> dict[str, Any]:
    """Measure and return the session."""
    cells, hardware = find_cells(bundles), hardware_fingerprint()
    if not cells:
        raise SystemExit(f"no bundle with an accepted form in {', '.join(map(str, bundles))}")
    session: dict[str, Any] = {
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {key: hardware[key] for key in MACHINE_KEYS if key in hardware},
        "slmbench": __version__,
        "sentinel_ms": [],
        "cells": {},
    }
    order, sentinel = np.random.default_rng(), make_sentinel()
    for turn in range(turns):
        session["sentinel_ms"].append(sentinel())
        for number in order.permutation(len(cells)):
            folder, form = cells[number]
            record = one_process(folder, form, time_limit_s)
            name = f"{record.bundle} {record.form}"
            print(f"turn {turn + 1} of {turns}: {name} {record.latency.p50_ms:.3g} ms", flush=True)
            cell = session["cells"].setdefault(
                name, {"form_sha256": record.form_sha256, "reviews": record.corpus.test_hash, "processes_ms": []}
            )
            cell["processes_ms"].append(per_review(record))
    session["cells"] = dict(sorted(session["cells"].items()))
    return session


def main() -> int:
    """Measure and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", type=Path, help="folders of bundles, small ones")
    parser.add_argument("--turns", type=int, default=3, help="fresh processes of each cell")
    parser.add_argument("--time-limit", type=float, default=2.0, help="maximum sampling time of a process (s)")
    parser.add_argument("--output", type=Path, default=SESSIONS)
    arguments = parser.parse_args()
    began = time.monotonic()
    session = record_session(arguments.bundles, arguments.turns, arguments.time_limit)
    file = write_session(session, arguments.output)
    print(f"{file}: {file.stat().st_size / 1e3:.1f} kB, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
