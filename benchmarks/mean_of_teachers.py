"""Whether several teachers are better averaged by probabilities or by logits.

``python benchmarks/mean_of_teachers.py RUN RUN …``: the runs have the same test rows. Prints the accuracy of each
and of both averages, and paired differences.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from slmbench.methods.training.distillation import mean_answer
from slmbench.records import RunRecord, artefacts
from slmbench.statistics.verdicts import paired_proportions_bounds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    folders: list[Path] = parser.parse_args().runs
    records = [artefacts.read(folder, RunRecord) for folder in folders]
    if len({record.corpus.test_hash for record in records}) > 1:
        parser.error("the runs have other test rows")
    truth = np.array(records[0].predictions.truth)
    logits = [np.load(folder / "test_logits.npy") for folder in folders]
    answers = dict(zip([record.name for record in records], logits, strict=True))
    answers |= {"mean of probabilities": mean_answer(logits), "mean of logits": np.mean(logits, axis=0)}
    right = {name: answer.argmax(1) == truth for name, answer in answers.items()}
    best = right["mean of probabilities"]
    for name, one in right.items():
        if one is best:
            print(f"{name:24} {100 * one.mean():.1f} %")
            continue
        bounds = paired_proportions_bounds(int((one & ~best).sum()), int((best & ~one).sum()), len(truth))
        low, high = (100 * end for end in bounds.ci95)
        margin = np.abs(np.diff(answers[name], axis=1)).mean()
        print(
            f"{name:24} {100 * one.mean():.1f} %, mean distance of the logits {margin:.1f}; mean of probabilities"
            f" {100 * bounds.value:+.1f} points [{low:+.1f}, {high:+.1f}]"
        )


if __name__ == "__main__":
    main()
