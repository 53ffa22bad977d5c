"""Whole ladders from one readable file: which models, on which reviews, in which forms, measured how."""

from slmbench.recipes.ladder import run_recipe
from slmbench.recipes.recipe import Recipe, find_recipe, read_recipe

__all__ = ["Recipe", "find_recipe", "read_recipe", "run_recipe"]
