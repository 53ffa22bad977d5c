"""The part of a bundle's record that only a cascade has: its members, its threshold, its times."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import computed_field

from slmbench.records.base import Part
from slmbench.records.documents import FileName
from slmbench.records.predictions import Evaluated
from slmbench.statistics import PairedDifference


class Routing(Part):
    """What choosing a threshold needs to know of some reviews; three columns, one entry per review.

    ``confidence`` is the small model's top-1 probability. ``large_right`` is ``None`` where the large model was not
    run: the small one is surer than every threshold tried.
    """

    row_ids: list[str]
    confidence: list[float]
    small_right: list[bool]
    large_right: list[bool | None]

    def right(self, threshold: float) -> np.ndarray:
        """Whether the cascade is right on each review, shape (n,).

        Raises:
            ValueError: A review is routed that the large model was not run on.
        """
        routed = self.routed(threshold)
        unknown = np.array([answer is None for answer in self.large_right], dtype=bool)
        if (routed & unknown).any():
            raise ValueError(f"the large model was not run on all reviews below {threshold}")
        large = np.array([bool(answer) for answer in self.large_right], dtype=bool)
        return np.where(routed, large, np.array(self.small_right, dtype=bool))

    def routed(self, threshold: float) -> np.ndarray:
        """Whether each review goes on to the large model, shape (n,)."""
        return np.asarray(self.confidence) < threshold


class MemberIdentity(Part):
    """Which form of which bundle one of the two models is."""

    name: str
    form: str
    runtime: str
    model: str
    method: str
    total_parameters: int
    #: Its form's file and what goes with it.
    bytes: int
    #: That of its form's file.
    sha256: str


class CascadeMember(Evaluated, MemberIdentity):
    """One of the two models: the bundle inside the cascade's folder, and its answers on all test rows."""

    folder: FileName

    def identity(self) -> MemberIdentity:
        """Return which form of which bundle it is, without its answers."""
        return MemberIdentity(**{name: getattr(self, name) for name in MemberIdentity.model_fields})


class ThresholdRows(Part):
    """The reviews on which the threshold was chosen."""

    #: ``unseen``: rows that neither model has seen; ``validation``: some of them picked an epoch of one of them.
    kind: Literal["unseen", "validation"]
    routing: Routing


class CascadeTiming(Part):
    """One review at a time on one machine, text in, logits out; the three took turns on each review.

    The times are lists of rounds over the same reviews, one entry per review; the last round may be shorter.
    """

    threads: int
    small_ms: list[list[float]]
    large_ms: list[list[float]]
    cascade_ms: list[list[float]]
    #: Whether each of these reviews goes on to the large model.
    routed: list[bool]

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def mean_ms(self) -> dict[str, float]:
        """Mean of each over all rounds.

        Only means add up: on a busy machine a longer review is interrupted more often, so medians and minima favour
        short ones.
        """
        return {
            "small": _mean(self.small_ms),
            "large": _mean(self.large_ms),
            "cascade": _mean(self.cascade_ms),
        }


def _mean(rounds: list[list[float]]) -> float:
    return float(np.mean([took for one in rounds for took in one]))


class ProfiledTimes(Part):
    """Mean latencies that two profiles of the members measured, on their machine."""

    small: str
    large: str
    machine: str
    small_ms: float
    large_ms: float


class SweepRow(Part):
    """Accuracy, routed share and time at one threshold; ``ms`` is computed from the members' means and ``routed``."""

    threshold: float
    validation_accuracy: float | None
    validation_routed: float | None
    accuracy: float
    routed: float
    ms: float


class ProfiledCascade(Part):
    """What the profile of a cascade keeps of its bundle, so that a comparison with its members opens no bundle.

    The attributes are those of :class:`CascadeFacts`; ``routed`` is the share of the test rows.
    """

    threshold: float
    chosen: str
    small: MemberIdentity
    large: MemberIdentity
    routed: float
    break_even: float
    sweep: list[SweepRow]


class CascadeFacts(Part):
    """A small model whose unsure reviews a large one answers.

    ``sweep``, ``ms`` and ``break_even`` are computed from ``validation``, ``test``, ``small_ms`` and ``large_ms``
    (see ``slmbench.cascade.thresholds``).
    """

    threshold: float
    #: How it was chosen, in one sentence.
    chosen: str
    small: CascadeMember
    large: CascadeMember
    validation: ThresholdRows | None
    test: Routing
    timing: CascadeTiming
    profiled: ProfiledTimes | None = None
    #: Mean milliseconds per review of each member: those of ``profiled``, otherwise of ``timing``.
    small_ms: float
    large_ms: float
    sweep: list[SweepRow]
    #: Computed milliseconds per review at ``threshold``.
    ms: float
    #: Share of routed reviews at which the cascade takes as long as the large model alone.
    break_even: float
    against_small: PairedDifference
    against_large: PairedDifference
    notes: list[str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def routed(self) -> float:
        """Share of the test rows that goes on to the large model."""
        return float(self.test.routed(self.threshold).mean())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def validation_routed(self) -> float | None:
        """The same share of the rows that chose the threshold."""
        return float(self.validation.routing.routed(self.threshold).mean()) if self.validation else None

    def for_profile(self) -> ProfiledCascade:
        """Return the part that a profile keeps."""
        return ProfiledCascade(
            threshold=self.threshold,
            chosen=self.chosen,
            small=self.small.identity(),
            large=self.large.identity(),
            routed=self.routed,
            break_even=self.break_even,
            sweep=self.sweep,
        )
