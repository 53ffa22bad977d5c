"""Profile a published configuration with random weights: first its requirements, then a fresh process times it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.progress import SILENT, Progress
from slmbench.instruments.children import ask_child
from slmbench.instruments.hardware import hardware_fingerprint, software_versions, usable_cores
from slmbench.instruments.roofline.ceiling import DEVICES, machine_ceiling
from slmbench.models.architectures import unused_positions
from slmbench.profiling.architectures.configurations import PublishedModel, Task
from slmbench.profiling.architectures.sizing import arithmetic_lines, arithmetic_of, refusal
from slmbench.records.architecture import ArchitectureRecord, Arithmetic, Dtype, LengthTiming
from slmbench.records.base import write_record
from slmbench.records.roofline import FLOPS_PER_MAC, CeilingRecord, Roofline
from slmbench.statistics import median_interval, percentile

_MODULE = "slmbench.profiling.architectures.forward_child"
_DTYPES = ("fp32", "bf16", "fp16")
#: Building billions of parameters takes minutes, and slow models may take six times their time limit.
_LIMIT_S = 3600.0
_RANDOM = "random weights: runtime and memory only, the accuracy is unknown"


@dataclass(frozen=True)
class ArchitectureOptions:
    """How an architecture is profiled.

    Attributes:
        task: One of the model's tasks; its first when not given.
        lengths: Tokens per review, special tokens included.
        batch_size: Reviews per batch.
        device: ``cpu`` or ``cuda``.
        dtype: ``fp32``, ``bf16`` or ``fp16``.
        threads: Threads of one forward pass; the usable cores when not given.
        time_limit_s: Maximum sampling time per length (s).
    """

    task: Task | None = None
    lengths: tuple[int, ...] = (32, 128, 512)
    batch_size: int = 1
    device: str = "cpu"
    dtype: Dtype = "fp32"
    threads: int | None = None
    time_limit_s: float = 5.0


def profile_architecture(
    model: PublishedModel,
    options: ArchitectureOptions,
    *,
    ceiling: CeilingRecord | None = None,
    output: Path | None = None,
    command: list[str] | None = None,
    progress: Progress = SILENT,
) -> ArchitectureRecord:
    """Time a model from its configuration alone.

    Args:
        model: From :func:`slmbench.profiling.architectures.find_architecture`.
        options: How to measure.
        ceiling: GEMM ceiling of the same device and threads; this machine's, measured once, when not given.
        output: Folder to write the record to.
        command: The command line, for the record.
        progress: Where to report the requirements, before anything is allocated, and progress.

    Returns:
        The record, marked as of random weights.

    Raises:
        UsageError: There is no such task, device or number format, or a length exceeds the model's positions.
        SlmbenchError: It does not fit into the free memory (the message has the arithmetic), the ``train`` extra
            is missing, or the process failed.
    """
    task = _checked(model, options)
    threads = options.threads or usable_cores()
    arithmetic = arithmetic_of(
        model,
        task,
        tokens=max(options.lengths),
        batch_size=options.batch_size,
        device=options.device,
        dtype=options.dtype,
    )
    for line in arithmetic_lines(model, arithmetic):
        progress.say(line)
    if sentence := refusal(model, arithmetic, options.device):
        raise SlmbenchError(sentence)
    require_extra("torch", "train", "profiling an architecture")
    ceiling = ceiling or machine_ceiling(options.device, threads, progress=progress)
    request = {
        "model_type": model.model_type,
        "config": dict(model.config),
        "task": task,
        "device": options.device,
        "dtype": options.dtype,
        "batch_size": options.batch_size,
        "lengths": sorted(set(options.lengths)),
        "threads": threads,
        "time_limit_s": options.time_limit_s,
    }
    with progress.task(f"timing {model.name} with random weights"):
        what = f"the profile of {model.name}"
        answer = ask_child(_MODULE, request, what=what, threads=threads, limit_s=_LIMIT_S)
    hardware = hardware_fingerprint()
    parts = [model.name.rpartition("/")[2], task, options.device, options.dtype, f"{threads}t"]
    parts += [f"batch{options.batch_size}"] if options.batch_size > 1 else []
    record = ArchitectureRecord(
        name="-".join([*parts, hardware["fingerprint"][:8]]),
        command=command or [],
        model=model.name,
        model_type=model.model_type,
        source=model.source,
        task=task,
        device=options.device,
        dtype=options.dtype,
        threads=threads,
        batch_size=options.batch_size,
        arithmetic=arithmetic,
        timings=[_timing(timing, arithmetic, options, ceiling) for timing in answer["timings"]],
        build_s=answer["build_s"],
        runtime_bytes=answer["runtime_bytes"],
        loaded_bytes=answer["loaded_bytes"],
        memory_source=answer["memory_source"],
        warnings=_warnings(answer, arithmetic),
        hardware=hardware,
        software=software_versions(),
    )
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        write_record(record, output / f"{record.name}.json")
    return record


def _checked(model: PublishedModel, options: ArchitectureOptions) -> Task:
    """Check the options; returns the task."""
    task = options.task or model.tasks[0]
    if task not in model.tasks:
        raise UsageError(f"{model.name} cannot be profiled at {task}: choose {' or '.join(model.tasks)}")
    if options.device not in DEVICES:
        raise UsageError(f"there is no device '{options.device}' for architectures: choose {' or '.join(DEVICES)}")
    if options.dtype not in _DTYPES:
        raise UsageError(f"there is no type '{options.dtype}': choose among {', '.join(_DTYPES)}")
    if options.batch_size < 1 or (options.threads or 1) < 1 or not options.lengths or min(options.lengths) < 1:
        raise UsageError("lengths, batch size and threads must be 1 or more")
    positions = model.config.get("max_position_embeddings", model.config.get("n_positions"))
    if positions is not None:
        limit = positions - unused_positions(model.model_type, model.config.get("pad_token_id"))
        if max(options.lengths) > limit:
            raise UsageError(f"{model.name} has positions for {limit} tokens, not for {max(options.lengths)}")
    return task


def _timing(
    timing: dict[str, Any], arithmetic: Arithmetic, options: ArchitectureOptions, ceiling: CeilingRecord
) -> LengthTiming:
    tokens, best = timing["tokens"], ceiling.ceilings.get(options.dtype)
    macs = options.batch_size * arithmetic.full.at(tokens)
    roofline = Roofline(
        tokens=tokens,
        seconds=percentile(timing["samples_ms"], 50) / 1e3,
        macs=macs,
        macs_linear=options.batch_size * arithmetic.linear.at(tokens),
        flops={options.dtype: FLOPS_PER_MAC * macs},
        ceilings={options.dtype: best} if best else {},
    )
    return LengthTiming(**timing, roofline=roofline)


def _warnings(answer: dict[str, Any], arithmetic: Arithmetic) -> list[str]:
    warnings = [_RANDOM]
    if answer["parameters"] != arithmetic.parameters:
        warnings.append(
            f"transformers made {answer['parameters']:,} parameters of the configuration,"
            f" not {arithmetic.parameters:,}"
        )
    short = [str(t["tokens"]) for t in answer["timings"] if median_interval(t["samples_ms"]) is None]
    if short:
        warnings.append(f"too slow for an interval in the time given: {', '.join(short)} tokens")
    return warnings
