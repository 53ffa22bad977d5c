"""The machine: the fingerprint that every record has, and the CPU features that decide what is fast."""

from slmbench.edge.runtime import usable_cores
from slmbench.instruments.hardware.fingerprint import ask_driver, hardware_fingerprint, software_versions
from slmbench.instruments.hardware.processor import (
    cache_sizes,
    cpu_features,
    cpu_identity,
    cpu_model,
    quantization_preset,
    runs_natively,
)

__all__ = [
    "ask_driver",
    "cache_sizes",
    "cpu_features",
    "cpu_identity",
    "cpu_model",
    "hardware_fingerprint",
    "quantization_preset",
    "runs_natively",
    "software_versions",
    "usable_cores",
]
