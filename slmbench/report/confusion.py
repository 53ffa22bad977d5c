"""``confusion.png`` beside an evaluation's record."""

from __future__ import annotations

from pathlib import Path

from slmbench.common.files import write_aside
from slmbench.common.plotting import reason_for_no_plots
from slmbench.common.progress import SILENT, Progress
from slmbench.records import EvaluationRecord

CONFUSION = "confusion.png"


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
