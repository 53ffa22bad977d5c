"""How profiles, sweeps, tunings, comparisons of two forms and architectures look on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.text import Text

from slmbench.cli.views.fitting_table import FittingTable, number, text
from slmbench.records import ProfileRecord
from slmbench.records.architecture import ArchitectureRecord
from slmbench.records.sweep import SweepRecord
from slmbench.records.tuning import Candidate, TuningRecord
from slmbench.records.versus import VersusRecord
from slmbench.statistics import Interval


def profile_table(records: Sequence[ProfileRecord]) -> FittingTable:
    """Show profiles as rows, with warnings and notes below."""
    table = FittingTable(
        [
            text("bundle"),
            text("form"),
            number("accuracy\n%", leaves=9),
            number("p50 ms\n[95 %]"),
            number("p95 ms\n[95 %]", leaves=8),
            number("reviews\n/s", leaves=5),
            number("peak\nMB", leaves=6),
            number("cold\nms", leaves=1),
            number("size\nMB", leaves=7),
            *(number(header, leaves=leaves, optional=True) for header, leaves, _ in OPTIONAL_COLUMNS),
        ]
    )
    for record in records:
        latency = record.latency
        table.add_row(
            record.bundle,
            record.form,
            f"{100 * record.accuracy:.1f}",
            f"{latency.p50_ms:.3g}{_bounds(latency.p50_ci95_ms)}",
            "–" if latency.p95_ms is None else f"{latency.p95_ms:.3g}{_bounds(latency.p95_ci95_ms)}",
            _rate(record),
            "–" if record.memory.peak_bytes is None else f"{record.memory.peak_bytes / 1e6:,.0f}",
            "–" if record.cold_start_ms is None else f"{record.cold_start_ms:,.0f}",
            f"{record.size_bytes / 1e6:.1f}",
            *(cell(record) or "–" for _, _, cell in OPTIONAL_COLUMNS),
        )
    table.notes += [
        *_warnings(records),
        *_session_notes(records),
        *dict.fromkeys(note for record in records for note in (*_notes(record), record.energy.sentence)),
    ]
    return table


def versus_summary(record: VersusRecord) -> list[RenderableType]:
    """Show two forms measured alternately, their ratio, and the verdict."""
    table = FittingTable([text("bundle"), text("form"), number("p50\nms"), number("size\nMB", leaves=1)])
    for side, p50 in ((record.first, record.first_p50_ms), (record.second, record.second_p50_ms)):
        table.add_row(side.bundle, side.form, f"{p50:.3g}", f"{side.size_bytes / 1e6:.1f}")
    samples = sum(len(pair.first_ms) for pair in record.pairs)
    facts = (
        f"ratio of times: review by review {record.ratio.value:.3f}×{_bounds(record.ratio.ci95, '.3f')},"
        f" of medians {record.ratio_of_medians.value:.3f}×{_bounds(record.ratio_of_medians.ci95, '.3f')};"
        f" {samples:,} reviews each, {len(record.pairs)} pairs of processes"
    )
    notes = [*([record.note] if record.note else []), *record.warnings]
    return [table, Text(facts), Text(record.sentence, style="bold"), *(Text(note, style="dim") for note in notes)]


def sweep_summary(record: SweepRecord) -> list[RenderableType]:
    """Show a curve as a table, and its result."""
    title = f"{record.bundle} {record.form}"
    columns = [text(record.axis), number("ms per review\n[95 %]"), number("reviews\n/s", leaves=1)]
    table = FittingTable(columns, title=title)
    for point in record.points:
        mark = " ★" if point.value == record.best else ""
        table.add_row(
            record.name_of(point.value) + mark,
            f"{point.p50_ms:.3g}{_bounds(point.ci95_ms)}",
            f"{point.reviews_per_second:,.0f}",
        )
    failures = [f"{record.name_of(failure.value)}: {failure.reason}" for failure in record.failed]
    lacking = dict.fromkeys(point.no_interval for point in record.points if point.no_interval)
    table.notes += [*lacking, *record.warnings]
    return [table, Text(record.sentence, style="bold"), *(Text(failure, style="red") for failure in failures)]


def tuning_summary(record: TuningRecord) -> list[RenderableType]:
    """Show the settings that were tried, the fastest marked, the token budgets, and the result."""
    title = f"bundle {record.bundle}"
    columns = [text("form"), text("provider", leaves=1), number("threads"), number("ms per review\n[95 %]")]
    table = FittingTable(columns, title=title)
    measured = [candidate for candidate in record.candidates if candidate.processes_ms]
    for candidate in sorted(measured, key=lambda one: one.p50_ms or float("inf")):
        setting = candidate.setting
        table.add_row(
            setting.form + (" ★" if setting == record.chosen else ""),
            setting.provider,
            str(setting.threads),
            f"{candidate.p50_ms:.3g}{_bounds(candidate.ci95_ms)}",
        )
    ways = [(1, point) for point in record.batches]
    ways += [(crew.workers, point) for crew in record.crews for point in crew.batches]
    columns = [text("batches"), number("workers"), number("reviews\n/s"), number("other\nlabels")]
    budgets = FittingTable(columns)
    labels = {one.value: one for one in record.budget_labels}
    for workers, point in ways:
        name = f"{point.value:,} tokens" if point.value else "none"
        mark = " ★" if record.many is not None and point is record.many.point else ""
        found = labels.get(point.value)
        other = f"{found.served.differing} of {found.served.reviews}" if found else ""
        refused = ", too many" if found and found.refused else ""
        budgets.add_row(name + mark, str(workers), f"{point.reviews_per_second:,.0f}", other + refused)
    return [
        table,
        budgets,
        Text(record.sentence, style="bold"),
        *(Text(warning, style="dim") for warning in record.warnings),
        *(Text(failure, style="red") for failure in _failures(record.candidates)),
    ]


def _failures(candidates: Sequence[Candidate]) -> list[str]:
    """Return each reason once, with the settings that failed for it."""
    reasons: dict[str, list[str]] = {}
    for one in candidates:
        if one.failure:
            reasons.setdefault(one.failure, []).append(one.setting.title)
    return [f"{', '.join(settings)}: {reason}" for reason, settings in reasons.items()]


def _gpu_megabytes(record: ProfileRecord) -> str | None:
    """Return the peak as the driver counts it, or where it does not, as torch's allocator does."""
    gpu = record.memory.gpu
    peak = None if gpu is None else gpu.nvml_bytes if gpu.nvml_bytes is not None else gpu.reserved_bytes
    return None if peak is None else f"{peak / 1e6:,.0f}"


def _of_ceiling(record: ProfileRecord) -> str | None:
    achieved = record.roofline.achieved if record.roofline else None
    return None if achieved is None else f"{100 * achieved:.0f} %"


def _joules(record: ProfileRecord, quality: str) -> str | None:
    joules = record.energy.joules_per_1000 if record.energy.quality == quality else None
    return None if joules is None else f"{joules:,.3g}"


def _cold_cache(record: ProfileRecord) -> str | None:
    cold = record.cold.cold_cache_ms if record.cold else None
    return None if cold is None else f"{cold:,.0f}"


#: Columns that are shown when a record has a value for them, and how soon each leaves a narrow terminal.
OPTIONAL_COLUMNS: tuple[tuple[str, int, Callable[[ProfileRecord], str | None]], ...] = (
    ("p99\nms", 0, lambda record: None if record.latency.p99_ms is None else f"{record.latency.p99_ms:.3g}"),
    ("cold\ncache", 0, _cold_cache),
    ("of\nceiling", 2, _of_ceiling),
    ("J per\n1,000", 3, lambda record: _joules(record, "measured")),
    ("est. J\n/1,000", 3, lambda record: _joules(record, "estimated")),
    ("GPU\nMB", 4, _gpu_megabytes),
)


def _rate(record: ProfileRecord) -> str:
    """Return reviews per second: of batches, or those served of those that arrive."""
    if record.load is not None:
        return f"{record.load.served_per_second:,.3g} at {record.load.qps:,.3g}"
    throughput = record.throughput
    if throughput is None or (throughput.labels is not None and throughput.labels.too_many):
        return "–"
    return f"{throughput.reviews_per_second:,.0f}"


def _warnings(records: Sequence[ProfileRecord]) -> list[str]:
    """Return every warning once, with the rows it belongs to unless it belongs to all."""
    found: dict[str, list[str]] = {}
    for record in records:
        for warning in record.warnings:
            found.setdefault(warning, []).append(f"{record.bundle} {record.form}")
    return [text if len(who) == len(records) else f"{', '.join(who)}: {text}" for text, who in found.items()]


def _session_notes(records: Sequence[ProfileRecord]) -> list[str]:
    """Return a line on the sentinel of each session, and one on how intervals allow for other sessions."""
    sessions = {session.id: session for record in records for session in record.measured_in}
    lines = [session.sentence for session in sessions.values()]
    return [*lines, *dict.fromkeys(record.latency.widening for record in records if record.latency.widening)]


def _notes(record: ProfileRecord) -> list[str]:
    notes = []
    if record.latency.no_interval:
        notes.append(f"{record.bundle} {record.form}: {record.latency.no_interval}")
    if record.roofline is not None and record.roofline.ceiling_note:
        notes.append(record.roofline.ceiling_note)
    if record.latency.note:
        notes.append(f"{record.bundle} {record.form}: {record.latency.note}")
    if record.sustained is not None:
        notes.append(f"{record.bundle} {record.form}: {record.sustained.sentence}")
    load = record.load
    if load is not None and load.url is not None:
        notes.append(
            f"{record.bundle} {record.form}: measured from outside at {load.url}, workers: {load.workers}; a request"
            f" without a text takes {load.empty_p50_ms:.3g} ms"
        )
    # A rate that exceeded its bound when it was verified has a warning instead.
    if load is not None and load.max_p95_ms is not None and record.keeps_its_bound:
        found, in_others = record.highest_rate_ci95, ", in other sessions too" if record.latency.widening else ""
        around = f"; the highest rate is in [{found[0]:.3g}–{found[1]:.3g}]{in_others}" if found else ""
        notes.append(
            f"{record.bundle} {record.form}: {load.qps:.3g} reviews/s are shown to keep the p95 within"
            f" {load.max_p95_ms:g} ms{around}"
        )
    return notes


def _bounds(interval: Interval | None, form: str = ".3g") -> str:
    return "" if interval is None else f" [{format(interval[0], form)}–{format(interval[1], form)}]"


def architecture_view(record: ArchitectureRecord) -> list[RenderableType]:
    """Show an architecture-only profile."""
    title = Text(
        f"{record.model}, {record.task}, {record.device} {record.dtype}, batch {record.batch_size},"
        f" threads: {record.threads} (random weights, accuracy unknown)"
    )
    table = FittingTable(
        [
            number("tokens"),
            number("p50\nms"),
            number("95 %\ninterval", leaves=2),
            number("samples", leaves=1),
            number("G MACs", leaves=3),
            number("% of\nceiling", leaves=4),
            number("peak\nMB", leaves=5),
        ]
    )
    for timing in record.timings:
        interval, reached = timing.ci95_ms, timing.roofline.achieved
        peak = timing.device_peak_bytes or timing.peak_bytes
        table.add_row(
            f"{timing.tokens:,}",
            f"{timing.p50_ms:,.2f}",
            f"{interval[0]:,.2f}–{interval[1]:,.2f}" if interval else "",
            f"{len(timing.samples_ms)}",
            f"{record.batch_size * record.arithmetic.full.at(timing.tokens) / 1e9:,.3f}",
            f"{100 * reached:.0f}" if reached is not None else "",
            f"{peak / 1e6:,.0f}" if peak is not None else "",
        )
    return [title, table, *(Text(warning, style="dim") for warning in record.warnings)]
