"""Study 000's experiment with an available model: its titles, its rule, and other rules on the same scores.

    python benchmarks/studies/study_000_cloze.py amazon_movies_tv_cloze_predictions.csv [--model bert-tiny]
                                                 [--rows 1000]

The script reads titles and labels of the study's own output, which is not part of slmbench.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from study_000 import LABELLED_ROWS, cloze_table, study_corpus

from slmbench.methods.declarations.fewshot import CLOZE
from slmbench.methods.fewshot import fewshot
from slmbench.methods.protocols import STUDY_000

WAYS = {
    "study's rule, zero-shot": CLOZE.choose({"protocol": STUDY_000}),
    f'study\'s rule, "{LABELLED_ROWS} shots"': CLOZE.choose({"protocol": STUDY_000, "labelled_rows": LABELLED_ROWS}),
    "most likely word, if in top 30": CLOZE.choose({"top_n": 30}),
    "most likely word": CLOZE.choose({}),
}


def main() -> None:
    """Classify by every rule and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", default="bert-tiny")
    parser.add_argument("--rows", type=int)
    chosen = parser.parse_args()
    corpus = study_corpus(chosen.file, chosen.rows)
    names = [*corpus.label_names, "unknown"]  # -1, no label, is the last
    truth = [names[label] for label in corpus.test.labels]
    print(f"{chosen.model}, {len(truth):,} titles; F1 is the macro average over 3 classes (the study's) and over 2.")
    header = f"{'':33} {'pos>pos':>8} {'pos>neg':>8} {'neg>pos':>8} {'neg>neg':>8} {'unknown':>10}"
    print(header + f" {'accuracy':>8} {'F1(3)':>6} {'F1(2)':>6} {'AUC':>6} {'seconds':>8}")
    for way, options in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            record = fewshot(chosen.model, corpus, options, output=Path(folder) / "run")
        said = [names[label] for label in record.predictions.predicted()]
        table, two = cloze_table(truth, said), cloze_table(truth, said, classes=2)
        counts = " ".join(f"{count:>8}" for row in table.confusion for count in row)
        unknown = "+".join(str(count) for count in table.unknown)
        auc = "" if options.protocol or record.test.roc_auc is None else f"{record.test.roc_auc:.3f}"
        scores = f"{table.accuracy:>8.4f} {table.f1:>6.3f} {two.f1:>6.3f} {auc:>6}"
        print(f"{way:33} {counts} {unknown:>10} {scores} {record.answering.seconds:>8.2f}")
    ranks = ", ".join(f"{word['word']} {word['median_rank']:.0f}" for word in record.details["words"])
    print(f"median rank of the words among all tokens: {ranks}")
    print(f"majority baseline: accuracy {record.test.majority_baseline:.4f}")


if __name__ == "__main__":
    main()
