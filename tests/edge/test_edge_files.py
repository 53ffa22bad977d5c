"""What is wrong with a bundle is said in one sentence, when it is loaded."""

import json
import shutil

import pytest
from sealing import edit_record, reseal, spoil

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge import Classifier, runtime


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


@pytest.fixture
def floor(floor_bundle, tmp_path):
    return shutil.copytree(floor_bundle, tmp_path / "floor")


def test_the_smallest_accepted_form_is_the_default(bundle):
    assert Classifier(bundle).form == "int8"
    reseal(bundle, lambda document: document["forms"]["int8"].update(accepted=False))
    assert Classifier(bundle).form == "fp32"
    assert Classifier(str(bundle), form="int8").form == "int8"
    reseal(bundle, lambda document: document["forms"]["fp32"].update(accepted=False))
    with pytest.raises(SlmbenchError, match="no accepted form"):
        Classifier(bundle)


@pytest.mark.parametrize(("high", "chosen"), [(0.8, "fp32"), (1.2, "int8")])
def test_a_form_that_was_slower_than_fp32_is_not_the_default(bundle, high, chosen):
    gain = {"speedup_ci95": [0.7, high]}
    reseal(bundle, lambda document: document["forms"]["int8"].update(gain=gain))
    assert Classifier(bundle).form == chosen


@pytest.mark.parametrize(
    ("there", "here", "chosen"),
    [
        (["avx2", "avx512_vnni", "amx_int8"], ["avx2", "amx_int8", "fma"], "fp32"),
        (["avx2", "avx512_vnni", "amx_int8"], ["avx2"], "int8"),
        (["avx2"], ["avx2", "avx_vnni"], "int8"),
        (["asimd"], ["avx2"], "int8"),
        (["avx2"], [], "fp32"),
        ([], ["avx2"], "fp32"),
    ],
)
def test_a_speed_measured_on_another_kind_of_processor_does_not_count(bundle, monkeypatch, there, here, chosen):
    def slower(document):
        document["hardware"]["isa"] = there
        document["forms"]["int8"]["gain"] = {"speedup_ci95": [0.7, 0.8]}

    reseal(bundle, slower)
    monkeypatch.setattr(runtime, "cpu_instructions", lambda: tuple(here))
    assert Classifier(bundle).form == chosen


@pytest.mark.parametrize("name", ["int8", *runtime.SLOW_FORMS])
def test_a_form_declared_slow_is_not_the_default_elsewhere(bundle, monkeypatch, name):
    def rename(document):
        document["hardware"]["isa"] = ["amx_int8"]
        document["forms"] = {"fp32": document["forms"]["fp32"], name: document["forms"]["int8"]}

    reseal(bundle, rename)
    monkeypatch.setattr(runtime, "cpu_instructions", lambda: ("avx2",))
    assert Classifier(bundle).form == ("int8" if name == "int8" else "fp32")


def test_where_all_are_slow_the_smallest_is_the_default(bundle):
    def slow(document):
        for form in document["forms"].values():
            form["gain"] = {"speedup_ci95": [0.5, 0.6]}

    reseal(bundle, slow)
    assert Classifier(bundle).form == "int8"


def test_a_form_that_is_not_there(bundle):
    with pytest.raises(UsageError, match="has no form 'fp16'; it has: fp32, int8"):
        Classifier(bundle, form="fp16")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="there is no bundle folder"):
        Classifier(tmp_path / "nothing")


def test_a_file_is_no_bundle(bundle):
    with pytest.raises(UsageError, match="there is no bundle folder"):
        Classifier(bundle / "bundle.json")


def test_a_folder_without_a_record(tiny_run):
    with pytest.raises(SlmbenchError, match=r"is not a bundle: it has no bundle\.json"):
        Classifier(tiny_run)


def test_a_record_of_another_version(bundle):
    edit_record(bundle, lambda document: document.update(schema="slmbench.bundle/2"))
    with pytest.raises(SlmbenchError, match=r"was written as slmbench\.bundle/2, .* reads slmbench\.bundle/1"):
        Classifier(bundle)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"schema": "slmbench.bundle/1", "manifest', b"null"]
)
def test_a_damaged_record(bundle, content):
    (bundle / "bundle.json").write_bytes(content)
    with pytest.raises(SlmbenchError, match=r"bundle\.json is damaged: .*export the bundle again"):
        Classifier(bundle)


@pytest.mark.parametrize("facts", [{}, {"accepted": True}, {"accepted": True, "bytes": 1}])
def test_a_record_with_half_a_form(bundle, facts):
    reseal(bundle, lambda document: document.update(forms={"fp32": facts}))
    with pytest.raises(SlmbenchError, match=r"bundle\.json is damaged: .*export the bundle again"):
        Classifier(bundle)


def test_a_model_that_onnxruntime_cannot_read(bundle):
    spoil(bundle / "onnx" / "model_quantized.onnx")
    reseal(bundle)
    with pytest.raises(SlmbenchError, match=r"model_quantized\.onnx cannot be used: ") as raised:
        Classifier(bundle)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", ["", "{", "{}", "[1]"])
def test_a_tokenizer_that_cannot_be_read(bundle, content):
    (bundle / "tokenizer.json").write_text(content)
    reseal(bundle)
    with pytest.raises(SlmbenchError, match=r"tokenizer\.json cannot be read"):
        Classifier(bundle)


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_a_floor_whose_vocabulary_cannot_be_read(floor, content):
    (floor / "tfidf.json").write_text(content)
    reseal(floor)
    with pytest.raises(SlmbenchError, match=r"the TF-IDF files in .* are missing or damaged"):
        Classifier(floor)


def test_a_floor_whose_weights_cannot_be_read(floor):
    spoil(floor / "tfidf.npz")
    reseal(floor)
    with pytest.raises(SlmbenchError, match=r"the TF-IDF files in .* are missing or damaged"):
        Classifier(floor)


def test_a_floor_whose_files_do_not_belong_together(floor):
    settings = json.loads((floor / "tfidf.json").read_text())
    settings["vocabulary"].pop()
    (floor / "tfidf.json").write_text(json.dumps(settings))
    reseal(floor)
    with pytest.raises(SlmbenchError, match="do not belong together"):
        Classifier(floor)


def test_a_bundle_works_wherever_it_is_copied(bundle, tiny_bundle, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Classifier("bundle").predict("good") == Classifier(tiny_bundle).predict("good")
