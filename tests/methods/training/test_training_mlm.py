"""Adapting a masked language model to reviews without labels: what is read, what is learned, what is left behind."""

import json
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from learnable import write_reviews
from starter_helpers import fetch_or_skip
from tiny import configuration, masked_lm_folder, model_folder, wordpiece
from torch.nn.functional import cross_entropy
from transformers import AutoModelForMaskedLM, AutoTokenizer
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT, Silent
from slmbench.corpora import load_corpus, sample_texts
from slmbench.methods.training import MlmOptions, TrainingOptions, adapt, finetune
from slmbench.methods.training.mlm_training import StreamedReviews
from slmbench.methods.training.perplexity import blank_losses, hide_tokens
from slmbench.models import find_model, load_tokenizer
from slmbench.models.masked import head_sees_only, load_masked_lm
from slmbench.records import BlankLosses, CheckpointRecord, RunRecord, read_record

QUICK = {"max_length": 32, "batch_size": 8, "learning_rate": 5e-3, "precision": "fp32", "device": "cpu"}
MASKED_LMS = ("bert", "distilbert", "albert", "electra", "mpnet", "roberta", "deberta-v2", "modernbert")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return masked_lm_folder(tmp_path_factory.mktemp("base") / "tiny-mlm")


@pytest.fixture(scope="module")
def corpus_file(small_corpus_file):
    return str(small_corpus_file)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory, base, corpus_file):
    """The folder and the record of an adaptation."""
    folder = tmp_path_factory.mktemp("runs") / "tiny-mlm"
    options = MlmOptions(max_reviews="all", epochs=3, **QUICK)
    return folder, adapt(str(base), corpus_file, options, output=folder, command=["slmbench", "finetune"])


@pytest.fixture
def no_training(monkeypatch):
    def fail(*args, **kwargs):
        raise InterruptedError

    monkeypatch.setattr("transformers.Trainer.train", fail)


def test_the_folder_of_a_checkpoint(adapted):
    folder, record = adapted
    assert {file.name for file in folder.iterdir()} == {"ancestors.npz", "checkpoint.json", "model"}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        file.name for file in (folder / "model").iterdir()
    }
    assert [place.name for place in folder.parent.iterdir()] == ["tiny-mlm"]
    assert read_record(CheckpointRecord, folder / "checkpoint.json") == record


def test_the_record_says_what_was_done(adapted, base, corpus_file):
    folder, record = adapted
    document = json.loads((folder / "checkpoint.json").read_text())
    assert document["schema"] == "slmbench.checkpoint/1"
    assert set(document["losses"]) >= {"perplexity_before", "perplexity_after_ci95", "ratio", "ratio_ci95"}
    assert (record.path, record.model, record.method, record.seed) == (str(folder), str(base), "mlm", 42)
    assert record.base_sha256 != record.weights_sha256
    assert not record.new_head
    assert {name: record.hyperparameters[name] for name in QUICK} == QUICK
    assert record.hyperparameters["mask_probability"] == 0.15
    assert record.command == ["slmbench", "finetune"]
    corpus, sample = record.corpus, sample_texts(corpus_file, size="all")
    assert (corpus.reviews, corpus.measured_reviews) == (len(sample), len(sample.measured))
    assert (corpus.texts_hash, corpus.measured_hash) == (sample.texts_hash(), sample.measured_hash())
    tokens = AutoTokenizer.from_pretrained(base)(list(sample), truncation=True, max_length=32)["input_ids"]
    assert corpus.tokens == 3 * sum(map(len, tokens))
    assert record.train.reviews_per_second == pytest.approx(3 * len(sample) / record.train.seconds)
    assert [line.epoch for line in record.train.history] == [1, 2, 3]


def test_the_model_learned(adapted):
    losses, history = adapted[1].losses, adapted[1].train.history
    assert losses.perplexity_before > 90  # of 130 words at random
    assert losses.perplexity_after < 70
    assert losses.ratio == pytest.approx(losses.perplexity_after / losses.perplexity_before)
    assert losses.ratio_ci95[1] < 0.8
    for name in ("perplexity_before", "perplexity_after", "ratio"):
        low, high = getattr(losses, f"{name}_ci95")
        assert low < getattr(losses, name) < high
    assert history[2].train_loss < history[0].train_loss


def test_the_perplexity_after_is_that_of_the_saved_model(adapted, corpus_file):
    folder, record = adapted
    loaded = load_masked_lm(find_model(str(folder)))
    assert loaded.new_weights == []
    tokenizer = load_tokenizer(folder / "model")
    measured = sample_texts(corpus_file, size="all").measured
    blanks = hide_tokens(tokenizer, measured, 32)
    assert record.losses.blanks == [len(blank.places) for blank in blanks]
    again = blank_losses(loaded.model, tokenizer, blanks, SILENT, "")
    assert again == pytest.approx(record.losses.after, rel=1e-4)
    # And the same number without any of this package's arithmetic.
    with torch.inference_mode():
        nats = [
            float(
                cross_entropy(
                    loaded.model(**{name: torch.tensor([ids]) for name, ids in blank.columns.items()})
                    .logits[0, torch.tensor(blank.places)]
                    .float(),
                    torch.tensor(blank.hidden),
                    reduction="sum",
                )
            )
            for blank in blanks
        ]
    count = sum(len(blank.places) for blank in blanks)
    assert record.losses.perplexity_after == pytest.approx(np.exp(sum(nats) / count), rel=1e-4)


def test_perplexity_is_the_exponential_of_the_mean_over_blanks():
    losses = BlankLosses(blanks=[1, 3], before=[np.log(8), 3 * np.log(2)], after=[0.0, 0.0])
    assert losses.perplexity_before == pytest.approx(8 ** (1 / 4) * 2 ** (3 / 4))
    assert losses.perplexity_after == 1
    assert losses.ratio == pytest.approx(1 / losses.perplexity_before)
    assert losses.perplexity_before_ci95 == pytest.approx((2, 8))


def test_blanks_depend_on_the_review_alone(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    texts = [(7, "the movie was good and the plot was bad " * 4), (8, "fine"), (9, "​")]
    long, short = hide_tokens(tokenizer, texts, 64)  # the third has no words
    (alone,) = hide_tokens(tokenizer, texts[:1], 64)
    assert (alone.places == long.places).all()
    words = tokenizer(texts[0][1])["input_ids"]
    assert len(long.places) == round(0.15 * (len(words) - 2))
    assert [words[place] for place in long.places] == long.hidden.tolist()
    assert {long.columns["input_ids"][place] for place in long.places} == {tokenizer.mask_token_id}
    assert len(short.places) == 1
    assert not set(long.places) & {0, len(words) - 1}  # the special tokens stay


@pytest.mark.parametrize("kind", MASKED_LMS)
def test_the_head_says_the_same_about_some_tokens_as_about_all(kind):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(configuration(kind)).eval()
    ids = torch.randint(5, 100, (3, 12))
    places = torch.rand(3, 12) < 0.3
    with torch.inference_mode():
        everything = model(input_ids=ids).logits
        with head_sees_only(model, places):
            some = model(input_ids=ids).logits
        assert model(input_ids=ids).logits.shape == everything.shape
    assert some.shape == (int(places.sum()), everything.shape[-1])
    assert torch.allclose(some, everything[places], atol=1e-5)


@pytest.mark.parametrize("kind", ["distilbert", "albert", "electra", "mpnet", "roberta", "modernbert"])
def test_every_architecture_keeps_its_head(tmp_path, kind, corpus_file):
    folder = masked_lm_folder(tmp_path / kind, kind)
    record = adapt(str(folder), corpus_file, MlmOptions(max_reviews=96, **QUICK), output=tmp_path / "run")
    assert not record.new_head
    assert record.losses.ratio < 1
    assert load_masked_lm(find_model(str(tmp_path / "run"))).new_weights == []


def test_what_is_held_out_for_testing_is_never_read(tmp_path, base, corpus_file, monkeypatch):
    import transformers

    seen = []

    class Watched(transformers.Trainer):
        def __init__(self, *args, train_dataset, **kwargs):
            seen.extend(tuple(row["input_ids"]) for row in train_dataset)
            super().__init__(*args, train_dataset=train_dataset, **kwargs)

    monkeypatch.setattr(transformers, "Trainer", Watched)
    options = MlmOptions(max_reviews="all", **{**QUICK, "max_length": 64})
    record = adapt(str(base), corpus_file, options, output=tmp_path / "run")
    corpus = load_corpus(corpus_file, train_size="all", test_size="all")
    sample = sample_texts(corpus_file, size="all")
    tokenizer = AutoTokenizer.from_pretrained(base)

    def ids_of(texts):
        return {tuple(tokenizer(text)["input_ids"]) for text in texts}

    assert len(seen) == len(sample) == record.corpus.reviews
    assert set(seen) == ids_of(sample)
    assert not set(seen) & ids_of(corpus.test.texts)
    assert not set(seen) & ids_of(text for _, text in sample.measured)
    assert record.corpus.held_out_for_testing == len(corpus.test)
    assert any("held out for testing were not read" in note for note in record.notes)


def test_reviews_are_read_in_batches_of_like_length(base, corpus_file):
    sample = sample_texts(corpus_file, size=150)
    tokenizer = AutoTokenizer.from_pretrained(base)
    reviews = StreamedReviews(sample, tokenizer, 64, 8, seed=0)
    passes = [[tuple(row["input_ids"]) for row in reviews] for _ in range(2)]
    assert len(reviews) == len(passes[0]) == 150
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(tuple(tokenizer(text)["input_ids"]) for text in sample)
    assert passes[0] != passes[1]
    batches = [passes[0][start : start + 8] for start in range(0, 150, 8)]
    longest = [max(map(len, batch)) for batch in batches]
    padding = sum(most - len(ids) for most, batch in zip(longest, batches, strict=True) for ids in batch)
    assert padding < 0.1 * sum(map(len, passes[0]))
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)
    again = StreamedReviews(sample, tokenizer, 64, 8, seed=0)
    assert [tuple(row["input_ids"]) for row in again] == passes[0]


def test_weights_without_a_head_get_a_new_one_and_say_so(tmp_path, tiny_base, corpus_file):
    record = adapt(str(tiny_base), corpus_file, MlmOptions(max_reviews=96, **QUICK), output=tmp_path / "run")
    assert record.new_head
    assert record.notes[0].startswith("the weights came without a masked-language-model head")
    saved = load_masked_lm(find_model(str(tmp_path / "run")))
    assert saved.new_weights == []
    # Only the words' own vectors say what a word is, before and after.
    assert saved.model.get_output_embeddings().weight is saved.model.get_input_embeddings().weight


def test_a_classifier_is_fine_tuned_from_a_checkpoint(adapted, tmp_path, corpus_file):
    folder, record = adapted
    corpus = load_corpus(corpus_file, train_size=64, test_size=30)
    options = TrainingOptions(epochs=1, **QUICK)
    run = finetune(str(folder), corpus, options, output=tmp_path / "run")
    assert (run.base_sha256, run.model_source) == (record.weights_sha256, "directory")
    adapted_encoder = AutoModelForMaskedLM.from_pretrained(folder / "model").bert
    assert find_model(str(folder)).folder == folder / "model"
    assert count_of(adapted_encoder) < run.total_parameters


def count_of(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_a_run_can_be_adapted(tiny_run, tmp_path, corpus_file):
    record = adapt(str(tiny_run), corpus_file, MlmOptions(max_reviews=32, **QUICK), output=tmp_path / "run")
    assert record.base_sha256 == read_record(RunRecord, tiny_run / "run.json").weights_sha256
    assert record.new_head


def test_the_same_again_is_found_and_other_inputs_are_not(adapted, base, corpus_file, no_training):
    folder, record = adapted
    said = []
    progress = Silent()
    progress.say = said.append
    options = {"max_reviews": "all", "epochs": 3, **QUICK}
    assert adapt(str(base), corpus_file, MlmOptions(**options), output=folder, progress=progress) == record
    assert said == [f"{folder} is up to date: made from the same inputs"]
    for change in ({"seed": 1}, {"max_reviews": 100}, {"mask_probability": 0.3}, {"max_length": 16}):
        with pytest.raises(InterruptedError):
            adapt(str(base), corpus_file, MlmOptions(**{**options, **change}), output=folder)
    assert read_record(CheckpointRecord, folder / "checkpoint.json") == record


def test_the_seed_decides_everything(tmp_path, base, corpus_file):
    options = MlmOptions(max_reviews=64, **QUICK)
    first, second = (
        adapt(str(base), corpus_file, options, output=tmp_path / name).weights_sha256 for name in ("one", "two")
    )
    other = adapt(str(base), corpus_file, MlmOptions(max_reviews=64, seed=1, **QUICK), output=tmp_path / "three")
    assert first == second != other.weights_sha256


def test_an_interruption_leaves_nothing(tmp_path, base, corpus_file):
    class Interrupting(Silent):
        @contextmanager
        def task(self, description, total=None, unit=""):
            if description.startswith("training"):
                raise KeyboardInterrupt
            with super().task(description, total, unit) as task:
                yield task

    with pytest.raises(KeyboardInterrupt):
        adapt(str(base), corpus_file, MlmOptions(**QUICK), output=tmp_path / "runs" / "run", progress=Interrupting())
    assert not list(tmp_path.iterdir())


def test_a_training_that_diverges_is_said_and_leaves_nothing(tmp_path, base, corpus_file):
    options = MlmOptions(max_reviews=32, **{**QUICK, "learning_rate": 1e38})
    with pytest.raises(SlmbenchError, match=r"lower --lr \(1e\+38\)"):
        adapt(str(base), corpus_file, options, output=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_nothing_of_the_users_is_replaced(tmp_path, base, corpus_file, tiny_run):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds other files, which would be lost"):
        adapt(str(base), corpus_file, MlmOptions(**QUICK), output=tmp_path)
    with pytest.raises(UsageError, match="holds other files"):
        adapt(str(base), corpus_file, MlmOptions(**QUICK), output=tiny_run)


def test_models_that_cannot_be_adapted(tmp_path, corpus_file):
    folder = model_folder(tmp_path / "xlnet", "xlnet")
    with pytest.raises(UsageError, match="is of architecture 'xlnet', which has no masked language model"):
        adapt(str(folder), corpus_file, MlmOptions(**QUICK), output=tmp_path / "run")

    maskless = masked_lm_folder(tmp_path / "maskless")
    wordpiece(maskless)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        document = json.loads((maskless / name).read_text())
        document.pop("mask_token")
        (maskless / name).write_text(json.dumps(document))
    with pytest.raises(UsageError, match="has no mask token"):
        adapt(str(maskless), corpus_file, MlmOptions(**QUICK), output=tmp_path / "run")

    from safetensors.torch import load_file, save_file

    torn = masked_lm_folder(tmp_path / "torn")
    weights = load_file(torn / "model.safetensors")
    lacking = {name: value for name, value in weights.items() if "encoder.layer.1." not in name}
    save_file(lacking, torn / "model.safetensors", {"format": "pt"})
    with pytest.raises(SlmbenchError, match=r"lacks weights of its encoder \(bert.encoder.layer.1.* and 15 more\)"):
        adapt(str(torn), corpus_file, MlmOptions(**QUICK), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 0}, "--epochs must be above 0"),
        ({"mask_probability": 0}, "--mask-probability must be above 0 and below 1"),
        ({"mask_probability": 1.0}, "--mask-probability must be above 0 and below 1"),
        ({"max_length": 2}, "--max-length must be at least 4"),
        ({"seed": -1}, "--seed must be at least 0"),
    ],
)
def test_values_out_of_range(values, words):
    with pytest.raises(UsageError, match=words):
        MlmOptions(**values)


def test_defaults_follow_the_width_of_the_model(tmp_path, corpus_file):
    folder = masked_lm_folder(tmp_path / "wide", hidden_size=768, num_attention_heads=12)
    options = MlmOptions(max_reviews=8, precision="fp32", device="cpu")
    settled = adapt(str(folder), corpus_file, options, output=tmp_path / "run").hyperparameters
    assert settled["learning_rate"] == pytest.approx(5e-5)
    assert (settled["epochs"], settled["batch_size"], settled["max_length"]) == (1, 16, 66)


class TestCommand:
    """``slmbench adapt``."""

    WORDS = ("adapt", "--corpus", "reviews.csv", "--device", "cpu")

    @pytest.fixture
    def here(self, tmp_path, monkeypatch, base):
        write_reviews(tmp_path / "reviews.csv", ["negative", "positive"], 120)
        monkeypatch.chdir(tmp_path)
        return base

    def run(self, *words):
        return CliRunner().invoke(app, [*self.WORDS, *map(str, words)])

    def test_the_record_is_printed_and_used(self, here):
        options = ("--train-size", 64, "--max-length", 32, "--model", here)
        result = self.run(*options, "--json")
        assert result.exit_code == 0, result.stderr
        document = json.loads(result.stdout)
        assert (document["schema"], document["path"]) == ("slmbench.checkpoint/1", "runs/tiny-mlm-mlm-reviews")
        assert document["corpus"]["reviews"] == 64
        shown = self.run(*options)
        assert "perplexity before" in shown.stdout and "perplexity after" in shown.stdout
        words = "finetune --corpus reviews.csv --train-size 32 --test-size 10 --epochs 1 --max-length 16 --device cpu"
        tuned = CliRunner().invoke(app, [*words.split(), "--model", "runs/tiny-mlm-mlm-reviews", "--json"])
        assert tuned.exit_code == 0, tuned.stderr
        assert json.loads(tuned.stdout)["base_sha256"] == document["weights_sha256"]

    @pytest.mark.parametrize(
        "words",
        ["--test-size 5", "--layers 1", "--teacher runs/t", "--select-by loss", "--lora-r 4", "--label-column l"],
    )
    def test_options_that_do_not_apply_are_refused(self, here, words):
        result = self.run("--model", here, *words.split())
        assert result.exit_code == 2
        assert words.split()[0] in result.stderr

    def test_the_old_spelling_names_the_command(self, here):
        result = CliRunner().invoke(app, ["finetune", "--method", "mlm", "--model", str(here)])
        assert result.exit_code == 2
        assert "slmbench adapt" in result.stderr


@pytest.mark.slow
def test_bert_tiny_learns_what_reviews_say(tmp_path):
    fetch_or_skip("bert-tiny", "imdb")
    options = MlmOptions(max_reviews=160, max_length=64)
    record = adapt("bert-tiny", "imdb", options, output=tmp_path / "run")
    assert not record.new_head
    assert record.losses.ratio_ci95[1] < 0.5
    assert record.base_license == "Apache-2.0"
