"""Every model compared with TF-IDF and logistic regression, the baseline that it has to beat to be worth its cost."""

from __future__ import annotations

from collections.abc import Sequence

from slmbench.common.formatting import p_value, percent, points
from slmbench.compare.cells import Cell
from slmbench.compare.pairs import accuracy_difference
from slmbench.records.comparison import BaselineTest
from slmbench.statistics import SIGNIFICANCE

TFIDF_METHOD = "tfidf"


def tfidf_baseline_tests(cells: Sequence[Cell]) -> list[BaselineTest]:
    """Compare every model with the TF-IDF baseline on the same reviews.

    Args:
        cells: Cells of any machines: the accuracy of a form does not depend on where it was timed.

    Returns:
        One test a model and form that has a TF-IDF baseline on its reviews.
    """
    baselines = [cell for cell in cells if cell.profile.method == TFIDF_METHOD]
    tests, seen = [], set()
    for cell in cells:
        same_reviews = [baseline for baseline in baselines if baseline.test_hash == cell.test_hash]
        identity = (cell.profile.bundle, cell.profile.form, cell.test_hash, cell.accuracy)
        if cell in baselines or not same_reviews or identity in seen:
            continue
        seen.add(identity)
        tests.append(_test(cell, max(same_reviews, key=lambda baseline: baseline.accuracy)))
    return tests


def _test(cell: Cell, tfidf_baseline: Cell) -> BaselineTest:
    difference = accuracy_difference(tfidf_baseline, cell)
    significant, gain = difference.p_value < SIGNIFICANCE, difference.difference
    numbers = f"({percent(cell.accuracy)} against {percent(tfidf_baseline.accuracy)}, {p_value(difference.p_value)})"
    if significant and gain > 0:
        finding = f"beats the TF-IDF baseline by {points(gain)}"
    elif significant:
        finding = "is worse than the TF-IDF baseline"
    else:
        finding = f"does not {'significantly ' if gain > 0 else ''}beat the TF-IDF baseline"
    return BaselineTest(
        name=cell.profile.bundle,
        form=cell.profile.form,
        verdict="undecided" if not significant else "better" if gain > 0 else "worse",
        accuracy=difference,
        sentence=f"{cell.profile.bundle} {cell.profile.form} {finding} {numbers}",
    )
