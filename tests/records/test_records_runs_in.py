"""Which runtimes run a form, by its kind, its file and its architecture."""

import pytest

from slmbench.records import BundleRecord, artefacts


@pytest.mark.parametrize(
    ("form", "file", "architecture", "javascript"),
    [
        ("fp32", "onnx/model.onnx", "bert", True),
        ("int8", "onnx/model_quantized.onnx", "bert", True),
        ("fp32", "onnx/model_fused.onnx", "bert", False),
        ("fp32", "onnx/model_static_int8.onnx", "bert", False),
        ("fp32", "onnx/model.onnx", "xlnet", False),
    ],
)
def test_a_transformer(tiny_bundle, form, file, architecture, javascript):
    record = artefacts.read(tiny_bundle, BundleRecord)
    other = record.forms[form].model_copy(update={"file": file})
    record = record.model_copy(update={"architecture": architecture, "forms": {form: other}})

    assert record.runs_in(form) == ["slmbench.edge", "onnxruntime", *(["transformers.js"] if javascript else [])]


def test_tfidf_runs_in_this_runtime_only(floor_bundle):
    assert artefacts.read(floor_bundle, BundleRecord).runs_in("fp32") == ["slmbench.edge"]


@pytest.mark.parametrize("how", ["head-tail", "windows"])
def test_transformers_js_reads_the_head_of_long_texts_only(tiny_bundle, how):
    record = artefacts.read(tiny_bundle, BundleRecord).model_copy(update={"long_texts": how})
    assert record.runs_in("int8") == ["slmbench.edge", "onnxruntime"]
