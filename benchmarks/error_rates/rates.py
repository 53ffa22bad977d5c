"""Rates with their bounds, and whether they reach a goal."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Share:
    """How often something happened.

    Attributes:
        value: The share, a fraction.
        low: One-sided lower 95 % bound.
        high: One-sided upper 95 % bound.
        replays: Out of how many.
    """

    value: float
    low: float
    high: float
    replays: int

    @classmethod
    def of(cls, events: Iterable[bool]) -> Share:
        """Count independent events; the bounds are exact (Clopper & Pearson, *Biometrika* 26, 1934)."""
        from scipy.stats import beta

        found = np.asarray(list(events), dtype=bool)
        hits, n = int(found.sum()), len(found)
        low = float(beta.ppf(0.05, hits, n - hits + 1)) if hits else 0.0
        high = float(beta.ppf(0.95, hits + 1, n - hits)) if hits < n else 1.0
        return cls(hits / n, low, high, n)

    @classmethod
    def of_groups(cls, value: float, replayed: np.ndarray, units: int) -> Share:
        """Take a share of events that are not independent, with its values in bootstrap replays of their groups.

        Where none or all of the events happened, replays have no spread; the bounds are then those of so many
        independent events.
        """
        if value in (0.0, 1.0):
            alike = cls.of([value == 1.0] * units)
            return cls(value, alike.low, alike.high, len(replayed))
        low, high = np.quantile(replayed, (0.05, 0.95))
        return cls(value, min(value, float(low)), max(value, float(high)), len(replayed))


@dataclass(frozen=True)
class Goal:
    """What a rate has to reach."""

    text: str
    reached: Callable[[float], bool]
    is_upper: bool

    def met(self, share: Share) -> str:
        """Return ``met``, ``missed``, or that only the rate reaches it and its bound does not."""
        if not self.reached(share.value):
            return "missed"
        return "met" if self.reached(share.high if self.is_upper else share.low) else "met, not its bound"


def at_most(limit: float) -> Goal:
    """Return the goal of a rate that must not exceed a limit."""
    return Goal(f"≤ {limit:.0%}", lambda value: operator.le(round(value, 9), limit), is_upper=True)


def at_least(limit: float) -> Goal:
    """Return the goal of a rate that must reach a limit."""
    return Goal(f"≥ {limit:.0%}", lambda value: operator.ge(round(value, 9), limit), is_upper=False)


@dataclass(frozen=True)
class Rate:
    """One line of the table.

    Attributes:
        what: What is true, and what is counted.
        after: How often it happens now; ``None`` where there is no such thing any more.
        before: How often it happened with the rules of before; ``None`` where there was no such thing.
        goal: What ``after`` has to reach; ``None`` where the rate is for information.
    """

    what: str
    after: Share | None
    before: Share | None = None
    goal: Goal | None = None

    @property
    def missed(self) -> bool:
        """Whether the goal is missed by the rate itself."""
        return self.goal is not None and self.after is not None and self.goal.met(self.after) == "missed"

    def cells(self) -> list[str]:
        """Return the columns: what, before, after, its bound towards the goal, the goal, whether it is met."""
        before = "–" if self.before is None else percent(self.before.value)
        if self.after is None:
            return [self.what, before, "–", "", "", ""]
        lower = self.goal is not None and not self.goal.is_upper
        bound = f"{'≥' if lower else '≤'} {percent(self.after.low if lower else self.after.high)}"
        goal, met = ("", "") if self.goal is None else (self.goal.text, self.goal.met(self.after))
        return [self.what, before, percent(self.after.value), bound, goal, met]


COLUMNS = ("what is true, and what is counted", "before", "now", "95 % bound", "goal", "")


def percent(share: float) -> str:
    """Write a share in per cent."""
    return f"{100 * share:.1f}"
