"""``docs/quickstart.ipynb`` runs from top to bottom, without Jupyter, on a small corpus."""

import ast
import json
from pathlib import Path

import pytest
from learnable import write_reviews

import slmbench

NOTEBOOK = Path(__file__).parents[1] / "docs/quickstart.ipynb"


def cells():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(code, names):
    """Run a cell; return the value of its last line, as a notebook shows it."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names) if last else None


def test_the_notebook_runs(tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    # A p95, which the notebook limits, takes 130 different test reviews.
    write_reviews(tmp_path / "reviews.csv", ["negative", "positive"], 1200)
    monkeypatch.chdir(tmp_path)
    names = {}
    run, profile, decision, table, predictions, accuracy = [shown(code, names) for code in cells()]
    for record, kind in ((run, slmbench.RunRecord), (profile, slmbench.ProfileRecord)):
        assert isinstance(record, kind)
        assert "<table>" in record._repr_html_()
    assert isinstance(decision, slmbench.ComparisonRecord)
    assert decision.recommended.name == run.name
    assert list(table["accuracy"]) == [profile.accuracy]
    assert {prediction.label for prediction in predictions} <= set(run.corpus.labels)
    assert accuracy == run.test.accuracy


def test_the_notebook_is_kept_without_outputs_and_short():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert sum(bool(line.strip()) for source in cells() for line in source.splitlines()) <= 12
