"""What shaped a run is kept with it, and nothing is tested on it."""

import json
import shutil

import numpy as np
import pytest
from learnable import write_reviews
from tiny import masked_lm_folder

from slmbench.cascade import CascadeOptions, cascade
from slmbench.common.errors import SlmbenchError
from slmbench.corpora import load_corpus
from slmbench.evaluation import evaluate
from slmbench.export import export
from slmbench.methods.runs.ancestry import recall
from slmbench.methods.training import MlmOptions, TrainingOptions, adapt, finetune
from slmbench.records import BundleRecord, CheckpointRecord, RunRecord, artefacts
from slmbench.records.ancestors import FILE, Ancestor, Ancestry, unknown_owners

QUICK = {"epochs": 1, "max_length": 32, "precision": "fp32", "device": "cpu", "batch_size": 8, "learning_rate": 5e-3}


@pytest.fixture(autouse=True)
def _own_places(monkeypatch, tmp_path):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def other_file(tmp_path_factory):
    """A CSV of 60 reviews that are in no other file."""
    return write_reviews(tmp_path_factory.mktemp("other") / "other.csv", ["negative", "positive"], 60, seed=99)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory, small_corpus_file, other_file, tiny_base):
    """The folder of a run trained on all reviews of the small corpus, because it is tested on another."""
    corpus = load_corpus(str(small_corpus_file), test_corpus=str(other_file))
    folder = tmp_path_factory.mktemp("leaky") / "knows-all"
    finetune(str(tiny_base), corpus, TrainingOptions(**QUICK), output=folder)
    return folder


def ids_of(*splits):
    return {row_id.partition(":")[0] for split in splits for row_id in split.row_ids}


def test_a_run_keeps_its_own_rows_in_eight_bytes_each(tiny_run):
    record = artefacts.read(tiny_run, RunRecord)
    corpus = load_corpus(**record.corpus.options)
    kept = recall(tiny_run, record)
    assert kept.text_ids() == ids_of(corpus.train, corpus.validation)
    assert [(fact.what, fact.rows, fact.tested) for fact in kept.facts if not fact.through] == [
        ("training", len(corpus.train), 0),
        ("validation", len(corpus.validation), 0),
    ]
    assert unknown_owners(record.ancestors) == [record.model]
    size = (tiny_run / FILE).stat().st_size
    assert 8 * 204 <= size <= 8 * 204 + 1000


def test_a_baseline_without_a_base_has_no_unknown_rows(floor_run):
    assert unknown_owners(artefacts.read(floor_run, RunRecord).ancestors) == []


def test_a_teacher_that_was_trained_on_the_students_test_rows_is_refused(
    leaky, tiny_base, small_corpus_file, tmp_path
):
    corpus = load_corpus(str(small_corpus_file), train_size=40, unlabelled_size=20)
    known = artefacts.read(leaky, RunRecord)
    in_training = ids_of(corpus.test) & recall(leaky, known).text_ids()
    assert len(in_training) == len(corpus.test)  # all reviews of the file were trained or validated on
    with pytest.raises(SlmbenchError, match="teacher knows-all") as refused:
        finetune(str(tiny_base), corpus, TrainingOptions(**QUICK, teacher=str(leaky)), output=tmp_path / "student")
    assert not (tmp_path / "student").exists()
    numbers = [int(word) for word in str(refused.value).replace(",", "").split() if word.isdigit()]
    assert numbers[0] == len(corpus.test) == sum(numbers[1:3])


def test_a_teacher_of_the_same_split_is_not(tiny_run, tiny_base, small_corpus_file, tmp_path):
    corpus = load_corpus(str(small_corpus_file), train_size=40, unlabelled_size=20)
    options = TrainingOptions(**QUICK, teacher=str(tiny_run))
    record = finetune(str(tiny_base), corpus, options, output=tmp_path / "student")
    teacher = [fact for fact in record.ancestors if fact.through == ["teacher"]]
    assert {(fact.what, fact.of) for fact in teacher} == {
        ("training", "tiny-bert-full"),
        ("validation", "tiny-bert-full"),
    }
    assert [fact.rows for fact in record.ancestors if fact.what == "unlabelled"] == [20]
    # The teacher's base is followed too.
    assert any(fact.through == ["teacher", "base"] and fact.rows is None for fact in record.ancestors)


def test_bases_are_followed_over_generations(leaky, other_file, small_corpus_file, tmp_path):
    elsewhere = load_corpus(str(other_file))
    between = finetune(str(leaky / "model"), elsewhere, TrainingOptions(**QUICK), output=tmp_path / "between")
    assert any(fact.through == ["base"] and fact.of == "knows-all" for fact in between.ancestors)
    corpus = load_corpus(str(small_corpus_file), train_size=40)
    with pytest.raises(SlmbenchError, match="the base of its base knows-all"):
        finetune(str(tmp_path / "between"), corpus, TrainingOptions(**QUICK), output=tmp_path / "late")


def test_an_adaptation_that_read_the_test_rows_is_refused(small_corpus_file, tmp_path):
    base = masked_lm_folder(tmp_path / "mlm")
    options = MlmOptions(max_reviews="all", epochs=1, max_length=32, batch_size=8, precision="fp32", device="cpu")
    record = adapt(str(base), str(small_corpus_file), options, output=tmp_path / "adapted")
    assert [(fact.what, fact.rows) for fact in record.ancestors if not fact.through] == [
        ("adaptation", record.corpus.reviews)
    ]
    usual = load_corpus(str(small_corpus_file), train_size=40)
    made = finetune(str(tmp_path / "adapted"), usual, TrainingOptions(**QUICK), output=tmp_path / "fine")
    assert any(fact.what == "adaptation" and fact.through == ["base"] for fact in made.ancestors)
    # With another share, reviews are tested that the adaptation read.
    other = load_corpus(str(small_corpus_file), train_size=40, test_share=0.5)
    with pytest.raises(SlmbenchError, match="adaptation rows of its base adapted"):
        finetune(str(tmp_path / "adapted"), other, TrainingOptions(**QUICK), output=tmp_path / "leaky")
    same = adapt(
        str(base), str(small_corpus_file), options, reading={"test_share": 0.5}, output=tmp_path / "same-share"
    )
    assert same.corpus.options["test_share"] == 0.5
    finetune(str(tmp_path / "same-share"), other, TrainingOptions(**QUICK), output=tmp_path / "sound")
    # Of a checkpoint from before ancestors were kept, the reviews are read again.
    (tmp_path / "adapted" / FILE).unlink()
    again = recall(tmp_path / "adapted", artefacts.read(tmp_path / "adapted", CheckpointRecord))
    assert again.facts[0].rows == record.corpus.reviews


def test_evaluation_leaves_out_what_a_teacher_was_trained_on(tiny_base, tiny_run, small_corpus_file, tmp_path):
    file = tmp_path / "reviews.csv"
    shutil.copy(small_corpus_file, file)
    corpus = load_corpus(str(file), train_size=40)
    student = TrainingOptions(**QUICK, teacher=str(tiny_run))
    record = finetune(str(tiny_base), corpus, student, output=tmp_path / "student")
    file.unlink()  # its rows are known without it
    scored = evaluate(tmp_path / "student", str(small_corpus_file))
    teacher = recall(tiny_run, artefacts.read(tiny_run, RunRecord)).text_ids()
    assert scored.training_rows_left_out == len(teacher | ids_of(corpus.train, corpus.validation)) > 40
    assert set(scored.predictions.row_ids) == set(record.predictions.row_ids)
    assert any(record.model in note for note in scored.notes)


def test_a_bundle_carries_them_beside_its_calibration_rows(tiny_run, tiny_bundle, tmp_path):
    run, bundle = artefacts.read(tiny_run, RunRecord), artefacts.read(tiny_bundle, BundleRecord)
    assert bundle.ancestors == run.ancestors
    assert recall(tiny_bundle, bundle).text_ids() == recall(tiny_run, run).text_ids()
    assert FILE in bundle.manifest.files
    static = export(tiny_run, forms=["int8-static"], max_accuracy_drop=1, output=tmp_path / "static")
    (calibration,) = [fact for fact in static.ancestors if fact.what == "calibration"]
    assert calibration.rows > 0
    # It is not part of what a device has to carry.
    files = sum(entry.bytes for name, entry in bundle.manifest.files.items() if name not in (FILE, "README.md"))
    assert bundle.shared_bytes + sum(form.bytes for form in bundle.forms.values()) == files


def test_a_cascade_has_those_of_its_members_and_its_threshold(floor_run, tiny_run, small_corpus_file, tmp_path):
    weak = finetune(
        "tfidf",
        load_corpus(str(small_corpus_file), train_size=18),
        TrainingOptions(method="tfidf"),
        output=tmp_path / "weak",
    )
    strong = finetune(
        "tfidf",
        load_corpus(str(small_corpus_file), train_size=60),
        TrainingOptions(method="tfidf"),
        output=tmp_path / "strong",
    )
    record = cascade(tmp_path / "weak", tmp_path / "strong", output=tmp_path / "both")
    used = {(fact.what, *fact.through) for fact in record.ancestors}
    assert {("training", "small member"), ("training", "large member"), ("threshold",)} <= used
    (threshold,) = [fact for fact in record.ancestors if fact.what == "threshold"]
    assert threshold.rows == len(record.cascade.validation.routing.row_ids)
    fixed = cascade(tmp_path / "weak", tmp_path / "strong", CascadeOptions(threshold=0.7), output=tmp_path / "fixed")
    assert not any(fact.what == "threshold" for fact in fixed.ancestors)
    assert weak.name != strong.name

    # A member from before the check, which knows a test row.
    leak = Ancestry.of("training", "old", strong.predictions.row_ids[:3]).through("teacher")
    known = recall(tmp_path / "strong", strong).joined(leak)
    known.save(tmp_path / "strong")
    document = json.loads((tmp_path / "strong/run.json").read_text())
    document["ancestors"] = [fact.model_dump() for fact in known.facts]
    (tmp_path / "strong/run.json").write_text(json.dumps(document))
    with pytest.raises(SlmbenchError, match="3 of the training rows of the teacher of its large member old"):
        cascade(tmp_path / "weak", tmp_path / "strong", output=tmp_path / "refused")
    with pytest.raises(SlmbenchError, match="3 of the training rows"):
        export(tmp_path / "strong", output=tmp_path / "bundle")


def test_of_a_run_from_before_its_own_rows_are_read_again(tiny_run, tmp_path):
    known = recall(tiny_run, artefacts.read(tiny_run, RunRecord))
    shutil.copytree(tiny_run, tmp_path / "old")
    document = json.loads((tmp_path / "old/run.json").read_text())
    document.pop("ancestors")
    (tmp_path / "old/run.json").write_text(json.dumps(document))
    (tmp_path / "old" / FILE).unlink()
    old = artefacts.read(tmp_path / "old", RunRecord)
    assert recall(tmp_path / "old", old).text_ids() == known.text_ids()
    assert unknown_owners(recall(tmp_path / "old", old).facts) == [old.model]
    document["corpus"]["options"]["name_or_path"] = str(tmp_path / "gone.csv")
    (tmp_path / "old/run.json").write_text(json.dumps(document))
    old = artefacts.read(tmp_path / "old", RunRecord)
    assert unknown_owners(recall(tmp_path / "old", old).facts) == [old.name, old.model]


def test_a_teacher_of_unknown_training_reviews_qualifies_the_student(
    tiny_run, tiny_base, small_corpus_file, tmp_path
):
    shutil.copytree(tiny_run, tmp_path / "old")
    (tmp_path / "old" / FILE).unlink()
    document = json.loads((tmp_path / "old/run.json").read_text())
    document["corpus"]["options"]["name_or_path"] = str(tmp_path / "gone.csv")
    (tmp_path / "old/run.json").write_text(json.dumps(document))
    corpus = load_corpus(str(small_corpus_file), train_size=40)
    notes = [
        finetune(str(tiny_base), corpus, TrainingOptions(**QUICK, teacher=str(teacher)), output=tmp_path / name).notes
        for teacher, name in ((tmp_path / "old", "unsure"), (tiny_run, "sure"))
    ]
    assert any("unknown" in note and "tiny-bert-full" in note for note in notes[0])
    assert not any("unknown" in note for note in notes[1])


def test_own_test_rows_that_shaped_it_are_not_scored(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "leak")
    document = json.loads((tmp_path / "leak/run.json").read_text())
    document["ancestors"][0]["tested"] = 17
    (tmp_path / "leak/run.json").write_text(json.dumps(document))
    with pytest.raises(SlmbenchError, match="17 of the training rows"):
        evaluate(tmp_path / "leak")
    assert not (tmp_path / "evaluations").exists()


def test_a_damaged_file_is_named(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    record = artefacts.read(tmp_path / "run", RunRecord)
    (tmp_path / "run" / FILE).write_bytes(b"PK nothing")
    with pytest.raises(SlmbenchError, match=FILE):
        recall(tmp_path / "run", record)
    Ancestry.of("training", "other", ["0" * 16 + ":a"]).save(tmp_path / "run")
    with pytest.raises(SlmbenchError, match=FILE):
        recall(tmp_path / "run", record)


def test_counting_and_saving(tmp_path):
    rows = [f"{number:016x}:a" for number in (5, 3, 2**64 - 1, 3)]
    one = Ancestry.of("training", "one", rows).joined(Ancestry.of("training", "hub", None).through("base"))
    assert [fact.rows for fact in one.facts] == [3, None]
    counted = one.tested_on([f"{3:016x}:b", f"{4:016x}:b", f"{2**64 - 1:016x}"])
    assert [fact.tested for fact in counted.facts] == [2, 0]
    counted.save(tmp_path)
    again = Ancestry.load(tmp_path, counted.facts)
    np.testing.assert_array_equal(again.all_ids(), np.array([3, 5, 2**64 - 1], dtype=np.uint64))
    fact = Ancestor(what="training", of="x", through=["teacher", "base"], rows=1)
    assert fact.owner == "the base of its teacher x"
