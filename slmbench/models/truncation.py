"""How much of a set of texts is cut off at a model's maximum length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slmbench.records import Truncation


def measure_truncation(folder: Path, texts: Sequence[str], max_length: int, long_texts: str = "head") -> Truncation:
    """Count the texts and tokens that a tokenizer cuts off.

    Args:
        folder: A model's folder with ``tokenizer.json``.
        texts: Such as the test reviews.
        max_length: Maximum input length in tokens, special ones included.
        long_texts: What is read of longer texts, one of :data:`slmbench.edge.runtime.LONG_TEXTS`.

    Returns:
        The counts, special tokens included.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]
    return Truncation(
        max_length=max_length,
        reviews=len(lengths),
        cut_reviews=sum(length > max_length for length in lengths),
        tokens=sum(lengths),
        cut_tokens=0 if long_texts == "windows" else sum(max(0, length - max_length) for length in lengths),
        long_texts=long_texts,
    )
