"""Requirements of a configuration: parameters, bytes and operations, and whether they fit into the free memory.

They are computed from the configuration (see :mod:`slmbench.profiling.architectures.families`) and need no torch.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from slmbench.common.formatting import three_digits
from slmbench.instruments.hardware import ask_driver
from slmbench.profiling.architectures.configurations import PublishedModel, Task
from slmbench.profiling.architectures.families import answer_tokens, blueprint
from slmbench.records.architecture import BYTES_OF, Arithmetic, Dtype

#: Memory of a process with torch and transformers before it has a model (measured: 0.51 GB with torch's CPU build),
#: and approximately that of a GPU's context.
_RUNTIME_BYTES = {"cpu": 550_000_000, "cuda": 600_000_000}
#: Limit and use of a container's memory, in control groups of version 2 and 1.
_CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
#: In the same folder: how much of the use is cached files, which the kernel releases when memory is needed.
_STATISTICS, _CACHED = "memory.stat", ("inactive_file", "total_inactive_file")


def arithmetic_of(
    model: PublishedModel, task: Task, *, tokens: int, batch_size: int, device: str, dtype: Dtype
) -> Arithmetic:
    """Compute what a model needs, without torch.

    Args:
        model: From :func:`slmbench.profiling.architectures.find_architecture`.
        task: One of its tasks; it decides the head.
        tokens: Tokens of the longest review.
        batch_size: Reviews per batch.
        device: ``cpu`` or ``cuda``.
        dtype: Type of weights and activations.
    """
    plan, answer = blueprint(model, task), answer_tokens(model, task)
    return Arithmetic(
        parameters=plan.parameters,
        parameters_without_embeddings=plan.parameters_without_embeddings,
        weight_bytes={name: plan.parameters * size for name, size in BYTES_OF.items()},
        dtype=dtype,
        tokens=tokens,
        batch_size=batch_size,
        activation_bytes=plan.activation_elements(tokens, batch_size) * BYTES_OF[dtype],
        runtime_bytes=_RUNTIME_BYTES[device],
        available_bytes=_free_on_gpu() if device == "cuda" else _free_here(),
        linear=plan.linear(answer),
        full=plan.full(answer),
    )


def refusal(model: PublishedModel, arithmetic: Arithmetic, device: str) -> str | None:
    """Return why a model does not fit into the free memory, with the arithmetic; ``None`` when it may fit."""
    if arithmetic.fits is not False:
        return None
    size, free = BYTES_OF[arithmetic.dtype], arithmetic.available_bytes or 0
    place = "on the GPU" if device == "cuda" else "here"
    others = arithmetic.activation_bytes + arithmetic.runtime_bytes
    halves = arithmetic.weight_bytes["bf16"] + arithmetic.activation_bytes // 2 + arithmetic.runtime_bytes
    remedy = (
        f"--dtype bf16 takes {halves / 1e9:,.1f} GB"
        if arithmetic.dtype == "fp32" and halves <= free
        else "it takes a machine with more memory, or a smaller model"
    )
    return (
        f"{model.name} does not fit: {arithmetic.parameters:,} parameters × {size} bytes ({arithmetic.dtype})"
        f" = {arithmetic.weight_bytes[arithmetic.dtype] / 1e9:,.1f} GB, with {others / 1e9:,.1f} GB for activations"
        f" and the runtime {arithmetic.needed_bytes / 1e9:,.1f} GB; {free / 1e9:,.1f} GB are free {place}: {remedy}"
    )


def _free_here() -> int:
    """Return the memory that this process may still allocate, within the limit of a container."""
    free = psutil.virtual_memory().available
    for limit, used in _CONTROL_GROUPS:
        try:
            allowed, taken = (int(Path(name).read_text(encoding="ascii")) for name in (limit, used))
        except (OSError, ValueError):  # version 2 says "max" where there is no limit
            continue
        free = min(free, allowed - taken + _cached(Path(used).parent / _STATISTICS))
    return max(0, free)


def _cached(statistics: Path) -> int:
    """Return the bytes of a container's use that are inactive cached files; 0 where that is unknown.

    The total, where there is one, includes nested containers, as the use does.
    """
    try:
        told = dict(line.split() for line in statistics.read_text(encoding="ascii").splitlines())
        return max(int(told.get(name, 0)) for name in _CACHED)
    except (OSError, ValueError):
        return 0


def _free_on_gpu() -> int | None:
    """Return the free memory of the first GPU this process may see."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0] or "0"
    mebibytes = ask_driver("memory.free", first)
    return int(mebibytes[0]) * 2**20 if mebibytes and mebibytes[0].isdecimal() else None


def arithmetic_lines(model: PublishedModel, arithmetic: Arithmetic) -> list[str]:
    """Return sentences on what a configuration needs, before anything is allocated."""
    kept = ", ".join(f"{_size(arithmetic.weight_bytes[dtype])} in {dtype}" for dtype in ("fp32", "bf16", "int8"))
    full, linear = (work.at(arithmetic.tokens) / 1e9 for work in (arithmetic.full, arithmetic.linear))
    free = arithmetic.available_bytes
    return [
        f"{model.name}: {arithmetic.parameters:,} parameters, without embeddings"
        f" {arithmetic.parameters_without_embeddings:,} ({model.source})",
        f"weights: {kept}",
        f"activations: about {_size(arithmetic.activation_bytes)} in {arithmetic.dtype}"
        f" (batch {arithmetic.batch_size} of {arithmetic.tokens} tokens)",
        f"operations: {three_digits(full)} G MACs a review of {arithmetic.tokens} tokens,"
        f" {three_digits(linear)} G with weights",
        f"memory: {_size(arithmetic.needed_bytes)} needed in {arithmetic.dtype} with the runtime,"
        f" {'unknown' if free is None else _size(free)} free",
    ]


def _size(value: int) -> str:
    """Write bytes in GB (10^9), below one in MB."""
    return f"{value / 1e9:,.2f} GB" if value >= 1e9 else f"{value / 1e6:,.1f} MB"
