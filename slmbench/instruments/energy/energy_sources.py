"""Sources of energy readings on this machine: counters, else an estimate, else the reason why there are none.

The processor's counters are RAPL, as Linux shows them for Intel and AMD below ``/sys/class/powercap``; a GPU's are
read through NVML. The estimate is CPU time times the power of one busy core: the design power divided by the cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.instruments.energy.codecarbon_data import installed_version, model_name, thermal_design_power
from slmbench.instruments.energy.counters import Counter, CounterError, CumulativeCounter, PowerIntegral
from slmbench.instruments.gpu import Gpu, GpuError, open_gpu


@dataclass(frozen=True)
class CorePower:
    """Power of a busy core.

    Attributes:
        watts: Power of one busy core.
        cores: Number of cores.
        source: A sentence on where the figure is from.
    """

    watts: float
    cores: int
    source: str

    def joules(self, cpu_seconds: float, seconds: float) -> float:
        """Return the energy of an amount of CPU time; it is at most that of all cores."""
        return self.watts * min(cpu_seconds, seconds * self.cores)


def core_power(hardware: dict[str, Any], sysfs: Path) -> tuple[CorePower | None, str | None]:
    """Look up the power of this machine's cores.

    The model: power is proportional to CPU time, TDP / cores for every second of CPU time of the process. Idle cores
    cost nothing in it, so only the dynamic part is counted and there is no idle power to subtract.

    Args:
        hardware: ``cpu_model``, ``physical_cores`` and ``virtualised`` of ``slmbench.instruments.hardware``.
        sysfs: ``/sys``, which lists the processors.

    Returns:
        The power, or ``None`` and why it is unknown. It is unknown for a family's name without a number ("AMD
        EPYC"), and in a virtual machine, which does not show how many cores the processor has: dividing by the cores
        shown would assign the power of the whole processor to a few.
    """
    model, cores = hardware["cpu_model"], hardware["physical_cores"]
    if not any(character.isdigit() for character in model_name(model)):
        return None, f"no power known for '{model}'"
    if hardware["virtualised"]:
        return None, f"no power known for this virtual machine's share of '{model}'"
    if not cores:
        return None, f"no power known for one core of '{model}': its number of cores is unknown"
    version = installed_version()
    if version is None:
        return None, f"the power of '{model}' is looked up in codecarbon's table: pip install 'slmbench[energy]'"
    watts = thermal_design_power(model)
    if watts is None:
        return None, f"no power known for '{model}'"
    packages = _packages(sysfs)
    many = f"{packages} × " if packages > 1 else ""
    source = (
        f"CPU time × {many}{watts:g} W design power of '{model}' (codecarbon {version}) / {cores} cores;"
        " cores that wait cost nothing"
    )
    return CorePower(packages * watts / cores, cores, source), None


def _packages(sysfs: Path) -> int:
    """Return the number of processors; one where the system does not tell."""
    ids = set()
    for path in (sysfs / "devices/system/cpu").glob("cpu[0-9]*/topology/physical_package_id"):
        try:
            ids.add(path.read_text(encoding="ascii").strip())
        except OSError:
            continue
    return max(1, len(ids))


#: RAPL is updated about every millisecond (Hähnel et al., "Measuring Energy Consumption for Short Code Paths Using
#: RAPL", SIGMETRICS PER 40(3), 2012).
RAPL_UPDATE_S = 0.001


def find_rapl(sysfs: Path) -> tuple[list[CumulativeCounter], str | None]:
    """Find the counters of all packages and of their memory.

    ``core`` and ``uncore`` are parts of their package and ``psys`` contains packages: adding them would count twice.
    ``dram`` is not part of its package. The ``intel-rapl-mmio`` zones are the same packages again.

    Args:
        sysfs: ``/sys``.

    Returns:
        The counters, or none and the reason. When one counter cannot be read there are none: the sum would lack a
        part.
    """
    zones = sorted((sysfs / "class/powercap").glob("intel-rapl:*"))
    counters = []
    for zone in zones:
        try:
            name = (zone / "name").read_text(encoding="ascii").strip()
            if name.startswith(("package", "dram")):
                counters.append(_counter(zone, name))
        except PermissionError:
            return [], (
                "the RAPL counters may be read by root only: allow it with"
                " `sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj`"
            )
        except (OSError, ValueError, CounterError) as error:
            return [], f"the RAPL counter {zone.name} cannot be read ({error})"
    # Memory alone is the smaller part of the energy.
    if not any(counter.name.startswith("RAPL package") for counter in counters):
        return [], "no counters readable"
    return counters, None


def _counter(zone: Path, name: str) -> CumulativeCounter:
    path = zone / "energy_uj"
    path.read_text(encoding="ascii")  # raises here when it may not be read
    wraps_at = int((zone / "max_energy_range_uj").read_text(encoding="ascii")) / 1e6
    # Each socket's memory is a zone of its package, and all are called "dram".
    title = name if name != "dram" else f"dram-{zone.name.split(':')[1]}"

    def read() -> float:
        try:
            return int(path.read_text(encoding="ascii")) / 1e6
        except (OSError, ValueError) as error:
            raise CounterError(f"the RAPL counter {title} could not be read any more ({error})") from None

    return CumulativeCounter(f"RAPL {title}", read, RAPL_UPDATE_S, wraps_at)


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
