"""How fast, how large, how costly a bundle is on this machine: one fresh child process a measurement.

The names are imported on first use: the measured process lives in this package too, and must not load what
only its parent needs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slmbench.profiling.measuring import profile
    from slmbench.profiling.profile_options import ProfileOptions

__all__ = ["ProfileOptions", "profile"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'slmbench.profiling' has no attribute {name!r}")
    from slmbench.profiling import measuring, profile_options

    return getattr(measuring if name == "profile" else profile_options, name)
