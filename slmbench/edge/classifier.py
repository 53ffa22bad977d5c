"""The classifier an app holds: text in, labels and probabilities out, in input order."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from slmbench.edge.bundle_files import BundleFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: Reviews looked at together when batches are formed by length: enough to find equals, little to hold.
WINDOW = 512


class Prediction(NamedTuple):
    """What the classifier says about one text: the label, its probability, and every label's probability."""

    label: str
    score: float
    scores: dict[str, float]


class Backend(Protocol):
    """One way to run a bundle: logits from token ids, and token ids from text."""

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Turn texts into this backend's input items, truncated as trained, not padded."""

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of tokens of each item."""

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch; returns shape (items, labels)."""


class Classifier:
    """A bundle, loaded.

    Args:
        path: The bundle's folder.
        form: Which form to run, such as ``fp32`` or ``int8``; by default the smallest accepted one.
        threads: Threads inside one inference; by default onnxruntime's choice (the physical cores).

    Raises:
        SlmbenchError: The folder is not a bundle, the form is not in it, or a file is missing or damaged.
    """

    def __init__(self, path: str | Path, *, form: str | None = None, threads: int | None = None) -> None:
        files = BundleFiles.open(path)
        self.labels: list[str] = files.labels
        self.form: str = files.choose_form(form)
        self._backend: Backend = load_backend(files, self.form, threads)

    def predict(self, texts: Iterable[str], *, batch_tokens: int | None = None) -> list[Prediction]:
        """Classify texts.

        Args:
            texts: Reviews; a single string counts as one text.
            batch_tokens: Token budget of a batch; by default texts run one at a time, which is the regime the
                bundle's accuracy was measured in and on most CPUs the faster one (no padding).

        Returns:
            One prediction per text, in input order.
        """
        return list(self.stream([texts] if isinstance(texts, str) else texts, batch_tokens=batch_tokens))

    def stream(self, texts: Iterable[str], *, batch_tokens: int | None = None) -> Iterator[Prediction]:
        """Classify texts as they come, holding at most a window of them; see :meth:`predict`."""
        texts = iter(texts)
        while window := list(islice(texts, WINDOW if batch_tokens else 1)):
            for row in self.predict_proba(window, batch_tokens=batch_tokens):
                best = int(row.argmax())
                scores = dict(zip(self.labels, row.tolist(), strict=True))
                yield Prediction(self.labels[best], float(row[best]), scores)

    def predict_proba(self, texts: Sequence[str], *, batch_tokens: int | None = None) -> np.ndarray:
        """Return probabilities, shape (texts, labels), rows in input order; see :meth:`predict`."""
        return softmax(self.predict_logits(texts, batch_tokens=batch_tokens))

    def predict_logits(self, texts: Sequence[str], *, batch_tokens: int | None = None) -> np.ndarray:
        """Return logits, shape (texts, labels), rows in input order; see :meth:`predict`."""
        texts = [texts] if isinstance(texts, str) else texts
        out = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        if batch_tokens is None:
            for row, text in enumerate(texts):
                out[row] = self._backend.logits(self._backend.encode([text]))[0]
            return out
        items = self._backend.encode(texts)
        for rows in batches_by_tokens(self._backend.lengths(items), batch_tokens):
            out[rows] = self._backend.logits([items[row] for row in rows])
        return out

    def token_lengths(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has once truncated as trained."""
        return self._backend.lengths(self._backend.encode(texts))


def load_backend(files: BundleFiles, form: str, threads: int | None) -> Backend:
    """Load what runs a form of a bundle.

    Args:
        files: The bundle.
        form: One of its forms.
        threads: Threads inside one inference; ``None`` leaves it to onnxruntime.

    Raises:
        SlmbenchError: A file is missing or damaged.
    """
    path = files.form_path(form)
    if files.runtime == "tfidf":
        from slmbench.edge.tfidf import TfidfBackend

        return TfidfBackend(path.parent)
    if files.runtime == "cascade":
        from slmbench.edge.cascade import CascadeBackend

        return CascadeBackend(path, files.labels, threads)
    from slmbench.edge.onnx import OnnxBackend

    return OnnxBackend(files.folder, path, threads)


def batches_by_tokens(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group items of like length so that no padded batch holds more than so many tokens.

    Args:
        lengths: Tokens of each item.
        budget: Largest rows x longest-row product of a batch; a longer item gets a batch of its own.

    Returns:
        Item indices, one list a batch, shortest items first.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        # Ascending lengths: the newest item is the longest of its batch.
        if batches and (len(batches[-1]) + 1) * lengths[index] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)
