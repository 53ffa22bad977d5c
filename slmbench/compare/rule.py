"""What a decision counts as equal, by which metric it decides, and what it ships without certainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slmbench.common.errors import UsageError
from slmbench.statistics.verdicts import FORM_MARGIN, MODEL_MARGIN, TIME_MARGIN


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
            from slmbench.statistics import METRICS

            _ = METRICS[self.metric]

    def as_dict(self) -> dict[str, Any]:
        """Return the rule for a record."""
        return dict(vars(self))
