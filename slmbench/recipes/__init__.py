"""Recipes: TOML files that describe reviews, runs, forms and measurements, and running all of it."""

from slmbench.recipes.ladder import run_recipe
from slmbench.recipes.recipe import Recipe, find_recipe, read_recipe

__all__ = ["Recipe", "find_recipe", "read_recipe", "run_recipe"]
