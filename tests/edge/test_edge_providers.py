"""What runs the model: a provider that is there answers as the CPU does, one that is not is said in a sentence."""

import importlib.util
import json
import shutil
import sys

import onnxruntime
import pytest
from learnable import reviews

from slmbench.cascade import CascadeOptions, cascade
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge import Classifier
from slmbench.edge.runtime import CascadeBackend

TEXTS = [text for text, _ in reviews(["negative", "positive"], 30, seed=9)]
INSTALLED = onnxruntime.get_available_providers()


def test_a_provider_that_nobody_knows(tiny_bundle):
    with pytest.raises(UsageError, match="there is no provider 'tpu': choose among cpu, cuda, openvino"):
        Classifier(tiny_bundle, provider="tpu")


@pytest.mark.skipif("CUDAExecutionProvider" in INSTALLED, reason="onnxruntime has CUDA here")
def test_cuda_that_is_not_installed(tiny_bundle):
    with pytest.raises(SlmbenchError, match=r"cannot use cuda here: pip install 'onnxruntime-gpu\[cuda,cudnn\]'"):
        Classifier(tiny_bundle, provider="cuda")


@pytest.mark.skipif("CUDAExecutionProvider" in INSTALLED, reason="onnxruntime has CUDA here")
def test_cuda_that_does_not_load_is_not_taken_for_the_cpu(tiny_bundle, monkeypatch):
    """onnxruntime lists what it was built with, and falls back to the CPU where that does not load."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(SlmbenchError, match="cannot use cuda here: pip install"):
        Classifier(tiny_bundle, provider="cuda")


@pytest.mark.skipif("CUDAExecutionProvider" not in INSTALLED, reason="onnxruntime has no CUDA here")
def test_cuda_answers_as_the_cpu_does(tiny_bundle):
    try:
        classifier = Classifier(tiny_bundle, form="fp32", provider="cuda")
    except SlmbenchError as error:
        pytest.skip(str(error))
    wanted = Classifier(tiny_bundle, form="fp32").predict_logits(TEXTS)
    assert classifier.predict_logits(TEXTS) == pytest.approx(wanted, abs=1e-2)


@pytest.mark.skipif("OpenVINOExecutionProvider" in INSTALLED, reason="onnxruntime has OpenVINO built in here")
def test_openvino_that_is_not_installed(tiny_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime_ep_openvino", None)
    with pytest.raises(SlmbenchError, match=r"cannot use openvino here: pip install onnxruntime-ep-openvino$"):
        Classifier(tiny_bundle, provider="openvino")


@pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime_ep_openvino") is None and "OpenVINOExecutionProvider" not in INSTALLED,
    reason="no OpenVINO provider is installed",
)
@pytest.mark.parametrize("threads", [None, 1])
def test_openvino_answers_as_the_cpu_does(tiny_bundle, threads):
    try:
        classifier = Classifier(tiny_bundle, form="fp32", provider="openvino", threads=threads)
    except SlmbenchError as error:
        if "has no device here, it serves Intel processors only" not in str(error):
            raise
        pytest.skip(str(error))
    wanted = Classifier(tiny_bundle, form="fp32").predict_logits(TEXTS)
    assert classifier.predict_logits(TEXTS) == pytest.approx(wanted, abs=1e-3)


def test_a_floor_runs_on_the_cpu_only(floor_bundle):
    assert Classifier(floor_bundle, provider="cpu").predict(TEXTS) == Classifier(floor_bundle).predict(TEXTS)
    with pytest.raises(UsageError, match="is a TF-IDF bundle, which runs on the CPU only: leave out the provider"):
        Classifier(floor_bundle, provider="cuda")


def test_a_cascade_of_floors_runs_on_the_cpu_only(floor_bundle, tmp_path):
    for size in ("small", "large"):
        shutil.copytree(floor_bundle, tmp_path / size)
    members = {size: {"folder": size, "form": "fp32"} for size in ("small", "large")}
    (tmp_path / "cascade.json").write_text(json.dumps({"threshold": 0.9, **members}), encoding="utf-8")
    labels = Classifier(floor_bundle).labels

    CascadeBackend(tmp_path / "cascade.json", labels, None)
    with pytest.raises(UsageError, match="is made of TF-IDF bundles, which run on the CPU only"):
        CascadeBackend(tmp_path / "cascade.json", labels, None, "openvino")


@pytest.mark.skipif("CUDAExecutionProvider" in INSTALLED, reason="onnxruntime has CUDA here")
def test_a_cascade_hands_the_provider_to_the_member_that_can_use_it(floor_bundle, tiny_bundle, tmp_path):
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9, large_form="fp32"), output=tmp_path / "both")
    with pytest.raises(SlmbenchError, match="cannot use cuda here"):
        Classifier(tmp_path / "both", provider="cuda")
