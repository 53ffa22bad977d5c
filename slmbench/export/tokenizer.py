"""The tokenizer files of a bundle: truncation and padding as trained, inside ``tokenizer.json`` itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.models import load_tokenizer

if TYPE_CHECKING:
    from pathlib import Path


def write_tokenizer(model: Path, folder: Path, max_length: int | None) -> None:
    """Write a model's tokenizer so that every runtime that reads ``tokenizer.json`` cuts and pads alike.

    Args:
        model: The trained model's folder.
        folder: The bundle's folder.
        max_length: Longest input in tokens, as trained.
    """
    tokenizer = load_tokenizer(model, max_length=max_length)
    tokenizer.save_pretrained(folder)
    backend = tokenizer.backend_tokenizer
    if max_length is not None:
        backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
    backend.enable_padding(
        direction=tokenizer.padding_side,
        pad_id=tokenizer.pad_token_id,
        pad_type_id=tokenizer.pad_token_type_id,
        pad_token=tokenizer.pad_token,
    )
    backend.save(str(folder / "tokenizer.json"))
    # The same words are in tokenizer.json; a device needs them once.
    for copy in ("vocab.txt", "special_tokens_map.json"):
        (folder / copy).unlink(missing_ok=True)
