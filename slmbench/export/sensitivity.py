"""Which products must stay in float for a form to keep its accuracy: found on training reviews, never on test ones.

Each product is quantized alone, and the answers of that model are compared with fp32's (Kullback-Leibler divergence
of the probabilities, as in NVIDIA's and Intel's post-training toolkits). The most harmful ones are then left in
float, one, two, four, … of them, until the labels given to training reviews agree with fp32's but for the loss of
accuracy that is allowed: a form cannot lose more accuracy than it changes labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from slmbench.edge.runtime import softmax
from slmbench.records.bundle import SearchStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from slmbench.common.progress import Progress
    from slmbench.edge.runtime import Backend

#: Training reviews that rank the products, and that decide how many are kept: the second includes the first.
RANKING_REVIEWS, DECIDING_REVIEWS = 32, 256


@dataclass(frozen=True)
class SearchMaterial:
    """What a search works with.

    Attributes:
        nodes: Names of the products and tables that can be kept in float.
        make: Writes the form with some of them kept in float.
        load: Loads such a file.
        reference: Fp32, loaded.
        texts: Training reviews.
        scratch: A file name that may be written over and over.
    """

    nodes: Sequence[str]
    make: Callable[[Path, Sequence[str]], object]
    load: Callable[[Path], Backend]
    reference: Backend
    texts: Sequence[str]
    scratch: Path


def rank(material: SearchMaterial, progress: Progress) -> dict[str, float]:
    """Quantize each node alone and measure the harm.

    Returns:
        Mean divergence from fp32 in nats by node, most harmful first.
    """
    items = material.reference.encode(material.texts[:RANKING_REVIEWS])
    wanted = _answers(material.reference, items)
    harm = {}
    with progress.task("finding what int8 harms", total=len(material.nodes), unit="products") as task:
        for node in material.nodes:
            material.make(material.scratch, [other for other in material.nodes if other != node])
            harm[node] = _divergence(wanted, _answers(material.load(material.scratch), items))
            task.advance()
    return dict(sorted(harm.items(), key=lambda entry: -entry[1]))


def keep_more(
    material: SearchMaterial, ranked: Sequence[str], progress: Progress
) -> Iterator[tuple[list[str], SearchStep]]:
    """Keep ever more of the most harmful nodes in float.

    Args:
        material: What to work with.
        ranked: Nodes, most harmful first.
        progress: Where to say how far it is.

    Yields:
        The nodes kept and what came of it; ``material.scratch`` holds that file.
    """
    items = material.reference.encode(material.texts[:DECIDING_REVIEWS])
    wanted = _answers(material.reference, items).argmax(1)
    count = 1
    while count < len(ranked):
        kept = list(ranked[:count])
        with progress.task(f"keeping {count} of {len(ranked)} products in float"):
            material.make(material.scratch, kept)
            agreement = float((_answers(material.load(material.scratch), items).argmax(1) == wanted).mean())
        yield kept, SearchStep(kept=count, agreement=agreement, bytes=material.scratch.stat().st_size)
        count *= 2


def _answers(backend: Backend, items: Sequence[object]) -> np.ndarray:
    return softmax(np.stack([backend.logits([item])[0] for item in items]).astype(np.float64))


def _divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    tiny = np.finfo(np.float64).tiny
    return float((wanted * (np.log(wanted + tiny) - np.log(found + tiny))).sum(1).mean())
