"""Report folders: the record, the reports and plots made from it, whole or not at all; an evaluation's plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import build_aside, check_folder, write_aside, write_atomically
from slmbench.common.formatting import listing, no_formula
from slmbench.common.plotting import reason_for_no_plots
from slmbench.common.progress import SILENT, Progress
from slmbench.common.templates import render_markdown
from slmbench.compare.quantities import quantities
from slmbench.compare.reading import profiles_of_rows
from slmbench.records import ComparisonRecord, EvaluationRecord, ProfileRecord, Row, read_record, write_record
from slmbench.report.charts import chart_data
from slmbench.report.explanations import Pair
from slmbench.report.facts import number_filters, one_of_each_form, report_facts
from slmbench.report.flips import label_flips
from slmbench.statistics import Interval, row_shares

RECORD = "comparison.json"
REPORT = "report.md"
PAGE = "report.html"
ROWS = "rows.csv"
ACCURACY_LATENCY = "accuracy_latency.png"
ROC = "roc.png"
CONFUSION = "confusion.png"
FILES = (RECORD, REPORT, PAGE, ROWS, ACCURACY_LATENCY, ROC, CONFUSION)


def check_report_dir(folder: Path) -> None:
    """Check that a report may be written to a folder, which is replaced whole.

    Args:
        folder: The folder to make, or an earlier report's.

    Raises:
        UsageError: It is a file, or contains a file that no report has.
    """
    check_folder(folder)
    if folder.is_dir():
        others = sorted(entry.name for entry in folder.iterdir() if entry.name not in FILES)
        if others:
            raise UsageError(
                f"{folder} contains other files ({others[0]}), and a report replaces its whole folder:"
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

    Without matplotlib the Markdown has no plots and gives the reason; the HTML page draws its own.

    Args:
        record: The comparison.
        profiles: The profiles it was made from, older ones of the same cells among them or not.
        folder: The folder to make or replace.
        progress: Told what is drawn, and when plots are left out.

    Raises:
        UsageError: The folder contains a file that no report has.
        SlmbenchError: The folder cannot be written.
    """
    check_report_dir(folder)
    _say_what_is_replaced(record, folder, progress)
    pairs = profiles_of_rows(record.rows, profiles)
    no_plots = reason_for_no_plots() if pairs else "nothing was measured"
    if no_plots:
        progress.say(f"{REPORT} has no plots ({PAGE} has its own): {no_plots}")
    try:
        with build_aside(folder.resolve()) as building:
            if not no_plots:
                _draw(record, pairs, building, progress)
            write_record(record, building / RECORD)
            write_atomically(building / ROWS, _csv(record.rows))
            write_atomically(building / REPORT, _markdown(record, pairs, no_plots))
            write_atomically(building / PAGE, _page(record, pairs))
    except OSError as error:
        raise SlmbenchError(f"the report cannot be written to {folder}: {error.strerror or error}") from error


def _say_what_is_replaced(record: ComparisonRecord, folder: Path, progress: Progress) -> None:
    """Name the rows of an earlier report that this one replaces and does not have."""
    try:
        earlier = read_record(ComparisonRecord, folder / RECORD)
    except SlmbenchError:
        return
    lost = sorted({row.label for row in earlier.rows} - {row.label for row in record.rows})
    if lost:
        progress.say(
            f"{folder} is replaced; rows of the comparison there that this one does not have: {listing(lost)}"
            " (--report FOLDER keeps both)"
        )


def _draw(record: ComparisonRecord, pairs: Sequence[Pair], folder: Path, progress: Progress) -> None:
    from slmbench.report.plots import draw_accuracy_latency, draw_confusion, draw_roc
    from slmbench.report.plots.names import FOREMOST, foremost

    all_forms = {form: profile.predictions for form, profile in one_of_each_form(pairs).items()}
    shown = {(row.name, row.form) for row in foremost(record.rows)}
    forms = {form: predictions for form, predictions in all_forms.items() if form in shown}
    note = f"{len(forms)} of {len(all_forms)}: {FOREMOST}" if len(forms) < len(all_forms) else ""
    with progress.task("drawing plots", total=3, unit="plots") as task:
        draw_accuracy_latency(record, folder / ACCURACY_LATENCY)
        task.advance()
        draw_roc(forms, folder / ROC, note)
        task.advance()
        draw_confusion(forms, folder / CONFUSION, note)
        task.advance()


def _markdown(record: ComparisonRecord, pairs: Sequence[Pair], no_plots: str | None) -> str:
    """Return ``report.md``; ``no_plots`` says why there are none."""
    filters = {"cell": lambda text: " ".join(str(text).split()).replace("|", "\\|"), **number_filters()}
    return render_markdown(
        "slmbench.report", "report.md.j2", filters, no_plots=no_plots, **report_facts(record, pairs)
    )


def _page(record: ComparisonRecord, pairs: Sequence[Pair]) -> str:
    """Render ``report.html``: style, script and numbers inline.

    Texts of reviews are shown where the bundles are in ``exported/``.

    Args:
        record: The comparison.
        pairs: Each measured row with its profile.

    Returns:
        HTML; everything that comes from a record is escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("slmbench.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters |= number_filters()
    forms = one_of_each_form(pairs)
    facts = report_facts(record, pairs)
    return environment.get_template("report.html.j2").render(
        **facts,
        pairs=pairs,
        data=chart_data(record, pairs, facts["charts"]),
        recommended={row.machine: row for row in record.rows if row.recommended},
        timed_machines=list(dict.fromkeys(row.machine for row, _ in pairs)),
        confusions=[_confusion(profile) for profile in forms.values()],
        flips=label_flips(list(forms.values())),
        cascades=[
            (f"{profile.bundle} {profile.form}", profile.cascade) for profile in forms.values() if profile.cascade
        ],
    )


def _confusion(profile: ProfileRecord) -> dict[str, Any]:
    evaluation = profile.evaluation
    return {
        "name": f"{profile.bundle} {profile.form}",
        "accuracy": evaluation.accuracy,
        "labels": evaluation.labels,
        "cells": [
            [(count, round(float(share), 3)) for count, share in zip(*line, strict=True)]
            for line in zip(evaluation.confusion, row_shares(evaluation.confusion), strict=True)
        ],
    }


def _csv(rows: Sequence[Row]) -> str:
    """Return ``rows.csv``: every row with unrounded numbers; what is not known is an empty cell.

    There is a column for each field of a row and each metric that some row has, two for an interval
    (``accuracy_ci95_low``, ``accuracy_ci95_high``). Units are plain: bytes, fractions, joules a review.
    """
    intervals = {quantity.interval_field for quantity in quantities().values()}
    documents = [_columns(row, intervals) for row in rows]
    text = io.StringIO()
    names = list(dict.fromkeys(name for document in documents for name in document))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: no_formula(value) for name, value in document.items()} for document in documents)
    return text.getvalue()


def _columns(row: Row, intervals: set[str | None]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for field in Row.model_fields:
        value = getattr(row, field)
        if field == "metrics":
            columns |= value
        elif field == "metrics_ci95":
            for metric, interval in value.items():
                columns |= _ends(f"{metric}_ci95", interval)
        else:
            columns |= _ends(field, value) if field in intervals else {field: value}
    return columns


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def draw_evaluation(record: EvaluationRecord, progress: Progress = SILENT) -> Path | None:
    """Draw the confusion matrix of an evaluation into its folder, unless it is already there.

    Args:
        record: The evaluation; ``record.path`` is its folder.
        progress: Told when nothing can be drawn.

    Returns:
        The plot; ``None`` where matplotlib is not installed.
    """
    path = Path(record.path) / CONFUSION
    if path.is_file():
        return path
    if no_plot := reason_for_no_plots():
        progress.say(f"there is no confusion plot: {no_plot}")
        return None
    from slmbench.report.plots import draw_confusion

    subject = f"{record.subject_name} {record.form or ''}".strip()
    title = (subject, "" if record.own_rows else f"on {record.corpus.name}")
    with write_aside(path) as file:
        draw_confusion({title: record.predictions}, file)
    return path
