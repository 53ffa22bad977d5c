"""Cost of the epochs of a head on a frozen encoder that processes each review once.

The claim is that 15 epochs of study 002's head, including the encoder's pass, take at most 1.15 times as long as one.
The pass is timed once, with an empty cache, and counts for both trainings, because its variance is larger than the
difference.

    python benchmarks/frozen_heads.py                # 5,000 IMDb reviews, minilm-l6: about 1 GB of disk
    python benchmarks/frozen_heads.py --reviews 200  # quick check
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from unittest import mock

#: Maximum cost of all epochs, in units of one.
CLAIM = 1.15
TEST = 100
CACHE = "slmbench.methods.training.features.home"


def main() -> None:
    """Run both trainings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="minilm-l6")
    parser.add_argument("--reviews", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=15)
    arguments = parser.parse_args()

    from slmbench.corpora import load_corpus
    from slmbench.instruments.hardware import hardware_fingerprint
    from slmbench.methods.training import TrainingOptions, finetune

    corpus = load_corpus("imdb", train_size=arguments.reviews, test_size=TEST)
    records = {}
    with tempfile.TemporaryDirectory() as folder, mock.patch(CACHE, return_value=Path(folder)):
        for epochs in (1, arguments.epochs):
            options = TrainingOptions("space", epochs=epochs)
            records[epochs] = finetune(arguments.model, corpus, options, output=Path(folder) / f"run-{epochs}")

    encoder = records[1].details["encoder"]
    assert records[arguments.epochs].details["encoder"]["from_cache"]
    print(
        f"{hardware_fingerprint()['machine']}; {arguments.model}, {encoder['reviews']} reviews,"
        f" {encoder['tokens']} tokens, {encoder['bytes'] / 1e6:.0f} MB kept, {encoder['precision']}"
    )
    print(f"{'epochs':>6} {'encoder s':>10} {'head s':>8} {'together s':>11} {'accuracy':>9}")
    together = {}
    for epochs, record in records.items():
        head = record.details["head_seconds"]
        together[epochs] = encoder["seconds"] + head
        row = f"{epochs:>6} {encoder['seconds']:>10.1f} {head:>8.2f} {together[epochs]:>11.1f}"
        print(f"{row} {record.test.accuracy:>9.3f}")
    ratio = together[arguments.epochs] / together[1]
    verdict = "holds" if ratio <= CLAIM else "does not hold"
    print(f"{arguments.epochs} epochs cost {ratio:.3f} times one; the claim of at most {CLAIM} {verdict}")


if __name__ == "__main__":
    main()
