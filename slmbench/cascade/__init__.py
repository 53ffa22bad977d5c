"""Cascades: a small model answers what it is sure of, a large one the rest (study 003's hybrid systems).

The names are imported on first use: a comparison uses the arithmetic of this package and must not load what makes
cascades.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slmbench.cascade.cascade_options import CascadeOptions
    from slmbench.cascade.joining import cascade

__all__ = ["CascadeOptions", "cascade"]

_MODULES = {"CascadeOptions": "cascade_options", "cascade": "joining"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module 'slmbench.cascade' has no attribute {name!r}")
    return getattr(import_module(f"slmbench.cascade.{_MODULES[name]}"), name)
