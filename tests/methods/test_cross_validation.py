"""Cross-validation: every review is tested once, by a run that has not seen it."""

import json

import numpy as np
import pytest
from learnable import write_reviews
from listener import Listener
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_again, load_corpus
from slmbench.methods.cross_validation import cross_validate
from slmbench.methods.known_methods import method_of
from slmbench.methods.runs.ancestry import recall
from slmbench.records import CrossValidationRecord, RunRecord, artefacts


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A CSV of 42 reviews, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return str(write_reviews(tmp_path / "few.csv", ["negative", "positive"], 42, seed=5))


def tfidf(corpus, **options):
    method = method_of("finetune", "tfidf")
    return cross_validate(method, "tfidf", corpus, method.choose({}), **options)


def test_every_review_is_tested_once_by_a_run_that_did_not_see_it(few, tmp_path):
    record = tfidf(few, folds=6)
    assert len(record.predictions.row_ids) == len(set(record.predictions.row_ids)) == 42
    assert [fold.test_reviews for fold in record.folds] == [7] * 6
    seen = []
    for fold in record.folds:
        run = artefacts.read(fold.run, RunRecord)
        assert run.key == fold.key
        assert fold.accuracy == run.test.accuracy
        tested = {row_id.partition(":")[0] for row_id in run.predictions.row_ids}
        assert not tested & recall(tmp_path / fold.run, run).text_ids()
        seen += run.predictions.row_ids
        assert load_again(run.corpus.options, run.corpus.test_hash).test.row_ids == run.predictions.row_ids
    assert seen == record.predictions.row_ids
    right = sum(fold.accuracy * fold.test_reviews for fold in record.folds)
    assert record.accuracy == pytest.approx(right / 42)
    low, high = record.accuracy_ci95
    assert low < record.accuracy < high or record.accuracy == high == 1
    assert artefacts.open(record.path).to_json() == record.to_json()
    assert isinstance(artefacts.open(record.path), CrossValidationRecord)


def test_what_is_there_is_not_made_again(few):
    first = tfidf(few, folds=3)
    listener = Listener()
    assert tfidf(few, folds=3, progress=listener).to_json() == first.to_json()
    assert any("up to date" in said for said in listener.said)
    assert tfidf(few, folds=4).path != first.path


def test_an_interrupted_one_goes_on(few, monkeypatch):
    from slmbench.methods import cross_validation

    made = []
    make = cross_validation.make_run

    def stop_at_the_third(*args, **more):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(make(*args, **more))
        return made[-1]

    monkeypatch.setattr(cross_validation, "make_run", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        tfidf(few, folds=3)
    monkeypatch.setattr(cross_validation, "make_run", make)
    record = tfidf(few, folds=3)
    created = [artefacts.read(fold.run, RunRecord) for fold in record.folds]
    assert [run.to_json() for run in created[:2]] == [run.to_json() for run in made]


def test_reviews_without_an_answer_keep_their_places():
    from factories import predictions

    from slmbench.methods.cross_validation import _together

    parts = [
        predictions(reviews=5, corpus=name).model_copy(update={"abstained": abstained})
        for name, abstained in (("a", [4]), ("b", []), ("c", [0, 2]))
    ]
    joined = _together(parts)
    assert joined.abstained == [4, 10, 12]
    np.testing.assert_array_equal(joined.right(), np.concatenate([part.right() for part in parts]))


def test_a_corpus_with_test_rows_is_refused(few, tmp_path):
    other = str(write_reviews(tmp_path / "other.csv", ["negative", "positive"], 30, seed=8))
    with pytest.raises(UsageError, match="--folds"):
        tfidf(few, reading={"test_corpus": other})


def test_a_label_of_one_review_is_trained_on_in_every_fold(few, tmp_path):
    with open(few, "a") as file:
        file.write("the only one of its kind,neutral\n")
    folds = [load_corpus(few, folds=3, fold=fold, validation_fraction=0) for fold in (1, 2, 3)]
    assert all("the only one of its kind" in corpus.train.texts for corpus in folds)


def test_the_command_prints_one_record_and_names_what_to_ship(few):
    runner = CliRunner()
    arguments = ["finetune", "--method", "tfidf", "--corpus", few, "--folds", "3"]
    result = runner.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["schema"] == "slmbench.cross_validation/1"
    assert document["evaluation"]["reviews"] == 42
    assert len(document["folds"]) == 3
    low, high = document["accuracy_ci95"]
    shown = runner.invoke(app, arguments).stdout
    assert f"{100 * low:.1f}–{100 * high:.1f}" in shown
    assert "--folds" in shown


@pytest.mark.parametrize("folds", ["1", "0", "many"])
def test_too_few_folds_are_bad_usage(few, folds):
    result = CliRunner().invoke(app, ["finetune", "--method", "tfidf", "--corpus", few, "--folds", folds])
    assert result.exit_code == 2


def test_folds_and_seeds_are_not_both(few):
    result = CliRunner().invoke(
        app, ["fewshot", "--model", "bert-tiny", "--method", "probe", "--corpus", few, "--folds", "3", "--seeds", "2"]
    )
    assert result.exit_code == 2
    assert "--seeds" in result.output


def test_more_folds_than_reviews_of_a_label_fail_in_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny = str(write_reviews(tmp_path / "tiny.csv", ["negative", "positive"], 4))
    with pytest.raises(SlmbenchError):
        tfidf(tiny, folds=5)
