"""Faster attention gives the same numbers."""

import pytest
import torch
from torch.nn import functional

from slmbench.methods.training.cpu import plain_bf16_attention


def operands(dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(3, 2, 12, 8, generator=generator).to(dtype).requires_grad_() for _ in range(3)]


def additive(hidden, dtype):
    mask = torch.zeros(3, 1, 12, 12, dtype=dtype)
    mask[:, :, :, -hidden:] = torch.finfo(dtype).min
    return mask


@pytest.mark.parametrize("masking", ["none", "additive", "boolean"])
def test_plain_attention_is_the_fused_one_up_to_bf16_rounding(masking):
    mask = {"none": None, "additive": additive(4, torch.bfloat16), "boolean": additive(4, torch.float32) == 0}[
        masking
    ]
    reference = operands(torch.bfloat16)
    exact = [tensor.detach().double().requires_grad_() for tensor in reference]
    wanted = functional.scaled_dot_product_attention(
        *exact, attn_mask=mask if masking != "additive" else mask.double()
    )
    wanted.sum().backward()
    with plain_bf16_attention():
        found = functional.scaled_dot_product_attention(*reference, attn_mask=mask)
        found.sum().backward()
    assert torch.allclose(found.double(), wanted, atol=0.03)
    for ours, theirs in zip(reference, exact, strict=True):
        assert torch.allclose(ours.grad.double(), theirs.grad, atol=0.06)


def test_only_bf16_is_taken_over_and_the_fused_kernel_comes_back():
    fused = functional.scaled_dot_product_attention
    query, key, value = operands(torch.float32)
    wanted = fused(query, key, value)
    with plain_bf16_attention():
        assert torch.equal(functional.scaled_dot_product_attention(query, key, value), wanted)
    with pytest.raises(RuntimeError, match="inside"), plain_bf16_attention():
        raise RuntimeError("inside")
    assert functional.scaled_dot_product_attention is fused
