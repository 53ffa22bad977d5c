"""Energy and carbon: from counters where the machine has them, else an estimate, else unknown with the reason.

The parent of a measured process reads the counters, so that the process itself does not grow. No network is used.
"""

from slmbench.instruments.energy.codecarbon_data import grid_factor
from slmbench.instruments.energy.energy_sources import EnergySources, find_sources
from slmbench.instruments.energy.meter import EnergyMeter, EnergyReading
from slmbench.instruments.energy.review import Idle, energy_per_review, measure_energy, measure_idle

__all__ = [
    "EnergyMeter",
    "EnergyReading",
    "EnergySources",
    "Idle",
    "energy_per_review",
    "find_sources",
    "grid_factor",
    "measure_energy",
    "measure_idle",
]
