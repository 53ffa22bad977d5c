"""The plots of a report; the one folder that imports matplotlib."""

from slmbench.report.plots.accuracy_latency import draw_accuracy_latency
from slmbench.report.plots.roc_confusion import draw_confusion, draw_roc

__all__ = ["draw_accuracy_latency", "draw_confusion", "draw_roc"]
