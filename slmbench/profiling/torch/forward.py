"""A torch model prepared for a device, and the time of its forward passes on that device's own clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import UsageError
from slmbench.instruments.devices import choose_device, has_bf16, torch_type

if TYPE_CHECKING:
    import torch

#: Precisions of each device. fp16 on a CPU is emulated by most of them.
PRECISIONS = {"cpu": ("fp32", "bf16"), "cuda": ("fp32", "bf16", "fp16")}
#: How the model is run: as it is, compiled by torch for any shape, or replayed as CUDA graphs, one a shape.
MODES = {"cpu": ("eager", "compile"), "cuda": ("eager", "compile", "graphs")}
#: For CUDA graphs inputs are padded to multiples of so many tokens: every length needs a graph of its own.
GRAPH_TOKENS = 64
#: Prefix of these forms in records and tables, which tells them from the forms of bundles.
FORM_PREFIX = "torch-"
#: CUDA's compute capability from which on bf16 is computed in hardware (Ampere).
BF16_CAPABILITY = (8, 0)


def form_name(precision: str, mode: str) -> str:
    """Return what records call a form: ``torch-bf16``, ``torch-bf16-compile``."""
    return FORM_PREFIX + (precision if mode == "eager" else f"{precision}-{mode}")


def parse_form(form: str, device: str) -> tuple[str, str]:
    """Return precision and mode of a form; the device need not be there.

    Args:
        form: ``bf16``, ``bf16-compile``, or as records call them.
        device: ``cpu`` or ``cuda``.

    Raises:
        UsageError: The device has no such precision or mode.
    """
    precision, _, mode = form.removeprefix(FORM_PREFIX).partition("-")
    _check_choices(device, precision, mode or "eager")
    return precision, mode or "eager"


def native_precisions(device: str) -> list[str]:
    """Return the precisions that a device computes in hardware, without emulation.

    Raises:
        SlmbenchError: The device is not available.
    """
    if device == "cpu":
        native = has_bf16()
    else:
        import torch

        choose_device(device)
        native = torch.cuda.get_device_capability() >= BF16_CAPABILITY
    return [precision for precision in PRECISIONS[device] if precision != "bf16" or native]


def check_forward(device: str, precision: str, mode: str) -> None:
    """Check what is asked of a device.

    Raises:
        UsageError: The device has no such precision or mode.
        SlmbenchError: The device is not available.
    """
    _check_choices(device, precision, mode)
    choose_device(device)


def _check_choices(device: str, precision: str, mode: str) -> None:
    if device not in PRECISIONS:
        raise UsageError(f"torch models are run on {', '.join(PRECISIONS)}, not on {device!r}")
    for given, choices in ((precision, PRECISIONS[device]), (mode, MODES[device])):
        if given not in choices:
            raise UsageError(f"torch on {device} has no {given!r}: choose among {', '.join(choices)}")


def prepare_forward(
    model: torch.nn.Module, device: str, precision: str = "fp32", mode: str = "eager"
) -> Callable[[dict[str, torch.Tensor]], torch.Tensor]:
    """Prepare a classifier to answer on a device.

    Half precision means both weights and arithmetic: autocast would convert every weight again at every call.

    Args:
        model: A classifier of transformers, with its weights or with random ones; it is moved and converted.
        device: ``cpu`` or ``cuda``.
        precision: One of :data:`PRECISIONS`.
        mode: One of :data:`MODES`; compilation happens during the first calls and takes a minute for a large model.

    Returns:
        A function from a batch on the device (``input_ids``, ``attention_mask`` …) to logits, (reviews, labels).

    Raises:
        UsageError: The device has no such precision or mode.
        SlmbenchError: The device is not available.
    """
    import torch

    check_forward(device, precision, mode)
    model = model.eval().to(device=device, dtype=torch_type(precision))
    runs: Any = model
    if mode != "eager":
        # "reduce-overhead" is torch's name for CUDA graphs: compiled once for all shapes, captured for each shape.
        runs = torch.compile(model, dynamic=True, mode="reduce-overhead" if mode == "graphs" else "default")

    def forward(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        with torch.inference_mode():
            return runs(**batch).logits

    return forward


def forward_ms(
    forward: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    batches: Iterable[dict[str, torch.Tensor]],
    device: str,
) -> list[float]:
    """Time forward passes one after another.

    On CUDA the time is between two events on the stream, and the next pass begins after the second: it contains the
    kernels and the gaps in which the GPU waits for Python, but not tokenisation and copying.

    Args:
        forward: From :func:`prepare_forward`, warm.
        batches: Inputs, on the device.
        device: ``cpu`` or ``cuda``.

    Returns:
        Milliseconds of each pass.
    """
    import torch

    if device == "cpu":
        samples = []
        for batch in batches:
            began = time.perf_counter_ns()
            forward(batch)
            samples.append((time.perf_counter_ns() - began) / 1e6)
        return samples
    torch.cuda.synchronize()
    return [_between_events(forward, batch) for batch in batches]


def _between_events(forward: Callable[..., torch.Tensor], batch: dict[str, torch.Tensor]) -> float:
    import torch

    before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    before.record()
    forward(batch)
    after.record()
    after.synchronize()
    return before.elapsed_time(after)
