"""Roofline: operations counted in a form's graph, this machine's GEMM ceiling, and how much of it was reached."""

from slmbench.instruments.roofline.ceiling import machine_ceiling, measured_roofline, roofline_of
from slmbench.instruments.roofline.counting import NotCountableError, count_operations
from slmbench.records.roofline import achieved

__all__ = [
    "NotCountableError",
    "achieved",
    "count_operations",
    "machine_ceiling",
    "measured_roofline",
    "roofline_of",
]
