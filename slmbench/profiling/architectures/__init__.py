"""Architecture-only profiles: what a published model costs to run, known before its weights are fetched."""

from slmbench.profiling.architectures.arithmetic import arithmetic_lines, arithmetic_of, refusal
from slmbench.profiling.architectures.catalogue import PublishedModel, architecture_names, find_architecture
from slmbench.profiling.architectures.profiling import ArchitectureOptions, profile_architecture

__all__ = [
    "ArchitectureOptions",
    "PublishedModel",
    "architecture_names",
    "arithmetic_lines",
    "arithmetic_of",
    "find_architecture",
    "profile_architecture",
    "refusal",
]
