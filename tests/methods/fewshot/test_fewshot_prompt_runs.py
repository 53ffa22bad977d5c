"""Prompted runs from corpus to record."""

import csv
import json
import shutil

import numpy as np
import pytest

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus
from slmbench.methods.declarations.fewshot import PROMPT
from slmbench.methods.fewshot import fewshot
from slmbench.models import find_model
from slmbench.models.model_files import find_language_model
from slmbench.records import RunRecord, read_record

LABELS = ["negative", "positive"]


def ask(model, corpus, folder, seed=42, **options):
    chosen = PROMPT.choose({"device": "cpu", **options}, seed=seed)
    return fewshot(str(model), corpus, chosen, output=folder / "run")


@pytest.fixture
def canned(monkeypatch):
    """``canned(texts)``: what the model writes, whatever it is asked; returns what it was asked with."""

    def answer(texts):
        asked = []

        def generate(loaded, prompts, new_tokens, progress):
            asked.append((prompts, new_tokens))
            return [texts[row % len(texts)] for row in range(len(prompts))]

        monkeypatch.setattr("slmbench.methods.fewshot.prompting.answers.generate_answers", generate)
        return asked

    return answer


def test_a_taught_model_is_right_by_likelihood(taught_lm, lm_corpus, tmp_path):
    run = ask(taught_lm, lm_corpus, tmp_path)
    assert run.test.accuracy > 0.8 > run.test.majority_baseline
    assert (run.method, run.shots, run.architecture) == ("prompt", 0, "llama")
    assert (run.trainable_parameters, run.train.epochs) == (0, 0)
    assert run.answering.seconds > 0
    assert run.answering.reviews_per_second == pytest.approx(24 / run.answering.seconds)
    assert run.hyperparameters["answer_by"] == "likelihood"
    assert run.details["scored_by"] == "first token"
    assert run.details["prompt"].endswith("Review: {text}\nCategory:")
    assert read_record(RunRecord, tmp_path / "run" / "run.json").predictions == run.predictions
    assert np.load(tmp_path / "run" / "test_logits.npy").shape == (24, 2)


def test_a_taught_model_writes_what_it_holds_likely(taught_lm, lm_corpus, tmp_path):
    likely = ask(taught_lm, lm_corpus, tmp_path / "a")
    written = ask(taught_lm, lm_corpus, tmp_path / "b", answer_by="generate")
    assert written.details["unparsable"] == 0
    assert set(written.details["answers"]) == {" negative", " positive"}
    np.testing.assert_array_equal(written.predictions.predicted(), likely.predictions.predicted())
    assert set(np.ravel(written.predictions.probabilities)) == {0.0, 1.0}
    assert any("ROC AUC and top-k" in note for note in written.notes)
    assert not written.has_model


def test_the_same_inputs_are_not_asked_twice(taught_lm, lm_corpus, tmp_path, monkeypatch):
    first = ask(taught_lm, lm_corpus, tmp_path)
    monkeypatch.setattr("slmbench.methods.fewshot.prompt.load_language_model", None)
    assert ask(taught_lm, lm_corpus, tmp_path).created == first.created
    with pytest.raises(TypeError):
        ask(taught_lm, lm_corpus, tmp_path, answer_by="calibrated")


def test_calibration_takes_the_prompts_own_leaning_away(taught_lm, lm_corpus, tmp_path):
    plain = ask(taught_lm, lm_corpus, tmp_path / "a")
    run = ask(taught_lm, lm_corpus, tmp_path / "b", answer_by="calibrated")
    without = run.details["content_free"]
    assert list(without) == ["N/A", "", "[MASK]"]
    np.testing.assert_allclose(np.sum(list(without.values()), axis=1), 1, atol=1e-5)
    shift = np.log(np.mean(list(without.values()), axis=0))
    logits = [np.load(tmp_path / side / "run" / "test_logits.npy") for side in "ab"]
    np.testing.assert_allclose(logits[0] - shift, logits[1], atol=1e-3)
    assert plain.key != run.key


def test_demonstrations_come_from_the_training_rows_and_change_with_the_seed(taught_lm, lm_corpus, tmp_path):
    runs = [ask(taught_lm, lm_corpus, tmp_path / str(seed), shots=2, seed=seed, max_length=20) for seed in (1, 2)]
    rows = [run.details["demonstrations"]["row_ids"] for run in runs]
    assert [len(ids) for ids in rows] == [4, 4]
    assert set(rows[0]) != set(rows[1])
    assert {*rows[0], *rows[1]} <= {*lm_corpus.train.row_ids, *lm_corpus.validation.row_ids}
    assert runs[0].details["prompt"].count("Category: positive\n\n") == 2
    assert runs[0].shots == 2


def test_cut_reviews_are_counted(taught_lm, lm_corpus, tmp_path):
    run = ask(taught_lm, lm_corpus, tmp_path, max_length=9)
    assert any(note.endswith("reviews were cut to 9 tokens") for note in run.notes)
    assert run.details["review_tokens"] == 9


def test_several_words_a_label_are_scored_whole(taught_lm, lm_corpus, tmp_path):
    words = {"negative": ("awful film", "negative"), "positive": ("positive", "great plot")}
    run = ask(taught_lm, lm_corpus, tmp_path, words=words)
    assert run.details["scored_by"] == "whole words"
    assert run.details["words"]["positive"] == ["positive", "great plot"]
    assert run.test.accuracy > 0.8


def test_an_encoder_decoder_is_asked_the_same_way(tiny_lm, lm_corpus, tmp_path):
    run = ask(tiny_lm("t5"), lm_corpus, tmp_path / "a", answer_by="calibrated", shots=1)
    assert run.architecture == "t5"
    assert run.details["scored_by"] == "whole words"
    assert not run.has_model
    written = ask(tiny_lm("t5"), lm_corpus, tmp_path / "b", answer_by="generate", max_new_tokens=4)
    assert len(written.details["answers"]) == 24
    # A random model writes no label: every answer is counted, none is dropped.
    assert written.details["unparsable"] == len(written.predictions.abstained) == 24
    assert written.test.accuracy == 0
    assert written.details["unparsable_examples"] == written.details["answers"][:5]


def test_study_003_sentiment(taught_lm, tiny_lm, lm_corpus, tmp_path, canned):
    asked = canned(["negative", "positive", "Positive.", "no idea"])
    run = ask(taught_lm, lm_corpus, tmp_path / "a", protocol="study-003-sentiment")
    truth = np.array(run.predictions.truth)
    strict = [LABELS.index("negative"), LABELS.index("positive"), -1, -1] * 6
    np.testing.assert_array_equal(run.predictions.predicted(), strict)
    assert run.test.accuracy == np.mean(truth == strict)
    assert run.test.abstained == run.details["unparsable"] == 12
    assert run.details["unparsable_examples"] == ["Positive.", "no idea", "Positive.", "no idea", "Positive."]
    tolerant = np.array([0, 1, 1, -1] * 6)
    assert run.details["tolerant"] == {"accuracy": np.mean(truth == tolerant), "unparsable": 6}
    assert run.hyperparameters["answer_by"] == "generate"
    assert "top_k" not in run.details
    assert asked[0][1] == 20
    # T5's limit of 20 counts the token its decoder begins with.
    ask(tiny_lm("t5"), lm_corpus, tmp_path / "b", protocol="study-003-sentiment")
    assert asked[1][1] == 19


@pytest.fixture
def categories(tmp_path):
    """A corpus of four product categories."""
    names = ["Books", "Music", "Video", "Shoes"]
    with (tmp_path / "goods.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([f"number {row} is a fine thing", names[row % 4]] for row in range(160))
    return load_corpus(str(tmp_path / "goods.csv"), train_size=16, test_size=20, labels=names)


def test_study_003_categories(taught_lm, categories, tmp_path, canned):
    said = ["Books", "Output: Music, Books", "shoes", "Video, Books, Music"]
    canned(said)
    run = ask(taught_lm, categories, tmp_path, protocol="study-003-category-t5-top3")
    truth = np.array(run.predictions.truth)
    lists = [[[0], [1, 0], [-1], [2, 0, 1]][row % 4] for row in range(20)]
    np.testing.assert_array_equal(run.predictions.predicted(), [one[0] for one in lists])
    assert run.test.abstained == 5
    for k in (1, 2, 3):
        fair = np.mean([true in one[:k] for one, true in zip(lists, truth, strict=True)])
        study = np.mean([len(one) >= k and true in one[:k] for one, true in zip(lists, truth, strict=True)])
        assert run.details["top_k"]["fair"][k] == fair
        assert run.details["top_k"]["study"][k] == study
    again = json.loads((tmp_path / "run" / "run.json").read_text())
    assert again["details"]["top_k"]["fair"]["1"] == run.test.accuracy
    assert any("own example answers Electronics, Sports" in note for note in run.notes)


def test_a_studys_prompt_can_be_ranked_by_likelihood(taught_lm, categories, tmp_path):
    run = ask(taught_lm, categories, tmp_path, protocol="study-003-category-t5", answer_by="likelihood")
    assert set(run.test.top_k) == {1, 2, 3}
    assert run.details["prompt"].startswith("Please perform classification task.")


def test_chat_needs_a_template(taught_lm, lm_corpus, tmp_path):
    with pytest.raises(UsageError, match="has no chat template: leave --chat out"):
        ask(taught_lm, lm_corpus, tmp_path, chat=True)
    shutil.copytree(taught_lm, tmp_path / "chatty")
    (tmp_path / "chatty" / "chat_template.jinja").write_text(
        "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{{ '<s>assistant:\\n' }}"
    )
    run = ask(tmp_path / "chatty", lm_corpus, tmp_path, chat=True, shots=1)
    assert run.details["prompt"].startswith("<s>user: Classify each review")
    assert run.details["prompt"].endswith("\n<s>user: Review: {text}\nCategory:\n<s>assistant:\n")


def test_an_encoder_is_no_language_model(tiny_base, lm_corpus, tmp_path):
    with pytest.raises(UsageError, match="not a generative language model: use it with --method cloze"):
        ask(tiny_base, lm_corpus, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"answer_by": "guess"}, "--answer-by guess: choose one of likelihood, calibrated, generate"),
        ({"protocol": "study-003"}, "--protocol study-003: choose one of study-003-sentiment"),
        ({"protocol": "study-003-sentiment", "shots": 1}, "leave out --shots"),
        ({"protocol": "study-003-sentiment", "template": "{text}"}, "leave out --template"),
        ({"template": "no place"}, "exactly once"),
        ({"template": "{text} and {text}"}, "exactly once"),
        ({"max_new_tokens": 1}, "--max-new-tokens must be at least 2, not 1"),
        ({"words": {"negative": ("bad",)}}, "label 'positive' has no words"),
        ({"words": {"negative": ("bad",), "positive": ("bad",)}}, "'bad' begins with 'bad'"),
        ({"shots": 1000}, "only 30 labelled"),
    ],
)
def test_wrong_options_are_one_sentence(taught_lm, lm_corpus, tmp_path, options, said):
    with pytest.raises(UsageError, match=said):
        ask(taught_lm, lm_corpus, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_damaged_model_is_one_sentence(taught_lm, lm_corpus, tmp_path):
    shutil.copytree(taught_lm, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(SlmbenchError, match="cannot be loaded as a language model"):
        ask(tmp_path / "broken", lm_corpus, tmp_path)


def test_the_generative_starter_item_is_found_for_prompting_alone(monkeypatch, tmp_path):
    monkeypatch.setattr("slmbench.starter.ensure", lambda name, progress: tmp_path)
    files = find_language_model("smollm2-135m")
    assert (files.folder, files.source, files.license) == (tmp_path, "starter", "Apache-2.0")
    assert files.gguf == "SmolLM2-135M-Instruct.Q4_1.gguf"
    with pytest.raises(UsageError, match="cannot be fine-tuned as a classifier, but it can be asked"):
        find_model("smollm2-135m")
