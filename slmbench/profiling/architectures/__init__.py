"""Architecture-only profiles: runtime and memory of a published model before its weights are fetched."""

from slmbench.profiling.architectures.configurations import PublishedModel, architecture_names, find_architecture
from slmbench.profiling.architectures.random_weights import ArchitectureOptions, profile_architecture
from slmbench.profiling.architectures.sizing import arithmetic_lines, arithmetic_of, refusal

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
