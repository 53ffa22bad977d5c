"""Heads on a frozen encoder: what the cache holds is what the encoder says, and only the head is trained."""

import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest
import tiny
from learnable import write_reviews
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.places import home
from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus
from slmbench.methods.training import TrainingOptions, features, finetune, heads
from slmbench.methods.training.inference import classifier_logits
from slmbench.models import find_model, load_classifier, load_encoder, load_tokenizer
from slmbench.records import RunRecord, read_record

QUICK = {"max_length": 24, "precision": "fp32", "device": "cpu", "batch_size": 16, "epochs": 2, "learning_rate": 0.01}
LABELS = ["negative", "positive"]


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file))


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_base, corpus):
    """A run of each method, both trained until they know something."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("linear", "space"):
        options = TrainingOptions(method, plots=True, **{**QUICK, "epochs": 12})
        finetune(str(tiny_base), corpus, options, output=folder / method)
    return folder


def quick(folder, tiny_base, corpus, **changes):
    """Train a space head for two epochs."""
    return finetune(str(tiny_base), corpus, TrainingOptions(**{"method": "space", **QUICK, **changes}), output=folder)


def outputs(base, texts, kept, **changes):
    from slmbench.models.model_files import weights_sha256

    how = {"max_length": 24, "precision": "fp32", "progress": SILENT, **changes}
    return features.encoder_outputs(
        load_encoder(find_model(str(base))),
        load_tokenizer(base),
        texts,
        weights_sha256=weights_sha256(base),
        kept=kept,
        **how,
    )


@pytest.mark.parametrize(("method", "trained"), [("linear", 66), ("space", 2 * 32 * 3 + 6 * 2 + 2)])
def test_only_the_head_is_trained(runs, tiny_base, method, trained):
    from safetensors.torch import load_file

    record = read_record(RunRecord, runs / method / "run.json")
    assert record.trainable_parameters == trained == sum(record.details["trained_parameters"].values())
    before = load_file(tiny_base / "model.safetensors")
    after = load_file(runs / method / "model" / "model.safetensors")
    encoder = [name for name in after if name.startswith("bert.")]
    assert encoder
    assert all((after[name] == before[name]).all() for name in encoder)
    assert record.base_sha256 != record.weights_sha256


@pytest.mark.parametrize("method", ["linear", "space"])
def test_the_record_says_what_was_done(runs, corpus, method):
    record = read_record(RunRecord, runs / method / "run.json")
    assert (record.method, record.architecture, record.max_length) == (method, "bert", 24)
    assert [line.epoch for line in record.train.history] == list(range(1, 13))
    assert all(line.train_loss and line.validation_loss for line in record.train.history)
    assert record.train.epochs == 12
    assert (record.train.selected_by, record.train.device, record.train.precision) == ("accuracy", "cpu", "fp32")
    assert not {"dropout", "warmup_ratio", "lora_r", "teacher", "plots"} & set(record.hyperparameters)
    assert ("latents" in record.hyperparameters) == (method == "space")
    encoder = record.details["encoder"]
    assert encoder["reviews"] == len(corpus.train) + len(corpus.validation)
    assert encoder["bytes"] == 2 * 32 * (encoder["tokens"] if method == "space" else encoder["reviews"])
    assert not encoder["from_cache"]
    assert record.train.seconds == pytest.approx(encoder["seconds"] + record.details["head_seconds"])
    assert not [note for note in record.notes if not re.search("longer than|is given the label", note)]


def test_the_losses_of_each_epoch_are_kept_apart(runs):
    record = read_record(RunRecord, runs / "space" / "run.json")
    for line, logged in zip(record.details["epochs"], record.train.history, strict=True):
        parts = [line[f"train_{name}"] for name in ("cross_entropy", "inter", "intra")]
        assert sum(parts) == pytest.approx(line["train_loss"]) == pytest.approx(logged.train_loss)
        assert line["validation_accuracy"] == logged.validation_accuracy
    assert record.details["epochs"][-1]["train_accuracy"] > 0.8


def test_a_space_head_learns_words_of_a_random_encoder(runs):
    record = read_record(RunRecord, runs / "space" / "run.json")
    assert record.test.accuracy >= 0.8 > record.test.majority_baseline


def test_a_linear_head_learns_from_an_encoder_that_knows_the_reviews(tmp_path, tiny_run, corpus):
    from transformers import AutoModel

    AutoModel.from_pretrained(tiny_run / "model").save_pretrained(tmp_path / "base")
    tiny.wordpiece(tmp_path / "base")
    record = quick(tmp_path / "run", tmp_path / "base", corpus, method="linear", epochs=10)
    assert record.test.accuracy >= 0.9
    assert not [note for note in record.notes if not re.search("longer than|is given the label", note)]


@pytest.mark.parametrize("method", ["linear", "space"])
def test_the_saved_model_gives_the_logits_of_the_run(runs, corpus, method):
    model = load_classifier(find_model(str(runs / method)), LABELS)
    logits = classifier_logits(model, load_tokenizer(runs / method / "model"), corpus.test.texts, 24, SILENT)
    assert logits == pytest.approx(np.load(runs / method / "test_logits.npy"), abs=1e-5)
    assert ("slmbench_head" in json.loads((runs / method / "model" / "config.json").read_text())) == (
        method == "space"
    )


@pytest.mark.parametrize("kind", tiny.ARCHITECTURES)
def test_cached_vectors_lead_to_the_logits_of_the_whole_model(kind, tmp_path, corpus):
    import torch

    from slmbench.models.model_files import weights_sha256
    from slmbench.models.native_heads import native_head

    base = tiny.model_folder(tmp_path / "base", kind)
    model = load_classifier(find_model(str(base)), LABELS, dropout=0.0).eval()
    tokenizer = load_tokenizer(base)
    head = native_head(model)
    texts = corpus.test.texts[:20]
    vectors = features.encoder_outputs(
        model.base_model,
        tokenizer,
        texts,
        weights_sha256=weights_sha256(base),
        kept=head.reads,
        max_length=24,
        precision="fp32",
        progress=SILENT,
    ).vectors()
    assert vectors.shape == (20, 32)
    with torch.inference_mode():
        logits = head.trained(head.frozen(vectors.unsqueeze(1)))
    assert logits.numpy() == pytest.approx(classifier_logits(model, tokenizer, texts, 24, SILENT), abs=2e-3)


@pytest.mark.parametrize("inter", ["A", "B", "C"])
def test_training_on_the_cache_is_training_on_the_encoder(inter, tmp_path, tiny_base, corpus):
    import torch
    from torch.nn import functional

    from slmbench.methods.training.space_losses import inter_loss
    from slmbench.models.headed import SpaceHead, put_head

    weights = {"inter": inter, "inter_weight": 0.1, "intra_weight": 1e-3, "ce_weight": 0.7}
    quick(tmp_path / "run", tiny_base, replace(corpus, validation=replace_empty(corpus)), **weights)
    cached = load_classifier(find_model(str(tmp_path / "run")), LABELS)

    # The same with the encoder in every step, in the study's own terms: padded batches, spaces apart.
    torch.manual_seed(42)
    encoder = load_encoder(find_model(str(tiny_base))).eval()
    head = SpaceHead(32, 2, 3)
    model, tokenizer = put_head(encoder, head, LABELS), load_tokenizer(tiny_base)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01, weight_decay=0.01)
    order = torch.Generator().manual_seed(42)
    for _ in range(2):
        for rows in torch.randperm(len(corpus.train), generator=order).split(16):
            batch = tokenizer(
                [corpus.train.texts[row] for row in rows],
                truncation=True, max_length=24, padding=True, return_tensors="pt",
            )  # fmt: skip
            labels = torch.tensor([corpus.train.labels[row] for row in rows])
            with torch.no_grad():
                tokens = encoder(**batch)[0]
            reviews = [
                head.concepts(row[used.bool()]) for row, used in zip(tokens, batch["attention_mask"], strict=True)
            ]
            means = torch.stack([concepts.mean(0) for concepts in reviews])
            intra = torch.stack([(1 / (concepts.var(0) + 1e-9)).sum() for concepts in reviews]).mean()
            loss = (
                0.7 * functional.cross_entropy(head.classifier(means), labels)
                + 0.1 * inter_loss(inter, means.unflatten(1, (2, 3)), labels)
                + 1e-3 * intra
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for name, trained in model.head.state_dict().items():
        assert cached.head.state_dict()[name].numpy() == pytest.approx(trained.numpy(), abs=5e-3), name


def replace_empty(corpus):
    """No validation rows, so that the last epoch is kept."""
    return replace(corpus.validation, texts=[], labels=[], row_ids=[])


def test_other_losses_and_seeds_run_no_encoder(own_home, tmp_path, tiny_base, corpus, monkeypatch):
    first = quick(tmp_path / "first", tiny_base, corpus)
    monkeypatch.setattr(features, "_compute", None)
    again = [
        quick(tmp_path / "again", tiny_base, corpus, **changes)
        for changes in ({"epochs": 3}, {"inter": "C"}, {"seed": 1}, {"latents": 5}, {"plots": True})
    ]
    assert not first.details["encoder"]["from_cache"]
    for record in again:
        assert record.details["encoder"]["from_cache"]
        assert record.train.seconds == record.details["head_seconds"]
        assert "were in the cache" in record.notes[0]
        # What making them took is still known.
        assert record.details["encoder"]["seconds"] == first.details["encoder"]["seconds"]
    assert len(list((own_home / "encoder-outputs").iterdir())) == 1


def test_other_inputs_are_read_again(own_home, tiny_base, corpus, tmp_path):
    texts = corpus.train.texts[:10]
    assert not outputs(tiny_base, texts, "tokens").from_cache
    assert outputs(tiny_base, texts, "tokens").from_cache
    other = tiny.model_folder(tmp_path / "other", seed=1)
    assert not outputs(other, texts, "tokens").from_cache
    assert not outputs(tiny_base, texts[:9], "tokens").from_cache
    assert not outputs(tiny_base, texts, "padded").from_cache
    assert not outputs(tiny_base, texts, "tokens", max_length=8).from_cache
    assert not outputs(tiny_base, texts, "tokens", precision="bf16").from_cache
    assert len(list((own_home / "encoder-outputs").iterdir())) == 6


def test_what_is_kept_is_what_the_encoder_says(tiny_base, corpus):
    import torch

    texts, encoder = corpus.train.texts[:7], load_encoder(find_model(str(tiny_base))).eval()
    tokenizer = load_tokenizer(tiny_base)
    with torch.inference_mode():
        alone = [
            encoder(**tokenizer(text, truncation=True, max_length=24, return_tensors="pt"))[0][0] for text in texts
        ]
        batch = tokenizer(texts, truncation=True, max_length=24, padding=True, return_tensors="pt")
        padded = encoder(**batch)[0]
    for kept, wanted in (
        ("tokens", alone),
        ("first", [tokens[:1] for tokens in alone]),
        ("last", [tokens[-1:] for tokens in alone]),
        ("mean", [tokens.mean(0, keepdim=True) for tokens in alone]),
        ("padded", list(padded)),
    ):
        found = outputs(tiny_base, texts, kept)
        assert found.lengths.tolist() == [len(rows) for rows in wanted]
        order = np.array([3, 0, 6])
        rows = found.read(order, torch.empty(100, 32))
        assert rows.numpy() == pytest.approx(torch.cat([wanted[row] for row in order]).numpy(), abs=2e-3)


def test_a_torn_entry_is_made_again(own_home, tiny_base, corpus):
    texts = corpus.train.texts[:10]
    wanted = outputs(tiny_base, texts, "first").vectors()
    (entry,) = (own_home / "encoder-outputs").iterdir()
    for name, left in (("outputs.f16", b"12"), ("offsets.npy", b""), ("facts.json", b"{}")):
        (entry / name).write_bytes(left)
        found = outputs(tiny_base, texts, "first")
        assert not found.from_cache
        assert (found.vectors() == wanted).all()


def test_the_cache_is_bounded(own_home, tiny_base, corpus, monkeypatch):
    kept = [outputs(tiny_base, corpus.train.texts[:count], "tokens") for count in (10, 11, 12)]
    entries = sorted((own_home / "encoder-outputs").iterdir(), key=lambda entry: entry.stat().st_mtime)
    abandoned = own_home / "encoder-outputs" / ".x.building-1"
    abandoned.mkdir()
    assert outputs(tiny_base, corpus.train.texts[:10], "tokens").from_cache  # the oldest is now the newest
    monkeypatch.setattr(features, "MAX_CACHE_BYTES", sum(entry.cost.bytes for entry in kept) + 3000)
    monkeypatch.setattr(features, "ABANDONED_AFTER", -1)
    outputs(tiny_base, corpus.train.texts[:13], "tokens")
    left = set((own_home / "encoder-outputs").iterdir())
    assert entries[0] in left
    assert entries[1] not in left
    assert abandoned not in left
    # A single entry beyond the bound stays while it is in use.
    monkeypatch.setattr(features, "MAX_CACHE_BYTES", 1)
    outputs(tiny_base, corpus.train.texts[:14], "tokens")
    assert len(list((own_home / "encoder-outputs").iterdir())) == 1


def test_a_disk_that_is_too_small(own_home, tmp_path, tiny_base, corpus, monkeypatch):
    monkeypatch.setattr(features.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    with pytest.raises(SlmbenchError, match=r"no space left .* need 0 MB .* --train-size or --max-length"):
        quick(tmp_path / "run", tiny_base, corpus)
    assert not (tmp_path / "run").exists()
    assert not list((own_home / "encoder-outputs").glob("*"))


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_the_weights_kept_are_those_of_the_best_epoch(tmp_path, tiny_base, corpus, metric):
    # With the labels of the validation rows turned round, what is learned in training makes them worse.
    turned = replace(corpus.validation, labels=[1 - label for label in corpus.validation.labels])
    changes = {"select_by": metric, "epochs": 8, "learning_rate": 0.02}
    record = quick(tmp_path / "run", tiny_base, replace(corpus, validation=turned), **changes)
    assert record.train.best_epoch < 8
    kept = next(line for line in record.train.history if line.epoch == record.train.best_epoch)
    if metric == "loss":
        assert kept.validation_loss == min(line.validation_loss for line in record.train.history)
    model = load_classifier(find_model(str(tmp_path / "run")), LABELS)
    logits = classifier_logits(model, load_tokenizer(tmp_path / "run" / "model"), turned.texts, 24, SILENT)
    assert (logits.argmax(1) == turned.labels).mean() == pytest.approx(kept.validation_accuracy, abs=0.06)


def test_padding_counts_where_the_study_is_followed(tmp_path, tiny_base, corpus):
    changes = {"space_pooling": "padded", "epochs": 8}
    record = quick(tmp_path / "run", tiny_base, corpus, **changes)
    encoder = record.details["encoder"]
    assert encoder["bytes"] == 2 * 32 * 24 * encoder["reviews"] > 2 * 32 * encoder["tokens"]
    padded = record.details["padded_test"]
    assert padded["accuracy"] > 0.6
    assert f"the accuracy is {padded['accuracy']:.4f}" in record.notes[0]
    # The model itself never counts padding: alone and in a batch its answers are the same.
    model = load_classifier(find_model(str(tmp_path / "run")), LABELS)
    tokenizer = load_tokenizer(tmp_path / "run" / "model")
    alone = [classifier_logits(model, tokenizer, [text], 24, SILENT)[0] for text in corpus.test.texts[:5]]
    assert np.load(tmp_path / "run" / "test_logits.npy")[:5] == pytest.approx(np.stack(alone), abs=1e-5)


def test_three_labels_and_fewer_layers(tmp_path, tiny_base):
    labels = ["negative", "neutral", "positive"]
    corpus = load_corpus(str(write_reviews(tmp_path / "three.csv", labels, 200)), train_size=120)
    for method, trained in (("linear", 32 * 3 + 3), ("space", 3 * 32 * 2 + 6 * 3 + 3)):
        chosen = {} if method == "linear" else {"latents": 2, "plots": True}
        record = finetune(
            str(tiny_base), corpus, TrainingOptions(method, layers=1, **chosen, **QUICK), output=tmp_path / method
        )
        assert record.trainable_parameters == trained
        configuration = json.loads((tmp_path / method / "model" / "config.json").read_text())
        assert (configuration["num_hidden_layers"], len(configuration["id2label"])) == (1, 3)


def test_a_pooler_that_no_checkpoint_has_is_said(tmp_path, corpus):
    base = tiny.model_folder(tmp_path / "base", "bert")
    load_encoder(find_model(str(base))).save_pretrained(base)
    record = quick(tmp_path / "run", base, corpus, method="linear")
    assert "no weights of 'pooler'" in record.notes[0]
    assert "random initial weights" in record.notes[0]


def test_going_on_from_a_run(runs, tmp_path, corpus):
    """Both kinds of folder serve as models again: with either head, and trained as a whole."""
    for method in ("linear", "space"):
        other = quick(tmp_path / method, runs / "space", corpus, method=method)
        assert other.details["encoder"]["reviews"] == len(corpus.train) + len(corpus.validation)
    options = TrainingOptions(**{**QUICK, "epochs": 1, "learning_rate": 1e-3})
    whole = finetune(str(runs / "space"), corpus, options, output=tmp_path / "full")
    assert whole.trainable_parameters == whole.total_parameters
    assert whole.test.accuracy > 0.8


def test_plots_of_a_space_run(runs, corpus):
    assert sorted(file.name for file in (runs / "space" / "plots").iterdir()) == ["curves.png", "tokens.html"]
    assert [file.name for file in (runs / "linear" / "plots").iterdir()] == ["curves.png"]
    assert (runs / "space" / "plots" / "curves.png").read_bytes().startswith(b"\x89PNG")
    page = (runs / "space" / "plots" / "tokens.html").read_text(encoding="utf-8")
    assert "<script src=" not in page
    assert "space of 'negative'" in page
    assert f"Tokens of the {len(corpus.test)} shortest test reviews" in page
    assert page.count('"legendgroup":"') == 2 * 2


@pytest.mark.parametrize(("latents", "said"), [(1, ""), (2, ""), (3, ""), (7, ": 3 principal components of 7, ")])
def test_a_space_is_brought_to_three_dimensions(latents, said):
    from slmbench.methods.training.plots import three_dimensions

    points = np.random.default_rng(0).normal(size=(50, latents))
    drawn, title = three_dimensions(points)
    assert drawn.shape == (50, 3)
    assert title.startswith(said)
    if latents <= 3:
        assert (drawn[:, :latents] == points).all()
    else:
        values = np.linalg.eigvalsh(np.cov(points.T))[::-1]
        assert drawn.var(0, ddof=1) == pytest.approx(values[:3])
        assert f"{100 * values[:3].sum() / values.sum():.0f} %" in title


def test_a_finished_run_is_recognised(tmp_path, tiny_base, corpus):
    first = quick(tmp_path / "run", tiny_base, corpus)
    made = (tmp_path / "run" / "run.json").stat().st_mtime_ns
    time.sleep(0.01)
    assert quick(tmp_path / "run", tiny_base, corpus).key == first.key
    assert (tmp_path / "run" / "run.json").stat().st_mtime_ns == made
    assert quick(tmp_path / "run", tiny_base, corpus, inter="A").key != first.key


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "full", "latents": 3}, "--latents .*'full'"),
        ({"method": "linear", "inter": "A"}, "--inter .*'linear'"),
        ({"method": "linear", "dropout": 0.1}, "--dropout .*'linear'"),
        ({"method": "space", "lora_r": 4}, "--lora-r .*'space'"),
        ({"method": "space", "teacher": "runs/x"}, "--teacher .*'space'"),
        ({"method": "space", "report_to": "wandb"}, "--report-to .*'space'"),
        ({"method": "full", "plots": True}, "--plots .*'full'"),
        ({"method": "space", "latents": 0}, "--latents.*not 0"),
        ({"method": "space", "ce_weight": -1.0}, "--ce-weight must be at least 0, not -1.0"),
        ({"method": "space", "inter_weight": float("nan")}, "--inter-weight must be at least 0"),
        ({"method": "space", "intra_weight": float("inf")}, "--intra-weight .*inf"),
    ],
)
def test_options_that_do_not_fit(changes, said):
    with pytest.raises(UsageError, match=said):
        TrainingOptions(**changes)


def test_what_is_chosen_when_nothing_is_said():
    space = TrainingOptions("space").for_model("bert", 384)
    assert (space.latents, space.inter, space.space_pooling) == (3, "B", "masked")
    assert (space.ce_weight, space.inter_weight, space.intra_weight) == (1, 1e-3, 1e-4)
    assert (space.learning_rate, space.weight_decay, space.batch_size, space.epochs) == (1e-3, 0.01, 32, 20)
    one, more = (TrainingOptions("linear").for_model(kind, 768) for kind in ("bert", "distilbert"))
    assert (one.learning_rate, more.learning_rate) == (1e-2, 3e-4)
    assert one.weight_decay == 0
    assert not hasattr(one, "latents")


def test_epochs_are_whole(tmp_path, tiny_base, corpus):
    with pytest.raises(UsageError, match="--epochs 1.5: method space trains in whole epochs"):
        quick(tmp_path / "run", tiny_base, corpus, epochs=1.5)


def test_a_training_that_diverges(tmp_path, tiny_base, corpus):
    for method in ("linear", "space"):
        with pytest.raises(SlmbenchError, match=r"diverged: .* lower --lr \(1e\+38"):
            quick(tmp_path / "run", tiny_base, corpus, method=method, learning_rate=1e38)
    assert not (tmp_path / "run").exists()


def test_memory_that_runs_out(tmp_path, tiny_base, corpus, monkeypatch):
    def full(*reviews):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    monkeypatch.setattr(heads.SpaceTrainee, "forward", full)
    with pytest.raises(SlmbenchError, match=r"memory ran out while training: lower --batch-size \(16\)"):
        quick(tmp_path / "run", tiny_base, corpus)
    assert not (tmp_path / "run").exists()


def test_the_command_line_passes_everything_on(tmp_path, tiny_base, small_corpus_file):
    words = ["finetune", "--model", tiny_base, "--corpus", small_corpus_file, "--method", "space", "--epochs", 1]
    words += ["--latents", 2, "--inter", "C", "--inter-weight", 0.2, "--intra-weight", 0.001, "--ce-weight", 0.5]
    words += ["--space-pooling", "padded", "--plots", "--precision", "fp32", "--max-length", 16, "--json"]
    words += ["--output", tmp_path / "run"]
    said = CliRunner().invoke(app, [str(word) for word in words])
    assert said.exit_code == 0, said.stderr
    document = json.loads(said.stdout)
    wanted = {
        "latents": 2,
        "inter": "C",
        "inter_weight": 0.2,
        "intra_weight": 0.001,
        "ce_weight": 0.5,
        "space_pooling": "padded",
        "epochs": 1,
        "max_length": 16,
    }
    assert {name: document["hyperparameters"][name] for name in wanted} == wanted
    assert document["hyperparameters"]["weight_decay"] == 0.01
    assert (tmp_path / "run" / "plots" / "tokens.html").is_file()
    for option, value in (("--inter", "D"), ("--space-pooling", "max")):
        said = CliRunner().invoke(app, [*[str(word) for word in words], option, value])
        assert said.exit_code == 2
        assert f"{option} {value}: choose one of" in said.stderr


def test_the_cache_is_in_the_home_of_slmbench(tiny_base, corpus):
    outputs(tiny_base, corpus.train.texts[:3], "mean")
    assert any((home() / "encoder-outputs").iterdir())
