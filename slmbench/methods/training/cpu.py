"""What makes training on a CPU fast: attention in bf16, and memory that is not given back.

What all of it gives together is measured by ``benchmarks/finetune_speed.py``.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

#: Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory for the next step instead of returning it to the kernel.

    Every step frees and allocates the same activations; by default the large ones are mapped again each time,
    and their pages are zeroed again. Elsewhere than on glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_TOP_PAD, 1 << 26)


def one_blas_thread() -> AbstractContextManager[object]:
    """Let numpy and scipy compute with one thread.

    L-BFGS over sparse features does short sums over long vectors, and threads of BLAS spend more time waiting for one
    another than they gain: choosing the settings of TF-IDF took 38 s of two cores with them and 4 s of one without.
    Results are also the same whatever the number of cores.
    """
    from threadpoolctl import threadpool_limits  # of scikit-learn

    return threadpool_limits(1)


@contextmanager
def plain_bf16_attention() -> Iterator[None]:
    """Within the block, attention in bf16 is two matrix products and a softmax instead of the fused kernel.

    The fused CPU kernel (torch 2.13) is made for long inputs: at up to 512 tokens and small heads the plain
    products take less time, forward and backward together. Only bf16 calls without dropout are
    taken over; results differ by bf16 rounding.
    """
    import torch
    from torch.nn import functional

    fused = functional.scaled_dot_product_attention

    def attention(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        if query.dtype != torch.bfloat16 or dropout_p or is_causal or enable_gqa or query.shape[-2] > 512:
            return fused(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
        # Autocast would bring the softmax, and with it the largest tensor there is, to fp32.
        with torch.autocast("cpu", enabled=False):
            factor = scale if scale is not None else query.shape[-1] ** -0.5
            scores = torch.matmul(query * factor, key.transpose(-1, -2))
            if attn_mask is not None and attn_mask.dtype == torch.bool:
                scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
            elif attn_mask is not None:
                scores = scores + attn_mask.to(scores.dtype)
            return torch.matmul(torch.softmax(scores, dim=-1), value)

    functional.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = fused


@contextmanager
def bf16_training(model: PreTrainedModel) -> Iterator[None]:
    """Within the block, a model under bf16 autocast hands bf16 from layer to layer, and its attention is plain.

    Autocast makes matrix products in bf16, but embeddings come in fp32 and so does each sum with them: every layer
    would convert its inputs again, and normalise and add twice as many bytes. Weights, and sums within a
    normalisation, stay in fp32.

    Args:
        model: A model whose encoder has its embeddings in ``embeddings``; of others only attention changes.
    """
    import torch

    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    embeddings = getattr(plain.base_model, "embeddings", None)
    hook = embeddings and embeddings.register_forward_hook(lambda _, __, output: output.to(torch.bfloat16))
    try:
        with plain_bf16_attention():
            yield
    finally:
        if hook:
            hook.remove()


@contextmanager
def bf16_autocast(device: str) -> Iterator[None]:
    """Within the block, matrices are multiplied in bf16 on a device, as in training.

    On a CPU with bf16 instructions mpnet-base reads three times as many reviews a second so, and on IMDb reviews
    its logits change by about 0.01: good for soft labels and cached features, not for a reference.
    """
    import torch

    if device == "cpu":
        keep_freed_memory()
    with plain_bf16_attention() if device == "cpu" else nullcontext(), torch.autocast(device, dtype=torch.bfloat16):
        yield
