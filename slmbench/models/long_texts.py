"""What a model reads of texts that are longer than its input: the head, head and tail, or all in windows.

The rule is that of the edge runtime (:func:`slmbench.edge.runtime.parts_of_text`), so that training, testing and an
app read the same tokens. A model's ``config.json`` says which rule it was trained with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slmbench.edge.runtime import LONG_TEXTS_KEY, parts_of_text, special_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class EncodedTexts(NamedTuple):
    """Texts as inputs of a model, not padded.

    Attributes:
        columns: ``input_ids`` and what else the tokenizer gives, one list for each input.
        texts: Which text each input is of, ascending, shape (inputs,).
    """

    columns: dict[str, list[list[int]]]
    texts: np.ndarray

    def of_each(self, values: Sequence[Any]) -> list[Any]:
        """Return, for each input, the value of its text."""
        return [values[text] for text in self.texts]


def long_texts_of(config: Any) -> str:
    """Return how a model reads long texts, from its configuration."""
    return getattr(config, LONG_TEXTS_KEY, "head")


def set_long_texts(config: Any, how: str | None) -> None:
    """Write into a model's configuration how it reads long texts; the usual way is not mentioned."""
    if how not in (None, "head"):
        setattr(config, LONG_TEXTS_KEY, how)
    elif hasattr(config, LONG_TEXTS_KEY):
        delattr(config, LONG_TEXTS_KEY)


def encode_texts(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_length: int, how: str = "head"
) -> EncodedTexts:
    """Tokenise texts.

    Args:
        tokenizer: A fast tokenizer, with its truncation side set.
        texts: The texts.
        max_length: Longest input in tokens.
        how: One of :data:`slmbench.edge.runtime.LONG_TEXTS`.

    Returns:
        One input a text; with ``windows`` several of a long text.
    """
    if how == "head":
        columns = dict(tokenizer(list(texts), truncation=True, max_length=max_length))
        return EncodedTexts(columns, np.arange(len(texts)))
    special = special_tokens(tokenizer("a").sequence_ids(0))
    whole = dict(tokenizer(list(texts), truncation=False, verbose=False))
    columns = {name: [] for name in whole}
    owners = []
    for row, ids in enumerate(whole["input_ids"]):
        parts = parts_of_text(len(ids), special, max_length, how) or [list(range(len(ids)))]
        for part in parts:
            for name, column in columns.items():
                column.append([whole[name][row][place] for place in part])
            owners.append(row)
    return EncodedTexts(columns, np.array(owners, dtype=np.int64))
