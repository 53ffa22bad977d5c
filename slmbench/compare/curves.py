"""Curves of the report: sweeps found beside the profiles, forms of one axis and device as lines of one chart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from slmbench.common.formatting import counted
from slmbench.compare.machines import machine_name, machine_of, variants
from slmbench.records.comparison import Curve, CurvePoint
from slmbench.records.sweep import Axis, SweepRecord

#: Sweeps that may share a chart: of one axis, on one machine and device.
Place = tuple[Axis, str, str]
_TITLES: dict[Axis, str] = {"length": "By length", "batch": "By size of a batch", "threads": "By threads"}


class Chart(NamedTuple):
    """Curves that are drawn in one chart.

    Attributes:
        axis: What the sweeps vary.
        title: The same in words, with the machine.
        curves: One a form.
    """

    axis: Axis
    title: str
    curves: list[Curve]

    @property
    def workload(self) -> str | None:
        """What was timed, where that is the same of all curves."""
        met = {curve.workload for curve in self.curves}
        return met.pop() if len(met) == 1 else None

    @property
    def values(self) -> list[int]:
        """Every setting that a curve has, in order."""
        return sorted({point.value for curve in self.curves for point in curve.points})

    @property
    def table(self) -> list[tuple[str, list[CurvePoint | None]]]:
        """Return each setting in words with the point of every curve there."""
        columns = [{point.value: point for point in curve.points} for curve in self.curves]
        names = {point.value: point.setting for curve in self.curves for point in curve.points}
        return [(names[value], [column.get(value) for column in columns]) for value in self.values]


def curves_of(sweeps: Sequence[SweepRecord]) -> tuple[list[Curve], list[str]]:
    """Make the curves of sweeps; of several of one form, axis, machine and setting the newest counts.

    Args:
        sweeps: Sweeps of any axes and machines.

    Returns:
        The curves, those that share a chart one after the other and fastest first, and what was left out.
    """
    newest: dict[tuple[object, ...], SweepRecord] = {}
    for sweep in sweeps:
        key = (sweep.name, sweep.bundle, sweep.form, sweep.backend, sweep.threads, _place(sweep))
        known = newest.get(key)
        if known is None or sweep.created > known.created:
            newest[key] = sweep
    charts: dict[Place, list[SweepRecord]] = defaultdict(list)
    for sweep in newest.values():
        charts[_place(sweep)].append(sweep)
    order = sorted(charts, key=lambda place: (get_args(Axis).index(place[0]), place[1:]))
    older = len(sweeps) - len(newest)
    notes = [f"{counted(older, 'older curve')} measured again left out"] if older else []
    return [curve for place in order for curve in _curves(charts[place])], notes


def charts_of(curves: Sequence[Curve], tags: Mapping[str, str]) -> list[Chart]:
    """Group curves that may be drawn together: different machines and devices never are.

    Args:
        curves: In the order of :func:`curves_of`.
        tags: The letter of each machine where there are several.
    """
    charts: dict[Place, list[Curve]] = {}
    for curve in curves:
        charts.setdefault((curve.axis, curve.machine, curve.device), []).append(curve)
    return [
        Chart(axis, f"{_TITLES[axis]}: {same[0].machine_name}, {device}{_tagged(tags.get(machine))}", same)
        for (axis, machine, device), same in charts.items()
    ]


def _tagged(tag: str | None) -> str:
    return f" ({tag})" if tag else ""


def _place(sweep: SweepRecord) -> Place:
    return sweep.axis, machine_of(sweep), sweep.device


def _curves(sweeps: Sequence[SweepRecord]) -> list[Curve]:
    """Make the curves of one chart."""
    forms: dict[tuple[str, str], list[SweepRecord]] = defaultdict(list)
    for sweep in sweeps:
        forms[(sweep.bundle, sweep.form)].append(sweep)
    curves = [
        _curve(sweep, variant)
        for same in forms.values()
        for sweep, variant in zip(same, variants([_aspects(sweep) for sweep in same]), strict=True)
    ]
    return sorted(curves, key=lambda curve: (min(point.p50_ms for point in curve.points), curve.label))


def _aspects(sweep: SweepRecord) -> tuple[str, str]:
    return sweep.backend, "" if sweep.threads is None else counted(sweep.threads, "thread")


def _curve(sweep: SweepRecord, variant: str | None) -> Curve:
    return Curve(
        name=sweep.bundle,
        form=sweep.form,
        sweep=sweep.name,
        axis=sweep.axis,
        machine=machine_of(sweep),
        machine_name=machine_name(sweep),
        device=sweep.device,
        variant=variant,
        points=[
            CurvePoint(
                value=point.value,
                setting=sweep.name_of(point.value),
                p50_ms=point.p50_ms,
                ci95_ms=point.ci95_ms,
            )
            for point in sorted(sweep.points, key=lambda point: point.value)
        ],
        best=sweep.best,
        sentence=sweep.sentence,
        failed=[f"{sweep.name_of(failure.value)} failed: {failure.reason}" for failure in sweep.failed],
        workload=_workload(sweep),
    )


def _workload(sweep: SweepRecord) -> str:
    """Say what was timed."""
    threads = "" if sweep.threads is None else f", {counted(sweep.threads, 'thread')}"
    if sweep.axis == "length":
        return f"texts made to each length, one at a time{threads}"
    fed = sweep.corpus
    kind = "reviews" if fed.inputs == "reviews" else "texts of words matched to the lengths of reviews"
    return f"{fed.reviews:,} {kind} of {fed.name} ({fed.test_hash[:8]}){threads}"
