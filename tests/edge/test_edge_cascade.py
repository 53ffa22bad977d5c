"""Two models in one bundle: who answers, in which order, and how little it takes to run."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from learnable import reviews
from loaded_modules import HEAVY, modules_after
from sealing import reseal

from slmbench.cascade import CascadeOptions, cascade
from slmbench.common.errors import SlmbenchError
from slmbench.edge import Classifier
from slmbench.edge.runtime import CascadeBackend, label_columns

TEXTS = [text for text, _ in reviews(["negative", "positive"], 60, seed=9)]
THRESHOLD = 0.9


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, floor_bundle, tiny_bundle):
    folder = tmp_path_factory.mktemp("cascades") / "floor-tiny"
    options = CascadeOptions(threshold=THRESHOLD, large_form="fp32")
    cascade(floor_bundle, tiny_bundle, options, output=folder)
    return folder


@pytest.fixture
def own(bundle, tmp_path):
    """A copy, to be changed."""
    return shutil.copytree(bundle, tmp_path / "own")


@pytest.fixture(scope="module")
def apart(floor_bundle, tiny_bundle):
    """What each member says of the texts: shape (texts, labels) each, and which the small one is sure of."""
    small, large = (Classifier(floor_bundle).predict_logits(TEXTS), Classifier(tiny_bundle, form="fp32"))
    sure = Classifier(floor_bundle).predict_proba(TEXTS).max(1) >= THRESHOLD
    return small, large.predict_logits(TEXTS), sure


def with_threshold(folder, threshold):
    description = json.loads((folder / "cascade.json").read_text())
    (folder / "cascade.json").write_text(json.dumps({**description, "threshold": threshold}))
    return CascadeBackend(folder / "cascade.json", ["negative", "positive"], None)


def test_the_large_model_answers_what_the_small_one_is_unsure_of(bundle, apart):
    small, large, sure = apart
    assert 0 < sure.sum() < len(TEXTS)
    found = Classifier(bundle).predict_logits(TEXTS)
    assert np.array_equal(found, np.where(sure[:, None], small, large))


@pytest.mark.parametrize("batch_tokens", [1, 60, 100_000])
def test_batches_give_the_same_answers_in_the_same_order(bundle, batch_tokens):
    classifier = Classifier(bundle)
    alone, together = classifier.predict(TEXTS), classifier.predict(TEXTS, batch_tokens=batch_tokens)
    assert [found.label for found in together] == [found.label for found in alone]
    assert [found.score for found in together] == pytest.approx([found.score for found in alone], abs=1e-5)
    assert classifier.predict([], batch_tokens=batch_tokens) == []


def test_lengths_are_those_of_the_small_model(bundle, floor_bundle):
    assert Classifier(bundle).token_lengths(TEXTS) == Classifier(floor_bundle).token_lengths(TEXTS)


def test_a_threshold_that_asks_always_and_one_that_asks_never(own, apart):
    small, large, _ = apart
    for threshold, wanted in ((1.01, large), (0.5, small)):
        backend = with_threshold(own, threshold)
        found = np.stack([backend.logits(backend.encode([text]))[0] for text in TEXTS])
        assert np.array_equal(found, wanted)


def test_the_small_model_is_believed_at_the_threshold_itself(own, apart):
    small, large, _ = apart
    exactly = float(Classifier(own / "small").predict_proba(TEXTS[:1]).max())
    kept, routed = (with_threshold(own, value) for value in (exactly, np.nextafter(exactly, 1)))
    assert np.array_equal(kept.logits(kept.encode(TEXTS[:1])), small[:1])
    assert np.array_equal(routed.logits(routed.encode(TEXTS[:1])), large[:1])


def test_labels_are_matched_by_name(own, apart):
    reseal(own, lambda document: document["labels"].reverse())
    small, large, sure = apart
    assert np.array_equal(Classifier(own).predict_logits(TEXTS), np.where(sure[:, None], small, large)[:, ::-1])
    assert label_columns(["b", "c", "a"], ["a", "b", "c"]) == [2, 0, 1]
    with pytest.raises(ValueError, match="different labels"):
        label_columns(["a", "b"], ["a", "c"])


def test_a_cascade_that_lost_a_member(own):
    shutil.rmtree(own / "large")
    with pytest.raises(SlmbenchError, match=r"large/bundle\.json is missing: copy the bundle again"):
        Classifier(own)
    reseal(own)
    with pytest.raises(SlmbenchError, match=r"cascade\.json is missing or damaged: 'folder' .*large"):
        Classifier(own)


@pytest.mark.parametrize(
    "written", ["{}", "[]", "no JSON", '{"threshold": "high"}', '{"threshold": 0.9, "small": 1}']
)
def test_a_description_that_says_nothing(own, written):
    (own / "cascade.json").write_text(written)
    with pytest.raises(SlmbenchError, match="is missing or damaged: make the cascade again"):
        CascadeBackend(own / "cascade.json", ["negative", "positive"], None)


def test_members_of_other_labels(own):
    with pytest.raises(SlmbenchError, match="has other labels than the cascade"):
        CascadeBackend(own / "cascade.json", ["bad", "good"], None)


def test_one_cascade_in_several_threads(bundle):
    classifier = Classifier(bundle)
    alone = classifier.predict(TEXTS)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: classifier.predict(TEXTS), range(16))) == [alone] * 16


def test_classifying_needs_no_more_than_its_members(bundle):
    code = "import sys; from slmbench.edge import Classifier; print(Classifier(sys.argv[1]).predict(['a good film']))"
    loaded = modules_after(code, str(bundle))
    assert not loaded & {*HEAVY, "psutil"}
    assert "onnxruntime" in loaded
