"""The axes that rows are weighed on: for the Pareto front, and for the plot of the HTML report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from slmbench.common.errors import UsageError
from slmbench.common.formatting import in_megabytes, listing, scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slmbench.records import Row
    from slmbench.statistics import Interval


@dataclass(frozen=True)
class Axis:
    """One quantity of a row.

    Attributes:
        name: What ``--pareto`` calls it.
        title: Title of a plot's axis, with the unit.
        better: Whether more or less of it is better.
        value: The quantity in the unit of the title; ``None`` where it is not known.
        interval: Its 95 % interval in the same unit, where one is known.
        logarithmic: Whether ratios matter rather than differences.
    """

    name: str
    title: str
    better: Literal["more", "less"]
    value: Callable[[Row], float | None]
    interval: Callable[[Row], Interval | None] = lambda row: None
    logarithmic: bool = True

    def cost(self, row: Row) -> float | None:
        """Return the quantity so that less is better; ``None`` where it is not known."""
        value = self.value(row)
        return -value if value is not None and self.better == "more" else value


def _accuracy_interval(row: Row) -> Interval | None:
    return (row.accuracy_ci95[0] * 100, row.accuracy_ci95[1] * 100) if row.accuracy_ci95 else None


_AXES = (
    Axis("accuracy", "accuracy, %", "more", lambda row: scaled(row.accuracy, 100), _accuracy_interval, False),
    Axis("macro-f1", "macro-F1, %", "more", lambda row: scaled(row.macro_f1, 100), logarithmic=False),
    Axis("p50", "median latency of one review, ms", "less", lambda row: row.p50_ms, lambda row: row.p50_ci95_ms),
    Axis("p95", "95th percentile of the latency, ms", "less", lambda row: row.p95_ms, lambda row: row.p95_ci95_ms),
    Axis(
        "throughput",
        "throughput, reviews/s",
        "more",
        lambda row: row.reviews_per_second,
        lambda row: row.reviews_per_second_ci95,
    ),
    Axis("memory", "peak memory, MB", "less", lambda row: in_megabytes(row.peak_bytes)),
    Axis("size", "size on disk, MB", "less", lambda row: in_megabytes(row.size_bytes)),
    Axis("cold-start", "cold start, ms", "less", lambda row: row.cold_start_ms),
    Axis("energy", "energy, J per 1,000 reviews", "less", lambda row: scaled(row.joules_per_review, 1000)),
)
#: Every axis by name, in the order in which plots offer them.
AXES = {axis.name: axis for axis in _AXES}


def parse_axes(text: str) -> list[str]:
    """Read the axes of a front as a person writes them: ``accuracy,p50,size``.

    Args:
        text: Names with commas between them.

    Returns:
        The names, in the order given.

    Raises:
        UsageError: A name is unknown or given twice, or there is only one.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in AXES]
    if unknown:
        raise UsageError(f"--pareto knows no axis '{unknown[0]}': choose from {', '.join(AXES)}")
    if len(set(names)) < max(2, len(names)):
        raise UsageError(f"--pareto takes two or more different axes, such as accuracy,p50,size; it is '{text}'")
    return names


def costs(row: Row, axes: Sequence[str]) -> list[float] | None:
    """Return what a row costs on each axis, the smaller the better; ``None`` when one of them is not known."""
    found = [AXES[name].cost(row) for name in axes]
    known = [cost for cost in found if cost is not None]
    return known if len(known) == len(found) else None


def front_phrase(axes: Sequence[str]) -> str:
    """Say what being on the front means: ``no row is both more accurate and faster (p95)``."""
    if len(axes) == 2 and axes[0] == "accuracy" and axes[1] in ("p50", "p95"):
        return f"no row is both more accurate and faster ({axes[1]})"
    return f"no row is better in one of {listing(list(axes))} and as good in the others"
