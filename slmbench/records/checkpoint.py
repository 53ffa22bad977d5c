"""The record of an adaptation: a language model trained on a corpus, and its perplexity before and after."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, computed_field

from slmbench.records.ancestors import Ancestor
from slmbench.records.base import Part, Record
from slmbench.records.run import TrainCost
from slmbench.statistics import Interval, bootstrap_interval


class TextsIdentity(Part):
    """The reviews trained on, and those that the perplexity was measured on; labels were not used.

    ``pool`` counts the different reviews on the training side, ``held_out_for_testing`` the rows left out because a
    fine-tuning on the same corpus may test on them.
    """

    name: str
    source: str
    reviews: int
    tokens: int
    texts_hash: str
    measured_reviews: int
    measured_hash: str
    pool: int
    held_out_for_testing: int
    copies_dropped: int
    skipped_rows: int
    #: How to read the same corpus again: keyword arguments of ``slmbench.corpora.stream_texts``.
    options: dict[str, Any]


class BlankLosses(Part):
    """How well a masked language model fills in the same blanks before and after, one entry a review.

    ``blanks`` counts a review's hidden tokens; ``before`` and ``after`` are the cross-entropy on them in nats,
    summed. Perplexity is the exponential of the mean over all blanks.
    """

    blanks: list[int]
    before: list[float]
    after: list[float]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def perplexity_before(self) -> float:
        """Perplexity of the pretrained model."""
        return _perplexity(self.before, self.blanks)

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def perplexity_before_ci95(self) -> Interval:
        """Its bootstrap interval over reviews."""
        return self._interval(self.before)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def perplexity_after(self) -> float:
        """Perplexity of the adapted model."""
        return _perplexity(self.after, self.blanks)

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def perplexity_after_ci95(self) -> Interval:
        """Its bootstrap interval over reviews."""
        return self._interval(self.after)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ratio(self) -> float:
        """Perplexity after over before; below 1 is better."""
        return _perplexity(self._change(), self.blanks)

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def ratio_ci95(self) -> Interval:
        """Its bootstrap interval; paired, so much narrower than those of the two perplexities."""
        return self._interval(self._change())

    def _change(self) -> list[float]:
        return [after - before for before, after in zip(self.before, self.after, strict=True)]

    def _interval(self, nats: Sequence[float]) -> Interval:
        values, counts = np.asarray(nats), np.asarray(self.blanks)
        return bootstrap_interval(lambda rows: np.exp(values[rows].sum(1) / counts[rows].sum(1)), len(counts))


class CheckpointRecord(Record):
    """A language model adapted to a corpus: no classifier yet, but what one can be fine-tuned from."""

    kind = "checkpoint"
    made_by = "slmbench adapt"
    file: ClassVar[str] = "checkpoint.json"
    shown = (
        "name model corpus.name corpus.reviews corpus.tokens losses.perplexity_before "
        "losses.perplexity_after train.seconds"
    )

    path: str
    model: str
    model_source: str
    base_sha256: str
    weights_sha256: str
    architecture: str
    base_license: str | None
    method: str
    seed: int
    max_length: int
    hyperparameters: dict[str, Any]
    #: Whether the weights came without a language-model head, so that a new one was trained.
    new_head: bool
    total_parameters: int
    parameters_without_embeddings: int
    corpus: TextsIdentity
    #: Reviews that shaped it; ``None`` in records from before they were kept.
    ancestors: list[Ancestor] | None = None
    train: TrainCost
    losses: BlankLosses
    #: What a reader of the numbers has to know, in sentences.
    notes: list[str] = Field(default_factory=list)
    hardware: dict[str, Any]
    software: dict[str, str]


def _perplexity(nats: Sequence[float], blanks: Sequence[int]) -> float:
    return float(np.exp(sum(nats) / sum(blanks)))
