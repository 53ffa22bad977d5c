"""Runs: what every way of getting a classifier leaves behind, whether it was trained or only asked."""

from slmbench.runs.making import default_folder, make_run
from slmbench.runs.outcome import NO_TRAINING, Making, Outcome
from slmbench.runs.shots import draw_shots

__all__ = ["NO_TRAINING", "Making", "Outcome", "default_folder", "draw_shots", "make_run"]
