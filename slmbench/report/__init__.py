"""What a person looks at: HTML, Markdown, CSV and plots of a comparison, the confusion plot of an evaluation."""

from slmbench.report.writing import check_report_dir, draw_evaluation, write_report

__all__ = ["check_report_dir", "draw_evaluation", "write_report"]
