"""Energy per review in a profile: how it is known, and its carbon equivalent."""

from __future__ import annotations

from typing import Literal

from pydantic import computed_field

from slmbench.records.base import Part

JOULES_PER_KWH = 3.6e6


class GridFactor(Part):
    """Carbon intensity of electricity at the machine's location."""

    gco2e_per_kwh: float
    #: Where the figure is from.
    source: str

    def gco2e(self, joules: float) -> float:
        """Return the grams of CO2 equivalent of an amount of energy."""
        return joules / JOULES_PER_KWH * self.gco2e_per_kwh


class Energy(Part):
    """Energy per review, idle power subtracted; ``None`` with a ``reason`` where it is unknown.

    ``quality`` says whether counters were read or CPU time was multiplied by a processor's design power.
    """

    joules_per_review: float | None = None
    source: str | None = None
    quality: Literal["measured", "estimated"] | None = None
    reason: str | None = None
    #: Duration of the work under the meter, and its number of reviews.
    seconds: float | None = None
    reviews: int = 0
    #: Idle power that was subtracted; ``None`` for an estimate, which has no idle part.
    idle_watts: float | None = None
    #: As given by ``--grid``.
    grid: GridFactor | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def joules_per_1000(self) -> float | None:
        """Energy of 1,000 reviews."""
        return None if self.joules_per_review is None else 1000 * self.joules_per_review

    @computed_field  # type: ignore[prop-decorator]
    @property
    def gco2e_per_1000(self) -> float | None:
        """Grams of CO2 equivalent of 1,000 reviews, where a grid is given."""
        if self.grid is None or self.joules_per_1000 is None:
            return None
        return self.grid.gco2e(self.joules_per_1000)

    @property
    def sentence(self) -> str:
        """Energy of 1,000 reviews, how it is known, and its carbon equivalent where a grid is given."""
        if self.joules_per_1000 is None:
            return f"energy unknown on this machine: {self.reason}"
        carbon = f" and {self.gco2e_per_1000:.3g} gCO2e ({self.grid.source})" if self.grid else ""
        idle = f", {self.idle_watts:.3g} W of idle power subtracted" if self.idle_watts is not None else ""
        return f"energy: {self.joules_per_1000:,.3g} J{carbon} per 1,000 reviews, {self.quality}: {self.source}{idle}"
