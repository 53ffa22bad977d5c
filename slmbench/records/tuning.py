"""The record of a tuning: the form, provider, threads and token budget that are fastest on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import Field, computed_field

from slmbench.records.base import Part, Record
from slmbench.records.profile import Conditions, Served, WorkloadIdentity
from slmbench.records.sweep import SweepPoint
from slmbench.records.timed import Timed
from slmbench.records.versus import ProcessPair
from slmbench.statistics import Ratio, paired_ratio, percentile

#: Maximum number of settings without a significant difference to the fastest that a sentence names.
MAX_NAMED = 3


class Setting(Part):
    """A way to run a bundle one review at a time; ``threads`` is ``None`` for onnxruntime's own number."""

    form: str
    provider: str
    threads: int | None

    @property
    def title(self) -> str:
        """The setting in words."""
        if self.threads is None:
            return f"{self.form} on {self.provider} with onnxruntime's default threads"
        return f"{self.form} on {self.provider} with {self.threads} thread{'' if self.threads == 1 else 's'}"


class Candidate(Timed):
    """A setting and its single-review times, one list per fresh process; ``failure`` says why it cannot be chosen."""

    #: May be empty for a setting that failed.
    processes_ms: list[list[float]]
    setting: Setting
    failure: str | None = None
    #: Its labels for all reviews of the workload; of what is chosen, and what was refused for them. ``None`` of
    #: others, where words were timed, and in older records.
    labels: Served | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p50_ms(self) -> float | None:
        """Median time per review."""
        return percentile(self.all_ms, 50) if self.all_ms else None


class BudgetLabels(Part):
    """Labels given in batches of a token budget, compared with those that the form's accuracy was computed from."""

    value: int
    served: Served
    #: Whether too many differ.
    refused: bool


class Crew(Part):
    """Several inferences at a time: passes over the corpus by token budget (0: every review by itself)."""

    workers: int
    #: Threads of each.
    threads: int
    batches: list[SweepPoint]


class Many(NamedTuple):
    """How many reviews are answered fastest; ``threads`` is ``None`` where those of the chosen setting are used."""

    workers: int
    threads: int | None
    point: SweepPoint


class TuningRecord(Record):
    """Which setting is fastest for a bundle on one machine; ``slmbench.instruments.tuned`` reads it back."""

    kind = "tuning"
    made_by = "slmbench tune"
    shown = (
        "bundle chosen.form chosen.provider chosen.threads workers batch_tokens speed_up.value speed_up.ci95.low "
        "speed_up.ci95.high"
    )

    bundle: str
    #: Seal of the bundle that was tuned; a bundle that was exported again has another.
    seal: str
    candidates: list[Candidate]
    #: Passes over the corpus with the chosen setting, by token budget (0: one review at a time).
    batches: list[SweepPoint] = Field(default_factory=list)
    #: The same with several inferences at a time, which give the same labels as one.
    crews: list[Crew] = Field(default_factory=list)
    #: The token budgets whose labels were checked, the fastest first, until one gave the right labels.
    budget_labels: list[BudgetLabels] = Field(default_factory=list)
    rounds: int
    #: Form that the edge runtime chooses without tuning; it runs on the CPU with onnxruntime's default threads.
    untuned_form: str
    #: The chosen setting (first) and the untuned bundle (second) measured alternately: a comparison that did not take
    #: part in the choice, since the fastest of many is partly fast by chance.
    pairs: list[ProcessPair] = Field(default_factory=list)
    corpus: WorkloadIdentity
    #: Why another setting may be fastest on a quiet machine.
    warnings: list[str] = Field(default_factory=list)
    conditions: Conditions
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def chosen(self) -> Setting:
        """What is kept: the fastest setting that was measured in every round, or the untuned one if that is faster.

        The comparison with the untuned bundle decides, which took no part in the choice of the fastest.
        """
        if self.slower_than_untuned:
            return Setting(form=self.untuned_form, provider="cpu", threads=None)
        return fastest_of(self.candidates, self.rounds).setting

    @computed_field  # type: ignore[prop-decorator]
    @property
    def slower_than_untuned(self) -> bool:
        """Whether the fastest setting is shown to be slower than the untuned bundle, and that gives the right labels.

        Where the untuned form was refused on the CPU, for its labels or because it fails, its speed does not count.
        """
        untuned = [one for one in self.candidates if one.setting.form == self.untuned_form]
        if any(one.failure for one in untuned if one.setting.provider == "cpu"):
            return False
        interval = self.speed_up.ci95 if self.speed_up is not None else None
        return interval is not None and interval[1] < 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def batch_tokens(self) -> int | None:
        """Token budget with most reviews per second and the right labels; ``None`` when single reviews are best."""
        return None if self.many is None else self.many.point.value or None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def workers(self) -> int:
        """Inferences at a time with most reviews per second."""
        return 1 if self.many is None else self.many.workers

    @computed_field  # type: ignore[prop-decorator]
    @property
    def worker_threads(self) -> int | None:
        """Threads of each worker where there are several; ``None`` where there is one, which has the setting's."""
        return None if self.many is None else self.many.threads

    @property
    def many(self) -> Many | None:
        """What gives most reviews per second and the right labels; ``None`` where no pass was timed."""
        refused = {labels.value for labels in self.budget_labels if labels.refused}
        ways = [Many(1, None, point) for point in self.batches]
        ways += [Many(crew.workers, crew.threads, point) for crew in self.crews for point in crew.batches]
        allowed = [way for way in ways if way.point.value not in refused]
        return min(allowed, key=lambda way: way.point.p50_ms, default=None)

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def speed_up(self) -> Ratio | None:
        """Median over reviews of the untuned bundle's time over the chosen setting's."""
        if not self.pairs:
            return None
        return paired_ratio([pair.second_ms for pair in self.pairs], [pair.first_ms for pair in self.pairs])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        best = fastest_of(self.candidates, self.rounds)
        equal = [
            candidate.setting.title
            for candidate in sorted(self.candidates, key=lambda one: one.p50_ms or float("inf"))
            if candidate is not best and _is_finalist(candidate, self.rounds) and _overlap(candidate, best)
        ]
        sentence = f"{best.setting.title} is fastest here: {best.p50_ms:.3g} ms per review"
        if self.many is not None:
            way = f"in batches of {self.batch_tokens:,} tokens" if self.batch_tokens else "without batches"
            crew = f" with {self.workers} workers" if self.workers > 1 else ""
            sentence += f"; many reviews run best {way}{crew} ({self.many.point.reviews_per_second:,.0f} reviews/s)"
        if equal:
            more = f" and {len(equal) - MAX_NAMED} more" if len(equal) > MAX_NAMED else ""
            sentence += f"; no significant difference from {', '.join(equal[:MAX_NAMED])}{more}"
        return sentence + self._compared_with_untuned()

    def _compared_with_untuned(self) -> str:
        """Return the speed-up by tuning as a sentence of its own."""
        if self.speed_up is None:
            return ""
        untuned = f"the untuned bundle ({self.untuned_form}, onnxruntime's default threads)"
        interval = self.speed_up.ci95
        if interval is None:
            return f". Compared with {untuned}: {self.speed_up.value:.2f}× as fast, too few samples for an interval"
        bounds = f"95 % interval {interval[0]:.2f}–{interval[1]:.2f}"
        if self.slower_than_untuned:
            return (
                f". {untuned[0].upper()}{untuned[1:]} is faster ({self.speed_up.value:.2f}×, {bounds}), so it stays"
            )
        if interval[0] <= 1 <= interval[1]:
            return f". No significant difference from {untuned}: {self.speed_up.value:.2f}× as fast, {bounds}"
        return f". Compared with {untuned}: {self.speed_up.value:.2f}× as fast, {bounds}"


def fastest_of(candidates: Sequence[Candidate], rounds: int) -> Candidate:
    """Return the fastest candidate that was measured in every round and did not fail.

    Raises:
        ValueError: There is none.
    """
    finalists = [one for one in candidates if _is_finalist(one, rounds)]
    return min(finalists, key=lambda candidate: candidate.p50_ms or float("inf"))


def _is_finalist(candidate: Candidate, rounds: int) -> bool:
    return candidate.failure is None and len(candidate.processes_ms) == rounds


def _overlap(one: Candidate, other: Candidate) -> bool:
    """Return whether the intervals of two candidates overlap."""
    first, second = one.ci95_ms, other.ci95_ms
    return first is not None and second is not None and first[0] <= second[1] and second[0] <= first[1]
