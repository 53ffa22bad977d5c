"""Vectors of single words from a sentence encoder, as model2vec has them: each word is a sentence of its own.

They are reduced by principal components, and each is weighted by how rare its word is (Arora, Liang and Ma, *A Simple
but Tough-to-Beat Baseline for Sentence Embeddings*, 2017): a / (a + p), where p is the share of the word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import content_key, read_array, write_aside
from slmbench.common.places import home
from slmbench.common.progress import SILENT, Progress
from slmbench.models import ModelFiles

#: The paper's a.
RARITY = 1e-3
#: Longest word that the encoder reads, in tokens with the special ones; the rest of a longer one is cut off.
MAX_TOKENS = 16
#: Root mean square length of the vectors. A text's n-grams together have length 1: with longer vectors the fit
#: repeats its teacher more closely, errors included, and is less accurate.
LENGTH = 0.3
#: The components are those of the most frequent words.
FOR_COMPONENTS = 10_000


def word_vectors(files: ModelFiles, weights: str, words: Sequence[str], progress: Progress) -> np.ndarray:
    """Return an encoder's vectors of words, computed once and kept in the user's cache.

    Args:
        files: The encoder.
        weights: SHA-256 of its weights; it is part of the cache key.
        words: The words.
        progress: Where progress is reported.

    Returns:
        Shape (words, width), float32.

    Raises:
        SlmbenchError: The encoder cannot be loaded, or its vectors are not finite.
    """
    key = content_key(stage="words/1", weights=weights, words=list(words), max_tokens=MAX_TOKENS)
    cached = home() / "words" / f"{key[:32]}.npy"
    if (found := read_array(cached, len(words))) is not None:
        return found
    from slmbench.methods.fewshot.embedding import SentenceEncoder, pooling_of
    from slmbench.models import load_encoder, load_tokenizer

    tokenizer = load_tokenizer(files.folder, max_length=MAX_TOKENS)
    encoder = SentenceEncoder(load_encoder(files), tokenizer, MAX_TOKENS, normalize=pooling_of(files).normalize)
    with progress.task(f"asking {files.name} for vectors of {len(words):,} words"):
        vectors = encoder.vectors(words, SILENT)
    if not np.isfinite(vectors).all():
        raise SlmbenchError(f"the vectors of '{files.name}' contain NaN or infinity: choose another model")
    with write_aside(cached) as file:
        np.save(file, vectors)
    return vectors


def reduced(vectors: np.ndarray, shares: np.ndarray, dimensions: int) -> np.ndarray:
    """Reduce word vectors by principal components and weight them by rarity.

    Args:
        vectors: Shape (words, width), the most frequent words first.
        shares: Share of each word among all words of the texts, shape (words,).
        dimensions: How many components are kept, at most.

    Returns:
        Shape (words, dimensions), float32; the root mean square of their lengths is :data:`LENGTH`.
    """
    centred = vectors - vectors.mean(0)
    _, _, components = np.linalg.svd(centred[:FOR_COMPONENTS], full_matrices=False)
    found = centred @ components[:dimensions].T * (RARITY / (RARITY + shares))[:, None]
    length = np.sqrt((found**2).sum(1).mean())
    return (LENGTH * found / length if length else found).astype(np.float32)
