"""A bundle on another machine: same files, same token ids, same answers, or a sentence that says what is not."""

import json
import shutil

import pytest
from sealing import reseal, spoil

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge.runtime import sealed
from slmbench.evaluation.verify import verify
from slmbench.export.manifest import MANIFEST_TEXTS
from slmbench.instruments.hardware import processor
from slmbench.records import BundleRecord, read_record


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    """A copy of the tiny bundle, to be changed."""
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def test_the_manifest_holds_what_the_bundle_answers(tiny_bundle):
    record = read_record(BundleRecord, tiny_bundle / "bundle.json")
    manifest = record.manifest
    assert [(entry.name, entry.text) for entry in manifest.texts] == list(MANIFEST_TEXTS)
    assert len(manifest.texts) == len({entry.name for entry in manifest.texts}) == 32
    assert all(2 <= len(entry.ids) <= record.max_length for entry in manifest.texts)
    assert {len(rows) for rows in manifest.logits.values()} == {32}
    assert set(manifest.logits) == set(record.forms)
    files = {path.relative_to(tiny_bundle).as_posix() for path in tiny_bundle.rglob("*") if path.is_file()}
    assert set(manifest.files) == files - {"bundle.json"}
    assert manifest.tokenizer_sha256 == manifest.files["tokenizer.json"].sha256
    text = (tiny_bundle / "bundle.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert text == sealed(document)
    assert document["seal"] == record.seal


def test_a_bundle_agrees_where_it_was_made(tiny_bundle, floor_bundle):
    for folder in (tiny_bundle, floor_bundle):
        record = verify(folder)
        assert record.agrees
        assert record.damaged == []
        assert record.other_versions == {}
        for form in record.forms.values():
            assert (form.texts, form.other_ids, form.other_labels) == (32, [], [])
            assert form.max_abs_logit_diff <= form.tolerance


def test_float_forms_are_held_closer_than_quantized_ones(tiny_bundle):
    forms = verify(tiny_bundle).forms
    int8 = read_record(BundleRecord, tiny_bundle / "bundle.json").forms["int8"]
    assert forms["fp32"].tolerance == 1e-3
    assert forms["int8"].tolerance == max(1e-3, int8.parity.max_abs_logit_diff)


def test_other_logits(bundle):
    def shift(document):
        for row in document["manifest"]["logits"]["fp32"]:
            row[0] += 0.01

    reseal(bundle, shift)
    record = verify(bundle)
    assert not record.agrees
    assert record.forms["int8"].agrees
    said = record.forms["fp32"].sentence
    assert said.startswith(("the same labels, but logits differ by up to 0.01", "another label for"))


def test_another_label_is_named(bundle):
    name = MANIFEST_TEXTS[5].name

    def turn(document):
        row = document["manifest"]["logits"]["fp32"][5]
        document["manifest"]["logits"]["fp32"][5] = [row[1] * 2, row[0] * 2]

    reseal(bundle, turn)
    form = verify(bundle, forms=["fp32"]).forms["fp32"]
    assert form.other_labels == [name]
    assert f"another label for: {name}" in form.sentence


def test_other_token_ids_are_named(bundle):
    def other(document):
        document["manifest"]["texts"][7]["ids"][1] += 1

    reseal(bundle, other)
    record = verify(bundle)
    assert [form.other_ids for form in record.forms.values()] == [[MANIFEST_TEXTS[7].name]] * 2
    assert "other token ids for" in record.forms["fp32"].sentence


def test_a_damaged_file_is_named_and_not_loaded(bundle):
    spoil(bundle / "onnx" / "model.onnx")
    (bundle / "README.md").unlink()
    record = verify(bundle)
    assert not record.agrees
    assert len(record.damaged) == 2
    assert any("model.onnx is not the file that was exported" in sentence for sentence in record.damaged)
    assert any("README.md is missing" in sentence for sentence in record.damaged)
    assert "model.onnx is not the file" in record.forms["fp32"].sentence
    assert record.forms["int8"].agrees


def test_a_record_that_was_changed(bundle):
    path = bundle / "bundle.json"
    path.write_text(path.read_text().replace('"positive"', '"negative"', 1))
    with pytest.raises(SlmbenchError, match=r"bundle\.json was changed after it was sealed"):
        verify(bundle)


def test_a_cpu_without_the_instructions_is_told(bundle, monkeypatch):
    monkeypatch.setattr(processor, "cpu_features", lambda: ("sse4_1",))

    def shift(document):
        document["manifest"]["logits"]["int8"][3][0] += 50

    reseal(bundle, shift)
    record = verify(bundle)
    assert record.forms["int8"].has_isa is False
    assert "which this CPU lacks" in record.forms["int8"].sentence
    assert record.forms["fp32"].has_isa is None


def test_other_versions_are_listed(bundle):
    reseal(bundle, lambda document: document["software"].update(onnxruntime="1.2.3"))
    record = verify(bundle)
    assert record.agrees
    assert record.other_versions["onnxruntime"][0] == "1.2.3"


def test_a_form_that_is_not_there(tiny_bundle):
    with pytest.raises(UsageError, match="has no form 'fp64'; it has: fp32, int8"):
        verify(tiny_bundle, forms=["fp64"])


def test_a_cascade_is_held_to_its_members(tiny_bundle, floor_bundle, tmp_path):
    from slmbench.cascade import CascadeOptions, cascade

    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9), output=tmp_path / "both")
    record = verify(tmp_path / "both")
    assert record.agrees
    assert list(record.forms) == ["small fp32", "large int8", "fp32+int8"]
    assert record.forms["fp32+int8"].tolerance is None

    def shift(document):
        document["manifest"]["logits"]["fp32"][0][0] += 1

    reseal(tmp_path / "both" / "small", shift)
    reseal(tmp_path / "both")
    assert not verify(tmp_path / "both").agrees
