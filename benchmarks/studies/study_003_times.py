"""Time of study 003's models for 953 reviews on this machine, with random weights: batch 1 and larger batches.

    python benchmarks/studies/study_003_times.py [--device cuda] [--dtype bf16] [--models NAME ...] [--batch-size 32]
                                         [--output profiles/reference/study-003]

The reviews are 953 of IMDb, as many as the study's large models answered, with the lengths of BERT's tokenizer,
truncated at 512. Each model is built from its configuration and timed at every multiple of 32 tokens, the length
that reviews are padded to; the script prints the sum over the reviews, without tokenising. The large models read
the review and score one token, a label's, whereas the study generated up to 20. For a model that does not fit, the
required memory is printed. The last column contains the study's own seconds (Amazon reviews, most of them shorter;
an A100 in fp32).
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

from study_003 import LARGE_REVIEWS, STUDY_S
from tokenizers import Tokenizer

from slmbench.common.errors import SlmbenchError
from slmbench.corpora import load_corpus
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.profiling.architectures import ArchitectureOptions, find_architecture, profile_architecture

#: Reviews are padded to multiples of so many tokens, and cut at so many.
STEP, LONGEST = 32, 512


def padded(lengths: list[int]) -> list[int]:
    """Return the lengths that reviews are padded to."""
    return [min(LONGEST, STEP * math.ceil(length / STEP)) for length in lengths]


def batches(lengths: list[int], size: int) -> Counter[int]:
    """Return how many batches there are of each padded length when reviews are sorted by length."""
    ordered = sorted(padded(lengths))
    return Counter(max(ordered[start : start + size]) for start in range(0, len(ordered), size))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--models", nargs="+", default=list(STUDY_S))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--time-limit", type=float, default=2.0, help="seconds to sample a length for")
    parser.add_argument("--output", type=Path)
    said = parser.parse_args()

    tokenizer = Tokenizer.from_file("exported/bert-tiny-imdb/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = load_corpus("imdb", test_size=LARGE_REVIEWS).test.texts
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]
    hardware = hardware_fingerprint()
    where = hardware["machine"] if said.device == "cpu" else f"{said.device} of {hardware['machine']}"
    print(f"{where}, {said.dtype}, {len(lengths)} reviews, random weights, seconds")
    print(f"{'':36} {'batch 1':>9} {f'batch {said.batch_size}':>9} {'study (A100, fp32, batch 1)':>28}")
    for name in said.models:
        seconds = []
        try:
            for size in (1, said.batch_size):
                counts = batches(lengths, size)
                options = ArchitectureOptions(
                    lengths=tuple(sorted(counts)),
                    batch_size=size,
                    device=said.device,
                    dtype=said.dtype,
                    time_limit_s=said.time_limit,
                )
                folder = said.output and said.output / f"batch-{size}"
                record = profile_architecture(find_architecture(name), options, output=folder)
                seconds.append(sum(counts[timing.tokens] * timing.p50_ms for timing in record.timings) / 1e3)
        except SlmbenchError as error:
            print(f"{name:36} {error}")
            continue
        published = STUDY_S.get(name)
        print(f"{name:36} {seconds[0]:>9.2f} {seconds[1]:>9.2f} {published if published else '–':>28}", flush=True)


if __name__ == "__main__":
    main()
