"""Cascades: a small model answers what it is sure of, a large one the rest (study 003's hybrid systems)."""

from slmbench.cascade.making import cascade
from slmbench.cascade.options import CascadeOptions

__all__ = ["CascadeOptions", "cascade"]
