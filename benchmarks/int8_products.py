"""Dynamic int8 with and without products of two activations (attention scores); see docs/export.md.

    python benchmarks/int8_products.py BUNDLE [--reviews 600]

Optimum's presets quantize them; onnxruntime's own quantizer and slmbench do not. Both files are made from the
bundle's fp32 form and run on the same test reviews, alternating, on one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from slmbench.corpora import load_again
from slmbench.edge.runtime import OnnxBackend
from slmbench.export.exporter import quantize_dynamic
from slmbench.export.graph import unweighted_nodes
from slmbench.instruments.hardware import hardware_fingerprint, quantization_preset
from slmbench.records import BundleRecord, read_record


def main() -> None:
    """Quantize, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--reviews", type=int, default=600)
    arguments = parser.parse_args()
    record = read_record(BundleRecord, arguments.bundle / "bundle.json")
    texts = load_again(record.corpus.options, record.corpus.test_hash).test.texts[: arguments.reviews]
    fp32 = arguments.bundle / record.forms["fp32"].file
    with tempfile.TemporaryDirectory() as folder:
        files = {"fp32": fp32, "int8 with": Path(folder) / "with.onnx", "int8 without": Path(folder) / "without.onnx"}
        quantize_dynamic(fp32, files["int8 with"], quantization_preset())
        quantize_dynamic(fp32, files["int8 without"], quantization_preset(), unweighted_nodes(fp32))
        backends = {name: OnnxBackend(arguments.bundle, file, 1) for name, file in files.items()}
        logits: dict[str, list[np.ndarray]] = {name: [] for name in backends}
        times: dict[str, list[float]] = {name: [] for name in backends}
        for item in backends["fp32"].encode(texts):
            for name, backend in backends.items():
                began = time.perf_counter()
                logits[name].append(backend.logits([item])[0])
                times[name].append(time.perf_counter() - began)
    print(f"{hardware_fingerprint()['machine']}; {record.name}, {len(texts)} reviews")
    reference = np.stack(logits["fp32"])
    for name in ("int8 with", "int8 without"):
        found = np.stack(logits[name])
        flips = int((found.argmax(1) != reference.argmax(1)).sum())
        speed = float(np.median(np.array(times["fp32"]) / np.array(times[name])))
        rms = float(np.sqrt(((found - reference) ** 2).mean()))
        print(f"{name:13} {flips:3} labels changed, logits off by {rms:.3f} (rms), {speed:.2f}x the speed of fp32")


if __name__ == "__main__":
    main()
