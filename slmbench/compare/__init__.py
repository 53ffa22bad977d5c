"""Compare: profiles to a decision, with paired tests, a Pareto front, reasons and a report."""

from slmbench.compare.comparison import compare
from slmbench.compare.constraints import Constraints
from slmbench.compare.report import write_report
from slmbench.compare.table import decision_table

__all__ = ["Constraints", "compare", "decision_table", "write_report"]
