"""Runs that differ in nothing but their seed, as one row of a table; one table for each set of test rows."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slmbench.statistics import bootstrap_interval, t_interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slmbench.records import RunRecord
    from slmbench.statistics import Interval

Verdict = Literal["above", "at chance", "below"]


@dataclass(frozen=True, eq=False)
class SeedGroup:
    """Runs that differ in nothing but their seed, each seed once.

    Attributes:
        runs: In the order of their seeds.
        variant: What tells the group from others of the same model, method and number of examples.
    """

    runs: tuple[RunRecord, ...]
    variant: str = ""

    @property
    def first(self) -> RunRecord:
        """The run that speaks for what all have in common."""
        return self.runs[0]

    @property
    def model(self) -> str:
        """The model's name, without the folders before it."""
        return Path(self.first.model).name

    @property
    def teacher(self) -> str | None:
        """Name of the run it learned from."""
        return _teacher(self.first, "name")

    @cached_property
    def accuracies(self) -> list[float]:
        """Accuracy of each run."""
        return [run.test.accuracy for run in self.runs]

    @property
    def accuracy(self) -> float:
        """Mean accuracy."""
        return float(np.mean(self.accuracies))

    @property
    def macro_f1(self) -> float:
        """Mean macro-F1."""
        return float(np.mean([run.test.macro_f1 for run in self.runs]))

    @property
    def sd(self) -> float | None:
        """Standard deviation of the accuracy over seeds (n - 1 below the line); ``None`` of a single one."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.runs) > 1 else None

    @cached_property
    def seed_matters(self) -> bool:
        """Whether any two runs answer a test row differently."""
        answers = [_in_order(run, run.predictions.predicted()) for run in self.runs]
        return any(not np.array_equal(answers[0], other) for other in answers[1:])

    @cached_property
    def interval(self) -> Interval:
        """95 % interval of the accuracy: over seeds (t), or over reviews (bootstrap) where there is but one answer.

        The former is of the mean over seeds, on these very test rows; it says nothing of other reviews.
        """
        if not self.seed_matters:
            return self.first.test.accuracy_ci95
        return t_interval(self.accuracies)

    @property
    def interval_over(self) -> Literal["seeds", "reviews"]:
        """What :attr:`interval` is over."""
        return "seeds" if self.seed_matters else "reviews"

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the accuracy can be told from the majority baseline.

        It can where the interval lies on one side of the baseline, and the bootstrap interval over reviews does too:
        seeds that agree with one another on a few reviews prove nothing. The baseline is taken as fixed, being the
        share of the commonest label in these very reviews.
        """
        baseline = self.first.test.majority_baseline
        right = np.mean([_in_order(run, run.predictions.right()) for run in self.runs], axis=0)
        over_reviews = bootstrap_interval(lambda rows: right[rows].mean(1), len(right))
        if min(self.interval[0], over_reviews[0]) > baseline:
            return "above"
        return "below" if max(self.interval[1], over_reviews[1]) < baseline else "at chance"

    @property
    def train_seconds(self) -> float | None:
        """Mean seconds of training; ``None`` when nothing was trained."""
        return float(np.mean([run.train.seconds for run in self.runs])) if self.first.train.seconds else None

    @property
    def answering_seconds(self) -> float | None:
        """Mean seconds of answering the test rows, where the method's cost is recorded."""
        known = [run.answering.seconds for run in self.runs if run.answering]
        return float(np.mean(known)) if known else None

    @property
    def peak_bytes(self) -> int | None:
        """Largest memory that any run's process took, in training or answering."""
        costs = [cost for run in self.runs for cost in (run.train, run.answering) if cost]
        return max((cost.peak_rss_bytes for cost in costs if cost.peak_rss_bytes is not None), default=None)


@dataclass(frozen=True)
class RunTable:
    """Groups that were tested on the same rows, and the runs that were left out because another says the same."""

    groups: list[SeedGroup]
    repeated: list[RunRecord]

    @property
    def first(self) -> RunRecord:
        """The run that speaks for the test rows."""
        return self.groups[0].first

    @property
    def machines(self) -> int:
        """How many different machines the runs were made on."""
        return len({run.hardware.get("fingerprint") for group in self.groups for run in group.runs})


def group_runs(runs: Iterable[RunRecord]) -> list[RunTable]:
    """Group runs that differ in nothing but their seed.

    Equal are method, model and its weights, hyper-parameters, shots, training and test rows, and teacher. Runs of
    different test rows are in different tables. A run whose seed the group has already is left out: counting it
    twice would make the interval too narrow.

    Args:
        runs: Records of runs, in any order.

    Returns:
        Tables in the order in which their test rows first appear; groups by method, model, shots and examples.
    """
    by_rows: dict[tuple[str, ...], dict[str, list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        rows = (run.predictions.rows_hash(), *run.predictions.labels)
        by_rows[rows][_identity(run)].append(run)
    return [_table(list(groups.values())) for groups in by_rows.values()]


def _identity(run: RunRecord) -> str:
    facts = {**_facts(run), "model": run.model, "method": run.method, "shots": run.shots}
    return json.dumps(facts, sort_keys=True, default=str)


def _facts(run: RunRecord) -> dict[str, Any]:
    """Return what two runs of one model, method and number of examples may still differ in, beside the seed."""
    return {
        **run.hyperparameters,
        "unlabelled reviews": run.corpus.unlabelled_reviews or None,
        "teacher": (_teacher(run, "weights_sha256") or "")[:8] or None,
        "training rows": run.corpus.train_hash[:8],
        "base model": run.base_sha256[:8] if run.base_sha256 else None,
    }


def _teacher(run: RunRecord, fact: str) -> str | None:
    """Return a fact about the run that this one learned from."""
    teacher = run.details.get("teacher")
    return str(teacher[fact]) if isinstance(teacher, dict) and fact in teacher else None


def _table(groups: list[list[RunRecord]]) -> RunTable:
    repeated: list[RunRecord] = []
    kept: list[list[RunRecord]] = []
    for runs in groups:
        by_seed: dict[int, RunRecord] = {}
        for run in runs:
            if by_seed.setdefault(run.seed, run) is not run:
                repeated.append(run)
        kept.append([by_seed[seed] for seed in sorted(by_seed)])
    alike: dict[tuple[Any, ...], list[list[RunRecord]]] = defaultdict(list)
    for runs in kept:
        alike[_place(runs[0])].append(runs)
    return RunTable(
        [SeedGroup(tuple(runs), variant) for place in sorted(alike) for runs, variant in _told_apart(alike[place])],
        repeated,
    )


def _place(run: RunRecord) -> tuple[Any, ...]:
    """Return where a run's row stands, and which rows need telling apart."""
    shots = (1, 0) if run.shots is None else (0, run.shots)
    return (run.method, Path(run.model).name, shots, run.corpus.train_reviews, _teacher(run, "name") or "")


def _told_apart(groups: list[list[RunRecord]]) -> list[tuple[list[RunRecord], str]]:
    """Return each group with the facts in which it differs from the others."""
    facts = [_facts(runs[0]) for runs in groups]
    names = dict.fromkeys(name for own in facts for name in own)
    telling = [name for name in names if len({str(own.get(name)) for own in facts}) > 1]
    return [
        (runs, ", ".join(f"{name.replace('_', ' ')} {_written(own[name])}" for name in telling if name in own))
        for runs, own in zip(groups, facts, strict=True)
    ]


def _written(value: Any) -> str:
    """Write a choice: words of a label as ``positive: good/great``, lists with strokes."""
    if isinstance(value, dict):
        return " ".join(f"{name}: {_written(inside)}" for name, inside in value.items())
    if isinstance(value, (list, tuple)):
        return "/".join(map(str, value))
    return "none" if value is None else str(value)


def _in_order(run: RunRecord, column: np.ndarray) -> np.ndarray:
    """Return one value a test row, in the order of the row ids."""
    return column[np.argsort(run.predictions.row_ids)]
