"""How fast, large and costly a form is on this machine, measured in fresh child processes.

``measuring`` makes profiles, ``sweeps`` curves, ``versus`` compares two forms, ``tuning`` finds the fastest settings.
Names are imported on first use: the measured process is part of this package and must not load what only its parent
needs.
"""

from typing import TYPE_CHECKING

from slmbench.common.stage_package import on_first_use

if TYPE_CHECKING:
    from slmbench.profiling.measuring import profile
    from slmbench.profiling.profile_options import ProfileOptions

__all__ = ["ProfileOptions", "profile"]

__getattr__ = on_first_use(__name__, {"ProfileOptions": "profile_options", "profile": "measuring"})
