"""The device on which a model runs, and its precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.errors import SlmbenchError
from slmbench.instruments.hardware import cpu_features

if TYPE_CHECKING:
    import torch

#: Where models and matrix products are timed.
DEVICES = ("cpu", "cuda")


def choose_device(wanted: str) -> str:
    """Return the device to run on: the one asked for, or the fastest available one for ``auto``.

    Raises:
        SlmbenchError: The device asked for is not available.
    """
    import torch

    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(device for device, available in present.items() if available)
    if not present.get(wanted, False):
        available = ", ".join(device for device, here in present.items() if here)
        raise SlmbenchError(f"there is no device '{wanted}' here; available: {available}")
    return wanted


def choose_precision(wanted: str, device: str) -> str:
    """Return ``fp32`` or ``bf16``: the one asked for, or for ``auto`` bf16 where the device is fast at it."""
    import torch

    if wanted != "auto":
        return wanted
    fast = has_bf16() if device == "cpu" else device == "cuda" and torch.cuda.is_bf16_supported()
    return "bf16" if fast else "fp32"


def torch_type(precision: str) -> torch.dtype:
    """Return torch's type of ``fp32``, ``bf16`` or ``fp16``."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def has_bf16() -> bool:
    """Whether this CPU multiplies bf16 matrices in hardware, where autocast to bf16 is faster than fp32."""
    return any(name in cpu_features() for name in ("avx512_bf16", "amx_bf16"))
