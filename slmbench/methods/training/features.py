"""Outputs of a frozen encoder on reviews, computed once and kept on disk in fp16.

An entry is a folder under ``encoder-outputs/`` in the user's cache. Its key covers the weights, the configuration,
the tokenizer, the texts, the truncation, which outputs are kept, and the precision. Further epochs, and trainings
with other losses, heads or seeds, read it and do not run the encoder again.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import build_aside, content_key, folder_bytes, write_atomically
from slmbench.common.full_disk import DiskFullError
from slmbench.common.places import home
from slmbench.common.progress import Progress
from slmbench.edge import batches_by_tokens
from slmbench.edge.runtime import LONG_TEXTS_KEY
from slmbench.methods.training.cpu import bf16_autocast
from slmbench.models.batching import BATCH_TOKENS
from slmbench.models.long_texts import encode_texts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


#: Which outputs are kept: of every token, of every token and of padding up to the longest review, or one vector per
#: review.
Kept = Literal["tokens", "padded", "first", "last", "mean"]
#: Entries beyond this size are removed, the least recently used first; 25,000 IMDb reviews of MiniLM take 4 GB.
MAX_CACHE_BYTES = 8 << 30
#: Seconds after which an incomplete entry is treated as left by a killed process.
ABANDONED_AFTER = 86_400
#: Parts of a configuration that do not affect the encoder's outputs.
_OF_THE_HEAD = {
    "id2label",
    "label2id",
    "problem_type",
    "architectures",
    "_name_or_path",
    "transformers_version",
    LONG_TEXTS_KEY,
}


@dataclass(frozen=True)
class PassCost:
    """Cost of running the encoder on the reviews.

    Attributes:
        reviews: Number of reviews.
        tokens: Number of their tokens, without padding.
        seconds: Wall time.
        bytes: Size on disk.
        precision: ``fp32`` or ``bf16``.
    """

    reviews: int
    tokens: int
    seconds: float
    bytes: int
    precision: str


class EncoderOutputs:
    """An entry of the cache, open for reading; only what is read is in memory.

    Attributes:
        lengths: Number of rows kept of each review, shape (reviews,).
        width: Width of the encoder.
        cost: Cost of computing it.
        from_cache: Whether it existed before.
    """

    def __init__(self, folder: Path, *, from_cache: bool) -> None:
        self._offsets = np.load(folder / "offsets.npy")
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        self.width: int = facts["width"]
        # Mapped copy-on-write, because torch requires writable arrays; nothing is written.
        self._values = np.memmap(
            folder / "outputs.f16", dtype=np.float16, mode="c", shape=(int(self._offsets[-1]), self.width)
        )
        self.lengths = np.diff(self._offsets)
        self.cost = PassCost(**facts["cost"])
        self.from_cache = from_cache

    def read(self, reviews: np.ndarray, buffer: torch.Tensor) -> torch.Tensor:
        """Return the outputs on some reviews in fp32, concatenated.

        Args:
            reviews: Indices of the reviews.
            buffer: fp32, shape (at least as many rows as the reviews have, width); it is filled from the start.

        Returns:
            The filled part of the buffer.
        """
        import torch

        used = 0
        for review in reviews:
            rows = self._values[self._offsets[review] : self._offsets[review + 1]]
            buffer[used : used + len(rows)].copy_(torch.from_numpy(rows))
            used += len(rows)
        return buffer[:used]

    def vectors(self) -> torch.Tensor:
        """Return all outputs in fp32; with one vector per review, shape (reviews, width)."""
        import torch

        return torch.from_numpy(self._values.astype(np.float32))


def encoder_outputs(
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    weights_sha256: str,
    kept: Kept,
    max_length: int,
    precision: str,
    progress: Progress,
    long_texts: str = "head",
) -> EncoderOutputs:
    """Return the outputs of an encoder on reviews, from the cache if they were computed before.

    Args:
        encoder: A model whose first output is the last hidden state; it runs on its own device, without dropout.
        tokenizer: Its tokenizer, with its truncation side set.
        texts: Reviews.
        weights_sha256: Hash of the encoder's weights.
        kept: Which outputs to keep.
        max_length: Maximum input length in tokens.
        precision: ``fp32``, or ``bf16`` for autocast.
        progress: Where progress is reported.
        long_texts: What is read of longer reviews, one of :data:`slmbench.edge.runtime.LONG_TEXTS`.

    Returns:
        The entry, with the reviews in input order; with ``windows`` it has an entry for each window, in the order of
        :func:`slmbench.models.long_texts.encode_texts`.

    Raises:
        SlmbenchError: The disk is too small, or the outputs exceed the range of fp16.
    """
    key = content_key(
        stage="encoder-outputs/1",
        weights=weights_sha256,
        configuration={name: fact for name, fact in encoder.config.to_dict().items() if name not in _OF_THE_HEAD},
        tokenizer=_tokenizer_facts(tokenizer),
        truncation_side=tokenizer.truncation_side,
        padding_side=tokenizer.padding_side,
        max_length=max_length,
        texts=list(texts),
        kept=kept,
        precision=precision,
        **({} if long_texts == "head" else {"long_texts": long_texts}),
    )
    folder = home() / "encoder-outputs" / key[:32]
    if found := _opened(folder):
        return found
    encoded = encode_texts(tokenizer, texts, max_length, long_texts).columns
    with build_aside(folder) as building:
        _compute(encoder, tokenizer, encoded, kept, precision, building, progress)
    _remove_old(keep=folder)
    return EncoderOutputs(folder, from_cache=False)


def _tokenizer_facts(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Return a tokenizer's definition without the truncation and padding that the last call set."""
    facts = json.loads(tokenizer.backend_tokenizer.to_str())
    return {name: fact for name, fact in facts.items() if name not in ("truncation", "padding")}


def _opened(folder: Path) -> EncoderOutputs | None:
    """Open an entry and mark it as used; ``None`` when it is missing or incomplete."""
    try:
        found = EncoderOutputs(folder, from_cache=True)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    with suppress(OSError):  # a read-only cache
        os.utime(folder)
    return found


def _compute(
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    encoded: dict[str, list[list[int]]],
    kept: Kept,
    precision: str,
    folder: Path,
    progress: Progress,
) -> None:
    import torch

    tokens = [len(ids) for ids in encoded["input_ids"]]
    lengths = _kept_rows(tokens, kept)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    width = encoder.config.hidden_size
    size = int(offsets[-1]) * width * 2
    _check_space(folder, size)
    _reserve(folder / "outputs.f16", size)
    values = np.memmap(folder / "outputs.f16", dtype=np.float16, mode="r+", shape=(int(offsets[-1]), width))
    padding = {"padding": "max_length", "max_length": max(tokens)} if kept == "padded" else {"padding": True}
    device = encoder.device
    encoder.eval()
    start = time.perf_counter()
    with (
        progress.task(f"running the encoder once ({precision}, {device.type})", len(tokens), "reviews") as task,
        torch.inference_mode(),
        bf16_autocast(device.type) if precision == "bf16" else nullcontext(),
    ):
        # With padding kept, all reviews have the length of the longest.
        for rows in batches_by_tokens(lengths if kept == "padded" else tokens, BATCH_TOKENS):
            batch = tokenizer.pad(
                {name: [column[row] for row in rows] for name, column in encoded.items()},
                return_tensors="pt",
                **padding,
            ).to(device)
            hidden = encoder(**batch)[0].float()
            mask = torch.ones_like(batch["attention_mask"]) if kept == "padded" else batch["attention_mask"]
            for row, output in zip(rows, _pick(hidden, mask.bool(), kept), strict=True):
                values[offsets[row] : offsets[row + 1]] = output
            task.advance(len(rows))
    seconds = time.perf_counter() - start
    values.flush()
    np.save(folder / "offsets.npy", offsets)
    cost = PassCost(len(tokens), sum(tokens), seconds, size, precision)
    write_atomically(folder / "facts.json", json.dumps({"width": width, "cost": asdict(cost)}))


def _kept_rows(tokens: list[int], kept: Kept) -> list[int]:
    """Return the number of rows that are kept of each review."""
    if kept == "tokens":
        return tokens
    return [max(tokens) if kept == "padded" else 1] * len(tokens)


def _pick(hidden: torch.Tensor, mask: torch.Tensor, kept: Kept) -> Iterator[np.ndarray]:
    """Yield the kept rows of each review of a batch, shape (rows, width), in fp16."""
    import torch

    for row, used in zip(hidden, mask, strict=True):
        output = row[used]
        if kept == "first":
            output = output[:1]
        elif kept == "last":
            output = output[-1:]
        elif kept == "mean":
            output = output.mean(0, keepdim=True)
        half = output.half()
        if not torch.isfinite(half).all():
            raise SlmbenchError("the encoder's outputs are infinite or NaN in fp16: it cannot be used frozen")
        yield half.cpu().numpy()


def _check_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DiskFullError(
            f"no space left in {home()} for the encoder's outputs, which need {size / 1e6:,.0f} MB"
            f" ({free / 1e6:,.0f} MB free): lower --train-size or --max-length, or point SLMBENCH_HOME at a larger"
            " disk"
        )


def _reserve(file: Path, size: int) -> None:
    """Make a file of a size that has its space: a process that writes to a mapped file without is killed (SIGBUS).

    Raises:
        OSError: There is no space.
    """
    with file.open("wb") as opened:
        opened.truncate(size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(opened.fileno(), 0, size)


def _remove_old(keep: Path) -> None:
    """Remove the least recently used entries until the rest fit, and incomplete ones of killed processes."""
    entries = []
    for entry in keep.parent.iterdir():
        with suppress(OSError):  # another process removes entries too
            if entry.name.startswith("."):
                if time.time() - entry.stat().st_mtime > ABANDONED_AFTER:
                    if entry.is_dir():
                        shutil.rmtree(entry, ignore_errors=True)
                    else:
                        entry.unlink()
            elif entry != keep:
                entries.append((entry.stat().st_mtime, folder_bytes(entry), entry))
    room = MAX_CACHE_BYTES - folder_bytes(keep)
    for _, size, entry in sorted(entries, reverse=True):
        room -= size
        if room < 0:
            shutil.rmtree(entry, ignore_errors=True)
