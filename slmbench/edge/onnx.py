"""Bundles of transformer models: the tokenizers library feeds onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from slmbench.errors import SlmbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class OnnxBackend:
    """One ONNX file and the tokenizer beside it; truncation and padding are as ``tokenizer.json`` says.

    Args:
        folder: The bundle's folder, which holds ``tokenizer.json``.
        model: The ONNX file.
        threads: Threads inside one inference; ``None`` leaves it to onnxruntime.
    """

    def __init__(self, folder: Path, model: Path, threads: int | None) -> None:
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        # onnxruntime's own exception classes derive straight from Exception and are not exported by name.
        except Exception as error:  # noqa: BLE001
            raise SlmbenchError(f"onnxruntime cannot load {model}: {str(error).splitlines()[0]}") from None
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # noqa: BLE001 - tokenizers raises a bare Exception
            raise SlmbenchError(f"{folder}/tokenizer.json cannot be read: {error}") from None
        self._padding = self._tokenizer.padding or {}
        # Padding happens per batch in `logits`; encoding many texts must not pad them to the longest.
        self._tokenizer.no_padding()
        self._inputs = [node.name for node in self._session.get_inputs()]

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Tokenise; each item is a ``tokenizers.Encoding``."""
        return list(self._tokenizer.encode_batch([_sound(text) for text in texts]))

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of tokens of each encoding."""
        return [len(item.ids) for item in items]  # type: ignore[attr-defined]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch, padded to its longest item."""
        longest = max(self.lengths(items))
        shape = (len(items), longest)
        columns = {
            "input_ids": np.full(shape, self._padding.get("pad_id", 0), dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.full(shape, self._padding.get("pad_type_id", 0), dtype=np.int64),
        }
        left = self._padding.get("direction") == "left"
        for row, item in enumerate(items):
            used = len(item.ids)  # type: ignore[attr-defined]
            place = slice(longest - used, longest) if left else slice(0, used)
            columns["input_ids"][row, place] = item.ids  # type: ignore[attr-defined]
            columns["attention_mask"][row, place] = 1
            columns["token_type_ids"][row, place] = item.type_ids  # type: ignore[attr-defined]
        feed = {name: columns[name] for name in self._inputs}
        return self._session.run(["logits"], feed)[0]


def _sound(text: str) -> str:
    """Return a text the tokenizer can take: half a surrogate pair, as broken input leaves it, becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
