"""Energy in a sentence, for tables and reports."""

from __future__ import annotations

from typing import Protocol


class Energetic(Protocol):
    """What a sentence is made of: an ``EnergyUse`` or the ``Energy`` of a profile."""

    @property
    def joules_per_review(self) -> float | None:
        """Energy of one review."""

    @property
    def quality(self) -> str | None:
        """Measured or estimated."""

    @property
    def source(self) -> str | None:
        """What told it."""

    @property
    def reason(self) -> str | None:
        """Why it is not known."""

    @property
    def idle_watts(self) -> float | None:
        """What was subtracted."""


class Carbon(Protocol):
    """A grid: a ``Grid`` or the ``GridFactor`` of a profile."""

    @property
    def source(self) -> str:
        """Where its figure is from."""

    def gco2e(self, joules: float) -> float:
        """Return the grams of so much energy."""


def energy_sentence(energy: Energetic, grid: Carbon | None = None) -> str:
    """Say what 1,000 reviews take, how that is known, and what it stands for in carbon where a grid is named."""
    if energy.joules_per_review is None:
        return f"energy: not known on this machine: {energy.reason}"
    joules = 1000 * energy.joules_per_review
    carbon = f" and {grid.gco2e(joules):.3g} gCO2e ({grid.source})" if grid else ""
    idle = f", {energy.idle_watts:.3g} W of idle power subtracted" if energy.idle_watts is not None else ""
    return f"energy: {joules:,.3g} J{carbon} per 1,000 reviews, {energy.quality}: {energy.source}{idle}"
