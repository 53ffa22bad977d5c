"""Sealed answers: written for accepted forms, listed in the manifest, carried into profiles without being read."""

import shutil

import numpy as np
import pytest
from learnable import write_reviews
from sealing import reseal

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import folder_bytes, sha256_of
from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus, sides
from slmbench.edge import Classifier
from slmbench.edge.runtime import SIGNATURE, BundleFiles
from slmbench.evaluation.verify import verify
from slmbench.export import bundling, export, sealing
from slmbench.export.sealing import seal_form, with_sealed_answers
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.profiling.carried_answers import carried_over
from slmbench.records import BundleRecord, read_record
from slmbench.records.ancestors import Ancestry
from slmbench.records.sealed_answers import carried_content, open_answers, seal_answers

MINIMUM = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The corpus, the run and the bundle of a TF-IDF baseline with 40 test rows and some 50 confirmation rows."""
    folder = tmp_path_factory.mktemp("sealed")
    path = write_reviews(folder / "reviews.csv", ["negative", "positive"], 600)
    with pytest.MonkeyPatch.context() as patch:
        for module in (sides, sealing):
            patch.setattr(module, "MIN_CONFIRMATION", MINIMUM)
        corpus = load_corpus(str(path), train_size=100, test_size=40)
        finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=folder / "run")
        export(folder / "run", output=folder / "bundle")
    return corpus, folder / "run", folder / "bundle"


def bundle_of(folder):
    return read_record(BundleRecord, folder / "bundle.json")


def carried(folder, form="fp32", computes_in=None):
    return carried_over(folder, bundle_of(folder), form, computes_in=computes_in)


def test_the_sealed_file_is_listed_and_known_by_its_digest(made):
    corpus, _, folder = made
    bundle = bundle_of(folder)
    sealed = bundle.forms["fp32"].confirmation
    assert sealed.reviews == len(corpus.confirmation) > MINIMUM
    assert sealed.rows_hash == sealed.confirmation_hash == corpus.identity().confirmation_hash
    assert sealed.digest == sha256_of(folder / sealed.file) == bundle.manifest.files[sealed.file].sha256
    assert verify(folder).damaged == []


def test_what_is_sealed_are_the_form_s_answers(made):
    corpus, _, folder = made
    content = (folder / bundle_of(folder).forms["fp32"].confirmation.file).read_bytes()
    answers = open_answers(content)
    assert (answers.row_ids, answers.truth) == (corpus.confirmation.row_ids, corpus.confirmation.labels)
    assert np.allclose(answers.probabilities, Classifier(folder).predict_proba(corpus.confirmation.texts), atol=1e-5)
    assert seal_answers(answers) == content


def test_an_app_need_not_carry_them(made):
    _, _, folder = made
    bundle, sealed = bundle_of(folder), folder / "confirmation"
    others = ("README.md", "bundle.json", "ancestors.npz")
    needed = folder_bytes(folder) - folder_bytes(sealed) - sum((folder / name).stat().st_size for name in others)
    assert folder_bytes(sealed) > 0 and bundle.shared_bytes + bundle.forms["fp32"].bytes == needed


def test_a_bundle_without_the_sealed_file_still_answers(made, tmp_path):
    folder = shutil.copytree(made[2], tmp_path / "bundle")
    shutil.rmtree(folder / "confirmation")
    assert BundleFiles.open(folder).form_path("fp32").is_file()
    answers, reason = carried(folder)
    assert answers is None and "fp32.sealed" in reason


def test_a_refused_form_and_a_corpus_without_them_have_none(made, tmp_path):
    form = bundle_of(made[2]).forms["fp32"].model_copy(update={"confirmation": None})
    refused = form.model_copy(update={"accepted": False})
    assert with_sealed_answers(refused, "fp32", None, made[0].confirmation, tmp_path, SILENT) is refused
    assert with_sealed_answers(form, "fp32", None, made[0].unlabelled, tmp_path, SILENT) is form
    assert not list(tmp_path.iterdir())


class Clock:
    """A backend under which time passes: so many seconds a review."""

    def __init__(self, seconds):
        self.now, self._seconds = 0.0, seconds

    def perf_counter(self):
        return self.now

    def encode(self, texts):
        return list(texts)

    def logits(self, items):
        self.now += self._seconds
        return np.array([[0.0, 1.0]])


@pytest.mark.parametrize(("seconds", "share"), [(0.001, 1.0), (4.0, 0.6), (1000.0, None)])
def test_slow_forms_answer_fewer_and_never_too_few(made, tmp_path, monkeypatch, seconds, share):
    corpus, _, folder = made
    clock, rows = Clock(seconds), corpus.confirmation
    monkeypatch.setattr(sealing, "time", clock)
    monkeypatch.setattr(sealing, "MIN_CONFIRMATION", MINIMUM)
    monkeypatch.setattr(sealing, "MAX_SECONDS", 4.0 * 0.6 * len(rows))
    form = bundle_of(folder).forms["fp32"]
    sealed = with_sealed_answers(form, "slow", clock, rows, tmp_path, SILENT).confirmation
    assert sealed.reviews == (MINIMUM if share is None else int(share * len(rows)))
    answered = open_answers((tmp_path / sealed.file).read_bytes())
    assert answered.row_ids == rows.row_ids[: sealed.reviews]
    assert (sealed.rows_hash == sealed.confirmation_hash) == (share == 1.0)


def test_a_profile_carries_the_bytes_unread(made, tmp_path):
    _, _, folder = made
    folder = shutil.copytree(folder, tmp_path / "bundle")
    file = folder / bundle_of(folder).forms["fp32"].confirmation.file
    file.write_bytes(b"whoever reads this fails")
    answers, reason = carried(folder)
    assert reason is None and answers.file is None
    # What was changed on the way is noticed when it is opened, not before.
    with pytest.raises(SlmbenchError):
        carried_content(answers)
    answers, _ = carried(made[2])
    assert carried_content(answers) == (made[2] / "confirmation" / "fp32.sealed").read_bytes()


def test_why_a_profile_has_none(made, tmp_path, tiny_bundle):
    assert "held-out pool" in carried(tiny_bundle, "int8").reason
    old = shutil.copytree(made[2], tmp_path / "old")
    reseal(old, lambda document: document["forms"]["fp32"].pop("confirmation"))
    assert "Pareto" in carried(old).reason
    reseal(old, lambda document: document["corpus"].pop("confirmation_hash"))
    assert "before" in carried(old).reason
    assert "not of cuda" in carried(made[2], computes_in="cuda").reason


def test_rows_that_shaped_an_ancestor_confirm_nothing(made, tmp_path, monkeypatch):
    corpus, run, _ = made
    touched = corpus.confirmation.row_ids[:7]
    known = bundling.recall

    def recalled(*args):
        return known(*args).joined(Ancestry.of("training", "another run", touched))

    monkeypatch.setattr(bundling, "recall", recalled)
    for module in (sides, sealing):
        monkeypatch.setattr(module, "MIN_CONFIRMATION", MINIMUM)
    export(run, output=tmp_path / "bundle")
    sealed = bundle_of(tmp_path / "bundle").forms["fp32"].confirmation
    assert open_answers((tmp_path / "bundle" / sealed.file).read_bytes()).row_ids == corpus.confirmation.row_ids[7:]


def test_a_split_without_some_texts(made):
    rows = made[0].test
    gone = {row_id.partition(":")[0] for row_id in rows.row_ids[::2]}
    assert rows.without(gone).texts == rows.texts[1::2]
    assert rows.without(gone, 3).labels == rows.labels[1::2][:3]
    assert rows.without(()) == rows


def test_a_form_that_was_not_asked_can_be_asked_later_and_says_the_same(made, tmp_path, monkeypatch):
    for module in (sides, sealing):
        monkeypatch.setattr(module, "MIN_CONFIRMATION", MINIMUM)
    folder, wanted = tmp_path / "bundle", bundle_of(made[2]).forms["fp32"].confirmation
    before = export(made[1], output=folder, seal=False)
    assert before.forms["fp32"].confirmation is None and not (folder / "confirmation").exists()
    assert "Pareto" in carried(folder).reason

    after = seal_form(folder, "fp32", SILENT)
    assert after == bundle_of(folder) and after.forms["fp32"].confirmation == wanted
    assert (after.key, after.created) == (before.key, before.created)
    assert verify(folder).damaged == [] and carried_content(carried(folder).answers)
    assert seal_form(folder, "fp32", SILENT) == after == export(made[1], output=folder)


def test_export_asks_what_was_not_asked_and_leaves_a_signed_bundle_as_it_is(made, tmp_path, monkeypatch):
    for module in (sides, sealing):
        monkeypatch.setattr(module, "MIN_CONFIRMATION", MINIMUM)
    export(made[1], output=tmp_path / "signed", seal=False)
    shutil.copytree(tmp_path / "signed", tmp_path / "plain")
    (tmp_path / "signed" / SIGNATURE).write_bytes(bytes(64))
    assert seal_form(tmp_path / "signed", "fp32", SILENT).forms["fp32"].confirmation is None
    assert (tmp_path / "signed" / SIGNATURE).exists()
    assert export(made[1], output=tmp_path / "plain").forms["fp32"].confirmation is not None
