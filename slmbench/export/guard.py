"""May a form be shipped? Judged once, on the run's test reviews, by bounds on what it loses against fp32.

A form is *accepted* when each loss is below its limit with 95 % confidence, *refused* when one is above its limit
with that confidence, else *undecided*. What is compared with a limit:

- accuracy (``--max-accuracy-drop``), by Tango's bounds (``slmbench.statistics.verdicts``);
- the recall of each label (``--max-class-drop``), by the same bounds on the reviews that have the label: where 3 % of
  the reviews have one, a form may lose all of it and only 3 points of accuracy;
- macro-F1, by the paired bootstrap: it also falls when other reviews are given a rare label. A mean over labels falls
  by the loss of one label divided by their number, so its limit is that of a label divided by their number, and never
  below that of accuracy.

All have to pass, so that a form with a loss as large as its limit is accepted in at most 5 %. That some label
loses more than allowed is concluded by Holm's rule over labels, so that many labels do not refuse a form by chance
(``family_gates``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slmbench.records.bundle import FormVerdict, LossCheck, LossQuantity
from slmbench.statistics.classification import f1_of_counts
from slmbench.statistics.verdicts import (
    Bounds,
    GateResult,
    family_gates,
    gate,
    paired_proportions_bounds,
    reviews_to_gate,
)

#: ``--max-class-drop`` in units of ``--max-accuracy-drop``. Where a label with a tenth of the reviews loses ten times
#: what accuracy may lose, that alone costs all of the accuracy allowed.
CLASS_FACTOR = 10
#: Bootstrap samples of the reviews for macro-F1.
RESAMPLES = 2000


@dataclass(frozen=True)
class LossLimits:
    """What a form may lose against fp32, as fractions; 1 switches a check off.

    Attributes:
        accuracy: Largest loss of accuracy.
        per_class: Largest loss of a label's recall; :data:`CLASS_FACTOR` times ``accuracy`` when ``None``.
        accept_undecided: Whether a form that is neither shown to keep the limits nor to break them is accepted.
    """

    accuracy: float
    per_class: float | None = None
    accept_undecided: bool = False

    @property
    def recall(self) -> float:
        """Largest loss of a label's recall."""
        return min(1.0, CLASS_FACTOR * self.accuracy) if self.per_class is None else self.per_class

    def macro_f1(self, labels: int) -> float:
        """Return the largest loss of macro-F1 over so many labels."""
        return max(self.accuracy, self.recall / labels)


@dataclass(frozen=True)
class Judgement:
    """What was decided on a form.

    Attributes:
        verdict: What the test reviews show.
        accepted: Whether it may be shipped: undecided forms only where that was asked for.
        reason: Why, in one sentence.
        checks: Each loss with its bounds.
        reviews_to_settle: Test reviews that would settle an undecided form in four of five cases; ``None`` otherwise.
    """

    verdict: FormVerdict
    accepted: bool
    reason: str
    checks: list[LossCheck]
    reviews_to_settle: int | None = None


def judge(
    truth: np.ndarray, reference: np.ndarray, candidate: np.ndarray, labels: Sequence[str], limits: LossLimits
) -> Judgement:
    """Judge a form by its answers to the test reviews.

    Args:
        truth: True label ids, shape (reviews,).
        reference: Label ids that fp32 gives.
        candidate: Label ids that the form gives.
        labels: Label names.
        limits: What it may lose.
    """
    checks = [
        *_proportions(
            "accuracy", [(None, np.ones(len(truth), dtype=bool))], limits.accuracy, truth, reference, candidate
        ),
        *_recalls(truth, reference, candidate, labels, limits.recall),
        *_macro_f1(truth, reference, candidate, len(labels), limits),
    ]
    results = {check.result for check in checks}
    verdict: FormVerdict = (
        "refused" if "fail" in results else "undecided" if "inconclusive" in results else "accepted"
    )
    settle = [check.reviews_to_settle for check in checks if check.result == "inconclusive"]
    needed = None if verdict != "undecided" or None in settle else max(filter(None, settle))
    flips = int((reference != candidate).sum())
    change = float((candidate == truth).mean() - (reference == truth).mean())
    reason = (
        f"accuracy {100 * change:+.1f} points against fp32, {flips} of {len(truth)} labels changed:"
        f" {_sentence(verdict, checks, needed)}"
    )
    asked_for = verdict == "undecided" and limits.accept_undecided
    if asked_for:
        reason += "; accepted undecided, as asked for (--accept-undecided)"
    return Judgement(verdict, verdict == "accepted" or asked_for, reason, checks, needed)


def _recalls(
    truth: np.ndarray, reference: np.ndarray, candidate: np.ndarray, labels: Sequence[str], limit: float
) -> list[LossCheck]:
    rows = [(label, truth == index) for index, label in enumerate(labels)]
    rows = [(label, of_label) for label, of_label in rows if of_label.any()]
    return _proportions("recall", rows, limit, truth, reference, candidate)


def _proportions(
    quantity: LossQuantity,
    parts: Sequence[tuple[str | None, np.ndarray]],
    limit: float,
    truth: np.ndarray,
    reference: np.ndarray,
    candidate: np.ndarray,
) -> list[LossCheck]:
    """Check the share of right answers on each part of the reviews."""
    if limit >= 1:
        return []
    before, after = reference == truth, candidate == truth
    counts = [
        (int((before & ~after)[rows].sum()), int((~before & after)[rows].sum()), int(rows.sum())) for _, rows in parts
    ]
    checks = []
    for (label, _), (lost, gained, reviews), result in zip(parts, counts, family_gates(counts, limit), strict=True):
        bounds = paired_proportions_bounds(lost, gained, reviews)
        # By chance none of few reviews may disagree: one more that does, of two more (Agresti & Min 2005).
        needed = reviews_to_gate((lost + gained + 1) / (reviews + 2), limit, bounds.value)
        share = reviews / len(truth)
        checks.append(_check(quantity, label, reviews, bounds, limit, result, needed and round(needed / share)))
    return checks


def _macro_f1(
    truth: np.ndarray, reference: np.ndarray, candidate: np.ndarray, classes: int, limits: LossLimits
) -> list[LossCheck]:
    if limits.recall >= 1:
        return []
    # Reviews drawn again are so many of each combination of true label and answers.
    kinds, seen = np.unique(np.stack([truth, reference, candidate]), axis=1, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(truth), seen / len(truth), size=RESAMPLES)
    one_hot = np.eye(classes)

    def macro_f1(answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
        hit = one_hot[kinds[0]] * (kinds[0] == answers)[:, None]
        return f1_of_counts(counts @ hit, counts @ one_hot[kinds[0]], counts @ one_hot[answers]).mean(-1)

    def difference(counts: np.ndarray) -> np.ndarray:
        return macro_f1(kinds[2], counts) - macro_f1(kinds[1], counts)

    limit = limits.macro_f1(classes)
    value = float(difference(seen[None])[0])
    wide_low, low, high, wide_high = map(float, np.percentile(difference(drawn), (2.5, 5, 95, 97.5)))
    bounds = Bounds(value, (wide_low, wide_high), (low, high))
    # A quarter of the 95 % interval is a standard error.
    variance = len(truth) * ((bounds.ci95[1] - bounds.ci95[0]) / 4) ** 2
    needed = reviews_to_gate(variance, limit, value)
    return [_check("macro_f1", None, len(truth), bounds, limit, gate(bounds, limit), needed)]


def _check(
    quantity: LossQuantity,
    label: str | None,
    reviews: int,
    bounds: Bounds,
    limit: float,
    result: GateResult,
    needed: int | None,
) -> LossCheck:
    return LossCheck(
        quantity=quantity,
        label=label,
        reviews=reviews,
        difference=bounds.value,
        low=bounds.ci90[0],
        high=bounds.ci90[1],
        limit=limit,
        result=result,
        reviews_to_settle=needed if result == "inconclusive" else None,
    )


def _sentence(verdict: FormVerdict, checks: Sequence[LossCheck], needed: int | None) -> str:
    worst = _worst(checks)
    if not checks:
        return "any loss is allowed"
    if verdict == "accepted":
        return "with 95 % confidence it loses " + " and ".join(
            f"at most {_points(check.low)} points of {what} ({_points(-check.limit)} allowed)"
            for check, what in worst
        )
    if verdict == "refused":
        return " and ".join(
            f"{what} {100 * check.difference:+.1f} points, with 95 % confidence at least {_points(check.high)} lost,"
            f" more than the {_points(-check.limit)} points allowed ({_OPTIONS[check.quantity]})"
            for check, what in worst
            if check.result == "fail"
        )
    losses = " and ".join(
        f"{_points(check.low)} points of {what} ({_points(-check.limit)} allowed, {_OPTIONS[check.quantity]})"
        for check, what in worst
        if check.result == "inconclusive"
    )
    settle = f"about {needed:,} test reviews would settle it" if needed else "no number of test reviews settles it"
    return f"it may lose {losses}; {settle}"


#: The option that sets the limit of each quantity.
_OPTIONS: dict[LossQuantity, str] = {
    "accuracy": "--max-accuracy-drop",
    "recall": "--max-class-drop",
    "macro_f1": "--max-class-drop",
}


def _worst(checks: Sequence[LossCheck]) -> list[tuple[LossCheck, str]]:
    """Return one check a quantity, with what to call it: that of the label which may lose most, failed ones first."""
    worst: dict[LossQuantity, LossCheck] = {}
    order = ("fail", "inconclusive", "pass")
    for check in sorted(checks, key=lambda check: (order.index(check.result), check.low)):
        worst.setdefault(check.quantity, check)
    names = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
    ordered = [worst[quantity] for quantity in _OPTIONS if quantity in worst]
    return [(check, names.get(check.quantity, f"the recall of {check.label}")) for check in ordered]


def _points(difference: float) -> str:
    """Return a loss in points; a gain is no loss."""
    return f"{100 * max(0.0, -difference):.1f}"
