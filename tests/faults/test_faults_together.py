"""Two commands on one thing at the same time: whole results or one sentence, whoever comes in between."""

import shutil
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from faults_helpers import leftovers, run, whole_records
from sealing import reseal

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import build_aside
from slmbench.common.progress import SILENT, Silent
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.edge.runtime import BundleFiles
from slmbench.evaluation.subject import open_subject
from slmbench.export import bundling, export
from slmbench.methods.runs import run_folder
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.profiling import bundle_cells
from slmbench.records import artefacts
from slmbench.scoring.predicting import predict_files


def exporting(run, corpus, output, progress):
    return export(run, output=output, progress=progress)


def finetuning(run, corpus, output, progress):
    options = TrainingOptions(method="tfidf")
    return finetune("tfidf", load_corpus(str(corpus)), options, output=output, progress=progress)


@pytest.mark.parametrize(
    ("make", "module", "step"), [(exporting, bundling, "load_again"), (finetuning, run_folder, "ancestry_of")]
)
def test_the_second_takes_what_the_first_has_made(
    floor_run, small_corpus_file, tmp_path, monkeypatch, make, module, step
):
    """The second begins while the first is at work, and the first goes on when the second waits."""
    begun, waited = threading.Event(), threading.Event()
    usual, made, said = getattr(module, step), {}, {"first": [], "second": []}

    def meeting(*args, **options):
        if threading.current_thread().name == "first":
            begun.set()
            assert waited.wait(60)
        return usual(*args, **options)

    class Ears(Silent):
        def say(self, text):
            said[threading.current_thread().name].append(text)
            if "waiting for another slmbench" in text:
                waited.set()

    def work():
        name = threading.current_thread().name
        made[name] = make(floor_run, small_corpus_file, tmp_path / "made", Ears())

    monkeypatch.setattr(module, step, meeting)
    first, second = (threading.Thread(target=work, name=name) for name in ("first", "second"))
    first.start()
    assert begun.wait(60)
    second.start()
    for thread in (first, second):
        thread.join(60)
    kept = artefacts.open(tmp_path / "made")
    assert [(made[name].key, made[name].created) for name in said] == [(kept.key, kept.created)] * 2
    assert [any("made from the same" in text for text in said[name]) for name in said] == [False, True]
    assert list(whole_records(tmp_path)) == [f"made/{made['first'].file}"]
    assert leftovers(tmp_path) == []


@pytest.fixture
def bundle(floor_bundle, tmp_path):
    """A bundle that is exported again, with other weights, by calling ``again``."""
    folder, other = tmp_path / "bundle", tmp_path / "other"
    for place in (folder, other):
        shutil.copytree(floor_bundle, place)
    with np.load(other / "tfidf.npz") as arrays:
        np.savez(other / "tfidf.npz", **{**arrays, "intercept": arrays["intercept"] + 1})
    reseal(other)

    def again():
        with build_aside(folder) as building:
            shutil.copytree(other, building, dirs_exist_ok=True)

    return folder, again


def before(again, usual):
    def changed(*args, **options):
        again()
        return usual(*args, **options)

    return changed


def after(again, usual):
    def changed(*args, **options):
        found = usual(*args, **options)
        again()
        return found

    return changed


@pytest.mark.parametrize(("when", "fact"), [(before, "copy the bundle again"), (after, "exported again")])
def test_a_bundle_that_is_exported_again_while_it_is_loaded(bundle, monkeypatch, when, fact):
    folder, again = bundle
    monkeypatch.setattr(BundleFiles, "form_path", when(again, BundleFiles.form_path))
    with pytest.raises(SlmbenchError, match=fact):
        Classifier(folder)
    monkeypatch.undo()
    assert Classifier(folder).predict("good")


def test_what_is_loaded_goes_on_answering(bundle):
    folder, again = bundle
    classifier = Classifier(folder)
    alone = classifier.predict("good")
    again()
    assert classifier.predict("good") == alone != Classifier(folder).predict("good")


def test_shards_are_answered_by_one_bundle(bundle, small_corpus_file, tmp_path):
    folder, again = bundle

    class Planned(Silent):
        @contextmanager
        def task(self, description, total=None, unit=""):
            if description.startswith("classifying"):
                again()
            with SILENT.task(description) as task:
                yield task

    with pytest.raises(SlmbenchError, match="exported again"):
        predict_files(folder, small_corpus_file, tmp_path / "labels", workers=1, shard_rows=50, progress=Planned())
    assert not (tmp_path / "labels/answers").exists()
    with pytest.raises(UsageError, match="another bundle"):
        predict_files(folder, small_corpus_file, tmp_path / "labels", workers=1, shard_rows=50)


def test_a_profile_is_of_one_bundle(bundle, monkeypatch, tmp_path):
    folder, again = bundle
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bundle_cells, "choose_workload", after(again, bundle_cells.choose_workload))
    result = run("profile", str(folder), "--form", "fp32", "--processes", "1", "--time-limit", "0.1")
    assert result.exit_code == 1
    assert "exported again" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("profiles/*.json"))


def test_an_evaluation_is_of_one_bundle(bundle):
    folder, again = bundle
    subject = open_subject(folder)
    again()
    with pytest.raises(SlmbenchError, match="exported again"):
        subject.load()
