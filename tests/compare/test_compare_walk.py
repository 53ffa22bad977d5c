"""``slmbench compare`` can be read from a profile to the recommendation, each file once."""

from __future__ import annotations

import ast
from pathlib import Path

import slmbench

#: The files in the order in which data goes through them; the last one calls the others in this order.
WALK = ("reading", "cells", "quantities", "constraints", "front", "decision", "sentences", "comparison")


def imports(module):
    """What a module of the room imports of it, for type checkers too."""
    tree = ast.parse((Path(slmbench.__file__).parent / "compare" / f"{module}.py").read_text(encoding="utf-8"))
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return [name.rpartition(".")[2] for name in names if name.startswith("slmbench.compare.")]


def test_no_file_of_the_walk_needs_one_that_comes_later():
    for number, module in enumerate(WALK):
        assert not set(imports(module)) & set(WALK[number + 1 :]), module


def test_what_stands_beside_the_decision_is_needed_by_nothing_in_it():
    beside = {"cascades", "caveats", "curves", "regression"}
    assert not {name for module in WALK[:-1] for name in imports(module)} & beside
