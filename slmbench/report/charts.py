"""The numbers that the HTML report draws: everything here can be recomputed from the profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from slmbench.compare.curves import Chart
from slmbench.compare.quantities import quantities
from slmbench.records import ComparisonRecord, ProfileRecord, Row
from slmbench.records.comparison import Curve
from slmbench.records.sustained import Sustained, TracePoint
from slmbench.records.sweep import AXIS_TITLES, tick
from slmbench.report.explanations import Pair
from slmbench.report.facts import one_of_each_form
from slmbench.report.roc import form_curve, rate_titles

#: How many colours the style sheet has.
COLOURS = 8
#: How many line styles the script has.
DASHES = 4
#: Percentiles at which a latency distribution is drawn.
_PERCENTILES = np.linspace(0, 100, 201)
#: Most points of a trace of uninterrupted work that are drawn.
_TRACE_POINTS = 300


def chart_data(record: ComparisonRecord, pairs: Sequence[Pair], charts: Sequence[Chart]) -> dict[str, Any]:
    """Collect what the script of the report draws.

    Args:
        record: The comparison.
        pairs: Each measured row with its profile.
        charts: Sweeps that are drawn together.

    Returns:
        A document for JSON: axes, rows with values and latency curves, ROC curves, cascades, sweeps.
    """
    shown = [row for row in record.rows if row.failure is None]
    drawn: list[Row | Curve] = [*shown, *record.curves]
    colours = {name: number % COLOURS for number, name in enumerate(dict.fromkeys(row.name for row in drawn))}
    dashes = {form: number % DASHES for number, form in enumerate(dict.fromkeys(row.form for row in drawn))}

    def look(row: Row | ProfileRecord | Curve, name: str) -> dict[str, int]:
        return {"colour": colours[name], "dash": dashes[row.form]}

    profiles = {id(row): profile for row, profile in pairs}
    rows = [_row(row, profiles.get(id(row))) | look(row, row.name) for row in shown]
    known = [quantity for quantity in quantities().values() if any(quantity.name in row["values"] for row in rows)]
    forms = one_of_each_form(pairs)
    roc = [
        {"label": f"{bundle} {form}", "area": round(curve.area, 4), "points": _corners(curve[1:])}
        | look(profile, bundle)
        for (bundle, form), profile in forms.items()
        if (curve := form_curve(profile.predictions)) is not None
    ]
    return {
        "axes": [
            {
                "name": quantity.name,
                "title": quantity.axis_title,
                "short": quantity.title,
                "unit": quantity.unit,
                "better": quantity.better,
                "log": quantity.logarithmic,
                "table": quantity.column is not None,
            }
            for quantity in known
        ],
        "start": _start(record, {quantity.name: quantity.better for quantity in known}),
        "rows": rows,
        # Best first, so that the legend reads as a ranking.
        "roc": sorted(roc, key=lambda curve: -curve["area"]),
        "rates": rate_titles(next(iter(forms.values())).labels) if forms else None,
        "cascades": [
            {
                "label": f"{profile.bundle} {profile.form}",
                "threshold": profile.cascade.threshold,
                "sweep": [row.model_dump() for row in profile.cascade.sweep],
            }
            for profile in forms.values()
            if profile.cascade
        ],
        "traces": _traces([(row, profile, look(row, row.name)) for row, profile in pairs if profile.sustained]),
        "charts": [
            {
                "axis": AXIS_TITLES[chart.axis],
                "label": f"{chart.title}: median time of a review",
                # Settings double: side by side they can all be read. Lengths are a quantity.
                "ticks": None if chart.axis == "length" else [tick(chart.axis, value) for value in chart.values],
                "curves": [_curve(curve, chart.values) | look(curve, curve.name) for curve in chart.curves],
            }
            for chart in charts
        ],
    }


def _start(record: ComparisonRecord, known: Mapping[str, str]) -> list[str]:
    """Return the axes of the plot at first, across and up: those of the front, a quality upwards."""
    wanted = list(record.decisions[0].front_axes) if record.decisions else []
    wanted = [name for name in [*wanted, "p50", "accuracy"] if name in known]
    up = next((name for name in wanted if known[name] == "more"), "accuracy")
    across = next((name for name in wanted if name != up), "p50")
    return [across, up]


def _row(row: Row, profile: ProfileRecord | None) -> dict[str, Any]:
    found = quantities()
    values = {name: value for name, one in found.items() if (value := one.value(row)) is not None}
    intervals = {
        name: interval
        for name, one in found.items()
        if (interval := one.interval(row)) is not None and (interval[0] > 0 or not one.logarithmic)
    }
    latency = profile.latency if profile else None
    return {
        "label": row.label,
        "machine": row.machine,
        "pareto": row.pareto,
        "recommended": row.recommended,
        "refused": row.refusal is not None,
        "apart": not row.compared,
        "values": values,
        "intervals": intervals,
        "quantiles": [round(float(value), 4) for value in np.percentile(latency.samples_ms, _PERCENTILES)]
        if latency
        else None,
        "processes": latency.process_p50_ms if latency else None,
    }


class TracedQuantity(NamedTuple):
    """What is drawn of uninterrupted work over time: a value of each point, unknown where the system shows none."""

    title: str
    unit: str
    caption: str
    value: Callable[[TracePoint, float], float | None]


_TRACED = (
    TracedQuantity(
        "time of a review",
        "of its usual time",
        "Time of reviews over the time that the same reviews took before, so their lengths play no part",
        lambda point, seconds: point.relative,
    ),
    TracedQuantity(
        "throughput",
        "reviews/s",
        "Reviews a second; long ones make it lower for a while",
        lambda point, seconds: point.reviews / seconds,
    ),
    TracedQuantity("clock", "MHz", "Clock of the fastest core", lambda point, seconds: point.clock_mhz),
    TracedQuantity(
        "temperature", "°C", "Temperature of the hottest sensor", lambda point, seconds: point.temperature_c
    ),
)


def _traces(traced: Sequence[tuple[Row, ProfileRecord, dict[str, int]]]) -> list[dict[str, Any]]:
    """Return a chart for each machine and quantity that is known of some row."""
    found = []
    for machine in dict.fromkeys(row.machine for row, _, _ in traced):
        for quantity in _TRACED:
            series = [
                {"label": row.label, "points": points} | look
                for row, profile, look in traced
                if row.machine == machine and profile.sustained and (points := _trace(profile.sustained, quantity))
            ]
            if series:
                shown = {"title": quantity.title, "unit": quantity.unit, "caption": quantity.caption}
                found.append({"machine": machine, **shown, "series": series})
    return found


def _trace(sustained: Sustained, quantity: TracedQuantity) -> list[list[float]]:
    """Return minutes and values; of long traces the means of stretches, so that there are few hundred."""
    ends = [*(point.at_s for point in sustained.trace[1:]), sustained.seconds]
    points = [
        (point.at_s / 60, value)
        for point, end in zip(sustained.trace, ends, strict=True)
        if end > point.at_s and (value := quantity.value(point, end - point.at_s)) is not None
    ]
    parts = np.array_split(np.array(points), min(len(points), _TRACE_POINTS)) if points else []
    return [[round(float(value), 4) for value in part.mean(0)] for part in parts]


def _curve(curve: Curve, values: Sequence[int]) -> dict[str, Any]:
    """Return a sweep as points of place, median and interval; lengths are places themselves."""

    def place(value: int) -> int:
        return value if curve.axis == "length" else values.index(value)

    return {
        "label": curve.label,
        "best": None if curve.best is None else place(curve.best),
        "points": [[place(point.value), point.p50_ms, *(point.ci95_ms or ())] for point in curve.points],
        "settings": [point.setting for point in curve.points],
    }


def _corners(curve: Sequence[np.ndarray]) -> list[list[float]]:
    """Return the points of a curve without those inside a vertical or horizontal segment."""
    points = [[round(float(x), 5), round(float(y), 5)] for x, y in zip(*curve, strict=True)]
    inner = zip(points, points[1:], points[2:], strict=False)
    bends = [b for a, b, c in inner if not (a[0] == b[0] == c[0] or a[1] == b[1] == c[1])]
    return [points[0], *bends, points[-1]]
