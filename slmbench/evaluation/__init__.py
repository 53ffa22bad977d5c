"""Evaluations: a run or bundle on its own test rows or on another corpus; runs grouped over seeds; verification."""

from slmbench.evaluation.evaluating import evaluate
from slmbench.evaluation.groups import RunTable, SeedGroup, group_runs
from slmbench.evaluation.subject import Subject, open_subject, read_runs

__all__ = [
    "RunTable",
    "SeedGroup",
    "Subject",
    "evaluate",
    "group_runs",
    "open_subject",
    "read_runs",
]
