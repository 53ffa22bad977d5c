"""Compare: profiles to a decision, with paired tests, a Pareto front, reasons and a report."""

from slmbench.cli.views.decision import decision_table
from slmbench.compare.axes import parse_axes
from slmbench.compare.baseline import Baseline
from slmbench.compare.comparison import compare
from slmbench.compare.constraints import Constraints
from slmbench.report.writing import write_report

__all__ = ["Baseline", "Constraints", "compare", "decision_table", "parse_axes", "write_report"]
