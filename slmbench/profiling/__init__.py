"""How fast, large and costly a form is on this machine, measured in fresh child processes.

``measuring`` makes profiles, ``sweeps`` curves, ``versus`` compares two forms, ``tuning`` finds the fastest settings.
Names are imported on first use: the measured process is part of this package and must not load what only its parent
needs.
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
