"""Trying rungs while the time lasts: quick ones whole, slower ones first on a part of the reviews."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.formatting import duration, megabytes, milliseconds, percent, points
from slmbench.common.full_disk import DiskFullError
from slmbench.common.places import PROFILES, RUNS
from slmbench.common.progress import Progress
from slmbench.compare import Measurements, provisional, read_measurements
from slmbench.compare.cells import Cell
from slmbench.corpora import Corpus, load_corpus
from slmbench.deciding.candidates import first_rungs, taught_rung
from slmbench.methods.runs import make_run
from slmbench.profiling.identity import finished_profile, profile_name
from slmbench.profiling.measuring import find_cells, profile_cells
from slmbench.profiling.turns import PlannedCell
from slmbench.recipes.measuring import Deciding, measure_cells
from slmbench.recipes.recipe import Recipe
from slmbench.recipes.rung_runs import RungRuns
from slmbench.recipes.rungs import MethodRung
from slmbench.records import Row, RunRecord, artefacts
from slmbench.records.decision import RungOutcome, TriedRung
from slmbench.statistics import SIGNIFICANCE, paired_difference

#: Parts of the training reviews that slower rungs are tried on first, and that the baseline's curve has points at.
FIRST_PART, CURVE_PARTS = 4, (8, 4, 2)
#: Reviews of a point of the baseline's curve, at least; and of a part that a transformer is tried on: with fewer it
#: has hardly begun to learn, and its accuracy there says nothing.
MIN_POINT, MIN_PART = 100, 1000
#: Export, judging and profile of a transformer before one was timed; what comes after the last rung (s).
USUAL_EXPORT_S, REPORT_S = 40.0, 30.0
#: How many times longer than the one before it a transformer is expected to take, where it was not tried on a part:
#: of the usual ones, on 1,000 reviews, 3.2 and 1.8 times (seconds by rung of the quickstart).
LONGER = 2.5
#: Fewer texts without a label teach a student little.
MIN_UNLABELLED = 200


class Search:
    """The rungs tried so far, and what is at hand for the decision.

    Args:
        recipe: Names, export, profiles and limits; its rungs are not looked at.
        corpus: The reviews.
        budget_s: Seconds from ``started`` within which no rung is begun that would not fit in.
        started: When the command began, by ``time.monotonic``.
        command: The command line, for the records.
        progress: Where progress is reported.

    Attributes:
        tried: Every rung, in the order of trying.
        right: By rung, the number of training reviews and which test reviews it classifies right, of each training.
        first_answer: The sentence of the first answer, and when it stood (s).
    """

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        *,
        budget_s: float,
        started: float,
        command: Sequence[str],
        progress: Progress,
    ) -> None:
        self._recipe, self._corpus = recipe, corpus
        self._budget_s, self._started = budget_s, started
        self._command, self._progress = command, progress
        self._ladder = RungRuns(recipe, corpus, command, progress)
        (self._options,) = recipe.profile.settings()
        self._profiles: dict[Path, None] = {}
        self._export_s = USUAL_EXPORT_S
        self.tried: list[TriedRung] = []
        self.right: dict[str, list[tuple[int, np.ndarray]]] = {}
        self.first_answer: tuple[str, float] | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._started

    @property
    def failures(self) -> list[Row]:
        """A row for each rung that failed."""
        return [
            Row(name=one.name, model=one.model, method=one.method, failure=one.why)
            for one in self.tried
            if one.outcome == "failed"
        ]

    @cached_property
    def unlabelled(self) -> list[str]:
        """Texts of the corpus that have no label, or whose label is not learned from."""
        return load_corpus(**{**self._corpus.options, "unlabelled_size": "all"}, announce=False).unlabelled

    def measured(self, *, at_the_end: bool = False) -> Measurements:
        """Return the profiles of all rungs.

        Args:
            at_the_end: Time close rows alternately, and let the finalists answer the reviews that confirm them.

        Raises:
            SlmbenchError: Every rung failed.
        """
        if not self._profiles:
            raise SlmbenchError(f"no classifier could be made: {self.tried[0].name}: {self.tried[0].why}")
        if at_the_end:
            asked = Deciding(self._recipe.constraints(), self._recipe.decision.rule())
            return measure_cells(self._recipe, self._ladder, asked, self._command, self._progress)
        return read_measurements(list(self._profiles), self._progress)

    def bundle_of(self, rung: str) -> Path | None:
        """Return the folder of a rung's bundle."""
        return self._ladder.bundles.get(rung)

    def first(self) -> None:
        """Train and measure the rungs of the first answer, then trace the curve of the baseline."""
        for rung in first_rungs():
            self._compare(rung)
            if self.first_answer is None and self._profiles:
                self.first_answer = (self._best_sentence(), self.elapsed_s)
                self._progress.say(f"first answer after {duration(self.elapsed_s)}: {self.first_answer[0]}")
        self.measured()  # raises where nothing could be made
        for part in CURVE_PARTS:
            self._on_part(first_rungs()[0], part)

    def larger(self, rungs: Sequence[MethodRung]) -> None:
        """Try slower rungs: all on a part of the reviews, then on all of them in the order of their accuracy there.

        Without limits, a rung that is shown to be worse than another on that part is dropped; with limits it may be
        the only one that keeps them.
        """
        for rung in self._promising(rungs):
            needed = self._expected_s(rung)
            if not self._fits(needed):
                self._note(rung, "no_time", f"it would take about {duration(needed)}")
                continue
            self._compare(rung)

    def taught(self) -> None:
        """Teach the baseline by the best transformer, where there are texts without a label and the time for it."""
        of_model = [one for one in self.tried if one.outcome == "compared" and one.method == "full"]
        if not of_model:
            return
        texts = len(self.unlabelled)
        if texts < MIN_UNLABELLED:
            return
        teacher = max(of_model, key=lambda one: one.accuracy or 0)
        rung = taught_rung(teacher.name)
        # An epoch is about three times an answer.
        per_review = (teacher.seconds or 0.0) / (3 * len(self._corpus.train))
        if not self._fits(per_review * texts + self._export_s / 2):
            self._note(rung, "no_time", f"{teacher.name} would have to answer {texts:,} texts")
            return
        self._compare(rung)

    def _fits(self, seconds: float) -> bool:
        return self.elapsed_s + seconds + REPORT_S <= self._budget_s

    def _promising(self, rungs: Sequence[MethodRung]) -> list[MethodRung]:
        """Return the rungs that are worth all reviews, the most accurate on a part of them first."""
        if len(rungs) < 2 or len(self._corpus.train) < FIRST_PART * MIN_PART:
            return list(rungs)
        reached: list[tuple[float, np.ndarray, MethodRung]] = []
        for rung in rungs:
            record = self._on_part(rung, FIRST_PART) if self._fits(self._export_s) else None
            if record is not None:
                right = record.predictions.right()
                reached.append((float(right.mean()), right, rung))
            elif not any(one.name == rung.name for one in self.tried):
                self._note(rung, "no_time", f"{duration(self._budget_s)} are over")
        reached.sort(key=lambda one: -one[0])
        kept = []
        for accuracy, right, rung in reached:
            best_accuracy, best, best_rung = reached[0]
            difference = paired_difference(best, right)
            if not self._recipe.limits and difference.p_value < SIGNIFICANCE and accuracy < best_accuracy:
                loss = points(difference.difference)
                self._note(rung, "dropped", f"on a part of the reviews it has {loss} against {best_rung.name}")
            else:
                kept.append(rung)
        return kept

    def _expected_s(self, rung: MethodRung) -> float:
        """Return how long a rung is expected to take, by what it took on a part, or the rung before it on all."""
        part = [one.seconds for one in self.tried if one.name == rung.name and one.outcome == "curve"]
        if part and part[-1] is not None:
            return FIRST_PART * part[-1] + self._export_s
        before = [one.seconds for one in self.tried if one.method == "full" and one.outcome == "compared"]
        return LONGER * before[-1] if before and before[-1] is not None else self._export_s

    def _on_part(self, rung: MethodRung, part: int) -> RunRecord | None:
        """Train a rung on a part of the reviews, as a point of its learning curve."""
        options = self._corpus.options
        size = options["train_size"] // part
        if size < MIN_POINT:
            return None
        began = time.monotonic()
        try:
            corpus = load_corpus(**{**options, "train_size": size}, announce=False)
            record = make_run(
                rung.declared,
                rung.model,
                corpus,
                rung.options,
                output=RUNS / f"{self._recipe.name}-{rung.name}-{size}",
                name=f"{rung.name}-{size}",
                command=self._command,
                progress=self._progress,
            )
        except DiskFullError:
            raise
        except (SlmbenchError, OSError, RuntimeError) as error:
            self._note(rung, "failed", str(error))
            return None
        self._add(rung, "curve", record, time.monotonic() - began)
        return record

    def _compare(self, rung: MethodRung) -> None:
        """Train, export and profile a rung on all reviews, and say how it does."""
        began = time.monotonic()
        try:
            self._ladder.run_rung(rung)
            record = artefacts.read(self._ladder.runs[rung.name], RunRecord)
            self._profile(self._ladder.bundles[rung.name])
        except DiskFullError:
            raise
        except (SlmbenchError, OSError, RuntimeError) as error:
            self._note(rung, "failed", str(error))
            return
        seconds = time.monotonic() - began
        if rung.declared.name == "full":
            self._export_s = max(0.0, seconds - record.train.seconds)
        self._add(rung, "compared", record, seconds)

    def _profile(self, bundle: Path) -> None:
        cells = [PlannedCell(cell, self._options) for cell in find_cells([bundle], self._options)]
        todo = [one for one in cells if finished_profile(one.cell, one.options, PROFILES) is None]
        profile_cells(todo, output=PROFILES, command=self._command, progress=self._progress, failed=None)
        self._profiles |= dict.fromkeys(PROFILES / f"{profile_name(one.cell, one.options)}.json" for one in cells)

    def _add(self, rung: MethodRung, outcome: RungOutcome, record: RunRecord, seconds: float) -> None:
        trained = record.corpus.train_reviews
        self.right.setdefault(rung.name, []).append((trained, record.predictions.right()))
        self.tried.append(
            TriedRung(
                name=rung.name,
                model=rung.model,
                method=rung.declared.name,
                train_reviews=trained,
                accuracy=record.test.accuracy,
                accuracy_ci95=record.test.accuracy_ci95,
                seconds=round(seconds, 3),
                outcome=outcome,
            )
        )
        best = f"; best so far: {self._best_sentence()}" if outcome == "compared" and self.first_answer else ""
        reached = f"{rung.name} on {trained:,} reviews: {percent(record.test.accuracy)}"
        self._progress.say(f"{duration(self.elapsed_s):>10}  {reached}{best}")

    def _note(self, rung: MethodRung, outcome: RungOutcome, why: str) -> None:
        self.tried.append(
            TriedRung(name=rung.name, model=rung.model, method=rung.declared.name, outcome=outcome, why=why)
        )
        said = "failed" if outcome == "failed" else "left out"
        self._progress.say(f"{duration(self.elapsed_s):>10}  {rung.name} {said}: {why}")

    def _best_sentence(self) -> str:
        """Say what would be shipped now, without opening the answers that confirm a decision."""
        best = provisional(self.measured(), self._recipe.constraints(), self._recipe.decision.rule())
        return "nothing keeps the limits yet" if best is None else _facts(best)


def _facts(cell: Cell) -> str:
    row = cell.row
    size = f", {megabytes(row.size_bytes)}" if row.size_bytes else ""
    return f"{row.label}, {percent(cell.accuracy)}, {milliseconds(cell.pace_ms)} a review{size}"
