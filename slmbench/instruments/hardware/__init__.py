"""The machine: the fingerprint that every record has, and the CPU features that decide what is fast."""

from slmbench.instruments.hardware.cpu import (
    cpu_features,
    cpu_model,
    quantization_preset,
    runs_natively,
    usable_cores,
)
from slmbench.instruments.hardware.fingerprint import hardware_fingerprint, software_versions
from slmbench.instruments.hardware.nvidia import ask_driver

__all__ = [
    "ask_driver",
    "cpu_features",
    "cpu_model",
    "hardware_fingerprint",
    "quantization_preset",
    "runs_natively",
    "software_versions",
    "usable_cores",
]
