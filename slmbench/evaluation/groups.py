"""Runs that differ only in their seed, as one row of a table; one table for each set of test rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from slmbench.records import RunRecord
from slmbench.statistics import Interval
from slmbench.statistics.resampling import crossed_interval

MajorityVerdict = Literal["above", "undecided", "below"]


@dataclass(frozen=True, eq=False)
class SeedGroup:
    """Runs that differ only in their seed, each seed once.

    Attributes:
        runs: In the order of their seeds.
        variant: How the group differs from others of the same model, method and number of examples.
    """

    runs: tuple[RunRecord, ...]
    variant: str = ""

    @property
    def first(self) -> RunRecord:
        """The first run; what its record says besides the results holds for all."""
        return self.runs[0]

    @property
    def model(self) -> str:
        """The model's name without its folders."""
        return Path(self.first.model).name

    @property
    def teacher(self) -> str | None:
        """Name of the run it learned from."""
        return self.first.teacher_fact("name")

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
        """Standard deviation of the accuracy over seeds (n - 1 in the denominator); ``None`` of a single one."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.runs) > 1 else None

    @cached_property
    def seed_matters(self) -> bool:
        """Whether any two runs answer a test row differently."""
        answers = [_in_order(run, run.predictions.predicted()) for run in self.runs]
        return any(not np.array_equal(answers[0], other) for other in answers[1:])

    @cached_property
    def interval(self) -> Interval:
        """95 % interval of the accuracy for other reviews, and for other seeds where several answer differently."""
        if not self.seed_matters:
            return self.first.test.accuracy_ci95
        return crossed_interval(
            np.stack([_in_order(run, run.predictions.right()) for run in self.runs]).astype(float)
        )

    @property
    def interval_over(self) -> Literal["seeds and reviews", "reviews"]:
        """What varies in :attr:`interval`."""
        return "seeds and reviews" if self.seed_matters else "reviews"

    @cached_property
    def verdict(self) -> MajorityVerdict:
        """Whether the accuracy differs significantly from the majority baseline.

        It does where the interval lies on one side of the baseline, which is taken as fixed: it is the share of the
        most frequent label in these reviews.
        """
        baseline = self.first.test.majority_baseline
        if self.interval[0] > baseline:
            return "above"
        return "below" if self.interval[1] < baseline else "undecided"

    @property
    def train_seconds(self) -> float | None:
        """Mean seconds of training; ``None`` when nothing was trained."""
        return float(np.mean([run.train.seconds for run in self.runs])) if self.first.train.seconds else None

    @property
    def answering_seconds(self) -> float | None:
        """Mean seconds of answering the test rows, where that was recorded."""
        known = [run.answering.seconds for run in self.runs if run.answering]
        return float(np.mean(known)) if known else None

    @property
    def peak_bytes(self) -> int | None:
        """Largest peak memory of any run, in training or answering, in bytes."""
        costs = [cost for run in self.runs for cost in (run.train, run.answering) if cost]
        return max((cost.peak_rss_bytes for cost in costs if cost.peak_rss_bytes is not None), default=None)


@dataclass(frozen=True)
class RunTable:
    """Groups tested on the same rows, and the runs left out because the group already has their seed."""

    groups: list[SeedGroup]
    repeated: list[RunRecord]

    @property
    def first(self) -> RunRecord:
        """The first run; its test rows are those of all."""
        return self.groups[0].first

    @property
    def machines(self) -> int:
        """Number of different machines that the runs were made on."""
        return len({run.hardware.get("fingerprint") for group in self.groups for run in group.runs})


def group_runs(runs: Iterable[RunRecord]) -> list[RunTable]:
    """Group runs that differ only in their seed.

    Runs of a group have the same method, model and weights, hyper-parameters, shots, training and test rows, and
    teacher. Runs with different test rows are in different tables. A second run with the same seed is left out:
    counting it twice would make the interval too narrow.

    Args:
        runs: Records of runs, in any order.

    Returns:
        Tables in the order in which their test rows first appear; groups by method, model, shots and examples.
    """
    by_rows: dict[tuple[str, ...], dict[str, list[RunRecord]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        rows = (run.predictions.rows_hash(), *run.predictions.labels)
        by_rows[rows][run.without_seed].append(run)
    return [_table(list(groups.values())) for groups in by_rows.values()]


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
        alike[_sort_key(runs[0])].append(runs)
    return RunTable(
        [
            SeedGroup(tuple(runs), variant)
            for place in sorted(alike)
            for runs, variant in _with_variants(alike[place])
        ],
        repeated,
    )


def _sort_key(run: RunRecord) -> tuple[Any, ...]:
    """Return the sort key of a run's row; rows with equal keys need a variant."""
    shots = (1, 0) if run.shots is None else (0, run.shots)
    return (run.method, Path(run.model).name, shots, run.corpus.train_reviews, run.teacher_fact("name") or "")


def _with_variants(groups: list[list[RunRecord]]) -> list[tuple[list[RunRecord], str]]:
    """Return each group with how it differs from the others."""
    facts = [runs[0].differing_facts for runs in groups]
    names = dict.fromkeys(name for own in facts for name in own)
    telling = [name for name in names if len({str(own.get(name)) for own in facts}) > 1]
    return [
        (runs, ", ".join(f"{name.replace('_', ' ')} {_written(own[name])}" for name in telling if name in own))
        for runs, own in zip(groups, facts, strict=True)
    ]


def _written(value: Any) -> str:
    """Write a value: words of a label as ``positive: good/great``, lists with slashes."""
    if isinstance(value, dict):
        return " ".join(f"{name}: {_written(inside)}" for name, inside in value.items())
    if isinstance(value, (list, tuple)):
        return "/".join(map(str, value))
    return "none" if value is None else str(value)


def _in_order(run: RunRecord, column: np.ndarray) -> np.ndarray:
    """Return one value a test row, in the order of the row ids."""
    return column[np.argsort(run.predictions.row_ids)]
