"""``slmbench compare`` can be read from a profile to the recommendation, each of eight files once."""

from __future__ import annotations

import ast
from pathlib import Path

import slmbench

#: The files in the order in which data goes through them; the last one calls the others in this order.
WALK = ("reading", "cells", "constraints", "pairs", "choosing", "decision", "sentences", "comparison")
#: Tables and names that they look up.
LOOKED_UP = {"machines", "outdated", "quantities", "front"}


def imports(module):
    """What a module of the room imports of it, for type checkers too."""
    tree = ast.parse((Path(slmbench.__file__).parent / "compare" / f"{module}.py").read_text(encoding="utf-8"))
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {name.rpartition(".")[2] for name in names if name.startswith("slmbench.compare.")}


def test_eight_files_lead_from_a_profile_to_the_recommendation_and_each_needs_earlier_ones_only():
    assert len(WALK) == 8
    for number, module in enumerate(WALK[:-1]):
        assert imports(module) <= {*WALK[:number], *LOOKED_UP}, module
    assert imports("comparison") >= {"reading", "cells", "decision", "sentences"}


def test_what_they_look_up_needs_no_step_of_the_decision():
    for module in LOOKED_UP:
        assert not imports(module) & {*WALK} - {"cells"}, module
