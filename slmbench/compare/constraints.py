"""Limits that a deployment sets, and what it says about a row that breaks one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from slmbench.compare.formatting import MEGABYTE, bare_megabytes, limit, megabytes, milliseconds, percent
from slmbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.records import Row


@dataclass(frozen=True)
class Constraints:
    """What a classifier must keep to be recommended; ``None`` sets no limit.

    Attributes:
        max_p95_ms: Largest 95th percentile of the latency of one review, in milliseconds.
        max_memory_mb: Largest peak memory of the whole process, in MB (10^6 bytes).
        max_size_mb: Largest size on disk of the form with its tokenizer, in MB (10^6 bytes).
        min_accuracy: Smallest accuracy on the test rows: a fraction (0.875), or per cent when above 1 (87.5).

    Raises:
        UsageError: A limit is not a positive number, or the accuracy is above 100 %.
    """

    max_p95_ms: float | None = None
    max_memory_mb: float | None = None
    max_size_mb: float | None = None
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
        values = {
            "max_p95_ms": self.max_p95_ms,
            "max_memory_mb": self.max_memory_mb,
            "max_size_mb": self.max_size_mb,
            "min_accuracy": self.accuracy_fraction,
        }
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
        if self.max_p95_ms is not None:
            if row.p95_ms is None:
                broken.append(
                    f"p95 is not known ({row.p95_note}), so the {limit(self.max_p95_ms)} ms limit cannot be checked"
                )
            elif row.p95_ms > self.max_p95_ms:
                broken.append(f"p95 {milliseconds(row.p95_ms)} is over the {limit(self.max_p95_ms)} ms limit")
        for name, measured, most in (
            ("peak memory", row.peak_bytes, self.max_memory_mb),
            ("size", row.size_bytes, self.max_size_mb),
        ):
            if most is None:
                continue
            if measured is None:
                broken.append(f"{name} is not known, so the {limit(most)} MB limit cannot be checked")
            elif measured > most * MEGABYTE:
                broken.append(f"{name} {megabytes(measured)} is over the {limit(most)} MB limit")
        least = self.accuracy_fraction
        if least is not None and row.accuracy is not None and row.accuracy < least:
            broken.append(f"accuracy {percent(row.accuracy)} is under the {percent(least)} limit")
        return broken


def limits_phrase(limits: dict[str, float]) -> str:
    """Write limits as a table caption does: ``p95 ≤ 20 ms, accuracy ≥ 85.0 %``.

    Args:
        limits: What ``Constraints.as_dict`` gives.
    """
    phrases = {
        "max_p95_ms": lambda value: f"p95 ≤ {limit(value)} ms",
        "max_memory_mb": lambda value: f"peak memory ≤ {limit(value)} MB",
        "max_size_mb": lambda value: f"size ≤ {limit(value)} MB",
        "min_accuracy": lambda value: f"accuracy ≥ {percent(value)}",
    }
    return ", ".join(phrase(limits[name]) for name, phrase in phrases.items() if name in limits)


def best_within_reach(limits: dict[str, float], rows: Sequence[Row]) -> str:
    """Say for each limit how near the rows come, for a person who has to relax one.

    Args:
        limits: What ``Constraints.as_dict`` gives.
        rows: Measured rows.

    Returns:
        Phrases such as "the lowest p95 is 23.1 ms (bert-tiny int8)", joined by commas.
    """
    phrases = []
    if "max_p95_ms" in limits:
        known = [(row.p95_ms, row.label) for row in rows if row.p95_ms is not None]
        phrases += [f"the lowest p95 is {milliseconds(value)} ({label})" for value, label in sorted(known)[:1]]
    if "max_memory_mb" in limits:
        sizes = [(row.peak_bytes, row.label) for row in rows if row.peak_bytes is not None]
        phrases += [f"the lowest peak memory is {megabytes(value)} ({label})" for value, label in sorted(sizes)[:1]]
    if "max_size_mb" in limits:
        sizes = [(row.size_bytes, row.label) for row in rows if row.size_bytes is not None]
        phrases += [f"the smallest is {bare_megabytes(value)} MB ({label})" for value, label in sorted(sizes)[:1]]
    if "min_accuracy" in limits:
        scores = [(-row.accuracy, row.label) for row in rows if row.accuracy is not None]
        phrases += [f"the highest accuracy is {percent(-value)} ({label})" for value, label in sorted(scores)[:1]]
    return ", ".join(phrases)
