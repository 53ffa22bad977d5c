"""The report folder: ``comparison.json``, ``report.md`` and plots, written whole or not at all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from slmbench.compare.cells import cell_key, row_key
from slmbench.compare.constraints import limits_phrase
from slmbench.compare.formatting import (
    bare_megabytes,
    half_width,
    listing,
    parameters,
    percent,
    three_digits,
)
from slmbench.compare.table import machine_tags, measured_on
from slmbench.errors import SlmbenchError, UsageError, require_extra
from slmbench.files import build_aside, write_atomically
from slmbench.markdown import render_markdown
from slmbench.progress import SILENT, Progress
from slmbench.records import write_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.records import ComparisonRecord, Predictions, ProfileRecord, Row

RECORD = "comparison.json"
REPORT = "report.md"
ACCURACY_LATENCY = "accuracy_latency.png"
ROC = "roc.png"
CONFUSION = "confusion.png"
FILES = (RECORD, REPORT, ACCURACY_LATENCY, ROC, CONFUSION)


def check_report_dir(folder: Path) -> None:
    """Check that a report may be written to a folder, which is replaced whole.

    Args:
        folder: The folder to make, or an earlier report's.

    Raises:
        UsageError: It is a file, or holds anything that is not of a report.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the report")
    if folder.is_dir():
        strangers = sorted(entry.name for entry in folder.iterdir() if entry.name not in FILES)
        if strangers:
            raise UsageError(
                f"{folder} holds other files ({strangers[0]}) and a report replaces its folder whole:"
                " name a new folder or that of an earlier report"
            )


def write_report(
    record: ComparisonRecord,
    profiles: Sequence[ProfileRecord],
    folder: Path,
    *,
    progress: Progress = SILENT,
) -> None:
    """Write a comparison as a folder; an earlier report there is replaced only once the new one is complete.

    Without matplotlib the report is written without plots and says so.

    Args:
        record: The comparison.
        profiles: The profiles it was made from: the plots draw their predictions.
        folder: The folder to make or replace.
        progress: Told what is drawn, and when plots are left out.

    Raises:
        UsageError: The folder holds files that are not of a report.
        SlmbenchError: The folder cannot be written.
    """
    check_report_dir(folder)
    by_cell = {cell_key(profile): profile for profile in profiles}
    pairs = [(row, by_cell[row_key(row)]) for row in record.rows if row_key(row) in by_cell]
    no_plots = _reason_for_no_plots() if pairs else "nothing was measured"
    if no_plots:
        progress.say(f"the report has no plots: {no_plots}")
    try:
        with build_aside(folder.resolve()) as building:
            if not no_plots:
                _draw(record, pairs, building, progress)
            write_record(record, building / RECORD)
            write_atomically(building / REPORT, render_report(record, pairs, no_plots))
    except OSError as error:
        raise SlmbenchError(f"the report cannot be written to {folder}: {error.strerror or error}") from error


def _reason_for_no_plots() -> str | None:
    try:
        require_extra("matplotlib", "report", "drawing plots")
    except SlmbenchError as missing:
        return str(missing)
    return None


def _draw(
    record: ComparisonRecord, pairs: Sequence[tuple[Row, ProfileRecord]], folder: Path, progress: Progress
) -> None:
    from slmbench.compare.plots import draw_accuracy_latency, draw_confusion, draw_roc

    # A form timed in several ways or on several machines classifies the same way: one curve is enough.
    forms: dict[tuple[str, str], Predictions] = {}
    bundles = list(dict.fromkeys(row.name for row, _ in pairs))
    for _, profile in sorted(pairs, key=lambda pair: (bundles.index(pair[0].name), pair[0].form or "")):
        forms.setdefault((profile.bundle, profile.form), profile.predictions)
    with progress.task("drawing plots", total=3, unit="plots") as task:
        draw_accuracy_latency(record, folder / ACCURACY_LATENCY)
        task.advance()
        draw_roc(forms, folder / ROC)
        task.advance()
        draw_confusion(forms, folder / CONFUSION)
        task.advance()


def render_report(record: ComparisonRecord, pairs: Sequence[tuple[Row, ProfileRecord]], no_plots: str | None) -> str:
    """Render ``report.md``.

    Args:
        record: The comparison.
        pairs: Each measured row with its profile.
        no_plots: Why there are no plots, or ``None``.

    Returns:
        Markdown.
    """
    filters = {
        "cell": lambda text: " ".join(str(text).split()).replace("|", "\\|"),
        "ms": _or_dash(three_digits),
        "mb": _or_dash(bare_megabytes),
        "rate": _or_dash(three_digits),
        "count": _or_dash(parameters),
        "percent": _or_dash(percent),
        "share": _or_dash(lambda value: f"{value * 100:.1f}"),
    }
    profiles = [profile for _, profile in pairs]
    measured = [row for row in record.rows if row.failure is None]
    return render_markdown(
        "slmbench.compare",
        "report.md.j2",
        filters,
        record=record,
        tags=machine_tags(record),
        limits=limits_phrase(record.constraints),
        measured_on=measured_on(measured) if measured else None,
        half_width=lambda row: half_width(row.accuracy_ci95) * 100,
        no_plots=no_plots,
        corpora=_corpora(profiles),
        workloads=_workloads(profiles),
        regimes=listing(list(dict.fromkeys(profile.regime for profile in profiles))) if profiles else "",
        between=_between_processes(pairs),
        software=_software(profiles),
        p95_missing=any(row.p95_ms is None for row, _ in pairs),
    )


def _or_dash(write: Any) -> Any:
    return lambda value: "–" if value is None else write(value)


def _corpora(profiles: Sequence[ProfileRecord]) -> list[dict[str, Any]]:
    """Describe each set of test reviews once, with what was trained for it."""
    found: dict[str, dict[str, Any]] = {}
    for profile in profiles:
        identity = profile.trained_on
        entry = found.setdefault(
            profile.predictions.rows_hash(),
            {
                "identity": identity,
                "reviews": len(profile.predictions.row_ids),
                "baseline": profile.evaluation.majority_baseline,
                "trained": [],
            },
        )
        if identity.train_reviews not in entry["trained"]:
            entry["trained"].append(identity.train_reviews)
    for entry in found.values():
        entry["trained"] = listing([f"{reviews:,}" for reviews in sorted(entry["trained"])])
    return [{"hash": digest, **entry} for digest, entry in found.items()]


def _workloads(profiles: Sequence[ProfileRecord]) -> list[str]:
    """Describe what was fed in while latency was measured."""
    found = []
    for profile in profiles:
        fed = profile.corpus
        kind = "reviews" if fed.inputs == "reviews" else "texts of words matched to the lengths"
        found.append(
            f"{fed.reviews:,} {kind} of {fed.name} (`{fed.test_hash[:16]}`), median {fed.tokens_p50:.0f}"
            f" tokens, longest {fed.tokens_max}"
        )
    return list(dict.fromkeys(found))


def _between_processes(pairs: Sequence[tuple[Row, ProfileRecord]]) -> str | None:
    """Say which row's processes disagree most about its median."""
    spreads = [
        (max(medians) / min(medians) - 1, row.label, len(medians))
        for row, profile in pairs
        if len(medians := profile.latency.process_p50_ms) > 1 and min(medians) > 0
    ]
    if not spreads:
        return None
    spread, label, processes = max(spreads)
    return f"at most {percent(spread)} apart ({label}, {processes} processes)"


def _software(profiles: Sequence[ProfileRecord]) -> dict[str, str]:
    """Return each library with the versions met, the commonest first."""
    versions: dict[str, Counter[str]] = {}
    for profile in profiles:
        for library, version in profile.software.items():
            versions.setdefault(library, Counter())[version] += 1
    return {library: ", ".join(version for version, _ in met.most_common()) for library, met in versions.items()}
