"""The report folder: the record, the reports made from it and plots, written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import build_aside, write_atomically
from slmbench.common.formatting import listing
from slmbench.common.plotting import reason_for_no_plots
from slmbench.common.progress import SILENT, Progress
from slmbench.compare.cells import profiles_of_rows
from slmbench.records import ComparisonRecord, ProfileRecord, read_record, write_record
from slmbench.report.csv import render_csv
from slmbench.report.explanations import Pair
from slmbench.report.facts import one_of_each_form
from slmbench.report.html import render_html
from slmbench.report.markdown import render_report

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
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the report")
    if folder.is_dir():
        strangers = sorted(entry.name for entry in folder.iterdir() if entry.name not in FILES)
        if strangers:
            raise UsageError(
                f"{folder} contains other files ({strangers[0]}), and a report replaces its whole folder:"
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
            write_atomically(building / ROWS, render_csv(record.rows))
            write_atomically(building / REPORT, render_report(record, pairs, no_plots))
            write_atomically(building / PAGE, render_html(record, pairs))
    except OSError as error:
        raise SlmbenchError(f"the report cannot be written to {folder}: {error.strerror or error}") from error


def _say_what_is_replaced(record: ComparisonRecord, folder: Path, progress: Progress) -> None:
    """Tell of an earlier report of other rows, which this one takes the place of."""
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

    forms = {form: profile.predictions for form, profile in one_of_each_form(pairs).items()}
    with progress.task("drawing plots", total=3, unit="plots") as task:
        draw_accuracy_latency(record, folder / ACCURACY_LATENCY)
        task.advance()
        draw_roc(forms, folder / ROC)
        task.advance()
        draw_confusion(forms, folder / CONFUSION)
        task.advance()
