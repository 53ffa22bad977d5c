"""Energy and carbon: counters where the machine has them, else an estimate, and nothing where nothing is known.

The parent of a measured process reads the meters, which is why that process does not grow. No network, ever.
"""

from slmbench.instruments.energy.grid import grid_factor
from slmbench.instruments.energy.meter import EnergyMeter, EnergyReading
from slmbench.instruments.energy.review import Idle, energy_per_review, measure_energy, measure_idle
from slmbench.instruments.energy.sources import EnergySources, find_sources

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
