"""Roofline: operations counted in a form's graph, this machine's GEMM ceiling, and how much of it was reached."""

from slmbench.instruments.roofline.ceiling import machine_ceiling
from slmbench.instruments.roofline.counting import NotCountableError, count_operations
from slmbench.instruments.roofline.reached import held_against_ceiling, roofline_of
from slmbench.records.roofline import achieved

__all__ = [
    "NotCountableError",
    "achieved",
    "count_operations",
    "held_against_ceiling",
    "machine_ceiling",
    "roofline_of",
]
