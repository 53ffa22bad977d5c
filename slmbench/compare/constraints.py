"""Limits that a deployment sets, and what it says about a row that breaks one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from slmbench.common.errors import UsageError
from slmbench.common.formatting import (
    MEGABYTE,
    in_megabytes,
    limit,
    megabytes,
    milliseconds,
    percent,
    scaled,
    three_digits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slmbench.records import Row


@dataclass(frozen=True)
class Ceiling:
    """A quantity that a deployment may bound from above.

    Attributes:
        option: Name of the limit.
        name: What the quantity is called.
        unit: Unit of the limit.
        value: The quantity of a row in that unit; ``None`` where it is not known.
        written: Writes it with its unit.
        why_unknown: Why it is not known, where a row says so.
    """

    option: str
    name: str
    unit: str
    value: Callable[[Row], float | None]
    written: Callable[[float], str]
    why_unknown: Callable[[Row], str | None] = lambda row: None


def _p95_ms(row: Row) -> float | None:
    """Return the p95 of single reviews; offline it is that of a batch."""
    return None if row.scenario == "offline" else row.p95_ms


def _why_no_p95(row: Row) -> str | None:
    return "offline it is that of a batch, not of a review" if row.scenario == "offline" else row.p95_note


def _written_megabytes(value: float) -> str:
    return megabytes(round(value * MEGABYTE))


CEILINGS = (
    Ceiling("max_p95_ms", "p95", "ms", _p95_ms, milliseconds, _why_no_p95),
    Ceiling("max_memory_mb", "peak memory", "MB", lambda row: in_megabytes(row.peak_bytes), _written_megabytes),
    Ceiling("max_size_mb", "size", "MB", lambda row: in_megabytes(row.size_bytes), _written_megabytes),
    Ceiling(
        "max_joules",
        "energy of 1,000 reviews",
        "J",
        lambda row: scaled(row.joules_per_review, 1e3),
        lambda value: f"{three_digits(value)} J",
    ),
)


@dataclass(frozen=True)
class Constraints:
    """What a classifier must keep to be recommended; ``None`` sets no limit.

    Attributes:
        max_p95_ms: Largest 95th percentile of the latency of one review, in milliseconds.
        max_memory_mb: Largest peak memory of the whole process, in MB (10^6 bytes).
        max_size_mb: Largest size on disk of the form with its tokenizer, in MB (10^6 bytes).
        max_joules: Largest energy of 1,000 reviews in joules, measured or estimated, idle power subtracted.
        min_accuracy: Smallest accuracy on the test rows: a fraction (0.875), or per cent when above 1 (87.5).

    Raises:
        UsageError: A limit is not a positive number, or the accuracy is above 100 %.
    """

    max_p95_ms: float | None = None
    max_memory_mb: float | None = None
    max_size_mb: float | None = None
    max_joules: float | None = None
    min_accuracy: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            # Written this way round, NaN is refused too.
            if value is not None and not value > 0:
                raise UsageError(f"{field.name.replace('_', '-')} must be a number above 0, it is {value}")
        if self.min_accuracy is not None and self.min_accuracy > 100:
            raise UsageError(
                f"min-accuracy is a fraction (0.875) or a percentage (87.5), it is {self.min_accuracy:g}"
            )

    @property
    def accuracy_fraction(self) -> float | None:
        """``min_accuracy`` as a fraction."""
        if self.min_accuracy is None or self.min_accuracy <= 1:
            return self.min_accuracy
        return self.min_accuracy / 100

    def as_dict(self) -> dict[str, float]:
        """Return the limits that are set, by name, the accuracy as a fraction."""
        values = {ceiling.option: getattr(self, ceiling.option) for ceiling in CEILINGS}
        values["min_accuracy"] = self.accuracy_fraction
        return {name: value for name, value in values.items() if value is not None}

    def violations(self, row: Row) -> list[str]:
        """Say which limits a measured row breaks.

        A number that is not known cannot keep a limit: the row is held to break it.

        Args:
            row: A row with measurements.

        Returns:
            One phrase a broken limit, such as "p95 48.2 ms is over the 20 ms limit".
        """
        broken = []
        for ceiling in CEILINGS:
            most = getattr(self, ceiling.option)
            if most is None:
                continue
            value, allowed = ceiling.value(row), f"the {limit(most)} {ceiling.unit} limit"
            if value is None:
                why = ceiling.why_unknown(row)
                broken.append(
                    f"{ceiling.name} is not known{f' ({why})' if why else ''}, so {allowed} cannot be checked"
                )
            elif value > most:
                broken.append(f"{ceiling.name} {ceiling.written(value)} is over {allowed}")
        least = self.accuracy_fraction
        if least is not None and row.accuracy is not None and row.accuracy < least:
            broken.append(f"accuracy {percent(row.accuracy)} is under the {percent(least)} limit")
        return broken

    def doubt(self, row: Row) -> str | None:
        """Say so when a row keeps the limit of p95 and the interval of its p95 reaches beyond it."""
        most, p95, interval = self.max_p95_ms, _p95_ms(row), row.p95_ci95_ms
        if most is None or p95 is None or interval is None or interval[1] <= most:
            return None
        return (
            f"its p95 of {milliseconds(p95)} keeps the {limit(most)} ms limit, but may not the next time: its 95 %"
            f" interval reaches {milliseconds(interval[1])}"
        )


def limits_phrase(limits: dict[str, float]) -> str:
    """Write limits as a table caption does: ``p95 ≤ 20 ms, accuracy ≥ 85.0 %``.

    Args:
        limits: What ``Constraints.as_dict`` gives.
    """
    phrases = [
        f"{ceiling.name} ≤ {limit(limits[ceiling.option])} {ceiling.unit}"
        for ceiling in CEILINGS
        if ceiling.option in limits
    ]
    if "min_accuracy" in limits:
        phrases.append(f"accuracy ≥ {percent(limits['min_accuracy'])}")
    return ", ".join(phrases)


def best_within_reach(limits: dict[str, float], rows: Sequence[Row]) -> str:
    """Say for each limit how near the rows come, for a person who has to relax one.

    Args:
        limits: What ``Constraints.as_dict`` gives.
        rows: Measured rows.

    Returns:
        Phrases such as "the lowest p95 is 23.1 ms (bert-tiny int8)", joined by commas.
    """
    phrases = []
    for ceiling in CEILINGS:
        if ceiling.option in limits:
            known = [(value, row.label) for row in rows if (value := ceiling.value(row)) is not None]
            phrases += [
                f"the lowest {ceiling.name} is {ceiling.written(value)} ({label})"
                for value, label in sorted(known)[:1]
            ]
    if "min_accuracy" in limits:
        scores = [(-row.accuracy, row.label) for row in rows if row.accuracy is not None]
        phrases += [f"the highest accuracy is {percent(-value)} ({label})" for value, label in sorted(scores)[:1]]
    return ", ".join(phrases)
