"""A bundle that is not the one that was exported is refused, by the name of the file, before anything is loaded."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import tokenizers
from sealing import edit_record, reseal, seal_again

from slmbench.cascade import CascadeOptions, cascade
from slmbench.common.errors import SlmbenchError
from slmbench.edge import Classifier
from slmbench.edge.runtime import BundleFiles


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def grow(path):
    path.write_bytes(path.read_bytes() + b"\n")


def empty(path):
    path.write_bytes(b"")


def delete(path):
    path.unlink()


def folder_instead(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    flip: "is not the file that was exported",
    truncate: "bytes instead of",
    grow: "bytes instead of",
    empty: "has 0 bytes instead of",
    delete: "is missing",
    folder_instead: "",
}
NEEDED = {
    "onnx": ["onnx/model.onnx", "tokenizer.json", "config.json"],
    "external": ["onnx/model.onnx", "onnx/model.onnx_data", "tokenizer.json", "config.json"],
    "floor": ["tfidf.npz", "tfidf.json", "config.json"],
    "cascade": [
        "cascade.json",
        "small/bundle.json",
        "small/tfidf.npz",
        "small/tfidf.json",
        "large/bundle.json",
        "large/onnx/model.onnx",
        "large/tokenizer.json",
    ],
}
CASES = [(kind, file) for kind, files in NEEDED.items() for file in files]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory, tiny_bundle, floor_bundle):
    """One bundle of each kind, by kind."""
    place = tmp_path_factory.mktemp("whole")
    external = shutil.copytree(tiny_bundle, place / "external")
    model = onnx.load(external / "onnx/model.onnx")
    onnx.save(model, external / "onnx/model.onnx", save_as_external_data=True, location="model.onnx_data")
    reseal(external)
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9, large_form="fp32"), output=place / "cascade")
    return {"onnx": tiny_bundle, "external": external, "floor": floor_bundle, "cascade": place / "cascade"}


@pytest.fixture
def own(bundles, tmp_path):
    """Make a copy of a bundle, to be changed."""
    return lambda kind: shutil.copytree(bundles[kind], tmp_path / kind)


@pytest.fixture
def nothing_loads(monkeypatch):
    """Make it a failure of the test to load a model, a tokenizer or weights."""

    def load(*arguments, **options):
        raise AssertionError(f"{arguments} was loaded")

    monkeypatch.setattr(onnxruntime, "InferenceSession", load)
    monkeypatch.setattr(tokenizers, "Tokenizer", type("Tokenizer", (), {"from_file": load}))
    monkeypatch.setattr(np, "load", load)


@pytest.mark.parametrize("kind", NEEDED)
def test_a_whole_bundle(bundles, kind):
    assert BundleFiles.open(bundles[kind]).damaged() == []
    assert Classifier(bundles[kind], form="fp32" if kind != "cascade" else None).predict("good")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("kind", "file"), [case for case in CASES if case[0] != "cascade"])
def test_a_file_of_a_form_is_another(own, nothing_loads, kind, file, damage):
    bundle = own(kind)
    damage(bundle / file)
    with pytest.raises(SlmbenchError, match="copy the bundle again") as raised:
        Classifier(bundle, form="fp32")
    assert str(raised.value).startswith(f"{bundle / file} ")
    assert DAMAGES[damage] in str(raised.value)


@pytest.mark.parametrize("damage", [flip, truncate, delete])
@pytest.mark.parametrize("file", NEEDED["cascade"])
def test_a_file_of_a_cascade_is_another(own, file, damage):
    bundle = own("cascade")
    damage(bundle / file)
    with pytest.raises(SlmbenchError, match="copy the bundle again") as raised:
        Classifier(bundle)
    assert str(raised.value).startswith(f"{bundle / file} ")


def test_a_member_of_another_cascade(own, tiny_bundle):
    """A whole bundle, sealed as it should be, is still not the member that was measured."""
    bundle = own("cascade")
    shutil.rmtree(bundle / "large")
    shutil.copytree(tiny_bundle, bundle / "large")
    with pytest.raises(SlmbenchError, match=r"large/bundle\.json has .* bytes instead of"):
        Classifier(bundle)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("onnx", "onnx/model.onnx", "onnx/model_quantized.onnx"),
        ("onnx", "tokenizer.json", "config.json"),
        ("floor", "tfidf.npz", "tfidf.json"),
        ("cascade", "small/bundle.json", "large/bundle.json"),
    ],
)
def test_two_files_are_swapped(own, nothing_loads, kind, one, other):
    bundle = own(kind)
    first, second = (bundle / one).read_bytes(), (bundle / other).read_bytes()
    (bundle / one).write_bytes(second)
    (bundle / other).write_bytes(first)
    swapped = sorted([str(bundle / one), str(bundle / other)])
    with pytest.raises(SlmbenchError, match=" bytes instead of ") as raised:
        Classifier(bundle, form=None if kind == "cascade" else "fp32")
    assert str(raised.value).split(" has ")[0] in swapped
    assert [sentence.split(" has ")[0] for sentence in BundleFiles.open(bundle).damaged()] == swapped


@pytest.mark.parametrize("kind", NEEDED)
@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["labels"].reverse(),
        lambda document: document.update(labels=["bad", "good"]),
        lambda document: next(iter(document["forms"].values())).update(accepted=False),
        lambda document: next(iter(document["manifest"]["files"].values())).update(sha256="0" * 64),
        lambda document: document["manifest"]["files"].clear(),
        lambda document: document.update(seal="0" * 64),
        lambda document: document.update(added=1),
        lambda document: document.pop("max_length"),
    ],
)
def test_a_record_that_was_changed(own, nothing_loads, kind, edit):
    bundle = own(kind)
    edit_record(bundle, edit)
    with pytest.raises(SlmbenchError, match=r"bundle\.json was changed after it was sealed: copy the bundle again"):
        Classifier(bundle)


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.pop("manifest"),
        lambda document: document.pop("seal"),
        lambda document: document.update(manifest=None, seal=None),
    ],
)
def test_a_record_of_an_earlier_version(own, nothing_loads, edit):
    bundle = own("onnx")
    edit_record(bundle, edit)
    with pytest.raises(SlmbenchError, match=r"bundle\.json has no manifest: export it again"):
        Classifier(bundle)


def test_a_record_that_was_laid_out_anew_is_another_file(own, nothing_loads):
    """The seal is on bytes: checking it must not cost more than reading them."""
    bundle = own("onnx")
    path = bundle / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=1), encoding="utf-8")
    with pytest.raises(SlmbenchError, match=r"bundle\.json was changed after it was sealed"):
        Classifier(bundle)


def test_a_file_that_is_not_listed_is_not_loaded(own, nothing_loads):
    bundle = own("onnx")
    edit_record(bundle, lambda document: document["manifest"]["files"].pop("tokenizer.json"))
    seal_again(bundle)
    with pytest.raises(SlmbenchError, match=r"tokenizer\.json is not in the manifest of bundle\.json"):
        Classifier(bundle)


def test_what_a_form_does_not_need_does_not_stop_it(own):
    bundle = own("onnx")
    (bundle / "README.md").write_text("mine")
    (bundle / "onnx/model.onnx").unlink()
    assert Classifier(bundle, form="int8").predict("good")


@pytest.mark.parametrize("damage", [flip, truncate, delete])
@pytest.mark.parametrize(("kind", "file"), [*CASES, ("onnx", "README.md"), ("onnx", "tokenizer_config.json")])
def test_every_damaged_file_is_named(own, kind, file, damage):
    bundle = own(kind)
    damage(bundle / file)
    (sentence,) = BundleFiles.open(bundle).damaged()
    assert sentence.startswith(f"{bundle / file} ")
    assert DAMAGES[damage] in sentence


def test_all_damaged_files_are_named_and_those_that_came_later(own):
    bundle = own("onnx")
    flip(bundle / "tokenizer.json")
    delete(bundle / "config.json")
    (bundle / "onnx/extra.onnx").write_bytes(b"x")
    found = BundleFiles.open(bundle).damaged()
    assert found == [
        f"{bundle / 'config.json'} is missing",
        f"{bundle / 'onnx/extra.onnx'} is not in the manifest of bundle.json",
        f"{bundle / 'tokenizer.json'} is not the file that was exported (its SHA-256 differs)",
    ]
