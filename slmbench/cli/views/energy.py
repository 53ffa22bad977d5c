"""Energy in a sentence, for tables and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slmbench.records.energy import Energy


def energy_sentence(energy: Energy) -> str:
    """Say what 1,000 reviews take, how that is known, and what it stands for in carbon where a grid is named."""
    if energy.joules_per_1000 is None:
        return f"energy: not known on this machine: {energy.reason}"
    carbon = f" and {energy.gco2e_per_1000:.3g} gCO2e ({energy.grid.source})" if energy.grid else ""
    idle = f", {energy.idle_watts:.3g} W of idle power subtracted" if energy.idle_watts is not None else ""
    return (
        f"energy: {energy.joules_per_1000:,.3g} J{carbon} per 1,000 reviews, {energy.quality}: {energy.source}{idle}"
    )
