"""Ways to run a classifier on one device: padded, packed without padding, compiled, as CUDA graphs, in ONNX Runtime.

Needs torch and transformers only. A way is a function from a batch to logits on the device, so that a caller can
begin the next batch before it asks for the answers of this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

import torch

#: For CUDA graphs inputs are padded to multiples of so many tokens: each shape is captured by itself.
GRAPH_TOKENS = 64
#: From a batch to logits, shape (texts, labels).
Answer = Callable[["Batch"], torch.Tensor]


class NotHereError(Exception):
    """A way does not run on this machine; the message is the reason."""


class Batch(NamedTuple):
    """Tokenised texts: the ids of each, special tokens included, without padding."""

    ids: list[list[int]]


def inputs_of(batch: Batch, pad: int, device: str, *, multiple: int = 1, rows: int = 0) -> dict[str, torch.Tensor]:
    """Return a padded batch on a device.

    Args:
        batch: The texts.
        pad: Id of the padding.
        device: Where the tensors go.
        multiple: The length is a multiple of so many tokens.
        rows: At least so many rows; those added have one token.
    """
    longest = -(-max(map(len, batch.ids)) // multiple) * multiple
    filled = batch.ids + [batch.ids[0][:1]] * (rows - len(batch.ids))
    ids = torch.full((len(filled), longest), pad)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(filled):
        ids[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    if device != "cpu":  # pinned, so that the copy does not wait for the device
        ids, mask = ids.pin_memory(), mask.pin_memory()
    return {"input_ids": ids.to(device, non_blocking=True), "attention_mask": mask.to(device, non_blocking=True)}


def padded(model: torch.nn.Module, device: str, *, compiled: bool = False) -> Answer:
    """Return the model as transformers runs it, on batches padded to their longest text.

    Args:
        model: A classifier, on the device.
        device: ``cuda`` or ``cpu``.
        compiled: By ``torch.compile``, for any shape.
    """
    runs = torch.compile(model, dynamic=True, backend=_compiler(device)) if compiled else model

    def answer(batch: Batch) -> torch.Tensor:
        return runs(**inputs_of(batch, model.config.pad_token_id or 0, device)).logits

    return answer


def cuda_graphs(model: torch.nn.Module, device: str, tokens: int) -> Answer:
    """Return the model compiled and replayed as CUDA graphs: the GPU does not wait for Python between kernels.

    A shape is captured when it comes the second time, so there are few: lengths are multiples of 64 tokens, and a
    batch has as many rows as a full one. A text alone stays alone.

    Args:
        model: A classifier, on the device.
        device: ``cuda``, or ``cpu``, which has no graphs: there the shapes are the same, and the model runs as it is.
        tokens: Of a full batch.
    """
    # "reduce-overhead" is torch's name for CUDA graphs.
    how = {"mode": "reduce-overhead"} if device == "cuda" else {"backend": _compiler(device)}
    runs = torch.compile(model, dynamic=True, **how)

    def answer(batch: Batch) -> torch.Tensor:
        longest = -(-max(map(len, batch.ids)) // GRAPH_TOKENS) * GRAPH_TOKENS
        rows = 1 if len(batch.ids) == 1 else tokens // longest
        given = inputs_of(batch, model.config.pad_token_id or 0, device, multiple=GRAPH_TOKENS, rows=rows)
        torch.compiler.cudagraph_mark_step_begin()
        return runs(**given).logits[: len(batch.ids)].clone()  # the next replay writes over them

    return answer


def _compiler(device: str) -> str:
    """Return the backend of ``torch.compile``: on a CPU the path is run, not made fast."""
    return "inductor" if device == "cuda" else "eager"


def bert_packed(model: torch.nn.Module, device: str, *, compiled: bool = False) -> Answer:
    """Return a BERT that reads all texts of a batch as one sequence, without padding; each token sees its own text.

    Args:
        model: ``BertForSequenceClassification``, on the device; on CUDA in half precision.
        device: ``cuda`` or ``cpu``.
        compiled: What is between two attentions is compiled by ``torch.compile``, for any length.

    Raises:
        NotHereError: It is another architecture, or there is no attention for packed texts here.
    """
    if model.config.model_type != "bert" or model.config.hidden_act != "gelu":
        raise NotHereError(f"packed texts are written for BERT here, not for {model.config.model_type}")
    attend, bert = _packed_attention(model, device), model.bert
    heads = (-1, model.config.num_attention_heads, model.config.hidden_size // model.config.num_attention_heads)

    def projected(layer: torch.nn.Module, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        own = layer.attention.self
        return tuple(part(hidden).view(heads) for part in (own.query, own.key, own.value))

    def fed_forward(layer: torch.nn.Module, seen: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        attended = layer.attention.output(seen.reshape(hidden.shape), hidden)
        return layer.output(layer.intermediate(attended), attended)

    if compiled:
        how = {"dynamic": True, "backend": _compiler(device)}
        projected, fed_forward = torch.compile(projected, **how), torch.compile(fed_forward, **how)

    def answer(batch: Batch) -> torch.Tensor:
        lengths = [len(one) for one in batch.ids]
        ids = torch.tensor([list(chain.from_iterable(batch.ids))], device=device)
        places = torch.cat([torch.arange(length) for length in lengths]).unsqueeze(0).to(device)
        ends = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device)
        hidden = bert.embeddings(input_ids=ids, position_ids=places, token_type_ids=torch.zeros_like(ids))[0]
        for layer in bert.encoder.layer:
            hidden = fed_forward(layer, attend(*projected(layer, hidden), ends, lengths), hidden)
        # The pooler takes the first token of each row.
        return model.classifier(bert.pooler(hidden[ends[:-1].long()].unsqueeze(1)))

    return answer


def _packed_attention(model: torch.nn.Module, device: str) -> Callable[..., torch.Tensor]:
    """Return an attention over packed texts: torch's own, else the package flash-attn's; on a CPU text by text."""
    if device == "cpu":

        def one_by_one(
            query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, ends: torch.Tensor, lengths: Sequence[int]
        ) -> torch.Tensor:
            texts = zip(*(part.transpose(0, 1).split(lengths, dim=1) for part in (query, key, value)), strict=True)
            seen = [torch.nn.functional.scaled_dot_product_attention(*text) for text in texts]
            return torch.cat(seen, dim=1).transpose(0, 1)

        return one_by_one
    if model.dtype == torch.float32:
        raise NotHereError("attention over packed texts is for bf16 and fp16")
    try:
        from torch.nn.attention.varlen import varlen_attn as flash
    except ImportError:
        try:
            from flash_attn import flash_attn_varlen_func as flash
        except ImportError:
            raise NotHereError("neither torch.nn.attention.varlen (torch 2.10) nor flash-attn is there") from None

    def attend(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, ends: torch.Tensor, lengths: Sequence[int]
    ) -> torch.Tensor:
        return flash(query, key, value, ends, ends, max(lengths), max(lengths))

    return attend


def onnx_cuda(file: Path, pad: int, device: str) -> Answer:
    """Return an ONNX file in ONNX Runtime's CUDA provider, on padded batches.

    Raises:
        NotHereError: ONNX Runtime, its CUDA provider or the file is not there.
    """
    try:
        import onnxruntime
    except ImportError:
        raise NotHereError("onnxruntime is not installed") from None
    provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise NotHereError(f"this onnxruntime has no {provider} (onnxruntime-gpu has)")
    if not file.is_file():
        raise NotHereError(f"there is no {file}: export the run, and name the file with --onnx")
    session = onnxruntime.InferenceSession(str(file), providers=[provider])
    if provider not in session.get_providers():
        raise NotHereError(f"{provider} does not load; see what onnxruntime printed")
    names = {one.name for one in session.get_inputs()}

    def answer(batch: Batch) -> torch.Tensor:
        given = {name: values.numpy() for name, values in inputs_of(batch, pad, "cpu").items()}
        given["token_type_ids"] = 0 * given["input_ids"]
        return torch.from_numpy(session.run(None, {name: given[name] for name in names})[0])

    return answer
