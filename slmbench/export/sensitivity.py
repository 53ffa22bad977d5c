"""Which products must stay in float for a form to keep its accuracy: found on training reviews, never test reviews.

Each product is quantized alone, and the answers of that model are compared with fp32's (Kullback-Leibler divergence
of the probabilities, as in NVIDIA's and Intel's post-training toolkits). The most harmful ones are then left in
float, one, two, four, … of them, until the labels given to training reviews agree with fp32's but for the loss of
accuracy that is allowed: a form cannot lose more accuracy than it changes labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.edge.runtime import not_finite, softmax
from slmbench.records.bundle import SearchStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from slmbench.common.progress import Progress
    from slmbench.edge.runtime import Backend

#: Training reviews that rank the products, and that decide how many are kept: the second includes the first.
RANKING_REVIEWS, DECIDING_REVIEWS = 32, 256


@dataclass(frozen=True)
class SearchInputs:
    """Inputs of the search.

    Attributes:
        nodes: Names of the products and tables that can be kept in float.
        make: Writes the form with some of them kept in float.
        load: Loads such a file.
        reference: Fp32, loaded.
        texts: Training reviews.
        scratch: A file that may be overwritten.
    """

    nodes: Sequence[str]
    make: Callable[[Path, Sequence[str]], object]
    load: Callable[[Path], Backend]
    reference: Backend
    texts: Sequence[str]
    scratch: Path


def rank(inputs: SearchInputs, progress: Progress) -> dict[str, float]:
    """Quantize each node alone and measure how the answers change.

    Args:
        inputs: The inputs of the search.
        progress: Where to say how far it is.

    Returns:
        Mean divergence from fp32 in nats by node, most harmful first.
    """
    items = inputs.reference.encode(inputs.texts[:RANKING_REVIEWS])
    wanted = _answers(inputs.reference, items)
    harm = {}
    with progress.task("finding harmful products", total=len(inputs.nodes), unit="products") as task:
        for node in inputs.nodes:
            inputs.make(inputs.scratch, [other for other in inputs.nodes if other != node])
            harm[node] = _divergence(wanted, _answers(inputs.load(inputs.scratch), items))
            task.advance()
    return dict(sorted(harm.items(), key=lambda entry: -entry[1]))


def keep_more(
    inputs: SearchInputs, ranked: Sequence[str], progress: Progress
) -> Iterator[tuple[list[str], SearchStep]]:
    """Keep more and more of the most harmful nodes in float.

    Args:
        inputs: The inputs of the search.
        ranked: Nodes, most harmful first.
        progress: Where to say how far it is.

    Yields:
        The nodes kept and the result; ``inputs.scratch`` holds that file.
    """
    items = inputs.reference.encode(inputs.texts[:DECIDING_REVIEWS])
    wanted = _answers(inputs.reference, items).argmax(1)
    count = 1
    while count < len(ranked):
        kept = list(ranked[:count])
        with progress.task(f"keeping {count} of {len(ranked)} products in float"):
            inputs.make(inputs.scratch, kept)
            agreement = float((_answers(inputs.load(inputs.scratch), items).argmax(1) == wanted).mean())
        yield kept, SearchStep(kept=count, agreement=agreement, bytes=inputs.scratch.stat().st_size)
        count *= 2


def _answers(backend: Backend, items: Sequence[object]) -> np.ndarray:
    logits = np.stack([backend.logits([item])[0] for item in items]).astype(np.float64)
    logits[not_finite(logits)] = 0  # no answer: every label as likely
    return softmax(logits)


def _divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    tiny = np.finfo(np.float64).tiny
    return float((wanted * (np.log(wanted + tiny) - np.log(found + tiny))).sum(1).mean())
