"""The forms of a model on this processor, and on it with instruction sets hidden: speed, changed labels, accuracy.

    python benchmarks/forms_by_cpu.py BUNDLE [--forms fp32 int8 int8-portable …] [--as all avx2]
                                             [--labels 400] [--timed 40] [--rounds 3] [--made FOLDER]

Forms are made of the bundle's fp32 file, for VNNI whatever this processor has; ``FORM@openvino`` runs one in
OpenVINO. Every form has a process of its own. Test reviews of the bundle are answered one at a time: all of
``--labels`` once, then ``--timed`` of them in turns by all forms. Times are of the processor, with one thread; ratios
are medians of paired times.

Libraries choose their kernels by what the processor says of itself (CPUID). ``--as avx2`` (or ``avx_vnni``,
``avx512``, ``avx512_vnni``) compiles ``cpuid_mask.c`` and hides what such a processor lacks, on Linux where CPUID can
be trapped. The kernels are then the right ones, so the labels are those that such a processor gives. The times are
of these kernels on this processor: its clock, caches and memory are not those of an older one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from slmbench.edge import runtime  # every process imports this file: the rest where it is used

#: Reviews that a form answers one after the other before it is another's turn.
TURN = 8
#: Of the kernel's names of features: the bits of CPUID's leaf 7 in EBX, ECX, EDX, and in EAX of its first subleaf
#: (Intel's manual, volume 2A, table 3-8).
AVX512, VNNI, AMX = "avx512", "avx512_vnni", "amx"
BITS = {
    AVX512: (1 << 16 | 1 << 17 | 1 << 21 | 1 << 28 | 1 << 30 | 1 << 31, 1 << 1 | 1 << 6 | 1 << 12 | 1 << 14, 0, 0),
    VNNI: (0, 1 << 11, 1 << 8 | 1 << 23, 1 << 5),
    "avx_vnni": (0, 0, 0, 1 << 4),
    AMX: (0, 0, 1 << 22 | 1 << 24 | 1 << 25, 1 << 21),
}
#: What is hidden, by the kind of processor that is left.
KINDS = {
    "all": (),
    "avx512_vnni": (AMX,),
    "avx512": (AMX, VNNI, "avx_vnni"),
    "avx_vnni": (AMX, VNNI, AVX512),
    "avx2": (AMX, VNNI, AVX512, "avx_vnni"),
}


@contextmanager
def hidden(kind: str, folder: Path) -> Iterator[None]:
    """Have processes that are started meanwhile be on a processor of a kind."""
    before = dict(os.environ)
    if KINDS[kind]:
        library = folder / "cpuid_mask.so"
        if not library.is_file():
            source = Path(__file__).with_name("cpuid_mask.c")
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
        bits = [0, 0, 0, 0]
        for name in KINDS[kind]:
            bits = [one | other for one, other in zip(bits, BITS[name], strict=True)]
        os.environ.update(LD_PRELOAD=str(library), CPUID_HIDE=",".join(f"{one:x}" for one in bits))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def flags(kind: str) -> str:
    """Return what the kernel would say of a processor of a kind."""
    information = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    found = next(line for line in information if line.startswith("flags"))
    key, _, names = found.partition(":")
    gone = KINDS[kind]
    without = {"avx512_vnni", "avx512_bf16", "avx512_fp16"} if VNNI in gone else set()
    left = [
        name
        for name in names.split()
        if name not in without and name not in gone and not name.startswith(tuple({AMX, AVX512} & set(gone)))
    ]
    return f"{key}: {' '.join(left)}\n"


def serve(folder: Path, file: Path, provider: str, kind: str, texts: list[str], pipe: Connection) -> None:
    """Answer rows of the texts with logits and milliseconds of each."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as information:
        information.write(flags(kind))
        information.flush()
        runtime.CPU_INFORMATION = Path(information.name)
        backend = runtime.OnnxBackend(folder, file, 1, provider)
    items = backend.encode(texts)
    backend.logits(items[:1])
    pipe.send(None)
    while (rows := pipe.recv()) is not None:
        logits, times = [], []
        for row in rows:
            began = time.process_time()
            logits.append(backend.logits([items[row]])[0])
            times.append(1000 * (time.process_time() - began))
        pipe.send((np.stack(logits), times))
    # onnxruntime and OpenVINO may end badly where CPUID is trapped.
    os._exit(0)


def make(bundle: Path, fp32: Path, names: list[str], texts: list[str], folder: Path) -> dict[str, Path]:
    """Return the file of each form; those that are not in the folder are made."""
    from slmbench.export.builder import FormBuilder
    from slmbench.export.forms import DEFAULT_CALIBRATION, FORMS
    from slmbench.export.graph import unweighted_nodes

    builder = FormBuilder(bundle, folder, fp32, texts, DEFAULT_CALIBRATION.method, "avx512_vnni")
    for name in ("tokenizer.json", "config.json"):  # for calibration
        (folder / name).write_bytes((bundle / name).read_bytes())
    files = {"fp32": fp32}
    for name in names:
        form = FORMS[name]
        files.setdefault(name, folder / f"{name}.onnx")
        if not files[name].is_file():
            source = builder.fused if form.source == "fused" else fp32
            form.make(builder, files[name], unweighted_nodes(source) if form.quantized else [])
    builder.remove_scratch_files()
    return files


def main() -> None:
    """Make, run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--forms", nargs="+", default=["fp32", "fused", "int8", "int8-portable", "int8-static"])
    parser.add_argument("--as", dest="kinds", nargs="+", default=["all"], choices=KINDS)
    parser.add_argument("--labels", type=int, default=400, help="reviews that are answered once")
    parser.add_argument("--timed", type=int, default=40, help="of them those that are timed, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--made", type=Path, help="folder in which the forms that are made are kept")
    said = parser.parse_args()

    from slmbench.corpora import load_again
    from slmbench.export.forms import DEFAULT_CALIBRATION
    from slmbench.instruments.hardware import hardware_fingerprint
    from slmbench.records import BundleRecord, artefacts
    from slmbench.statistics import paired_ratio

    record = artefacts.read(said.bundle, BundleRecord)
    corpus = load_again(record.corpus.options, record.corpus.test_hash)
    texts, truth = corpus.test.texts[: said.labels], np.array(corpus.test.labels[: said.labels])
    ways = list(dict.fromkeys(["fp32", *said.forms]))
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch:
        folder = said.made or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        calibration = corpus.train.texts[: DEFAULT_CALIBRATION.reviews]
        fp32 = said.bundle / record.forms["fp32"].file
        files = make(said.bundle, fp32, [way.partition("@")[0] for way in ways], calibration, folder)
        pipes: dict[tuple[str, str], Connection] = {}
        for kind in said.kinds:
            for way in ways:
                name, _, provider = way.partition("@")
                pipe, other = context.Pipe()
                with hidden(kind, folder):
                    given = (said.bundle, files[name], provider or "cpu", kind, texts, other)
                    context.Process(target=serve, args=given, daemon=True).start()
                other.close()
                pipes[kind, way] = pipe
        for pipe in pipes.values():
            pipe.recv()

        def ask(key: tuple[str, str], rows: list[int]) -> tuple[np.ndarray, list[float]]:
            pipes[key].send(rows)
            return pipes[key].recv()

        timed = min(said.timed, len(texts))
        logits = {key: ask(key, list(range(len(texts))))[0] for key in pipes}
        times: dict[tuple[str, str], list[list[float]]] = {key: [[] for _ in range(said.rounds)] for key in pipes}
        for number in range(said.rounds):
            for first in range(0, timed, TURN):
                rows = list(range(first, min(first + TURN, timed)))
                turn = list(pipes)[:: 1 if (first // TURN + number) % 2 == 0 else -1]
                for key in turn:
                    # The last one once more before: what another process has put into the caches is not timed.
                    times[key][number] += ask(key, [rows[-1], *rows])[1][1:]
        for pipe in pipes.values():
            pipe.send(None)
    lengths = np.mean([len(text.split()) for text in texts[:timed]])
    print(f"{hardware_fingerprint()['machine']}; {said.bundle.name}, one thread")
    print(f"labels of {len(texts)} reviews; times of {timed} of {lengths:.0f} words, {said.rounds} rounds in turns")
    first = said.kinds[0]
    reference = logits[first, "fp32"].argmax(1)
    for kind in said.kinds:
        print(f"as {kind}:")
        for way in ways:
            key = kind, way
            labels = logits[key].argmax(1)
            line = f"  {way:18} {files[way.partition('@')[0]].stat().st_size / 1e6:6.1f} MB"
            if said.timed:
                ratio = paired_ratio(times[kind, "fp32"], times[key])
                interval = "[{:.2f}–{:.2f}]".format(*ratio.ci95) if ratio.ci95 else ""
                line += f" {np.median(np.concatenate(times[key])):7.2f} ms  {ratio.value:5.2f}× fp32 {interval:11}"
            changed, accuracy = int((labels != reference).sum()), (labels == truth).mean()
            line += f"  {changed:3} labels changed, accuracy {accuracy:.4f}"
            if kind != first:
                others = int((labels != logits[first, way].argmax(1)).sum())
                line += f"; {others} other labels than as {first}, logits off by"
                line += f" {np.abs(logits[key] - logits[first, way]).max():.2g}"
            print(line)


if __name__ == "__main__":
    main()
