"""Entailment: the scores of transformers' own pipeline, and whether a model may be called zero-shot on reviews."""

import json

import numpy as np
import pytest
import torch
from learnable import write_reviews
from safetensors.torch import load_file, save_file
from tiny import configuration, wordpiece
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus
from slmbench.methods.declarations.fewshot import NLI
from slmbench.methods.fewshot import fewshot
from slmbench.methods.fewshot.model_card import training_data
from slmbench.models import find_model

THREE_WAY = ("contradiction", "neutral", "entailment")


def entailment_folder(folder, labels=THREE_WAY, kind="bert", card=None):
    """Write a random entailment model; returns its folder."""
    from transformers import AutoModelForSequenceClassification

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    config = configuration(kind, initializer_range=0.5)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    wordpiece(folder, kind)
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def pipeline_scores(folder, texts, words, template="This review is {}."):
    """What transformers' zero-shot pipeline says, in the order of the words."""
    from transformers import pipeline

    classify = pipeline("zero-shot-classification", model=str(folder), device="cpu")
    said = [classify(text, list(words), hypothesis_template=template) for text in texts]
    return [[dict(zip(one["labels"], one["scores"], strict=True))[word] for word in words] for one in said]


def options(**changes):
    return NLI.choose({"device": "cpu", **changes})


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return entailment_folder(tmp_path_factory.mktemp("nli") / "tiny-nli")


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=40, test_size=24)


@pytest.fixture(scope="module")
def long_corpus(tmp_path_factory):
    """Reviews of which many are longer than the tiny models' 64 tokens, of three labels."""
    path = write_reviews(tmp_path_factory.mktemp("long") / "reviews.csv", ["negative", "neutral", "positive"], 120)
    lines = path.read_text(encoding="utf-8").splitlines()
    longer = [
        lines[0],
        *(f"{line.rpartition(',')[0]} {'the plot ' * 40},{line.rpartition(',')[2]}" for line in lines[1:]),
    ]
    path.write_text("\n".join(longer), encoding="utf-8")
    return load_corpus(str(path), train_size=30, test_size=12)


@pytest.mark.parametrize(
    "labels",
    [THREE_WAY, ("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), ("entailment", "not_entailment")],
    ids=["entailment last", "entailment first, in capitals", "two-way"],
)
@pytest.mark.parametrize("kind", ["bert", "roberta", "deberta-v2"])
def test_the_scores_are_those_of_the_pipeline_of_transformers(labels, kind, corpus, tmp_path):
    folder = entailment_folder(tmp_path / "nli", labels, kind)
    record = fewshot(str(folder), corpus, options(), output=tmp_path / "run")
    wanted = pipeline_scores(folder, corpus.test.texts, corpus.label_names)
    assert np.allclose(record.predictions.probabilities, wanted, atol=1e-4)
    assert np.ptp(record.predictions.probabilities) > 0.01


def test_of_a_long_review_only_the_review_is_cut(base, long_corpus, tmp_path):
    record = fewshot(str(base), long_corpus, options(), output=tmp_path / "run")
    assert record.max_length == 66
    shorter = fewshot(str(base), long_corpus, options(max_length=64), output=tmp_path / "shorter")
    wanted = pipeline_scores(base, long_corpus.test.texts, long_corpus.label_names)  # cuts at the tokenizer's 64
    assert np.allclose(shorter.predictions.probabilities, wanted, atol=1e-4)


def test_template_and_words(base, corpus, tmp_path):
    words = {"negative": ("bad", "awful"), "positive": ("superb",)}
    record = fewshot(
        str(base), corpus, options(template="The film was {label}!", words=words), output=tmp_path / "run"
    )
    wanted = pipeline_scores(base, corpus.test.texts, ["bad", "superb"], "The film was {}!")
    assert np.allclose(record.predictions.probabilities, wanted, atol=1e-4)
    assert record.details["hypotheses"] == {"negative": "The film was bad!", "positive": "The film was superb!"}
    assert record.hyperparameters["words"] == {"negative": ["bad", "awful"], "positive": ["superb"]}


def test_the_record_says_what_was_done(base, corpus, tmp_path):
    record = fewshot(str(base), corpus, options(), output=tmp_path / "run")
    assert (record.method, record.shots, record.has_model, record.architecture) == ("nli", 0, False, "bert")
    assert not (tmp_path / "run" / "model").exists()
    assert record.trainable_parameters == 0 < record.total_parameters
    assert record.base_sha256 == record.weights_sha256
    assert record.answering.reviews_per_second == pytest.approx(24 / record.answering.seconds)
    assert record.train.seconds == 0
    assert record.details["entailment_label"] == "entailment"
    assert record.details["zero_shot"] is None
    assert record.notes == ["there is no model card: whether the model saw labelled reviews in training is unknown"]
    assert fewshot(str(base), corpus, options(), output=tmp_path / "run").created == record.created


def test_a_model_that_was_trained_on_reviews_is_called_so(corpus, tmp_path):
    card = "---\ndatasets:\n- multi_nli\n- mteb/amazon_polarity\n- imdb\n---\n# A model\n"
    folder = entailment_folder(tmp_path / "nli", card=card)
    record = fewshot(str(folder), corpus, options(), output=tmp_path / "run")
    assert record.details["zero_shot"] is False
    assert record.notes == ["not zero-shot here: the model card lists mteb/amazon_polarity, imdb as training data"]


@pytest.mark.parametrize(
    "name",
    [
        "imdb",
        "stanfordnlp/imdb",
        "amazon_polarity",
        "amazon_reviews_multi",
        "amazon_us_reviews",
        "McAuley-Lab/Amazon-Reviews-2023",
        "mteb/amazon_counterfactual",
        "yelp_polarity",
        "yelp_review_full",
        "rotten_tomatoes",
        "sst2",
        "stanfordnlp/sst",
        "app_reviews",
    ],
)
def test_data_sets_that_are_reviews(name, tmp_path):
    (tmp_path / "README.md").write_text(f"---\ndatasets: [snli, {name}]\n---\n", encoding="utf-8")
    assert training_data(tmp_path).zero_shot is False


@pytest.mark.parametrize(
    "name", ["multi_nli", "snli", "facebook/anli", "assin2", "fever", "mteb/amazon_massive_intent"]
)
def test_data_sets_that_are_none(name, tmp_path):
    (tmp_path / "README.md").write_text(f"---\ndatasets:\n- {name}\n---\nText.\n", encoding="utf-8")
    assert f"trained on {name}" in training_data(tmp_path).note
    assert training_data(tmp_path).zero_shot is True


@pytest.mark.parametrize(
    ("text", "zero_shot", "says"),
    [
        ("## Data\nTrained on MultiNLI.\n\n- and on IMDb\n", False, "names IMDb where"),
        ("It was fine-tuned on Rotten Tomatoes and SST-2.", False, "names Rotten Tomatoes, SST where"),
        ("Training: MNLI.\n## Evaluation\n\n| yelp |\n", None, "names Yelp reviews without saying whether"),
        ("A model.\n", None, "does not list what the model was trained on"),
        ("---\nlicense: mit\n---\nSassy.\n", None, "does not list what the model was trained on"),
        ("---\ndatasets: [unclosed\n---\nText\n", None, "does not list what the model was trained on"),
        ("---\n- a list\n---\nText\n", None, "does not list what the model was trained on"),
        ("---\r\ndatasets: imdb\r\n---\r\nText\r\n", False, "lists imdb as training data"),
    ],
)
def test_what_the_text_of_a_card_says(text, zero_shot, says, tmp_path):
    (tmp_path / "README.md").write_bytes(text.encode())
    told = training_data(tmp_path)
    assert told.zero_shot is zero_shot
    assert says in told.note


def test_the_card_comes_with_a_model_of_the_hub_and_does_not_pass_for_one(base, tmp_path, monkeypatch):
    asked = []
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "README.md").write_text("# A card and a configuration, no weights\n", encoding="utf-8")

    def snapshot_download(name, *, allow_patterns, local_files_only=False):
        asked.append(allow_patterns)
        return str(tmp_path if local_files_only else base)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert find_model("someone/some-model").source == "hub"
    assert all("README.md" in patterns for patterns in asked)


def test_a_classifier_that_does_not_know_entailment(tiny_base, corpus, tmp_path):
    with pytest.raises(UsageError, match=r"entailment model: none of its labels \(LABEL_0, LABEL_1\)"):
        fewshot(str(tiny_base), corpus, options(), output=tmp_path / "run")


def test_a_model_without_its_head(corpus, tmp_path):
    folder = entailment_folder(tmp_path / "nli")
    weights = load_file(folder / "model.safetensors")
    left = {name: value for name, value in weights.items() if not name.startswith("classifier.")}
    save_file(left, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SlmbenchError, match=r"it lacks weights \(classifier.bias and 1 more\)"):
        fewshot(str(folder), corpus, options(), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_hypothesis_that_leaves_no_room(base, corpus, tmp_path):
    with pytest.raises(UsageError, match=r"the hypothesis takes \d+ of 8 tokens and leaves none for the review"):
        fewshot(str(base), corpus, options(max_length=8), output=tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shots": 2}, "--shots .* method 'nli'"),
        ({"template": "This is positive."}, r"--template 'This is positive.' .*\{label\}"),
        ({"words": {"negative": ("bad",)}}, "--words: label 'positive' has no words"),
    ],
)
def test_choices_that_do_not_fit(change, says, base, corpus):
    with pytest.raises(UsageError, match=says):
        fewshot(str(base), corpus, options(**change))


def test_the_command_line(base, small_corpus_file, tmp_path):
    words = ["fewshot", "--model", base, "--method", "nli", "--corpus", small_corpus_file, "--test-size", "10"]
    words += ["--words", "positive=good;negative=bad", "--device", "cpu", "--output", tmp_path / "run", "--json"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    hypotheses = {"negative": "This review is bad.", "positive": "This review is good."}
    assert json.loads(result.stdout)["details"]["hypotheses"] == hypotheses
