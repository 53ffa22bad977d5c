"""A machine's ceiling that nobody measured, so that no test multiplies large matrices for half a minute."""

from itertools import product

import pytest

from slmbench.instruments.hardware import usable_cores
from slmbench.instruments.roofline import ceiling, machine_ceiling
from slmbench.records.roofline import CeilingRecord, GemmTiming


def timings(flops_per_second):
    """Timings of products in every precision, all as fast."""
    return [
        GemmTiming(
            library="made up", version="1", precision=precision, size=1000, best_s=2e9 / flops_per_second, calls=3
        )
        for precision in ("fp32", "fp16", "bf16", "int8")
    ]


def ceiling_of(flops_per_second, threads=1):
    """A record of a ceiling."""
    return CeilingRecord(
        name="made-up",
        device="cpu",
        threads=threads,
        timings=timings(flops_per_second),
        hardware={},
        software={},
    )


def keep_made_up_ceilings():
    """Write ceilings that nothing can reach into the cache of the session, for what profiles are measured with."""
    found = [timing.model_dump(mode="json") for timing in timings(1e15)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ceiling, "ask_child", lambda *args, **more: found)
        for device, threads in product(("cpu", "cuda"), {1, 2, usable_cores()}):
            machine_ceiling(device, threads)
