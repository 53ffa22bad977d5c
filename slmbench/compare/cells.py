"""Cells: profiles, one a (bundle, form, backend, device, threads, scenario, machine), and the rows made of them.

Runs that differ only in their seed are one cell: its accuracy is the mean over seeds, with an interval for other
seeds and other reviews. The seed to ship, whose profile has the times and the name, is picked on validation rows.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from slmbench.common.formatting import counted, limit, milliseconds, three_digits
from slmbench.compare.machines import machine_name, machine_of, variants
from slmbench.edge.runtime import BATCH_TOKENS
from slmbench.records import ProfileRecord, Row
from slmbench.records.ancestors import overlap_sentence
from slmbench.records.row import SeedScore
from slmbench.records.versus import VersusRecord
from slmbench.statistics import METRICS, Interval
from slmbench.statistics.queueing import NONE
from slmbench.statistics.resampling import crossed_interval, replay_interval, resampled

#: Bootstrap samples of reviews for metrics other than accuracy.
RESAMPLES = 1000
#: How a recipe names the runs of further seeds; records from before seeds were kept are grouped by it.
_SEED_NAME = re.compile(r"(?P<first>.+)-seed\d+")


@dataclass(frozen=True, eq=False)
class Cell:
    """One profile with the name that distinguishes it from the other cells of its machine.

    Attributes:
        profile: Where several seeds were run, that of the seed to ship.
        variant: What distinguishes it from others of its bundle and form.
        other_seeds: Profiles of the same form in the same setting of runs that differ only in their seed.
        versus: Records of ``slmbench versus`` with other cells, the newest last.
    """

    profile: ProfileRecord
    variant: str | None = None
    other_seeds: tuple[ProfileRecord, ...] = ()
    versus: tuple[VersusRecord, ...] = ()

    @property
    def profiles(self) -> tuple[ProfileRecord, ...]:
        """Those of all seeds, the one to ship first."""
        return (self.profile, *self.other_seeds)

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return len(self.profiles)

    @cached_property
    def bundles(self) -> tuple[str, ...]:
        """Names of the bundles of all seeds, in alphabetical order."""
        return tuple(sorted(profile.bundle for profile in self.profiles))

    @cached_property
    def row(self) -> Row:
        """The numbers that tables show, not yet marked as front or recommended."""
        profile, latency = self.profile, self.profile.latency
        energy, roofline = profile.energy, profile.roofline
        joules = energy.joules_per_review
        return Row(
            name=profile.bundle,
            form=profile.form,
            model=profile.model,
            method=profile.method,
            profile=profile.name,
            device=profile.device,
            backend=profile.backend,
            threads=profile.threads,
            scenario=profile.scenario,
            machine=self.machine,
            variant=self.variant,
            total_parameters=profile.total_parameters,
            size_bytes=profile.size_bytes,
            **self._scores(),
            p50_ms=latency.p50_ms,
            p50_ci95_ms=latency.p50_ci95_ms,
            p95_ms=latency.p95_ms,
            p95_ci95_ms=latency.p95_ci95_ms,
            p95_note=latency.unsupported.get("p95_ms"),
            p99_ms=latency.p99_ms,
            p99_ci95_ms=latency.p99_ci95_ms,
            p99_note=latency.unsupported.get("p99_ms"),
            reviews_per_second=self._shown_rate,
            reviews_per_second_ci95=None if self._shown_rate is None else self._rate_ci95,
            peak_bytes=profile.memory.peak_bytes,
            cold_start_ms=profile.cold_start_ms,
            cold_cache_start_ms=profile.cold.cold_cache_ms if profile.cold else None,
            joules_per_review=joules,
            energy_quality=energy.quality,
            gco2e_per_review=None if energy.grid is None or joules is None else energy.grid.gco2e(joules),
            ceiling_reached=roofline.achieved if roofline else None,
            macs=roofline.macs if roofline else None,
            macs_linear=roofline.macs_linear if roofline else None,
            test_hash=self.test_hash,
            refusal=self._refusal,
        )

    @property
    def _refusal(self) -> str | None:
        """Why it may not be shipped, whatever its numbers; ``None`` where it may."""
        profile = self.profile
        if profile.accepted and not all(one.tested_as_timed for one in self.profiles):
            return "its accuracy in batches is not known: profile it offline where the test reviews are"
        return overlap_sentence(profile.ancestors or ()) or (None if profile.accepted else profile.reason)

    @property
    def label(self) -> str:
        """Name, form and variant in one phrase."""
        return self.row.label

    @property
    def machine(self) -> str:
        """Fingerprint of its machine."""
        return machine_of(self.profile)

    @property
    def machine_name(self) -> str:
        """What people call its machine."""
        return machine_name(self.profile)

    @property
    def is_tfidf_baseline(self) -> bool:
        """Whether this is TF-IDF that learned from labels alone, not from a larger model."""
        trained = self.profile.trained_as
        return self.profile.method == "tfidf" and (trained is None or trained.taught_by is None)

    @cached_property
    def test_hash(self) -> str:
        """Hash of the reviews that the accuracy was computed on."""
        return self.profile.predictions.rows_hash()

    @cached_property
    def rights(self) -> np.ndarray:
        """Whether each seed classifies each test review right, as 0 or 1, in the order of the row ids, (seeds, n)."""
        said = [profile.predictions for profile in self.in_order]
        return np.stack([one.right()[np.argsort(one.row_ids)] for one in said]).astype(float)

    @property
    def right(self) -> np.ndarray:
        """How often each test review is classified right over seeds, in the order of the row ids, shape (n,)."""
        return np.asarray(self.rights.mean(0))

    @cached_property
    def in_order(self) -> tuple[ProfileRecord, ...]:
        """The profiles of all seeds by the names of their bundles, so that those of two forms are paired."""
        return tuple(sorted(self.profiles, key=lambda profile: profile.bundle))

    @property
    def accuracy(self) -> float:
        """Accuracy on the test rows, the mean over seeds."""
        return self.value("accuracy")

    def value(self, metric: str) -> float:
        """Return a metric on the test rows, the mean over seeds; NaN where it is not defined."""
        values = [profile.evaluation.value(metric) for profile in self.profiles]
        return float(np.mean([math.nan if value is None else value for value in values]))

    @cached_property
    def accuracy_ci95(self) -> Interval:
        """95 % interval of the accuracy: over reviews, and over seeds where there are several."""
        return self.profile.evaluation.accuracy_ci95 if self.seeds == 1 else crossed_interval(self.rights)

    def metric_replays(self, metric: str) -> np.ndarray:
        """Return a metric on bootstrap samples of the reviews and of the seeds, shape (:data:`RESAMPLES`,).

        The samples of reviews are the same for every cell with the same reviews, so that differences are paired.
        """
        if metric not in self._replays:
            self._replays[metric] = self._replay(metric)
        return self._replays[metric]

    @cached_property
    def _replays(self) -> dict[str, np.ndarray]:
        return {}

    def _replay(self, metric: str) -> np.ndarray:
        scored = [one.predictions.scored().take(np.argsort(one.predictions.row_ids)) for one in self.in_order]
        rows, seeds = resampled(len(scored[0]), RESAMPLES), self.resampled_seeds(RESAMPLES)
        compute, found = METRICS[metric].compute, np.empty(RESAMPLES)
        for number, (sample, drawn) in enumerate(zip(rows, seeds, strict=True)):
            values = [compute(scored[seed].take(sample)) for seed in drawn]
            found[number] = np.mean([math.nan if value is None else value for value in values])
        return found

    def resampled_seeds(self, replays: int) -> np.ndarray:
        """Return the seeds of each bootstrap sample, the same for forms of the same runs, shape (replays, seeds)."""
        generator = np.random.default_rng(zlib.crc32(" ".join(self.bundles).encode()))
        return generator.integers(0, self.seeds, (replays, self.seeds))

    def _scores(self) -> dict[str, Any]:
        """Return the fields of a row that hold metrics; none where labels were given in another way than timed."""
        if not all(one.tested_as_timed for one in self.profiles):
            return {}
        scores = Row.scores(self.profile.evaluation)
        if self.seeds == 1:
            return scores
        names = [metric.name for metric in METRICS if self.profile.evaluation.value(metric.name) is not None]
        values = {name: self.value(name) for name in names}
        own = {name: values[name] for name in values if name in scores}
        return (
            scores
            | own
            | {
                "accuracy_ci95": self.accuracy_ci95,
                "macro_f1_ci95": replay_interval(self.metric_replays("macro_f1")),
                "metrics": {name: values[name] for name in scores["metrics"]},
                "metrics_ci95": {name: replay_interval(self.metric_replays(name)) for name in scores["metrics_ci95"]},
                "seeds": [
                    SeedScore(
                        name=one.bundle,
                        accuracy=one.evaluation.accuracy,
                        validation_accuracy=one.trained_as.validation_accuracy if one.trained_as else None,
                    )
                    for one in self.profiles
                ],
            }
        )

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self.profile.size_bytes

    @property
    def highest_rate(self) -> float | None:
        """Reviews a second at the highest rate that keeps a bound, where it was searched for."""
        load = self.profile.load
        return None if load is None or load.max_p95_ms is None else load.qps

    @cached_property
    def timed_as(self) -> str:
        """The scenario, with the arrivals or batches that its latencies depend on: only equals are compared."""
        load, throughput, scenario = self.profile.load, self.profile.throughput, self.profile.scenario
        if load is not None and load.max_p95_ms is not None:
            return f"server, p95 up to {limit(load.max_p95_ms)} ms"
        if load is not None:
            return f"server at {limit(load.qps)}/s{' over HTTP' if load.url else ''}"
        if scenario == "offline" and throughput is not None and throughput.batch_tokens != BATCH_TOKENS:
            return f"offline, {throughput.batch_tokens:,} tokens a batch"
        return scenario

    @cached_property
    def pace_ms(self) -> float:
        """Milliseconds a review that speed is judged by.

        The median latency; in the offline scenario, where that is of batches, the time a review has in the median
        pass; where the highest rate was searched for, the time between two reviews at that rate.
        """
        return self.profile.latency.p50_ms if self._rate is None else 1e3 / self._rate

    @cached_property
    def pace_ci95_ms(self) -> Interval | None:
        """Its 95 % interval, for other processes and these reviews; ``None`` where there are too few samples."""
        if self._rate is None:
            return self.profile.latency.ci95_ms
        rates = self._rate_ci95
        return None if rates is None else (1e3 / rates[1], 1e3 / max(rates[0], NONE))

    @cached_property
    def pace_interval(self) -> Interval:
        """Its 95 % interval; where there are too few samples for one, from the shortest to the longest of them."""
        if self.pace_ci95_ms is not None:
            return self.pace_ci95_ms
        throughput = self.profile.throughput
        if self._rate is None:
            times = self.profile.latency.samples_ms
        elif throughput is not None:
            times = [1e3 * seconds / throughput.reviews for seconds in throughput.passes_s]
        else:
            times = [self.pace_ms]
        return min(times), max(times)

    @cached_property
    def pace_by_block(self) -> dict[tuple[str, int], tuple[float, int]]:
        """What speed is judged by in each block, with the number of the session; by the session's id and the block.

        Empty of older records, and of a rate that was sought.
        """
        profile = self.profile
        latency, throughput, numbers = profile.latency, profile.throughput, profile.latency.sessions
        if numbers is None or self.highest_rate is not None:
            return {}
        paces = latency.process_p50_ms
        if self._rate is not None and throughput is not None and throughput.processes_s is not None:
            paces = [1e3 * float(np.median(passes)) / throughput.reviews for passes in throughput.processes_s]
        blocks = [(session.id, block) for session in profile.measured_in for block in session.blocks]
        if not len(blocks) == len(paces) == len(numbers):
            return {}
        return dict(zip(blocks, zip(paces, numbers, strict=True), strict=True))

    @property
    def pace(self) -> str:
        """What speed is judged by, in words."""
        return milliseconds(self.pace_ms) if self._rate is None else f"{three_digits(self._rate)} reviews/s"

    @property
    def by_latency(self) -> bool:
        """Whether speed is judged by the median latency."""
        return self._rate is None

    @property
    def _rate(self) -> float | None:
        """Reviews a second, where speed is judged by those and not by the latency."""
        throughput = self.profile.throughput
        if self.profile.scenario == "offline" and throughput is not None:
            return throughput.reviews_per_second
        return self.highest_rate

    @property
    def _shown_rate(self) -> float | None:
        """Reviews a second; ``None`` of single reviews whose labels are others in batches than the accuracy is of."""
        throughput = self.profile.throughput
        if throughput is None:
            return self.highest_rate
        other = throughput.labels is not None and throughput.labels.too_many
        return None if other else throughput.reviews_per_second

    @property
    def _rate_ci95(self) -> Interval | None:
        """95 % interval of the reviews a second."""
        throughput = self.profile.throughput
        return self.profile.highest_rate_ci95 if throughput is None else throughput.reviews_per_second_ci95


def name_cells(profiles: Sequence[ProfileRecord]) -> list[Cell]:
    """Make cells; those of one bundle and form on one machine are named by what differs between them.

    An unusual backend or device is named in any case.
    """
    groups: dict[tuple[str, str, str], list[ProfileRecord]] = defaultdict(list)
    for profile in profiles:
        groups[(profile.bundle, profile.form, machine_of(profile))].append(profile)
    return [
        Cell(profile, variant)
        for group in groups.values()
        for profile, variant in zip(group, variants([_aspects(profile) for profile in group]), strict=True)
    ]


def seeds_as_one(cells: Sequence[Cell]) -> list[Cell]:
    """Make one cell of those that differ only in the seed of the run; the seed to ship is picked on validation rows.

    That is the seed with the highest validation accuracy; where that was not kept for each, the first by name.

    Args:
        cells: Cells of any machines, each of one profile.

    Returns:
        The cells, in the order in which each first appears. A second run with the same seed stays a cell of its own.
    """
    bundles = {cell.profile.bundle for cell in cells}
    groups: dict[tuple[object, ...], dict[object, Cell]] = defaultdict(dict)
    for cell in cells:
        profile = cell.profile
        way = profile.form, profile.backend, profile.device, profile.threads, cell.timed_as, cell.variant
        key: tuple[object, ...] = (_candidate(profile, bundles), *way, cell.test_hash, cell.machine, profile.accepted)
        seed = profile.trained_as.seed if profile.trained_as else profile.bundle
        while seed in groups[key]:
            key = (*key, profile.bundle)
        groups[key][seed] = cell
    return [_one_cell(list(group.values())) for group in groups.values()]


def _candidate(profile: ProfileRecord, bundles: Collection[str]) -> str:
    """Return what the runs have in common that differ only in their seed."""
    if profile.trained_as is not None:
        return profile.trained_as.candidate
    named = _SEED_NAME.fullmatch(profile.bundle)
    family = named["first"] if named and named["first"] in bundles else profile.bundle
    return f"{family} {profile.model} {profile.method} {profile.trained_on.train_hash}"


def _one_cell(cells: list[Cell]) -> Cell:
    if len(cells) == 1:
        return cells[0]
    cells = sorted(cells, key=lambda cell: cell.profile.bundle)
    known = [one.profile.trained_as.validation_accuracy if one.profile.trained_as else None for one in cells]
    best = 0 if None in known else max(range(len(cells)), key=lambda number: known[number] or 0.0)
    others = tuple(cell.profile for number, cell in enumerate(cells) if number != best)
    variant = ", ".join(filter(None, (cells[best].variant, f"mean of {len(cells)} seeds")))
    return Cell(cells[best].profile, variant, others)


def _aspects(profile: ProfileRecord) -> tuple[str, ...]:
    # Two bundles may be called the same: a record's name begins with its bundle's folder.
    folder, found, _ = profile.name.partition(f".{profile.form}.")
    return (
        *(profile.backend, profile.device, counted(profile.threads, "thread"), Cell(profile).timed_as),
        folder if found else profile.bundle,
    )


def with_versus(cells: Sequence[Cell], versus: Sequence[VersusRecord]) -> list[Cell]:
    """Give each cell the records of ``versus`` in which its form was measured, on its machine and in its setting.

    Args:
        cells: Cells of any machines.
        versus: Records of ``slmbench versus``; of the same two forms, a newer one replaces an older one.
    """
    ordered = sorted(versus, key=lambda record: record.created)
    return [replace(cell, versus=tuple(one for one in ordered if _took_part(cell.profile, one))) for cell in cells]


def _took_part(profile: ProfileRecord, record: VersusRecord) -> bool:
    sides = [side for side in (record.first, record.second) if side.sha256 == profile.form_sha256]
    if not sides or sides[0].backend != profile.backend or profile.scenario != "single":
        return False
    # What numpy computes has one thread, whatever it is told.
    threads = record.threads if profile.backend == "numpy" else profile.threads
    way = machine_of(profile), profile.device, threads, profile.corpus.test_hash
    return way == (record.hardware.get("fingerprint"), record.device, record.threads, record.corpus.test_hash)


def cells_by_machine(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Group cells by machine, that with most cells first (then by name), each sorted by median latency."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.machine].append(cell)
    order = sorted(groups, key=lambda machine: (-len(groups[machine]), groups[machine][0].machine_name))
    return {
        machine: sorted(groups[machine], key=lambda cell: (cell.profile.latency.p50_ms, cell.label))
        for machine in order
    }
