"""Cells: profiles, one a (bundle, form, backend, device, threads, scenario, machine), and the rows made of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.formatting import counted, limit, milliseconds, three_digits
from slmbench.edge.runtime import BATCH_TOKENS
from slmbench.records import ProfileRecord, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.records.sweep import SweepRecord
    from slmbench.statistics import Interval

#: A backend and a device that are named even where nothing else of the bundle stands beside them: a row that says
#: nothing is taken for onnxruntime on the CPU. Forms in torch say so by their names.
NOTABLE = ("openvino", "cuda")
#: What makes two profiles measurements of the same cell.
CellKey = tuple[str, str, str, str, str, int, str, str]


@dataclass(frozen=True, eq=False)
class Cell:
    """One profile with the name that tells it from the other cells of its machine."""

    profile: ProfileRecord
    variant: str | None = None

    @cached_property
    def row(self) -> Row:
        """The numbers that tables show, not yet marked as front or recommended."""
        profile, evaluation = self.profile, self.profile.evaluation
        latency, throughput, energy, roofline = profile.latency, profile.throughput, profile.energy, profile.roofline
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
            machine=machine_of(profile),
            variant=self.variant,
            total_parameters=profile.total_parameters,
            size_bytes=profile.size_bytes,
            accuracy=evaluation.accuracy,
            accuracy_ci95=evaluation.accuracy_ci95,
            macro_f1=evaluation.macro_f1,
            majority_baseline=evaluation.majority_baseline,
            p50_ms=latency.p50_ms,
            p50_ci95_ms=latency.ci95_ms,
            p95_ms=latency.p95_ms,
            p95_ci95_ms=latency.p95_ci95_ms,
            p95_note=latency.unsupported.get("p95_ms"),
            reviews_per_second=throughput.reviews_per_second if throughput else highest_rate(profile),
            reviews_per_second_ci95=throughput.reviews_per_second_ci95 if throughput else None,
            peak_bytes=profile.memory.peak_bytes,
            cold_start_ms=profile.cold_start_ms,
            joules_per_review=joules,
            energy_quality=energy.quality,
            gco2e_per_review=None if energy.grid is None or joules is None else energy.grid.gco2e(joules),
            ceiling_reached=roofline.achieved if roofline else None,
            macs=roofline.macs if roofline else None,
            macs_linear=roofline.macs_linear if roofline else None,
            test_hash=self.test_hash,
            test_reviews=evaluation.reviews,
            refusal=None if profile.accepted else profile.reason,
        )

    @property
    def label(self) -> str:
        """Name, form and variant in one phrase."""
        return self.row.label

    @cached_property
    def test_hash(self) -> str:
        """Hash of the reviews that the accuracy speaks of."""
        return self.profile.predictions.rows_hash()

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each test review is classified right, in the order of the row ids, shape (n,)."""
        return self.profile.predictions.right()[np.argsort(self.profile.predictions.row_ids)]

    @property
    def accuracy(self) -> float:
        """Accuracy on the test rows."""
        return self.profile.evaluation.accuracy

    @cached_property
    def p50_ms(self) -> float:
        """Median latency of one review."""
        return self.profile.latency.p50_ms

    @cached_property
    def pace_ms(self) -> float:
        """Milliseconds a review that speed is judged by.

        The median latency; in the offline scenario, where that is of batches, the time a review has in the median
        pass; where the highest rate was sought, the time between two reviews at that rate.
        """
        rate = self._rate
        return self.p50_ms if rate is None else 1e3 / rate

    @cached_property
    def pace_ci95_ms(self) -> Interval | None:
        """Its 95 % interval; ``None`` where there are too few samples, and of a rate that was sought."""
        throughput = self.profile.throughput
        if self._rate is None:
            return self.profile.latency.ci95_ms
        rates = throughput.reviews_per_second_ci95 if throughput is not None else None
        return None if rates is None else (1e3 / rates[1], 1e3 / rates[0])

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

    @property
    def pace(self) -> str:
        """What speed is judged by, in words."""
        return milliseconds(self.p50_ms) if self._rate is None else f"{three_digits(self._rate)} reviews/s"

    @property
    def by_latency(self) -> bool:
        """Whether speed is judged by the median latency."""
        return self._rate is None

    @property
    def _rate(self) -> float | None:
        """Reviews a second, where those tell the speed and not the latency."""
        throughput = self.profile.throughput
        if self.profile.scenario == "offline" and throughput is not None:
            return throughput.reviews_per_second
        return highest_rate(self.profile)

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return self.profile.size_bytes

    def clearly_faster_than(self, other: Cell) -> bool:
        """Tell whether a review takes less time and the two intervals do not overlap."""
        return self.pace_interval[1] < other.pace_interval[0]


def machine_of(profile: ProfileRecord | SweepRecord) -> str:
    """Return the identity of the machine: the fingerprint of its hardware."""
    return str(profile.hardware["fingerprint"])


def highest_rate(profile: ProfileRecord) -> float | None:
    """Return the highest rate that keeps a bound, where it was sought; ``None`` where a rate was given."""
    load = profile.load
    return None if load is None or load.max_p95_ms is None else load.qps


def timed_as(profile: ProfileRecord) -> str:
    """Return the scenario, with the arrivals or batches that its latencies depend on: only equals are compared."""
    load, throughput = profile.load, profile.throughput
    if load is not None and load.max_p95_ms is not None:
        return f"server, p95 up to {limit(load.max_p95_ms)} ms"
    if load is not None:
        return f"server at {limit(load.qps)}/s"
    if profile.scenario == "offline" and throughput is not None and throughput.batch_tokens != BATCH_TOKENS:
        return f"offline, {throughput.batch_tokens:,} tokens a batch"
    return profile.scenario


def cell_key(profile: ProfileRecord) -> CellKey:
    """Return what two profiles of the same cell have in common."""
    return (
        # Named after the bundle's folder: two bundles may be called the same in tables.
        profile.name,
        profile.bundle,
        profile.form,
        profile.backend,
        profile.device,
        profile.threads,
        profile.scenario,
        machine_of(profile),
    )


def row_key(row: Row) -> tuple[Any, ...]:
    """Return the ``cell_key`` of the profile that a row was made from."""
    return (row.profile, row.name, row.form, row.backend, row.device, row.threads, row.scenario, row.machine)


def newest_of_each_cell(profiles: Sequence[ProfileRecord]) -> list[ProfileRecord]:
    """Keep the newest profile of each cell, in the order in which cells first appear."""
    newest: dict[CellKey, ProfileRecord] = {}
    for profile in profiles:
        known = newest.get(cell_key(profile))
        if known is None or profile.created > known.created:
            newest[cell_key(profile)] = profile
    return list(newest.values())


def name_cells(profiles: Sequence[ProfileRecord]) -> list[Cell]:
    """Make cells; those of one bundle and form on one machine are told apart by what differs between them.

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


def variants(aspects: Sequence[Sequence[str]]) -> list[str | None]:
    """Name things of one name by what differs between them.

    Args:
        aspects: Of each thing the same aspects, in words.

    Returns:
        Of each thing its words of those aspects that are not the same of all, and those that are :data:`NOTABLE` in
        any case; ``None`` where there are none.
    """
    seen = [Counter(column) for column in zip(*aspects, strict=True)]
    telling = [
        [word for word, met in zip(words, seen, strict=True) if len(met) > 1 or word in NOTABLE] for words in aspects
    ]
    return [", ".join(words) or None for words in telling]


def _aspects(profile: ProfileRecord) -> tuple[str, ...]:
    # Two bundles may be called the same: a record's name begins with its bundle's folder.
    folder, found, _ = profile.name.partition(f".{profile.form}.")
    return (
        *(profile.backend, profile.device, counted(profile.threads, "thread"), timed_as(profile)),
        folder if found else profile.bundle,
    )


def cells_by_machine(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Group cells by machine, that with most cells first (then by name), each sorted by median latency."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[machine_of(cell.profile)].append(cell)
    order = sorted(groups, key=lambda machine: (-len(groups[machine]), machine_name(groups[machine][0].profile)))
    return {machine: sorted(groups[machine], key=lambda cell: (cell.p50_ms, cell.label)) for machine in order}


def machine_name(profile: ProfileRecord | SweepRecord) -> str:
    """Return what people call the machine."""
    return str(profile.hardware.get("machine") or profile.hardware.get("cpu_model") or machine_of(profile))


def marked(row: Row, *, pareto: bool, recommended: bool, compared: bool) -> Row:
    """Return the row with what was decided about it."""
    return row.model_copy(update={"pareto": pareto, "recommended": recommended, "compared": compared})
