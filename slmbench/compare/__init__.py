"""Compare: profiles to a decision, with paired tests, a Pareto front and a reason for every row."""

from slmbench.common.stage_package import make_callable
from slmbench.compare.axes import parse_axes
from slmbench.compare.baseline import Baseline
from slmbench.compare.comparison import compare
from slmbench.compare.constraints import Constraints
from slmbench.compare.reading import Measurements, read_measurements

__all__ = ["Baseline", "Constraints", "Measurements", "compare", "parse_axes", "read_measurements"]

make_callable(__name__)
