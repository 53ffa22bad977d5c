"""The record of a comparison: one row a cell, the Pareto front, the recommendation and why others lost."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from slmbench.common.formatting import duration, listing, percent, points
from slmbench.common.stages import STAGES, StageClock
from slmbench.records.base import Part, Record
from slmbench.records.row import Row, label_of
from slmbench.records.sweep import Axis
from slmbench.statistics import Interval, PairedDifference
from slmbench.statistics.verdicts import GateResult, Verdict

#: Why a row is not recommended: refused at export, tested on other reviews, timed in another way, over a limit, no
#: gain over fp32, less accurate than fp32 of its bundle or undecided whether, as accurate but slower or larger, less
#: accurate, undecided whether less accurate, not measured, without a bundle to profile, at chance level.
Reason = Literal[
    "refused",
    "other_reviews",
    "other_timing",
    "over_limit",
    "no_gain",
    "form_worse",
    "form_undecided",
    "slower_or_larger",
    "less_accurate",
    "undecided",
    "at_chance",
    "failed",
    "not_profiled",
]


#: A stage with a smaller share of the time is not named in the sentence about it.
NOTABLE_STAGE = 0.03


class Recommendation(Part):
    """What to ship on one machine."""

    name: str
    form: str
    why: str
    machine: str | None = None
    variant: str | None = None
    #: Folder of its bundle (in torch, of its run) when the decision was made; ``None`` where it was not in its usual
    #: place, and in older records. In a ladder it is not the row's name: ``exported/RECIPE-RUNG``.
    path: str | None = None

    @property
    def label(self) -> str:
        """Name, form and variant in one phrase."""
        return label_of(self.name, self.form, self.variant)


class Rejection(Part):
    """What not to ship, and why."""

    name: str
    form: str | None
    #: The kind of reason; ``None`` in records from before it was kept.
    reason: Reason | None = None
    #: The reason in words, with its numbers.
    why: str
    machine: str | None = None
    variant: str | None = None

    @property
    def label(self) -> str:
        """Name, form and variant in one phrase."""
        return label_of(self.name, self.form, self.variant)


class Confirmation(Part):
    """How accurate the recommended row is on reviews used for nothing else, from its sealed answers."""

    reviews: int
    accuracy: float
    ci95: Interval
    macro_f1: float
    #: Hash of these reviews.
    rows_hash: str
    #: SHA-256 of the sealed answers.
    digest: str
    #: How often answers to these reviews were opened for a decision, this one included: by other limits or another
    #: winner each time. The more, the less of a confirmation.
    openings: int


class CorrectedAccuracy(Part):
    """Where nothing confirms a recommended row: its accuracy on the reviews it was chosen on, corrected."""

    #: Why there is no confirmation.
    no_confirmation: str
    #: Test reviews, on which the row was chosen; and its accuracy on them.
    reviews: int
    measured: float
    #: What was taken off, and how many candidates it was chosen from (see ``slmbench.statistics.resampling``).
    optimism: float
    candidates: int
    accuracy: float
    ci95: Interval


class Stability(Part):
    """How a decision comes out when the measurements are drawn again (``slmbench.compare.stability``)."""

    replays: int
    #: In what share of replays each candidate was chosen, the most frequent first.
    chosen: dict[str, float]
    #: In what share each candidate is on the Pareto front.
    pareto: dict[str, float]
    #: How much the winner is at most behind the best candidate, with 95 % confidence: in accuracy (100 times the
    #: metric that decides), and in time as a fraction, of those as accurate.
    regret_points: float
    regret_time: float


class UndecidedPair(Part):
    """Two rows between which the measurements do not decide, and what would."""

    first: str
    second: str
    #: ``accuracy`` (or the name of the metric that decides) or ``speed``.
    of: str
    #: Second less first as a fraction, or the logarithm of first over second; above 0 where the second is better.
    difference: float
    ci95: Interval
    #: Test reviews needed in all; ``None`` for speed, which takes ``slmbench versus``.
    reviews_needed: int | None
    sentence: str


class MachineDecision(Part):
    """The decision for one machine: measurements of unlike machines are never pooled."""

    machine: str
    #: One sentence, also when there is nothing to recommend.
    sentence: str
    recommended: Recommendation | None
    #: The accuracy of what is recommended: confirmed, or else corrected. Both ``None`` where nothing is recommended,
    #: and in older records.
    confirmation: Confirmation | None = None
    corrected: CorrectedAccuracy | None = None
    #: ``None`` where there were fewer than two candidates, and in older records.
    stability: Stability | None = None
    #: Pairs that could change what is shipped.
    undecided: list[UndecidedPair] = Field(default_factory=list)
    #: What of the measurements that decided may change what is shipped, and what to do about it.
    caveats: list[str] = Field(default_factory=list)
    #: Labels of the rows on this machine's front.
    pareto: list[str]
    #: What the front is over (``slmbench.compare.quantities``): those asked for, or accuracy and p95, or p50 when
    #: the samples of some row do not support p95.
    front_axes: list[str]

    @property
    def undecided_sentences(self) -> list[str]:
        """What is undecided, in few sentences: several rows compared with the same one in accuracy are one."""
        groups: dict[tuple[str, str], list[UndecidedPair]] = {}
        for pair in self.undecided:
            own = pair.second if pair.reviews_needed is None else ""
            groups.setdefault((pair.first, own), []).append(pair)
        found = []
        for (first, _), pairs in groups.items():
            if len(pairs) == 1:
                found.append(pairs[0].sentence)
                continue
            needed = [
                f"{pair.second} ({points(pair.difference)} {'more' if pair.difference > 0 else 'less'},"
                f" about {pair.reviews_needed:,})"
                for pair in pairs
            ]
            found.append(
                f"undecided in {pairs[0].of} against {first}, with the test reviews that would settle it:"
                f" {listing(needed)}"
            )
        return found


class BaselineTest(Part):
    """A model compared with the TF-IDF baseline on the same reviews; old records have the sentence only."""

    name: str | None = None
    form: str | None = None
    #: ``better`` or ``worse`` by the exact McNemar test, else ``undecided``.
    verdict: Verdict | None = None
    #: Accuracy minus that of the TF-IDF baseline.
    accuracy: PairedDifference | None = None
    sentence: str


class RegressionCheck(Part):
    """One row beside the row of the baseline that it is compared with."""

    row: str
    machine: str
    baseline: str
    #: Name of the baseline's profile record.
    baseline_profile: str
    #: Median latency over that of the baseline, above 1 when slower; ``None`` where the two were not timed alike.
    p50_ratio: float | None
    p50_ratio_ci95: Interval | None
    #: Accuracy minus that of the baseline; ``None`` when the test rows differ.
    accuracy: PairedDifference | None
    slower: bool
    worse: bool
    #: What the limits that were set say; ``None`` without a limit, and where nothing can be compared.
    slower_gate: GateResult | None = None
    worse_gate: GateResult | None = None
    #: What can be said of both, in words.
    sentence: str


class RegressionReport(Part):
    """A comparison beside a baseline of earlier measurements; ``failures`` are what makes the command fail."""

    against: str
    #: Limits as fractions; ``None`` where none was set.
    fail_if_slower: float | None
    fail_if_worse: float | None
    checks: list[RegressionCheck]
    failures: list[str]
    #: Limits that the measurements do not settle, each with what would.
    inconclusive: list[str] = Field(default_factory=list)
    #: What was not compared, and why.
    notes: list[str]


class CurvePoint(Part):
    """One setting of a curve."""

    value: int
    #: The setting in words, such as "2 threads".
    setting: str
    p50_ms: float
    ci95_ms: Interval | None


class Curve(Part):
    """One sweep: a form over lengths, token budgets or threads on one machine."""

    name: str
    form: str
    #: Name of the sweep's record.
    sweep: str
    axis: Axis
    #: Fingerprint of the machine, and what people call it.
    machine: str
    machine_name: str
    device: str
    #: What distinguishes this curve from others of the same name and form in its chart.
    variant: str | None = None
    points: list[CurvePoint]
    #: The setting with the shortest median; ``None`` for lengths, which are not chosen.
    best: int | None
    #: What the curve says.
    sentence: str
    #: Settings that could not be measured, and why.
    failed: list[str] = Field(default_factory=list)
    #: What was timed.
    workload: str

    @property
    def label(self) -> str:
        """Name, form and variant in one phrase."""
        return label_of(self.name, self.form, self.variant)


class StageTime(Part):
    """How long one stage took for one rung, in seconds; what belongs to no single rung has ``None``."""

    #: Key of :data:`slmbench.common.stages.STAGES`.
    stage: str
    rung: str | None
    seconds: float


def stage_times(clock: StageClock) -> list[StageTime]:
    """Return what a clock added up, in the order of :data:`STAGES`; times too short to show are left out."""
    order = list(STAGES)
    found = [StageTime(stage=stage, rung=rung, seconds=round(s, 3)) for (stage, rung), s in clock.seconds.items()]
    return sorted((one for one in found if one.seconds > 0), key=lambda one: order.index(one.stage))


class ComparisonRecord(Record):
    """A decision over profiles.

    ``decisions`` has one entry a machine, the machine with most rows first; ``recommended``, ``confirmation``,
    ``corrected`` and ``pareto`` repeat the first entry's. ``rejected`` covers every row of every machine that is not
    recommended there.
    """

    kind = "comparison"
    made_by = "slmbench compare --report"
    file: ClassVar[str] = "comparison.json"
    rows_in = "rows"
    shown = "name form variant accuracy p50_ms p95_ms size_bytes peak_bytes pareto recommended failure"

    constraints: dict[str, float]
    #: Margins, metric and what else decides, by name (``slmbench.compare.DecisionRule``); empty in older records.
    rule: dict[str, Any] = Field(default_factory=dict)
    rows: list[Row]
    pareto: list[str]
    recommended: Recommendation | None
    confirmation: Confirmation | None = None
    corrected: CorrectedAccuracy | None = None
    rejected: list[Rejection]
    decisions: list[MachineDecision]
    #: Each model compared with TF-IDF; empty when that was not measured.
    baseline_tests: list[BaselineTest] = Field(default_factory=list)
    #: When each cascade stops paying beside its large member, where that is a row as well.
    cascades: list[str] = Field(default_factory=list)
    #: Sweeps found with the profiles; those of one axis, machine and device follow one another.
    curves: list[Curve] = Field(default_factory=list)
    #: What has to be read before any number, such as which model replaces which.
    notes: list[str] = Field(default_factory=list)
    caveats: list[str]
    baseline: RegressionReport | None = None
    #: Facts about each machine by fingerprint; ``name`` is what people call it.
    machines: dict[str, dict[str, str]]
    #: Where the time of a recipe went, until the report was written; finished cells are not done again and take none.
    stages: list[StageTime] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _from_older(cls, document: Any) -> Any:
        """Read records from before ``floor`` became ``baseline_tests``."""
        if isinstance(document, dict) and "floor" in document and "baseline_tests" not in document:
            document = {**document, "baseline_tests": [{"sentence": sentence} for sentence in document["floor"]]}
        return document

    @property
    def machine_tags(self) -> dict[str, str]:
        """A letter for each machine by fingerprint, A first; empty when there is only one."""
        if len(self.machines) < 2:
            return {}
        return {machine: chr(ord("A") + number) for number, machine in enumerate(self.machines)}

    @property
    def stage_rungs(self) -> list[str | None]:
        """What the time was spent on: rungs as they took time first, then ``None`` for all of them together."""
        return sorted(dict.fromkeys(one.rung for one in self.stages), key=lambda rung: rung is None)

    def stage_seconds(self, stage: str | None = None, *rung: str | None) -> float:
        """Return the seconds of a stage (``None``: of all stages) over all rungs, or of one rung."""
        return sum(
            one.seconds
            for one in self.stages
            if (stage is None or one.stage == stage) and (not rung or one.rung == rung[0])
        )

    @property
    def stage_titles(self) -> dict[str, str]:
        """What each stage that took time does, by its key."""
        return {one.stage: STAGES.get(one.stage, one.stage) for one in self.stages}

    @property
    def stage_sentence(self) -> str | None:
        """Where the time went, in a sentence; the longest stage first."""
        if not self.stages:
            return None
        whole = self.stage_seconds()
        stages = sorted(dict.fromkeys(one.stage for one in self.stages), key=self.stage_seconds, reverse=True)
        shown = [name for name in stages if self.stage_seconds(name) >= NOTABLE_STAGE * whole]
        parts = [f"{STAGES.get(name, name)} {duration(self.stage_seconds(name))}" for name in shown]
        return f"took {duration(whole)}: {', '.join(parts)}"

    @property
    def baseline_sentences(self) -> list[str]:
        """The comparisons with TF-IDF in few sentences: rows that are not shown to be better are named together."""
        said = {"worse": "worse than the TF-IDF baseline", "undecided": "not shown to beat the TF-IDF baseline"}
        groups: dict[str, list[BaselineTest]] = {}
        for test in self.baseline_tests:
            groups.setdefault(said.get(test.verdict or "", test.sentence), []).append(test)
        found = []
        for sentence, tests in groups.items():
            rows = [
                f"{test.name} {test.form} ({100 * test.accuracy.difference:+.1f} points)"
                for test in tests
                if test.accuracy is not None
            ]
            found.append(
                f"{sentence}: {listing(rows)}" if len(tests) > 1 and len(rows) == len(tests) else tests[0].sentence
            )
        return found

    @property
    def tested_on(self) -> str | None:
        """How many test reviews the accuracies are from, and how often the most frequent label is right, in words."""
        sets = dict.fromkeys((row.test_reviews, row.majority_baseline) for row in self.rows if row.failure is None)
        phrases = [
            f"{reviews:,} test reviews (always the most frequent label: {percent(baseline)})"
            for reviews, baseline in sets
            if reviews is not None and baseline is not None
        ]
        return f"accuracy on {listing(phrases)}, ± half the 95 % interval" if sets else None
