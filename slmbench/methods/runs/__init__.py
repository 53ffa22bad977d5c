"""Runs: what every way of getting a classifier leaves behind, whether it was trained or only asked."""

from slmbench.methods.runs.making import default_folder, make_run
from slmbench.methods.runs.outcome import NO_TRAINING, Making, Outcome
from slmbench.methods.runs.shots import draw_shots

__all__ = ["NO_TRAINING", "Making", "Outcome", "default_folder", "draw_shots", "make_run"]
