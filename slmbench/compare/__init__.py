"""Compare: profiles to a decision, with paired tests, a Pareto front and a reason for every row.

Draws nothing and opens no bundle, only records. Start reading at :mod:`slmbench.compare.comparison`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from slmbench.common.stage_package import make_callable

if TYPE_CHECKING:
    from slmbench.compare.comparison import compare
    from slmbench.compare.constraints import Constraints, DecisionRule
    from slmbench.compare.front import parse_axes
    from slmbench.compare.reading import Measurements, read_measurements
    from slmbench.compare.regression import RegressionGate

__all__ = [
    "Constraints",
    "DecisionRule",
    "Measurements",
    "RegressionGate",
    "compare",
    "parse_axes",
    "read_measurements",
]

_MODULES = {
    "Constraints": "constraints",
    "DecisionRule": "constraints",
    "Measurements": "reading",
    "RegressionGate": "regression",
    "compare": "comparison",
    "parse_axes": "front",
    "read_measurements": "reading",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the help of the command line needs the quantities only."""
    if name not in _MODULES:
        raise AttributeError(f"module 'slmbench.compare' has no attribute {name!r}")
    return getattr(import_module(f"slmbench.compare.{_MODULES[name]}"), name)


make_callable(__name__)
