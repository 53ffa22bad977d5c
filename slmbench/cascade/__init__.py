"""Cascades: a small model answers what it is sure of, a large one the rest (study 003's hybrid systems).

The names are imported on first use: a comparison uses the arithmetic of this package and must not load what makes
cascades.
"""

from typing import TYPE_CHECKING

from slmbench.common.stage_package import on_first_use

if TYPE_CHECKING:
    from slmbench.cascade.cascade_options import CascadeOptions
    from slmbench.cascade.joining import cascade

__all__ = ["CascadeOptions", "cascade"]

__getattr__ = on_first_use(__name__, {"CascadeOptions": "cascade_options", "cascade": "joining"})
