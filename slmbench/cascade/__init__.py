"""Cascades: a small model answers what it is sure of, a large one the rest (study 003's hybrid systems).

The names are imported on first use: a comparison uses the arithmetic of this package and must not load what makes
cascades.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slmbench.cascade.cascade_options import CascadeOptions
    from slmbench.cascade.joining import cascade

__all__ = ["CascadeOptions", "cascade"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'slmbench.cascade' has no attribute {name!r}")
    from slmbench.cascade import cascade_options, joining

    return getattr(joining if name == "cascade" else cascade_options, name)
