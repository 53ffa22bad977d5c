"""A bundle that runs as it was found fastest on this machine, and what counts as not found."""

import json

import pytest
from learnable import reviews
from loaded_modules import HEAVY, modules_after

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import write_atomically
from slmbench.edge import Classifier, runtime
from slmbench.edge.runtime import BundleFiles
from slmbench.instruments.tuned import tuned_settings, tuning_path

TEXTS = [text for text, _ in reviews(["negative", "positive"], 60, seed=9)]
FOUND = {"form": "fp32", "provider": "cpu", "threads": 1}


@pytest.fixture
def keep(tiny_bundle, tmp_path, monkeypatch):
    """Keep a tuning of the tiny bundle, as given, in a cache folder of its own."""
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    seal = BundleFiles.open(tiny_bundle).seal

    def write(**changes):
        document = {"schema": "slmbench.tuning/1", "seal": seal, "chosen": FOUND, "batch_tokens": 200, **changes}
        write_atomically(tuning_path(seal), json.dumps(document))

    return write


@pytest.fixture
def loaded(monkeypatch):
    """Form, threads and provider of each backend that is loaded."""
    seen = []

    def load(files, *settings, **more):
        seen.append(settings)
        return original(files, *settings, **more)

    original = runtime.load_backend
    monkeypatch.setattr(runtime, "load_backend", load)
    return seen


def test_what_was_found_is_used(tiny_bundle, keep, loaded):
    keep()
    classifier = Classifier(tiny_bundle, **tuned_settings(tiny_bundle))
    assert loaded == [("fp32", 1, "cpu")]
    assert (classifier.form, classifier.batch_tokens) == ("fp32", 200)


def test_texts_are_run_in_the_batches_found(tiny_bundle, keep):
    keep(chosen={**FOUND, "form": "int8"})
    given, tuned = (
        Classifier(tiny_bundle, form="int8", threads=1),
        Classifier(tiny_bundle, **tuned_settings(tiny_bundle)),
    )
    alone, together = given.predict(TEXTS), given.predict(TEXTS, batch_tokens=200)
    # int8 answers a padded batch otherwise than the texts alone, so that it shows how they were run.
    assert alone != together
    assert tuned.predict(TEXTS) == list(tuned.stream(TEXTS)) == together
    assert tuned.predict(TEXTS, batch_tokens=0) == list(tuned.stream(TEXTS, batch_tokens=0)) == alone
    assert tuned.predict(TEXTS, batch_tokens=90) == given.predict(TEXTS, batch_tokens=90)


def test_one_text_at_a_time_where_that_was_found_faster(tiny_bundle, keep):
    keep(batch_tokens=None)
    classifier, texts = Classifier(tiny_bundle, **tuned_settings(tiny_bundle)), iter(TEXTS)
    next(classifier.stream(texts))
    assert (classifier.form, classifier.batch_tokens, list(texts)) == ("fp32", None, TEXTS[1:])


def test_a_provider_that_is_gone_is_an_error(tiny_bundle, keep, monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    keep(chosen={**FOUND, "provider": "cuda"})
    with pytest.raises(SlmbenchError, match="onnxruntime cannot use cuda here"):
        Classifier(tiny_bundle, **tuned_settings(tiny_bundle))


def test_a_tuning_is_not_looked_for_unless_asked_for(tiny_bundle, keep, loaded):
    keep()
    classifier = Classifier(tiny_bundle)
    assert loaded == [("int8", None, "cpu")]
    assert classifier.batch_tokens is None


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "slmbench.tuning/2"},
        {"seal": "0" * 64},
        {"chosen": None},
        {"chosen": {"form": "fp32", "provider": "cpu"}},
        {"chosen": {**FOUND, "threads": "many"}},
        {"batch_tokens": [200]},
    ],
    ids=["another version", "another bundle", "no setting", "half a setting", "no number", "no budget"],
)
def test_what_cannot_be_used_counts_as_none(tiny_bundle, keep, changes):
    keep(**changes)
    assert tuned_settings(tiny_bundle) == {}


@pytest.mark.parametrize("content", [None, "", "{", "[]", "\xff"])
def test_no_file_or_a_damaged_one_counts_as_none(tiny_bundle, keep, content):
    keep()
    path = tuning_path(BundleFiles.open(tiny_bundle).seal)
    if content is None:
        path.unlink()
    else:
        path.write_text(content, encoding="latin-1")
    assert tuned_settings(tiny_bundle) == {}


def test_another_machine_counts_as_none(tiny_bundle, keep, monkeypatch):
    keep()
    monkeypatch.setattr("slmbench.instruments.tuned.hardware_fingerprint", lambda: {"fingerprint": "another"})
    assert tuned_settings(tiny_bundle) == {}


def test_no_bundle_has_no_settings(tmp_path):
    assert tuned_settings(tmp_path) == tuned_settings(tmp_path / "gone") == {}


def test_a_tuned_classifier_loads_nothing_heavy(tiny_bundle, keep):
    keep()
    code = (
        "import sys\nfrom slmbench.edge import Classifier\nfrom slmbench.instruments.tuned import tuned_settings\n"
        "found = tuned_settings(sys.argv[1])\nClassifier(sys.argv[1], **found) if found else sys.exit(1)"
    )
    assert not modules_after(code, str(tiny_bundle)) & set(HEAVY)
