"""Compare: profiles to a decision, with paired tests, a Pareto front and a reason for every row.

Draws nothing and opens no bundle. Start reading at :mod:`slmbench.compare.comparison`. Names are imported on first
use: the help of the command line needs the quantities only.
"""

from typing import TYPE_CHECKING

from slmbench.common.stage_package import make_callable, on_first_use

if TYPE_CHECKING:
    from slmbench.compare.comparison import compare, finalists, provisional, to_confirm
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
    "finalists",
    "parse_axes",
    "provisional",
    "read_measurements",
    "to_confirm",
]

__getattr__ = on_first_use(
    __name__,
    {
        "Constraints": "constraints",
        "DecisionRule": "constraints",
        "Measurements": "reading",
        "RegressionGate": "regression",
        "compare": "comparison",
        "finalists": "comparison",
        "parse_axes": "front",
        "provisional": "comparison",
        "read_measurements": "reading",
        "to_confirm": "comparison",
    },
)
make_callable(__name__)
