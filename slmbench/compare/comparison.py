"""From profiles on disk to a decision: the stage behind ``slmbench compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slmbench.common.formatting import counted, limit
from slmbench.common.progress import SILENT, Progress
from slmbench.compare.baseline import Baseline, hold_against
from slmbench.compare.cascades import cascade_facts
from slmbench.compare.caveats import caveats, floor_facts
from slmbench.compare.cells import cells_by_machine, machine_name, marked, name_cells, newest_of_each_cell
from slmbench.compare.constraints import Constraints
from slmbench.compare.curves import curves_of
from slmbench.compare.decision import Decision, decide
from slmbench.compare.reading import Measurements, read_measurements
from slmbench.records import ComparisonRecord, Recommendation, Rejection, Row
from slmbench.records.comparison import MachineDecision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.records import ProfileRecord


def compare(
    measured: Measurements | str | Path | Sequence[str | Path] | None = None,
    *,
    constraints: Constraints | None = None,
    pareto: Sequence[str] | None = None,
    baseline: Baseline | None = None,
    failures: Sequence[Row] = (),
    unprofiled: Sequence[Row] = (),
    notes: Sequence[str] = (),
    name: str = "comparison",
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    **limits: float | None,
) -> ComparisonRecord:
    """Compare profiles and say which classifier to ship, in which form, and why.

    Of several profiles of one cell (bundle, form, backend, device, threads, scenario, machine) the newest
    counts. Unlike machines are never pooled: each has its own front and recommendation.

    Args:
        measured: From :func:`slmbench.compare.read_measurements`, or the paths that it takes. May be empty when
            ``failures`` or ``unprofiled`` are given.
        constraints: Limits that a recommendation must keep, instead of giving them one by one.
        pareto: Axes of the Pareto front, by name (``slmbench.compare.axes``); ``None`` means accuracy and latency.
            The recommendation does not depend on them.
        baseline: What to hold the rows against; what fails it is told in the record's ``baseline``.
        failures: Cells that could not be measured, each with its reason in ``failure``.
        unprofiled: Classifiers of which only the accuracy is known, each with its reason in ``unprofiled``; they
            are shown and take no part in the decision.
        notes: What has to be read before any number; shown first.
        name: Name of the comparison.
        command: The command line, for the record.
        progress: Told what is going on.
        **limits: Attributes of :class:`~slmbench.compare.constraints.Constraints`: ``max_p95_ms=20``.

    Returns:
        The decision. Rows are grouped by machine and sorted by median latency, failures last.

    Raises:
        UsageError: A path or the baseline is not there.
        SlmbenchError: There is no profile, or a file is not one or is damaged.
    """
    constraints = constraints or Constraints(**limits)
    others = [*unprofiled, *failures]
    if not isinstance(measured, Measurements):
        nothing = others and measured is not None and not measured
        measured = Measurements([]) if nothing else read_measurements(measured, progress)
    found = measured.profiles
    profiles = newest_of_each_cell(found)
    machines = cells_by_machine(name_cells(profiles))
    decisions = {machine: decide(group, constraints, pareto) for machine, group in machines.items()}
    cells = [cell for group in machines.values() for cell in group]
    facts, failing = floor_facts(cells)
    older = len(found) - len(profiles)
    superseded = [f"{counted(older, 'older profile')} of cells measured again left out"] if older else []
    curves, older_curves = curves_of(measured.sweeps)

    by_machine = [_machine_decision(machine, decision) for machine, decision in decisions.items()]
    return ComparisonRecord(
        name=name,
        command=list(command),
        constraints=constraints.as_dict(),
        rows=[
            *(
                marked(
                    cell.row,
                    pareto=cell in decision.front,
                    recommended=cell is decision.recommended,
                    compared=cell not in decision.apart,
                )
                for machine, decision in decisions.items()
                for cell in machines[machine]
            ),
            *others,
        ],
        pareto=by_machine[0].pareto if by_machine else [],
        recommended=by_machine[0].recommended if by_machine else None,
        rejected=[
            *(
                Rejection(
                    name=cell.row.name,
                    form=cell.row.form,
                    why=why,
                    machine=machine,
                    variant=cell.variant,
                )
                for machine, decision in decisions.items()
                for cell, why in decision.rejected
            ),
            *(
                Rejection(
                    name=row.name,
                    form=row.form,
                    why=f"failed: {row.failure}" if row.failure else f"not profiled: {row.unprofiled}",
                    machine=row.machine,
                    variant=row.variant,
                )
                for row in others
            ),
        ],
        decisions=by_machine,
        floor=facts,
        cascades=cascade_facts(cells),
        curves=curves,
        notes=list(notes),
        caveats=failing + caveats(machines, pareto) + superseded + older_curves + measured.damaged,
        baseline=hold_against(baseline, cells, failures) if baseline else None,
        machines={machine: machine_facts(group[0].profile) for machine, group in machines.items()},
    )


def _machine_decision(machine: str, decision: Decision) -> MachineDecision:
    cell = decision.recommended
    recommended = None
    sentence = decision.why[0].upper() + decision.why[1:] + "."
    if cell is not None:
        recommended = Recommendation(
            name=cell.row.name,
            form=cell.profile.form,
            why=decision.why,
            machine=machine,
            variant=cell.variant,
        )
        sentence = f"Ship {recommended.label}: {decision.why}."
    return MachineDecision(
        machine=machine,
        sentence=sentence,
        recommended=recommended,
        pareto=[front.label for front in decision.front],
        front_axes=decision.front_axes,
    )


def machine_facts(profile: ProfileRecord) -> dict[str, str]:
    """Return what is known about the machine of a profile, in words.

    Args:
        profile: Any profile of the machine.

    Returns:
        ``name`` first; what the platform could not tell is left out.
    """
    hardware: dict[str, Any] = profile.hardware
    facts: dict[str, Any] = {
        "name": machine_name(profile),
        "CPU": hardware.get("cpu_model"),
        "instruction sets": ", ".join(hardware.get("isa") or []),
        "cores": hardware.get("cores_available"),
        "memory": f"{limit(round(memory / 2**30, 1))} GiB" if (memory := hardware.get("memory_bytes")) else None,
        "governor": hardware.get("governor"),
        "virtual machine": _virtual(hardware),
        "system": " ".join(str(hardware[key]) for key in ("os", "machine_arch") if hardware.get(key)),
        "GPU": ", ".join(hardware.get("gpu") or []),
    }
    return {name: str(value) for name, value in facts.items() if value}


def _virtual(hardware: dict[str, Any]) -> str | None:
    if hardware.get("virtualised") is None:
        return None
    return f"yes ({hardware.get('hypervisor') or 'hypervisor not named'})" if hardware["virtualised"] else "no"
