"""Every benchmark script finds what it imports from slmbench, also inside functions and in the code that it runs."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.relative_to(BENCHMARKS).as_posix() for path in BENCHMARKS.rglob("*.py"))


def imports(code):
    """Pairs of module and name that a program imports from slmbench, those of programs in its strings included."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("slmbench"):
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "import " in node.value:
            try:
                yield from imports(node.value)
            except SyntaxError:  # prose, or a program with places to fill in
                continue


@pytest.mark.parametrize("script", SCRIPTS)
def test_its_imports_exist(script):
    found = list(imports((BENCHMARKS / script).read_text(encoding="utf-8")))
    for module, name in found:
        assert hasattr(import_module(module), name) or find_spec(f"{module}.{name}"), f"{module} has no {name}"


def test_there_are_scripts():
    assert "studies/study_000.py" in SCRIPTS
