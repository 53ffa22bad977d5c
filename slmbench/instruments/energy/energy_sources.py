"""Sources of energy readings on this machine: counters, else an estimate, else the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.instruments.energy.counters import Counter, CounterError, CumulativeCounter, PowerIntegral
from slmbench.instruments.energy.estimate import CorePower, core_power
from slmbench.instruments.energy.rapl import find_rapl
from slmbench.instruments.gpu.nvml import Gpu, GpuError, open_gpu

#: NVML's counter and its power reading are updated every 20 to 100 ms, newer boards included (PETSc's manual of
#: PetscLogGpuEnergyMeter; Zeus 0.6.1's release note on windows in which the counter does not move).
NVML_UPDATE_S = 0.1


@dataclass(frozen=True)
class EnergySources:
    """Sources of energy readings.

    Attributes:
        counters: Counters; their sum is the energy.
        estimate: Used where there are no counters.
        source: A sentence on where the energy is from.
        reason: Why there is neither a counter nor an estimate.
    """

    counters: tuple[Counter, ...] = ()
    estimate: CorePower | None = None
    source: str | None = None
    reason: str | None = None


def find_sources(
    hardware: dict[str, Any],
    device: str = "cpu",
    *,
    sysfs: Path = Path("/sys"),
    find_gpu: Callable[[], Gpu] = open_gpu,
) -> EnergySources:
    """Find the sources of energy readings of this machine.

    Args:
        hardware: ``slmbench.instruments.hardware.hardware_fingerprint()``.
        device: ``cpu``, or ``cuda``: then the energy is the board's, plus the processor's where it has counters.
        sysfs: Another tree, for tests.
        find_gpu: Another GPU, for tests.
    """
    rapl, missing = find_rapl(sysfs)
    if device == "cuda":
        try:
            board = _board_counter(find_gpu())
        except GpuError as error:
            return EnergySources(reason=f"the energy of the GPU is not readable ({error})")
        names = _listed([board, *rapl])
        lacking = "" if rapl else "; without the processor's energy, which has no readable counter"
        return EnergySources((board, *rapl), source=f"counters of the whole machine: {names}{lacking}")
    if rapl:
        return EnergySources(tuple(rapl), source=f"counters of the whole machine: {_listed(rapl)}")
    estimate, unknown = core_power(hardware, sysfs)
    if estimate:
        return EnergySources(estimate=estimate, source=estimate.source)
    return EnergySources(reason=f"{missing}, and {unknown}")


def _board_counter(gpu: Gpu) -> Counter:
    """Return a GPU's energy counter, or its power to integrate where it has none (before Volta, or with MIG)."""

    def readable(read: Callable[[], float]) -> Callable[[], float]:
        def checked() -> float:
            try:
                return read()
            except GpuError as error:
                raise CounterError(f"NVML could not be read any more ({error})") from None

        return checked

    try:
        gpu.energy_joules()
    except GpuError:
        gpu.power_watts()
        return PowerIntegral(f"NVML power of {gpu.name}", readable(gpu.power_watts), NVML_UPDATE_S)
    return CumulativeCounter(f"NVML {gpu.name}", readable(gpu.energy_joules), NVML_UPDATE_S)


def _listed(counters: list[Any]) -> str:
    return ", ".join(counter.name for counter in counters)
