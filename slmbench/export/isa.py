"""Which instruction set an int8 form is made for."""

from __future__ import annotations

import platform

from slmbench.instruments.hardware import cpu_features


def quantization_preset() -> str:
    """Return Optimum's quantization preset for this CPU.

    ``avx512_vnni`` also where only AVX-VNNI is there: what matters is that int8 products are summed in 32 bits,
    so that full-range weights cannot saturate (onnxruntime issues 5849 and 6004 show what happens without).
    """
    if platform.machine().lower() in ("arm64", "aarch64"):
        return "arm64"
    features = cpu_features()
    if "avx512_vnni" in features or "avx_vnni" in features:
        return "avx512_vnni"
    return "avx512" if "avx512f" in features else "avx2"
