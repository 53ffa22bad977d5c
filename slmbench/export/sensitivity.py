"""Which products must stay in float for a form to keep its answers: found without the test reviews.

A form that changes too many of fp32's labels is made again. Each product is quantized alone, and the answers of that
model are compared with fp32's (Kullback-Leibler divergence of the probabilities, as in NVIDIA's and Intel's
post-training toolkits), on few reviews first and on more where it is harmful (successive halving: Karnin, Koren &
Somekh, *ICML* 2013). The most harmful ones are then left in float, one, two, four, … of them, until enough labels
agree with fp32's: a form cannot lose more accuracy than the share of labels it changes.

The reviews are validation reviews, to which the model was not fitted, and then training reviews; their labels are not
looked at. The test reviews take no part, so that they can judge the result (``slmbench.export.guard``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slmbench.common.progress import SILENT, Progress
from slmbench.edge.runtime import Backend, not_finite, softmax
from slmbench.export.answering import form_logits
from slmbench.export.switched import SwitchedForm
from slmbench.records.bundle import SearchStep

#: Reviews that decide how many products are kept.
DECIDING_REVIEWS = 256
#: The first of them rank the products: so many for all products, so many for the more harmful half, and so on.
RANKING_REVIEWS = (8, 16, 32)


class ReferenceAnswers:
    """Fp32's answers to the reviews that steer the search, with which those of other files are compared.

    Args:
        reference: Fp32, loaded.
        texts: Reviews; the first :data:`DECIDING_REVIEWS` are used.
    """

    def __init__(self, reference: Backend, texts: Sequence[str]) -> None:
        self._items = reference.encode(texts[:DECIDING_REVIEWS])
        self._wanted = _answers(reference, self._items)

    def __len__(self) -> int:
        return len(self._items)

    def agreement(self, backend: Backend) -> float:
        """Return the share of the reviews to which a file gives fp32's label."""
        return float((_answers(backend, self._items).argmax(1) == self._wanted.argmax(1)).mean())

    def divergence(self, backend: Backend, reviews: slice) -> np.ndarray:
        """Return the divergence of a file's answers from fp32's on some of the reviews, in nats, shape (reviews,)."""
        wanted, found = self._wanted[reviews], _answers(backend, self._items[reviews])
        tiny = np.finfo(np.float64).tiny
        return (wanted * (np.log(wanted + tiny) - np.log(found + tiny))).sum(1)


@dataclass(frozen=True)
class SearchInputs:
    """Inputs of the search.

    Attributes:
        nodes: Names of the products and tables that can be kept in float.
        make: Writes the form with some of them kept in float.
        load: Loads such a file.
        answers: What fp32 answers.
        scratch: A file that may be overwritten.
        switched: One model in which each node can be quantized alone; ``None`` where that cannot be made.
    """

    nodes: Sequence[str]
    make: Callable[[Path, Sequence[str]], object]
    load: Callable[[Path], Backend]
    answers: ReferenceAnswers
    scratch: Path
    switched: SwitchedForm | None = None

    def with_one(self, node: str) -> Backend:
        """Return the form with this node quantized alone."""
        if self.switched is not None:
            self.switched.quantized = node
            return self.switched
        self.make(self.scratch, [other for other in self.nodes if other != node])
        return self.load(self.scratch)


def rank(inputs: SearchInputs, progress: Progress) -> dict[str, float]:
    """Quantize each node alone and measure how the answers change.

    Args:
        inputs: The inputs of the search.
        progress: Where to say how far it is.

    Returns:
        Mean divergence from fp32 in nats by node, most harmful first.
    """
    # To make a file for a product takes longer than its answers: then all reviews are asked at once.
    asked = RANKING_REVIEWS if inputs.switched is not None else RANKING_REVIEWS[-1:]
    rounds = sorted({min(reviews, len(inputs.answers)) for reviews in asked})
    found: dict[str, np.ndarray] = {node: np.zeros(0) for node in inputs.nodes}
    ranked = list(inputs.nodes)
    steps = [max(1, len(ranked) >> halved) for halved in range(len(rounds))]
    with progress.task("finding harmful products", total=sum(steps), unit="products") as task:
        for count, reviews in zip(steps, rounds, strict=True):
            for node in ranked[:count]:
                more = inputs.answers.divergence(inputs.with_one(node), slice(len(found[node]), reviews))
                found[node] = np.append(found[node], more)
                task.advance()
            ranked.sort(key=lambda node: -found[node].mean())
    return {node: float(found[node].mean()) for node in ranked}


def keep_more(
    inputs: SearchInputs, ranked: Sequence[str], progress: Progress
) -> Iterator[tuple[list[str], SearchStep]]:
    """Keep more and more of the most harmful nodes in float.

    Args:
        inputs: The inputs of the search.
        ranked: Nodes, most harmful first.
        progress: Where to say how far it is.

    Yields:
        The nodes kept and the result.
    """
    count = 1
    while count < len(ranked):
        kept = list(ranked[:count])
        with progress.task(f"keeping {count} of {len(ranked)} products in float"):
            inputs.make(inputs.scratch, kept)
            agreement = inputs.answers.agreement(inputs.load(inputs.scratch))
        yield kept, SearchStep(kept=count, agreement=agreement, bytes=inputs.scratch.stat().st_size)
        count *= 2


def _answers(backend: Backend, items: Sequence[object]) -> np.ndarray:
    logits = form_logits(backend, items, SILENT, "answering").astype(np.float64)
    logits[not_finite(logits)] = 0  # no answer: every label as likely
    return softmax(logits)
