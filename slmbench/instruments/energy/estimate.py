"""Power of one busy core where no counter can be read: the processor's design power divided by its cores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.instruments.energy.codecarbon_data import installed_version, model_name, thermal_design_power


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
