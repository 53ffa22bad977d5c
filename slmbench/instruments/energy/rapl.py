"""The processor's own energy counters (RAPL), as Linux shows them for Intel and AMD below ``/sys/class/powercap``."""

from __future__ import annotations

from pathlib import Path

from slmbench.instruments.energy.counters import CounterError, CumulativeCounter

#: RAPL is updated about every millisecond (Hähnel et al., "Measuring Energy Consumption for Short Code Paths Using
#: RAPL", SIGMETRICS PER 40(3), 2012).
UPDATE_S = 0.001


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

    return CumulativeCounter(f"RAPL {title}", read, UPDATE_S, wraps_at)
