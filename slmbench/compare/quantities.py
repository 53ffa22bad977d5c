"""Every quantity of a row, declared once: tables, plots, fronts, limits, CSV and the command line select from here.

To add one, add a :class:`Quantity` to ``_MEASURED`` (and its field to :class:`~slmbench.records.Row`). Metrics are
quantities by themselves: see :mod:`slmbench.statistics.metrics`.

Nothing heavy is imported, because ``slmbench compare --help`` lists the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from slmbench.common.errors import UsageError
from slmbench.common.formatting import MEGABYTE, UNKNOWN, bare_megabytes, half_width, parameters, three_digits
from slmbench.common.suggestions import did_you_mean

if TYPE_CHECKING:
    from slmbench.records import Row
    from slmbench.statistics import Interval, Metric


@dataclass(frozen=True)
class Limit:
    """A bound that a deployment may set on a quantity: from above where less is better, else from below.

    Attributes:
        name: Its key in recipes, records and :class:`~slmbench.compare.constraints.Constraints`: ``max_p95_ms``.
        help: One line of help, with the unit.
        is_share: Whether it is a fraction, which may be typed as a percentage.
    """

    name: str
    help: str
    is_share: bool = False

    @property
    def option(self) -> str:
        """The option of the command line."""
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class Column:
    """How tables show a quantity.

    Attributes:
        header: Of the terminal's table: two short lines at most.
        leaves: On a narrow terminal, columns with a smaller number are left out first; ``None`` always stays.
        optional: Shown only where some row knows the quantity.
        terminal: Whether the terminal's table has it, rather than the reports only.
        spread: Whether half the width of the 95 % interval stands beside the number.
        headline: Whether the report names it of what it recommends, where it is known.
    """

    header: str
    leaves: float | None = None
    optional: bool = False
    terminal: bool = True
    spread: bool = False
    headline: bool = False


@dataclass(frozen=True)
class Quantity:
    """One quantity of a row.

    Attributes:
        name: What ``--pareto`` calls it.
        title: What sentences and tables call it.
        unit: Unit of :meth:`value`; empty for a plain number.
        field: Field of a row that holds it, or a metric in ``Row.metrics``.
        better: Whether more or less of it is better.
        description: The title in full, where that says more.
        unit_size: How much one ``unit`` is in the field's own: 10^6 bytes for MB.
        interval_field: Field that holds its 95 % interval; that of a metric may be in ``Row.metrics_ci95``.
        write: Writes a value in ``unit`` without the unit.
        logarithmic: Whether ratios matter rather than differences.
        column: How tables show it; ``None`` where they do not.
        limit: The bound that can be set on it, if any.
        why_unknown: Why a row's value is not known, or says nothing of a review; ``None`` where it does.
    """

    name: str
    title: str
    unit: str
    field: str
    better: Literal["more", "less"] = "less"
    description: str = ""
    unit_size: float = 1.0
    interval_field: str | None = None
    write: Callable[[float], str] = three_digits
    logarithmic: bool = True
    column: Column | None = None
    limit: Limit | None = None
    why_unknown: Callable[[Row], str | None] = lambda row: None

    def value(self, row: Row) -> float | None:
        """Return the quantity in ``unit``; ``None`` where it is not known."""
        found: float | None = row.metrics.get(self.field, getattr(row, self.field, None))
        return None if found is None else found / self.unit_size

    def interval(self, row: Row) -> Interval | None:
        """Return the 95 % interval in ``unit``; ``None`` where it is not known."""
        known = getattr(row, self.interval_field, None) if self.interval_field else None
        found: Interval | None = row.metrics_ci95.get(self.field, known)
        return None if found is None else (found[0] / self.unit_size, found[1] / self.unit_size)

    def cost(self, row: Row) -> float | None:
        """Return the value so that less is better; ``None`` where it is not known."""
        value = self.value(row)
        return -value if value is not None and self.better == "more" else value

    def shown(self, row: Row) -> str:
        """Return what stands in a table, without the spread; a dash for what is not known."""
        value = self.value(row)
        if value is None:
            return UNKNOWN
        return self.write(value)

    def spread(self, row: Row) -> str:
        """Return ``±2.3``, half the width of the 95 % interval; nothing where tables do not show it."""
        interval = self.interval(row) if self.column and self.column.spread else None
        return "" if interval is None else f"±{self.write(half_width(interval))}"

    def written(self, value: float) -> str:
        """Write a value with its unit: ``48.2 ms``."""
        return f"{self.write(value)} {self.unit}".strip()

    @property
    def axis_title(self) -> str:
        """Title of a plot's axis, with the unit."""
        return ", ".join(filter(None, (self.description or self.title, self.unit)))


def _one_decimal(value: float) -> str:
    return f"{value:.1f}"


def _three_decimals(value: float) -> str:
    return f"{value:.3f}"


def _megabytes(value: float) -> str:
    return bare_megabytes(round(value * MEGABYTE))


def _why_unknown(row: Row, note: str | None) -> str | None:
    """Say why a percentile of a row is not known."""
    return "offline it is that of a batch, not of a review" if row.scenario == "offline" else note


#: How tables show two of the metrics, and what can be limited of them.
_METRIC_COLUMNS = {
    "accuracy": Column("accuracy\n%", spread=True, headline=True),
    "macro_f1": Column("macro\nF1", leaves=2),
}
_METRIC_LIMITS = {
    "accuracy": Limit(
        "min_accuracy", "Minimum accuracy on the test reviews, such as 85% (85 and 0.85: the same).", is_share=True
    ),
}

_MEASURED = (
    Quantity(
        name="p50",
        title="p50",
        unit="ms",
        field="p50_ms",
        description="median latency",
        interval_field="p50_ci95_ms",
        column=Column("p50\nms", headline=True),
    ),
    Quantity(
        name="p95",
        title="p95",
        unit="ms",
        field="p95_ms",
        description="p95 latency",
        interval_field="p95_ci95_ms",
        column=Column("p95\nms", leaves=7, headline=True),
        limit=Limit("max_p95_ms", "Maximum p95 latency of one review (ms)."),
        why_unknown=lambda row: _why_unknown(row, row.p95_note),
    ),
    Quantity(
        name="p99",
        title="p99",
        unit="ms",
        field="p99_ms",
        description="p99 latency",
        interval_field="p99_ci95_ms",
        column=Column("p99\nms", optional=True, terminal=False),
        limit=Limit("max_p99_ms", "Maximum p99 latency of one review (ms); known of fast rows only."),
        why_unknown=lambda row: _why_unknown(row, row.p99_note),
    ),
    Quantity(
        name="throughput",
        title="throughput",
        unit="reviews/s",
        field="reviews_per_second",
        better="more",
        interval_field="reviews_per_second_ci95",
        column=Column("reviews\n/s", leaves=4, headline=True),
    ),
    Quantity(
        name="size",
        title="size",
        unit="MB",
        field="size_bytes",
        description="size on disk",
        unit_size=MEGABYTE,
        write=_megabytes,
        column=Column("size\nMB", leaves=6, headline=True),
        limit=Limit("max_size_mb", "Maximum size on disk, form and tokenizer (MB, 10^6 bytes)."),
    ),
    Quantity(
        name="memory",
        title="peak memory",
        unit="MB",
        field="peak_bytes",
        unit_size=MEGABYTE,
        write=_megabytes,
        column=Column("peak\nMB", leaves=5, headline=True),
        limit=Limit("max_memory_mb", "Maximum peak memory of the whole process (MB, 10^6 bytes)."),
    ),
    Quantity(
        name="cold-start", title="cold start", unit="ms", field="cold_start_ms", column=Column("cold\nms", leaves=1)
    ),
    Quantity(
        name="cold-cache-start",
        title="cold-cache start",
        unit="ms",
        field="cold_cache_start_ms",
        column=Column("cold cache", optional=True, terminal=False),
    ),
    # Measured and estimated energy are two quantities: they share no axis, no column and no limit.
    Quantity(
        name="energy",
        title="energy",
        unit="J per 1,000 reviews",
        field="joules_measured",
        description="measured energy",
        unit_size=1e-3,
        column=Column("J per\n1,000", leaves=4.5, optional=True, headline=True),
        limit=Limit("max_joules", "Maximum measured energy, idle power subtracted (J per 1,000 reviews)."),
        why_unknown=lambda row: "it is estimated, not measured" if row.joules_estimated is not None else None,
    ),
    Quantity(
        name="estimated-energy",
        title="estimated energy",
        unit="J per 1,000 reviews",
        field="joules_estimated",
        unit_size=1e-3,
        column=Column("est. J\n/1,000", leaves=4.4, optional=True, headline=True),
        limit=Limit("max_estimated_joules", "Maximum estimated energy (J per 1,000 reviews)."),
        why_unknown=lambda row: "it is measured, not estimated" if row.joules_measured is not None else None,
    ),
    Quantity(
        name="parameters",
        title="parameters",
        unit="",
        field="total_parameters",
        write=lambda value: parameters(round(value)),
        column=Column("params", leaves=3),
    ),
    Quantity(
        name="carbon",
        title="carbon",
        unit="g CO₂e per 1,000 reviews",
        field="gco2e_measured",
        description="carbon of the measured energy",
        unit_size=1e-3,
        column=Column("carbon", optional=True, terminal=False),
    ),
    Quantity(
        name="estimated-carbon",
        title="estimated carbon",
        unit="g CO₂e per 1,000 reviews",
        field="gco2e_estimated",
        unit_size=1e-3,
        column=Column("est. carbon", optional=True, terminal=False),
    ),
    Quantity(
        name="gemm-ceiling",
        title="of GEMM ceiling",
        unit="%",
        field="ceiling_reached",
        better="more",
        description="share of GEMM ceiling",
        unit_size=0.01,
        column=Column("ceiling", optional=True, terminal=False, headline=True),
    ),
    Quantity(
        name="work",
        title="work",
        unit="GMACs",
        field="macs",
        description="work of a review",
        unit_size=1e9,
        column=Column("GMACs", optional=True, terminal=False),
    ),
    Quantity(
        name="linear-work",
        title="linear-only",
        unit="GMACs",
        field="macs_linear",
        description="linear-only work of a review",
        unit_size=1e9,
        column=Column("linear", optional=True, terminal=False),
    ),
)

_MEASURED_BY_NAME = {quantity.name: quantity for quantity in _MEASURED}

#: Every limit that can be set, by its name.
LIMITS = {
    limit.name: limit
    for limit in (*(quantity.limit for quantity in _MEASURED if quantity.limit), *_METRIC_LIMITS.values())
}


def quantities() -> dict[str, Quantity]:
    """Return every quantity by name, metrics of installed packages included, in the order of tables.

    Raises:
        SlmbenchError: A metric of an installed package cannot be loaded.
    """
    from slmbench.statistics import METRICS

    metrics = [_of_metric(metric) for metric in METRICS]
    return {quantity.name: quantity for quantity in (*metrics, *_MEASURED)}


def known_quantity(name: str) -> Quantity:
    """Return a quantity by name.

    Raises:
        UsageError: There is none of that name; the message lists those that exist.
    """
    from slmbench.statistics import METRICS

    # Asked for each pair of rows: all quantities are put together only for the message.
    if name in _MEASURED_BY_NAME:
        return _MEASURED_BY_NAME[name]
    if "_" not in name and (metric := name.replace("-", "_")) in METRICS:
        return _of_metric(METRICS[metric])
    found = quantities()
    if name not in found:
        raise UsageError(f"there is no quantity '{name}'{did_you_mean(name, found)}: choose from {', '.join(found)}")
    return found[name]


def limited_quantities() -> dict[str, Quantity]:
    """Return the quantities that can be limited, by the name of the limit."""
    return {quantity.limit.name: quantity for quantity in quantities().values() if quantity.limit}


def table_quantities(rows: Sequence[Row]) -> list[Quantity]:
    """Return the quantities that a table of these rows has a column for.

    Args:
        rows: All rows of the table.
    """
    return [
        quantity
        for quantity in quantities().values()
        if quantity.column and (not quantity.column.optional or any(quantity.value(row) is not None for row in rows))
    ]


def row_schema() -> dict[str, Any]:
    """Return the JSON Schema of a row, each quantity's field with its title, its unit and what is better."""
    from slmbench.records import Row

    schema = Row.model_json_schema()
    for quantity in quantities().values():
        if quantity.field in schema["properties"]:
            unit = f" ({quantity.unit} = {quantity.unit_size:g} of this)" if quantity.unit_size != 1 else ""
            schema["properties"][quantity.field] |= {
                "title": quantity.description or quantity.title,
                "description": f"{quantity.better} is better{unit}",
            }
    return schema


def _of_metric(metric: Metric) -> Quantity:
    percent = metric.unit == "%"
    column = _METRIC_COLUMNS.get(metric.name)
    if column is None and metric.in_tables:
        column = Column(metric.title, leaves=1.5, optional=True)
    return Quantity(
        name=metric.name.replace("_", "-"),
        title=metric.title,
        unit=metric.unit,
        field=metric.name,
        better=metric.better,
        unit_size=0.01 if percent else 1,
        interval_field=f"{metric.name}_ci95",
        write=_one_decimal if percent else _three_decimals,
        logarithmic=False,
        column=column,
        limit=_METRIC_LIMITS.get(metric.name),
    )
