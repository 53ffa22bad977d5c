"""What is asked of a decision: limits, what it says about a row that breaks one, and what counts as equal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slmbench.common.errors import UsageError
from slmbench.common.formatting import limit, percent, points
from slmbench.common.suggestions import did_you_mean
from slmbench.compare.quantities import LIMITS, Quantity, limited_quantities
from slmbench.records import Row
from slmbench.statistics import METRICS
from slmbench.statistics.verdicts import FORM_MARGIN, MODEL_MARGIN, TIME_MARGIN


class Constraints:
    """What a classifier must keep to be recommended.

    Args:
        **limits: Values by the names in :data:`~slmbench.compare.quantities.LIMITS`, such as ``max_p95_ms=20``, in
            the units named there; ``None`` sets no limit. ``min_accuracy`` is a fraction (0.875), or in per cent when
            above 1 (87.5).

    Raises:
        UsageError: A limit is unknown or not a positive number, or the accuracy is above 100 %.
    """

    def __init__(self, **limits: float | None) -> None:
        for name, value in limits.items():
            if name not in LIMITS:
                raise UsageError(f"there is no limit '{name}'{did_you_mean(name, LIMITS)}: use {', '.join(LIMITS)}")
            # Written this way round, NaN is refused too.
            if value is not None and not value > 0:
                raise UsageError(f"{name.replace('_', '-')} must be a number above 0, it is {value}")
        self._limits = {name: value for name, value in limits.items() if value is not None}
        accuracy = self._limits.get("min_accuracy", 0)
        if accuracy > 100:
            raise UsageError(f"min-accuracy is a fraction (0.875) or a percentage (87.5), it is {accuracy:g}")
        if accuracy > 1:
            self._limits["min_accuracy"] = accuracy / 100

    def as_dict(self) -> dict[str, float]:
        """Return the limits that are set, by name, the accuracy as a fraction."""
        return {name: self._limits[name] for name in LIMITS if name in self._limits}

    def violations(self, row: Row) -> list[str]:
        """Say which limits a measured row breaks.

        A number that is not known cannot keep a limit: the row is taken to break it.

        Args:
            row: A row with measurements.

        Returns:
            One phrase a broken limit, such as "p95 48.2 ms is over the limit of 20 ms".
        """
        broken = []
        for quantity, bound in _bounds(self._limits):
            value, why = quantity.value(row), quantity.why_unknown(row)
            allowed = f"the limit of {_written(quantity, bound)}"
            if value is None or why is not None:
                reason = f" ({why})" if why else ""
                broken.append(f"{quantity.title} is not known{reason}, so {allowed} cannot be checked")
            elif value < bound if quantity.better == "more" else value > bound:
                side = "under" if quantity.better == "more" else "over"
                broken.append(f"{quantity.title} {quantity.written(value)} is {side} {allowed}")
        return broken

    def doubts(self, row: Row) -> list[str]:
        """Say which upper limits a row keeps although the interval of its value reaches beyond them."""
        return [
            f"its {quantity.title} of {quantity.written(value)} keeps the limit of {_written(quantity, bound)}, but"
            f" may not the next time: its 95 % interval reaches {quantity.written(interval[1])}"
            for quantity, bound in _bounds(self._limits)
            if quantity.better == "less"
            and (value := quantity.value(row)) is not None
            and (interval := quantity.interval(row)) is not None
            and interval[1] > bound
        ]


def limits_phrase(limits: Mapping[str, float]) -> str:
    """Write limits as a table caption does: ``accuracy ≥ 85 %, p95 ≤ 20 ms``.

    Args:
        limits: What ``Constraints.as_dict`` gives.
    """
    return ", ".join(
        f"{quantity.title} {'≥' if quantity.better == 'more' else '≤'} {_written(quantity, bound)}"
        for quantity, bound in _bounds(limits)
    )


def best_within_reach(limits: Mapping[str, float], rows: Sequence[Row]) -> str:
    """Say for each limit how near the rows come, for a person who has to relax one.

    Args:
        limits: What ``Constraints.as_dict`` gives.
        rows: Measured rows.

    Returns:
        Phrases such as "the lowest p95 is 23.1 ms (bert-tiny int8)", joined by commas.
    """
    phrases = []
    for quantity, _ in _bounds(limits):
        known = [
            (cost, row.label, row)
            for row in rows
            if (cost := quantity.cost(row)) is not None and quantity.why_unknown(row) is None
        ]
        for _, label, row in sorted(known, key=lambda entry: entry[:2])[:1]:
            extreme = "highest" if quantity.better == "more" else "lowest"
            phrases.append(
                f"the {extreme} {quantity.title} is {quantity.written(quantity.value(row) or 0)} ({label})"
            )
    return ", ".join(phrases)


def nearest_row(limits: Mapping[str, float], rows: Sequence[Row]) -> str:
    """Name the row that comes nearest to keeping all limits, and the limits that it fails.

    Nearest is the smallest of the largest factors by which a row fails a limit; what is not known fails by most.

    Args:
        limits: What ``Constraints.as_dict`` gives.
        rows: Measured rows that each break a limit, at least one.
    """

    def excess(row: Row) -> float:
        found = [1.0]
        for quantity, bound in _bounds(limits):
            value = quantity.value(row)
            if value is None or value <= 0 or quantity.why_unknown(row) is not None:
                return math.inf
            found.append(bound / value if quantity.better == "more" else value / bound)
        return max(found)

    nearest = min(rows, key=lambda row: (excess(row), row.label))
    return f"the nearest is {nearest.label}: {' and '.join(Constraints(**limits).violations(nearest))}"


def _bounds(limits: Mapping[str, float]) -> list[tuple[Quantity, float]]:
    """Return the limited quantities, each with its bound in the quantity's own unit."""
    return [
        # Shares are limited as fractions.
        (quantity, limits[name] / (quantity.unit_size if quantity.unit == "%" else 1))
        for name, quantity in limited_quantities().items()
        if name in limits
    ]


def _written(quantity: Quantity, bound: float) -> str:
    return percent(bound * quantity.unit_size) if quantity.unit == "%" else f"{limit(bound)} {quantity.unit}"


@dataclass(frozen=True)
class DecisionRule:
    """How rows are compared.

    Attributes:
        model_margin: Largest loss of accuracy, or of the metric, between models that counts as none; a fraction.
        form_margin: The same between a form and fp32 of its bundle.
        time_margin: Largest excess of time that counts as none, as a fraction.
        metric: Name of the metric that decides, one of :data:`~slmbench.statistics.metrics.METRICS`.
        accept_undecided: Whether a form may be shipped of which it is undecided whether it is as accurate as fp32.

    Raises:
        UsageError: A margin is not between 0 and 1, or there is no such metric.
    """

    model_margin: float = MODEL_MARGIN
    form_margin: float = FORM_MARGIN
    time_margin: float = TIME_MARGIN
    metric: str = "accuracy"
    accept_undecided: bool = False

    def __post_init__(self) -> None:
        for name in ("model_margin", "form_margin", "time_margin"):
            # Written this way round, NaN is refused too.
            if not 0 < getattr(self, name) < 1:
                raise UsageError(
                    f"{name.replace('_', '-')} must be above 0 and below 100 %, it is {getattr(self, name) * 100:g} %"
                )
        if self.metric != "accuracy":
            _ = METRICS[self.metric]

    def as_dict(self) -> dict[str, Any]:
        """Return the rule for a record."""
        return dict(vars(self))

    def written(self, value: float) -> str:
        """Write a value of the metric: ``87.4 %``, or ``macro-F1 0.871``."""
        metric = METRICS[self.metric]
        number = percent(value) if metric.unit == "%" else f"{value:.3f}"
        return number if self.metric == "accuracy" else f"{metric.title} {number}"

    def written_gap(self, value: float) -> str:
        """Write a difference in the metric, without its sign: ``0.8 points``, or ``0.008``."""
        return points(value) if METRICS[self.metric].unit == "%" else f"{abs(value):.3f}"

    def written_margin(self, value: float) -> str:
        """Write a margin of the metric: ``2 points``, or ``0.02``."""
        return f"{value * 100:g} points" if METRICS[self.metric].unit == "%" else f"{value:g}"
