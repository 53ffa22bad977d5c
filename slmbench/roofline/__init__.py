"""Roofline: operations counted in a form's graph, this machine's GEMM ceiling, and how much of it was reached."""

from slmbench.records.roofline import achieved
from slmbench.roofline.ceiling import machine_ceiling
from slmbench.roofline.counting import NotCountableError, count_operations
from slmbench.roofline.reached import held_against_ceiling, roofline_of

__all__ = [
    "NotCountableError",
    "achieved",
    "count_operations",
    "held_against_ceiling",
    "machine_ceiling",
    "roofline_of",
]
