"""A form of another package works like a built-in one, and an unknown form is an error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slmbench.common.errors import UsageError
from slmbench.export import FORMS, export
from slmbench.export.forms import BUILTIN_FORMS

PLUGIN = """
from slmbench.export import Form


def make(builder, target, keep_float):
    import onnx
    from onnx import numpy_helper

    model = onnx.load(builder.fp32)
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            rounded = numpy_helper.to_array(weights).round(3)
            weights.CopyFrom(numpy_helper.from_array(rounded, weights.name))
    onnx.save(model, target)
    return {"decimals": 3, "texts": len(builder.texts)}


FORM = Form("rounded", "onnx/model_rounded.onnx", "weights rounded to three decimals", make)
"""


@pytest.fixture
def slmbench(tmp_path):
    """Run the command line in a process that has the package with the form installed."""
    site = tmp_path / "site"
    metadata = site / "toy_forms-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "toy_forms.py").write_text(PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-forms\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[slmbench.forms]\nrounded = toy_forms:FORM\n")
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])

    def run(*words, status=0):
        command = [sys.executable, "-m", "slmbench.cli.app", *map(str, words), "--json"]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
        )
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout) if status == 0 else done.stderr

    return run


def test_a_form_of_another_package_is_exported_profiled_and_compared(slmbench, tiny_run, tmp_path):
    bundle = tmp_path / "exported" / "tiny"
    record = slmbench(
        "export", tiny_run, "--form", "fp32", "--form", "rounded", "--max-accuracy-drop", "0.2", "--output", bundle
    )
    form = record["forms"]["rounded"]
    assert form["settings"]["decimals"] == 3
    assert form["settings"]["texts"] > 0
    assert 0 < form["parity"]["max_abs_logit_diff"] < 0.5
    assert (bundle / form["file"]).stat().st_size == form["bytes"]
    assert "| rounded | weights rounded to three decimals |" in (bundle / "README.md").read_text()

    slmbench("profile", bundle, "--processes", 1, "--time-limit", 0.3, "--threads", 1)
    comparison = slmbench("compare", "profiles")
    assert {row["form"] for row in comparison["rows"]} == {"fp32", "rounded"}


def test_an_unknown_form_is_an_error_that_names_the_nearest(slmbench, tiny_run, tmp_path):
    said = " ".join(slmbench("export", tiny_run, "--form", "rounde", status=2).split())
    assert "no form 'rounde'" in said and "did you mean 'rounded'?" in said
    with pytest.raises(UsageError, match="no form 'int8-weight'; did you mean 'int8-weights'?"):
        export(tiny_run, forms=["int8-weight"], output=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_the_table_of_the_docs_is_that_of_the_declarations():
    page = (Path(__file__).parents[2] / "docs/export.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    wanted = [f"| `{form.name}` | `{form.file}` | {form.help} | {form.made_by} |" for form in BUILTIN_FORMS]
    assert rows[: len(wanted)] == wanted


def test_files_of_forms_differ():
    files = [form.file for form in FORMS]
    assert len(set(files)) == len(files)
