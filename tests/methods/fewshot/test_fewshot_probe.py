"""The linear probe: it is a logistic regression on sentence vectors, and what is saved repeats it."""

import json
import shutil

import numpy as np
import pytest
import torch
from learnable import write_reviews
from safetensors.torch import load_file, save_file
from tiny import ARCHITECTURES, model_folder
from typer.testing import CliRunner

from slmbench import starter
from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import export
from slmbench.methods.declarations.fewshot import PROBE
from slmbench.methods.fewshot import fewshot
from slmbench.methods.fewshot.embedding import pooling_of
from slmbench.methods.runs import draw_shots
from slmbench.models import ModelFiles, find_model, load_classifier
from slmbench.records import RunRecord, read_record

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
NORMALIZE = {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}


def options(seed=42, **changes):
    return PROBE.choose({"shots": 6, "max_length": 32, "device": "cpu", **changes}, seed=seed)


def with_modules(folder, *more, pooling=None):
    """Give a model folder sentence-transformers modules of its own; returns it."""
    (folder / "modules.json").write_text(json.dumps([*MODULES, *more]), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    pooling = pooling or {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    return folder


def probabilities_of_the_plain_way(base, corpus, shots, seed, normalize):
    """sentence-transformers' own modules and scikit-learn, nothing of ours but the drawing of the examples."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from sklearn.linear_model import LogisticRegression

    transformer = Transformer(str(base), max_seq_length=32)
    body = SentenceTransformer(modules=[transformer, Pooling(32, "mean")], device="cpu")
    examples = draw_shots(corpus, shots, seed)
    embed = {"normalize_embeddings": normalize, "show_progress_bar": False}
    regression = LogisticRegression(max_iter=1000).fit(body.encode(examples.texts, **embed), examples.labels)
    return regression.predict_proba(body.encode(corpus.test.texts, **embed))


@pytest.fixture(scope="module", params=[2, 3], ids=["two labels", "three labels"])
def corpus(request, tmp_path_factory):
    labels = ["negative", "neutral", "positive"] if request.param == 3 else ["negative", "positive"]
    return load_corpus(str(write_reviews(tmp_path_factory.mktemp("probe") / "reviews.csv", labels, 180)))


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_base, corpus):
    """The folder of a probe."""
    folder = tmp_path_factory.mktemp("runs") / "tiny-bert-probe"
    fewshot(str(tiny_base), corpus, options(), output=folder)
    return folder


@pytest.fixture(scope="module")
def record(run):
    return read_record(RunRecord, run / "run.json")


def test_it_is_a_regression_on_sentence_vectors(record, tiny_base, corpus):
    wanted = probabilities_of_the_plain_way(tiny_base, corpus, 6, 42, normalize=False)
    assert np.allclose(record.predictions.probabilities, wanted, atol=1e-5)


def test_it_is_a_regression_on_normalised_vectors_where_the_model_says_so(tmp_path, corpus):
    base = with_modules(model_folder(tmp_path / "sentence-bert"), NORMALIZE)
    record = fewshot(str(base), corpus, options(seed=3), output=tmp_path / "run")
    wanted = probabilities_of_the_plain_way(base, corpus, 6, 3, normalize=True)
    assert np.allclose(record.predictions.probabilities, wanted, atol=1e-5)
    assert record.notes == [
        "sentence vectors: mean of the tokens, normalised, as the model's own sentence-transformers modules say"
    ]
    assert record.hyperparameters["normalize"]


def test_the_record_says_what_was_done(record, run, corpus, tiny_base):
    labels = len(corpus.label_names)
    assert (record.method, record.model, record.architecture, record.shots) == ("probe", str(tiny_base), "bert", 6)
    assert record.has_model and (run / "model" / "tokenizer.json").is_file()
    assert record.trainable_parameters == (32 + 1) * (1 if labels == 2 else labels)
    assert record.base_sha256 != record.weights_sha256
    assert record.total_parameters > record.parameters_without_embeddings > record.trainable_parameters
    assert record.details == {"embedding_width": 32, "examples": draw_shots(corpus, 6, 42).row_ids}
    assert record.train.seconds > 0 and record.train.history == []
    assert record.answering.reviews_per_second == pytest.approx(len(corpus.test) / record.answering.seconds)
    assert record.hyperparameters["max_length"] == record.max_length == 32
    assert record.hyperparameters["regression"] == {"C": 1.0, "max_iter": 1000}


def test_the_encoder_stays_as_it_was(run, tiny_base):
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_base, run / "model"))
    encoder = [name for name in before if name.startswith("bert.") and "pooler" not in name]
    assert encoder and all(torch.equal(before[name], after[name]) for name in encoder)


def test_the_saved_model_repeats_the_answers(run, record, corpus):
    from transformers import AutoTokenizer

    model = load_classifier(find_model(str(run)), corpus.label_names).eval()
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    batch = tokenizer(corpus.test.texts, truncation=True, max_length=32, padding=True, return_tensors="pt")
    with torch.inference_mode():
        said = model(**batch).logits.softmax(-1).numpy()
    assert np.allclose(said, record.predictions.probabilities, atol=1e-4)


def test_it_can_be_exported(run, record, corpus, tmp_path):
    bundle = export(run, forms=["fp32"], output=tmp_path / "bundle")
    assert bundle.forms["fp32"].accepted
    said = Classifier(tmp_path / "bundle").predict(corpus.test.texts)
    wanted = [corpus.label_names[label] for label in record.predictions.predicted()]
    assert [prediction.label for prediction in said] == wanted


def test_made_again_it_is_found(run, record, tiny_base, corpus):
    written = (run / "run.json").stat().st_mtime_ns
    assert fewshot(str(tiny_base), corpus, options(), output=run).key == record.key
    assert (run / "run.json").stat().st_mtime_ns == written


@pytest.mark.parametrize("change", [{"seed": 7}, {"shots": 5}, {"max_length": 24}])
def test_another_choice_is_another_run(change, tiny_base, corpus, record, tmp_path):
    other = fewshot(str(tiny_base), corpus, options(**change), output=tmp_path / "run")
    assert other.key != record.key
    assert other.predictions.probabilities != record.predictions.probabilities


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture(kind, tmp_path, small_corpus_file):
    base = model_folder(tmp_path / kind, kind)
    reviews = load_corpus(str(small_corpus_file), train_size=40, test_size=10)
    record = fewshot(str(base), reviews, options(), output=tmp_path / "run")
    assert record.architecture == kind
    assert np.isfinite(record.predictions.probabilities).all()


@pytest.mark.parametrize(("kind", "longest"), [("bert", 66), ("xlnet", 300)])
def test_reviews_may_be_as_long_as_the_model_has_positions(kind, longest, tmp_path, small_corpus_file):
    base = model_folder(tmp_path / kind, kind)
    reviews = load_corpus(str(small_corpus_file), train_size=40, test_size=10)
    assert fewshot(str(base), reviews, options(max_length=300), output=tmp_path / "run").max_length == longest


def test_a_saved_model_that_answers_otherwise_is_not_kept(tiny_base, corpus, tmp_path, monkeypatch):
    from slmbench.methods.fewshot import embedding

    right = embedding.head_of

    def wrong(regression, *, normalize):
        head = right(regression, normalize=normalize)
        head.linear.bias.data[0] += 0.1
        return head

    monkeypatch.setattr(embedding, "head_of", wrong)
    with pytest.raises(SlmbenchError, match="probabilities differ from the fitted one's .* architecture 'bert'"):
        fewshot(str(tiny_base), corpus, options(), output=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_vectors_that_are_not_finite(tiny_base, corpus, tmp_path):
    base = tmp_path / "broken"
    shutil.copytree(tiny_base, base)
    weights = load_file(base / "model.safetensors")
    weights["bert.embeddings.word_embeddings.weight"][:] = float("nan")
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SlmbenchError, match="NaN or infinity: choose another model"):
        fewshot(str(base), corpus, options(), output=tmp_path / "run")


def test_no_examples_are_too_few(tiny_base, corpus):
    with pytest.raises(UsageError, match="--shots must be at least 1, not 0"):
        fewshot(str(tiny_base), corpus, options(shots=0))


def test_more_examples_than_there_are(tiny_base, corpus, tmp_path):
    with pytest.raises(UsageError, match=r"--shots 500: the training rows of .* only \d+ labelled"):
        fewshot(str(tiny_base), corpus, options(shots=500), output=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_the_command_line(tiny_base, small_corpus_file, tmp_path):
    words = ["fewshot", "--model", tiny_base, "--method", "probe", "--corpus", small_corpus_file, "--shots", "4"]
    words += ["--max-length", "16", "--device", "cpu", "--output", tmp_path / "run", "--json"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["shots"] == 4


def note_of(folder, name="a-model", source="directory"):
    pooling = pooling_of(ModelFiles(name, folder, source))
    return pooling.normalize, pooling.note


def test_pooling_without_modules_is_the_plain_mean(tmp_path):
    normalize, note = note_of(tmp_path)
    assert not normalize
    assert note.endswith("mean of the tokens; the model has no sentence-transformers modules of its own")


@pytest.mark.parametrize("name", ["minilm-l6", "mpnet-base"])
def test_pooling_of_the_sentence_models_among_the_starters(name, tmp_path):
    assert starter.catalogue()[name].kind == "model"
    assert note_of(tmp_path, name, "starter") == (
        True,
        "sentence vectors: mean of the tokens, normalised, as the model's card documents",
    )
    assert note_of(tmp_path, name, "directory")[0] is False


@pytest.mark.parametrize("pooling", [{"pooling_mode": "mean"}, {"pooling_mode_mean_tokens": True}])
def test_pooling_as_the_modules_say(pooling, tmp_path):
    normalize, note = note_of(with_modules(tmp_path, pooling=pooling))
    assert not normalize
    assert note.endswith("mean of the tokens, as the model's own sentence-transformers modules say")


@pytest.mark.parametrize(
    ("pooling", "more", "what"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, (), "pooling by cls"),
        ({"pooling_mode": ["mean", "max"]}, (), "pooling by mean and max"),
        ({"pooling_mode": "mean"}, ({"path": "2_Dense", "type": "sentence_transformers.models.Dense"},), "Dense"),
    ],
)
def test_pooling_that_the_modules_do_otherwise_is_said(pooling, more, what, tmp_path):
    normalize, note = note_of(with_modules(tmp_path, *more, NORMALIZE, pooling=pooling))
    assert normalize
    assert note.endswith(f"although the model's own sentence-transformers modules have {what}")


@pytest.mark.parametrize("content", ["no JSON", "[1]", "{}", '[{"type": "a.Pooling", "path": "nowhere"}]'])
def test_modules_that_cannot_be_read(content, tmp_path):
    (tmp_path / "modules.json").write_text(content, encoding="utf-8")
    if content == "{}":
        assert note_of(tmp_path)[0] is False
        return
    with pytest.raises(SlmbenchError, match="the sentence-transformers modules of 'a-model' cannot be read"):
        note_of(tmp_path)


@pytest.mark.slow
def test_on_real_weights_a_few_examples_tell_more_than_chance(tmp_path):
    reviews = load_corpus("imdb", train_size=400, test_size=60)
    record = fewshot("minilm-l6", reviews, options(shots=16, max_length=64), output=tmp_path / "run")
    assert record.test.roc_auc > 0.55
