"""Few or no labels: for now, the arithmetic of study 000's cloze experiment."""

from slmbench.fewshot.study_000 import (
    RUNS,
    ClozeTable,
    Finding,
    cloze_table,
    findings,
    read_predictions,
)

__all__ = ["RUNS", "ClozeTable", "Finding", "cloze_table", "findings", "read_predictions"]
