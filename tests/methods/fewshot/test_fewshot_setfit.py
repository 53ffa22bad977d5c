"""SetFit: the pairs that are drawn, what training on them does to the encoder, and that nobody hears of it."""

import importlib.util
import time
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus
from slmbench.methods.declarations.fewshot import SETFIT
from slmbench.methods.fewshot import fewshot
from slmbench.methods.fewshot.embedding import SentenceEncoder
from slmbench.methods.fewshot.setfit import draw_pairs
from slmbench.methods.runs import draw_shots
from slmbench.models import find_model, load_classifier, load_encoder, load_tokenizer

SHOTS = 10


def options(seed=42, **changes):
    given = {"shots": SHOTS, "max_length": 32, "device": "cpu", "learning_rate": 5e-3, "epochs": 3, **changes}
    return SETFIT.choose(given, seed=seed)


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=60, test_size=30)


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_base, corpus):
    """The record of a run and its folder."""
    folder = tmp_path_factory.mktemp("runs") / "tiny-bert-setfit"
    return fewshot(str(tiny_base), corpus, options(), output=folder), folder


def vectors(model, texts):
    """Sentence vectors of a model."""
    files = find_model(str(model))
    body = SentenceEncoder(load_encoder(files), load_tokenizer(files.folder), 32, normalize=True)
    return body.vectors(texts, SILENT)


def contrast(model, examples):
    """How much more alike reviews of one label are than those of two: a difference of mean cosines."""
    embedded = vectors(model, examples.texts)
    cosines = embedded @ embedded.T
    alike = np.equal.outer(examples.labels, examples.labels)
    others = ~np.eye(len(cosines), dtype=bool)
    return cosines[alike & others].mean() - cosines[~alike].mean()


def test_training_draws_like_reviews_together_and_unlike_ones_apart(made, tiny_base, corpus):
    examples = draw_shots(corpus, SHOTS, 42)
    before, after = contrast(tiny_base, examples), contrast(made[1], examples)
    assert after > before + 0.2


def test_what_it_learned_holds_for_reviews_it_never_saw(made, tiny_base, corpus):
    assert contrast(made[1], corpus.test) > contrast(tiny_base, corpus.test) + 0.1
    assert made[0].test.accuracy > made[0].test.majority_baseline


def test_it_is_a_regression_on_the_trained_vectors(made, corpus):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from setfit import SetFitModel
    from sklearn.linear_model import LogisticRegression

    record, folder = made
    body = SentenceTransformer(
        modules=[Transformer(str(folder / "model"), max_seq_length=32), Pooling(32, "mean")], device="cpu"
    )
    examples = draw_shots(corpus, SHOTS, 42)
    model = SetFitModel(model_body=body, model_head=LogisticRegression(max_iter=1000))
    model.fit(examples.texts, examples.labels, num_epochs=1, show_progress_bar=False)
    said = model.predict_proba(corpus.test.texts, as_numpy=True, show_progress_bar=False)
    assert np.allclose(record.predictions.probabilities, said, atol=1e-4)


def test_the_record_says_what_was_done(made, corpus):
    record, _ = made
    assert (record.method, record.shots, record.train.epochs) == ("setfit", SHOTS, 3)
    # 2 x 45 pairs of like examples, 100 of unlike ones: the former are repeated.
    assert (record.details["pairs"], record.details["different_pairs"]) == (200, 190)
    assert record.details["embedding_width"] == 32
    assert [epoch.epoch for epoch in record.train.history] == [1.0, 2.0, 3.0]
    assert record.train.history[2].train_loss < record.train.history[0].train_loss
    assert record.trainable_parameters == record.total_parameters - 33  # of two labels one row of the head is zero
    assert record.train.seconds > 0 and record.answering.seconds > 0
    wanted = {"epochs": 3, "batch_size": 16, "learning_rate": 5e-3, "pairs": None, "shots": SHOTS, "max_length": 32}
    assert {name: record.hyperparameters[name] for name in wanted} == wanted
    assert record.hyperparameters["dropout"] == 0


def test_the_saved_model_answers(made, corpus):
    model = load_classifier(find_model(str(made[1])), corpus.label_names)
    assert model.config.id2label == {0: "negative", 1: "positive"}


def test_made_again_it_is_the_same(made, tiny_base, corpus, tmp_path):
    again = fewshot(str(tiny_base), corpus, options(), output=tmp_path / "run")
    assert again.predictions == made[0].predictions
    assert again.weights_sha256 == made[0].weights_sha256


def test_another_seed_is_another_run(made, tiny_base, corpus, tmp_path):
    other = fewshot(str(tiny_base), corpus, options(seed=1, epochs=1), output=tmp_path / "run")
    assert other.key != made[0].key
    assert other.details["examples"] != made[0].details["examples"]


def test_a_bound_on_the_pairs(tiny_base, corpus, tmp_path):
    record = fewshot(str(tiny_base), corpus, options(pairs=11, epochs=1), output=tmp_path / "run")
    assert record.details["pairs"] == 10


def test_one_example_a_label_is_enough(tiny_base, corpus, tmp_path):
    record = fewshot(str(tiny_base), corpus, options(shots=1), output=tmp_path / "run")
    assert record.details["pairs"] == 4


def test_it_says_and_leaves_nothing(tiny_base, corpus, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    fewshot(str(tiny_base), corpus, options(epochs=1, pairs=8), output=tmp_path / "run")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_it_tells_how_far_it_is(tiny_base, corpus, tmp_path):
    done, totals = Counter(), {}

    class Bars:
        @contextmanager
        def task(self, description, total=None, unit=""):
            class Bar:
                def advance(self, steps=1):
                    done[description] += steps

                def set_total(self, total):
                    totals[description] = total

            totals[description] = total
            yield Bar()

        def say(self, text):
            pass

    fewshot(str(tiny_base), corpus, options(pairs=32, epochs=2), output=tmp_path / "run", progress=Bars())
    assert totals["training on 32 pairs"] == done["training on 32 pairs"] == 4  # 2 epochs of 2 batches
    assert totals["answering"] == done["answering"] == 30


def test_on_the_cpu_the_trainer_is_told_to_stay_there(tiny_base, corpus, tmp_path, monkeypatch):
    from setfit import trainer

    real, told = trainer.SentenceTransformerTrainingArguments, []

    def arguments(**given):
        told.append(given["use_cpu"])
        return real(**given)

    monkeypatch.setattr(trainer, "SentenceTransformerTrainingArguments", arguments)
    fewshot(str(tiny_base), corpus, options(pairs=8), output=tmp_path / "run")
    assert told == [True]
    assert trainer.SentenceTransformerTrainingArguments is arguments


def test_a_rate_that_wrecks_the_model(tiny_base, corpus, tmp_path):
    with pytest.raises(SlmbenchError, match="NaN or infinity: training diverged, lower --lr"):
        fewshot(str(tiny_base), corpus, options(learning_rate=1e30), output=tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shots": 0}, "--shots must be at least 1, not 0"),
        ({"epochs": 0}, "--epochs must be above 0, not 0"),
        ({"batch_size": 0}, "--batch-size must be at least 1, not 0"),
        ({"learning_rate": -1.0}, "--lr must be above 0, not -1.0"),
        ({"learning_rate": float("nan")}, "--lr must be above 0, not nan"),
        ({"pairs": 1}, "--pairs must be at least 2, not 1"),
    ],
)
def test_choices_out_of_range(change, says, tiny_base, corpus):
    with pytest.raises(UsageError, match=says):
        fewshot(str(tiny_base), corpus, options(**change))


def test_without_the_extra(tiny_base, corpus, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "setfit" else real(name))
    with pytest.raises(SlmbenchError, match=r"setfit needs the 'setfit' extra.*pip install 'slmbench\[setfit\]'"):
        fewshot(str(tiny_base), corpus, options())


@pytest.mark.parametrize("shots", [2, 5, 16])
@pytest.mark.parametrize("labels", [2, 3, 11])
def test_pairs_are_balanced_and_right(shots, labels):
    of = [label for _ in range(shots) for label in range(labels)]
    pairs = draw_pairs(of, None, seed=0)
    assert all((of[one] == of[other]) is alike and one != other for one, other, alike in pairs)
    kinds = Counter(alike for _, _, alike in pairs)
    assert kinds[True] == kinds[False]
    times = Counter((min(pair[:2]), max(pair[:2])) for pair in pairs)
    # Of the commoner kind no pair twice, of the rarer none twice as long as another is missing.
    for alike in (True, False):
        counts = [count for (one, other), count in times.items() if (of[one] == of[other]) is alike]
        there = sum((of[one] == of[other]) is alike for one in range(len(of)) for other in range(one))
        if there >= kinds[alike]:
            assert set(counts) == {1}
        else:
            assert len(counts) == there
            assert max(counts) - min(counts) <= 1


def test_all_pairs_are_drawn_where_the_bound_allows_it():
    of = [0, 1] * 4
    pairs = draw_pairs(of, 1000, seed=0)
    assert len({pair for pair in pairs if pair[2]}) == 2 * 6
    assert len({pair for pair in pairs if not pair[2]}) == 16
    assert len(pairs) == 32


def test_every_pair_is_as_likely_as_another():
    of = [0, 1, 2] * 3
    drawn = Counter(pair for seed in range(400) for pair in draw_pairs(of, 6, seed))
    for alike, there in ((True, 9), (False, 27)):
        counts = [count for pair, count in drawn.items() if pair[2] is alike]
        assert len(counts) == there
        assert max(abs(count - 1200 / there) for count in counts) < 5 * (1200 / there) ** 0.5


def test_a_single_example_is_paired_with_itself():
    assert Counter(draw_pairs([0, 1], None, 0)) == {(0, 0, True): 1, (1, 1, True): 1, (0, 1, False): 2}


def test_pairs_of_very_many_examples_are_not_listed():
    began = time.process_time()
    pairs = draw_pairs([0, 1] * 500_000, 2000, seed=0)
    assert len(pairs) == len(set(pairs)) == 2000
    assert time.process_time() - began < 5  # there are 5e11 pairs


def test_another_seed_draws_other_pairs():
    of = [0, 1] * 8
    assert draw_pairs(of, 20, 0) == draw_pairs(of, 20, 0) != draw_pairs(of, 20, 1)
