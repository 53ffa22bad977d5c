"""What a reader must know before trusting a decision."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

from slmbench.common.formatting import counted, listing, milliseconds
from slmbench.compare.cells import Cell
from slmbench.compare.decision import Decision
from slmbench.compare.pairs import conditions_shift
from slmbench.compare.quantities import known_quantity
from slmbench.records.ancestors import unknown_owners

CASCADE_METHOD = "cascade"
#: How a profile's warning with causes begins, and the cause that a virtual machine always has.
_WHY_UNSTEADY = "why it may be unsteady: "
_VIRTUAL = "the machine is virtual:"


def caveats(
    machines: Mapping[str, Sequence[Cell]],
    axes: Sequence[str] | None = None,
    beside: Collection[Cell] = (),
) -> list[str]:
    """Collect what limits the comparison.

    Args:
        machines: Measured cells by machine.
        axes: Axes asked for of the Pareto front, by name.
        beside: Cells whose warnings stand beside the decision (:func:`deciding_caveats`) and are not repeated.

    Returns:
        One sentence each, those about accuracy first.
    """
    cells = [cell for group in machines.values() for cell in group]
    found = _differing_reviews(cells) + _differing_training(cells) + _differing_exports(cells)
    found += _seeds_picked_blindly(cells)
    found += _unknown_ancestors(cells)
    if len(machines) > 1:
        names = [group[0].machine_name for group in machines.values()]
        found.append(
            f"the profiles come from {len(machines)} machines ({'; '.join(names)}): latencies of different"
            " machines are not compared, and each has its own front and recommendation"
        )
    for group in machines.values():
        where = f"{group[0].machine_name}: " if len(machines) > 1 else ""
        found += [where + sentence for sentence in _measuring(group, axes, beside)]
    return list(dict.fromkeys(found))


#: Share of the CPU that the hypervisor took, above which that stands beside the decision by itself: a tenth of the
#: time is what counts as equal between rows.
_NOTABLE_STEAL = 0.1


def deciding_cells(decision: Decision) -> list[Cell]:
    """Return the cells whose measured times decided: another result for them may change what is shipped."""
    choice = decision.choice
    if choice is None:
        return []
    close = [cell for cell, found in choice.speeds.items() if found == "undecided"]
    return list(dict.fromkeys([choice.winner, choice.best, choice.fastest, *close]))


def deciding_caveats(decision: Decision) -> list[str]:
    """Return what of the measurements that decided may change what is shipped, with what to do about it.

    Args:
        decision: The decision for one machine.

    Returns:
        One sentence a row, the winner's first.
    """
    decided = deciding_cells(decision)
    said: dict[str, list[Cell]] = defaultdict(list)
    for cell in decided:
        if found := [*_warnings(cell), *filter(None, [cell.profile.latency.note])]:
            said["; ".join(found)].append(cell)
    again = [f"{_who(group, decision.cells)}: {found}: profile again" for found, group in said.items()]
    exports = _differing_exports(decision.cells) if decision.choice else []
    return [*_unlike_conditions(decided), *_stolen(decided, decision.cells), *again, *exports]


def _warnings(cell: Cell) -> list[str]:
    """Return the warnings of a measurement, without what is true of the whole machine and said once."""
    found = []
    for warning in cell.profile.warnings:
        causes = [one for one in warning.removeprefix(_WHY_UNSTEADY).split("; ") if not one.startswith(_VIRTUAL)]
        found += causes if warning.startswith(_WHY_UNSTEADY) else [warning]
    return found


def _unlike_conditions(decided: Sequence[Cell]) -> list[str]:
    """Name the two rows between whose sessions the machine differed by more than it usually does, if any."""
    shifts = {(one, other): conditions_shift(one, other) for one, other in combinations(decided, 2)}
    if not any(shifts.values()):
        return []
    first, second = max(shifts, key=lambda pair: shifts[pair])
    shift = 100 * math.expm1(shifts[first, second])
    return [
        f"{first.label} and {second.label} were not measured under like conditions: between their sessions the speed"
        f" of this machine, by its sentinel, differed by {shift:.0f} %, more than its"
        " sessions do (another host may have the same name): profile both in one command"
    ]


def _stolen(decided: Sequence[Cell], cells: Sequence[Cell]) -> list[str]:
    """Say how much of the CPU other machines had while the rows that decided were timed, where it was much."""
    shares = {cell: cell.profile.conditions.stolen for cell in decided if cell.profile.conditions is not None}
    named = [cell for cell, share in shares.items() if share > _NOTABLE_STEAL]
    if not named:
        return []
    most = max(shares.values())
    return [
        f"the hypervisor gave up to {100 * most:.0f} % of the CPU to other machines while timing"
        f" {_who(named, cells)}: profile again when the host is quieter"
    ]


def _differing_reviews(cells: Sequence[Cell]) -> list[str]:
    groups = _grouped(cells, lambda cell: cell.test_hash)
    found = []
    if len(groups) > 1:
        parts = [f"{digest[:8]}: {_who(group, cells)}" for digest, group in groups.items()]
        found.append(
            f"accuracies were measured on different test reviews ({'; '.join(parts)})"
            " and are not compared across them"
        )
    timed = _grouped(cells, lambda cell: cell.profile.corpus.test_hash)
    if len(timed) > 1:
        parts = [f"{digest[:8]}: {_who(group, cells)}" for digest, group in timed.items()]
        found.append(f"latency was measured on different reviews ({'; '.join(parts)}), so lengths may differ")
    return found


def _differing_training(cells: Sequence[Cell]) -> list[str]:
    sizes = _grouped(cells, lambda cell: cell.profile.trained_on.train_reviews)
    if len(sizes) < 2:
        return []
    parts = [f"{reviews:,}: {_who(group, cells)}" for reviews, group in sorted(sizes.items())]
    return [f"the rows were trained on different numbers of reviews ({'; '.join(parts)})"]


def _unknown_ancestors(cells: Sequence[Cell]) -> list[str]:
    """Say whose training reviews are unknown, so that test reviews may be among them."""
    owners = dict.fromkeys(owner for cell in cells for owner in unknown_owners(cell.profile.ancestors or ()))
    found = []
    if owners:
        found.append(f"the training texts of {listing(list(owners))} are unknown: test reviews may be among them")
    before = [cell for cell in cells if cell.profile.ancestors is None]
    if before and len(before) < len(cells):
        found.append(f"which reviews the base or teacher was trained on was not recorded: {_who(before, cells)}")
    return found


def _seeds_picked_blindly(cells: Sequence[Cell]) -> list[str]:
    """Name means over seeds whose seed to ship could not be picked on validation rows."""
    blind = [
        cell.label
        for cell in cells
        if cell.seeds > 1
        and any(one.trained_as is None or one.trained_as.validation_accuracy is None for one in cell.profiles)
    ]
    reason = "the seed to ship is the first, because validation accuracies were not kept"
    return [f"{reason}: {listing(blind)}"] if blind else []


def _differing_exports(cells: Sequence[Cell]) -> list[str]:
    """Name bundles whose rows are of several exports: one was exported again, and not all of it measured again."""
    found = []
    kept = [cell for cell in cells if cell.profile.source_key is not None and cell.profile.backend != "torch"]
    for bundle, group in _grouped(kept, lambda cell: cell.profile.bundle).items():
        exports = _grouped(group, lambda cell: cell.profile.source_key)
        if len(exports) > 1:
            parts = "; ".join(f"{key[:8]}: {_who(some, cells)}" for key, some in exports.items())
            found.append(
                f"the rows called {bundle} are of {len(exports)} different exports ({parts}): profile all its forms"
                " again, if it was exported again"
            )
    return found


def _measuring(cells: Sequence[Cell], axes: Sequence[str] | None, beside: Collection[Cell]) -> list[str]:
    """Collect what limits the measurements of one machine."""
    found = []
    words = [cell for cell in cells if cell.profile.corpus.inputs == "length-matched words"]
    if words:
        found.append(
            f"latency was measured on words matched to the corpus's lengths, not on reviews: {_who(words, cells)}"
        )
    for cell in cells:
        if cell.profile.method == CASCADE_METHOD:
            latency = cell.profile.latency
            found.append(
                f"{cell.label} is a cascade: some reviews take its small member's time, the others that of both;"
                f" compare it by its mean ({milliseconds(latency.mean_ms)}), not by its median"
                f" ({milliseconds(latency.p50_ms)})"
            )
    for lack, group in _grouped(cells, lambda cell: cell.profile.latency.no_interval).items():
        if lack:
            found.append(f"{_who(group, cells)}: {lack}")
    for widening, group in _grouped(cells, lambda cell: cell.profile.latency.widening).items():
        if widening:
            found.append(f"{_who(group, cells)}: {widening}")
    others = [cell for cell in cells if cell not in beside]
    for note, group in _grouped(others, lambda cell: cell.profile.latency.note).items():
        if note:
            found.append(f"{_who(group, cells)}: {note}")
    short = [cell for cell in cells if cell.row.p95_ms is None]
    if short and axes is None:
        found.append(f"too few latency samples for p95, so the front is over p50: {_who(short, cells)}")
    for name in axes or ():
        unknown = [cell for cell in cells if known_quantity(name).value(cell.row) is None]
        if unknown:
            found.append(f"not considered for the Pareto front, because {name} is not known: {_who(unknown, cells)}")
    dark = [cell for cell in cells if cell.profile.energy.joules_per_review is None]
    for reason, group in _grouped(dark, lambda cell: cell.profile.energy.reason).items():
        if reason:
            found.append(f"energy is not known: {_who(group, cells)}: {reason}")
    estimated = [cell for cell in cells if cell.row.energy_quality == "estimated"]
    if estimated:
        found.append(f"energy is estimated, not measured: {_who(estimated, cells)}")
    for sentence, group in _grouped(cells, lambda cell: cell.profile.evaluation.one_answer_sentence).items():
        if sentence:
            found.append(f"{_who(group, cells)}: {sentence}")
    for cut, group in _grouped(cells, _cut).items():
        if cut:
            found.append(f"{_who(group, cells)}: {cut}")
    failed = {name: why for cell in cells for name, why in cell.profile.evaluation.failed_metrics.items()}
    found += list(failed.values())
    by_warning: dict[str, list[Cell]] = defaultdict(list)
    for cell in others:
        for warning in _warnings(cell):
            by_warning[warning].append(cell)
    found += [f"{_who(group, cells)}: {warning}" for warning, group in by_warning.items()]
    found += _differing_versions(cells)
    if any(cell.profile.hardware.get("virtualised") for cell in cells):
        found.append("the machine is virtual: neighbours it cannot see may have slowed it")
    return found


def _cut(cell: Cell) -> str:
    truncation = cell.profile.truncation
    return "" if truncation is None else truncation.sentence()


def _differing_versions(cells: Sequence[Cell]) -> list[str]:
    libraries = dict.fromkeys(name for cell in cells for name in cell.profile.software)
    found = []
    for library in libraries:
        having = [cell for cell in cells if library in cell.profile.software]
        versions = _grouped(having, lambda cell, library=library: cell.profile.software[library])  # type: ignore[misc]
        if len(versions) > 1:
            parts = [f"{version}: {_who(group, cells)}" for version, group in versions.items()]
            found.append(f"measured with different versions of {library} ({'; '.join(parts)})")
    return found


def _grouped(cells: Sequence[Cell], key: Callable[[Cell], Any]) -> dict[Any, list[Cell]]:
    groups: dict[Any, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[key(cell)].append(cell)
    return groups


def _who(some: Sequence[Cell], everyone: Sequence[Cell]) -> str:
    """Name cells in as few words as possible."""
    if len(some) == len(everyone):
        return "all rows"
    if len(some) > 4:
        return f"{counted(len(some), 'row')} of {len(everyone)}"
    return listing([cell.label for cell in some])
