"""Run folders: how a method becomes a folder with a record, a model card and predictions."""

from slmbench.methods.outcome import NO_TRAINING, Outcome, RunMethod
from slmbench.methods.runs.run_folder import default_folder, make_run
from slmbench.methods.runs.shots import draw_shots

__all__ = ["NO_TRAINING", "Outcome", "RunMethod", "default_folder", "draw_shots", "make_run"]
