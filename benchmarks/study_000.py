"""Study 000's four tables recomputed from its predictions, the corrected ones, and the three findings.

    python benchmarks/study_000.py amazon_movies_tv_cloze_predictions.csv

The file is the study's own output (10,000 titles, labels, four prediction columns); it is not part of slmbench.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from slmbench.methods.fewshot.study_000 import LABELLED_ROWS, RUNS, cloze_table, findings, read_predictions


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path)
    columns = read_predictions(parser.parse_args().predictions)
    truth = columns["label"]
    print("As published: positive first, unknown answers left out of the 2x2, macro over 3 classes,", end=" ")
    print("cut after 3 decimals.")
    print("The captions were swapped: the first row is the TRUE positives' row, not the negatives'.")
    header = f"{'run':22} {'pos>pos':>8} {'pos>neg':>8} {'neg>pos':>8} {'neg>neg':>8} {'unknown':>10}"
    print(header + f" {'P':>6} {'R':>6} {'F1':>6} {'micro':>6}")
    for column, name in RUNS.items():
        table = cloze_table(truth, columns[column])
        (pp, pn), (np, nn) = table.confusion
        metrics = " ".join(f"{value:>6.3f}" for value in table.truncated())
        unknown = "+".join(str(count) for count in table.unknown)
        print(f"{name:22} {pp:>8} {pn:>8} {np:>8} {nn:>8} {unknown:>10} {metrics}")
    print()
    rows = len(truth) - LABELLED_ROWS
    print(f"Corrected: the {LABELLED_ROWS} rows that carry their own label removed ({rows:,} left),", end=" ")
    print("macro over the 2 labels,")
    print("undecided reviews count as errors. Only the first run's answers are all its own; the others inherit some.")
    for column, name in RUNS.items():
        table = cloze_table(truth[LABELLED_ROWS:], columns[column][LABELLED_ROWS:], classes=2)
        note = "" if column == "fewshot_distilbert" else "  (with inherited answers)"
        print(f"{name:22} accuracy {table.accuracy:.4f}  macro-F1 {table.f1:.4f}{note}")
    majority = max(truth[LABELLED_ROWS:].count(label) for label in ("positive", "negative")) / rows
    print(f"{'majority baseline':22} accuracy {majority:.4f}")
    print()
    for finding in findings(columns):
        print(f"{finding.claim}: {finding.rows:,} of {finding.of:,} rows")


if __name__ == "__main__":
    main()
