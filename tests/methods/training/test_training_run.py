"""A fine-tuning from corpus to run folder: what the record says is what the files do."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from learnable import write_reviews
from tiny import model_folder

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT, Silent
from slmbench.corpora import load_corpus
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.methods.training.inference import classifier_logits
from slmbench.models import find_model, load_classifier, load_tokenizer
from slmbench.records import RunRecord, read_record

QUICK = {"max_length": 16, "precision": "fp32", "device": "cpu", "batch_size": 16}


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=64, test_size=30)


@pytest.fixture(scope="module")
def lora_run(tmp_path_factory, tiny_base, corpus):
    folder = tmp_path_factory.mktemp("runs") / "tiny-bert-lora"
    options = TrainingOptions(method="lora", epochs=1, learning_rate=2e-2, **QUICK)
    return finetune(str(tiny_base), corpus, options, output=folder, command=["slmbench", "finetune"]), folder


@pytest.fixture
def record(tiny_run):
    return read_record(RunRecord, tiny_run / "run.json")


def saved_logits(folder, texts, max_length):
    model = load_classifier(find_model(str(folder)), ["negative", "positive"])
    return classifier_logits(model, load_tokenizer(folder / "model"), texts, max_length, SILENT)


def test_the_folder_of_a_run(tiny_run):
    assert {file.name for file in tiny_run.iterdir()} == {
        "README.md",
        "ancestors.npz",
        "run.json",
        "model",
        "test_logits.npy",
    }
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        file.name for file in (tiny_run / "model").iterdir()
    }
    assert [folder.name for folder in tiny_run.parent.iterdir()] == ["tiny-bert-full"]


def test_the_record_keeps_the_contract(tiny_run):
    document = json.loads((tiny_run / "run.json").read_text())
    assert document["schema"] == "slmbench.run/1"
    assert set(document) >= {"name", "path", "model", "method", "seed", "trainable_parameters", "total_parameters"}
    assert set(document["corpus"]) >= {"name", "train_reviews", "test_reviews", "test_hash", "labels"}
    assert set(document["train"]) >= {"seconds", "reviews_per_second", "epochs", "peak_rss_bytes"}
    metrics = {"accuracy", "macro_f1", "micro_f1", "precision", "recall", "roc_auc", "confusion", "labels"}
    assert set(document["test"]) >= metrics | {"majority_baseline", "accuracy_ci95", "macro_f1_ci95"}


def test_the_record_says_what_was_done(record, tiny_run, tiny_base, small_corpus_file):
    assert (record.name, record.path, record.model) == ("tiny-bert-full", str(tiny_run), str(tiny_base))
    assert (record.method, record.architecture, record.model_source, record.seed) == ("full", "bert", "directory", 42)
    assert record.base_sha256 != record.weights_sha256
    assert record.max_length == 32
    assert record.trainable_parameters == record.total_parameters > record.parameters_without_embeddings
    wanted = {
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 5e-3,
        "max_length": 32,
        "precision": "fp32",
        "device": "cpu",
    }
    assert {name: record.hyperparameters[name] for name in wanted} == wanted
    assert record.hyperparameters["dropout"] == 0
    assert not any(name.startswith("lora") for name in record.hyperparameters)
    again = load_corpus(str(small_corpus_file))
    assert record.corpus.model_copy(update={"near_duplicates": None}) == again.identity()
    assert record.train.seconds > 0
    assert record.train.reviews_per_second == pytest.approx(len(again.train) * 2 / record.train.seconds)
    assert record.train.epochs == 2
    assert {"torch", "transformers", "numpy"} <= set(record.software)
    assert record.hardware["fingerprint"]


def test_the_model_learned(record):
    assert record.test.accuracy >= 0.9 > record.test.majority_baseline
    assert record.test.accuracy_ci95[0] <= record.test.accuracy <= record.test.accuracy_ci95[1]
    assert record.test.roc_auc > 0.9
    assert np.sum(record.test.confusion) == record.corpus.test_reviews


def test_predictions_are_kept_for_every_test_review(record, small_corpus_file, tiny_run):
    test = load_corpus(str(small_corpus_file)).test
    assert record.predictions.row_ids == test.row_ids
    assert record.predictions.truth == test.labels
    assert record.predictions.labels == ["negative", "positive"]
    assert np.sum(record.predictions.probabilities, axis=1) == pytest.approx(1, abs=1e-5)
    logits = np.load(tiny_run / "test_logits.npy")
    assert logits.dtype == np.float32
    assert (logits.argmax(1) == record.predictions.predicted()).all()


def test_the_saved_model_gives_the_logits_of_the_run(tiny_run, small_corpus_file):
    texts = load_corpus(str(small_corpus_file)).test.texts
    assert saved_logits(tiny_run, texts, 32) == pytest.approx(np.load(tiny_run / "test_logits.npy"), abs=1e-5)


def test_the_history_has_a_line_an_epoch(record):
    history = record.train.history
    assert [line.epoch for line in history] == [1, 2]
    assert all(line.train_loss and line.validation_loss and line.validation_macro_f1 for line in history)
    assert history[1].validation_accuracy > history[0].validation_accuracy
    assert (record.train.best_epoch, record.train.selected_by) == (2, "accuracy")


@pytest.mark.parametrize("metric", ["loss", "accuracy", "macro_f1"])
def test_the_weights_kept_are_those_of_the_best_epoch(tmp_path, tiny_base, small_corpus_file, metric):
    from torch import from_numpy, tensor
    from torch.nn.functional import cross_entropy

    corpus = load_corpus(str(small_corpus_file), test_size=10)
    # With the labels of the validation rows turned round, what is learned in training makes them worse.
    turned = replace(corpus.validation, labels=[1 - label for label in corpus.validation.labels])
    options = TrainingOptions(
        epochs=3, select_by=metric, learning_rate=5e-3, **{**QUICK, "batch_size": 8, "max_length": 32}
    )
    record = finetune(str(tiny_base), replace(corpus, validation=turned), options, output=tmp_path / "run")
    scores = {line.epoch: getattr(line, f"validation_{metric}") for line in record.train.history}
    assert record.train.selected_by == metric
    assert record.train.best_epoch == (min if metric == "loss" else max)(scores, key=scores.get) < 3
    logits = saved_logits(tmp_path / "run", turned.texts, 32)
    kept = next(line for line in record.train.history if line.epoch == record.train.best_epoch)
    assert (logits.argmax(1) == turned.labels).mean() == pytest.approx(kept.validation_accuracy)
    loss = float(cross_entropy(from_numpy(logits), tensor(turned.labels)))
    assert loss == pytest.approx(kept.validation_loss, rel=1e-4)


def test_without_validation_rows_the_last_epoch_is_kept(tmp_path, tiny_base, small_corpus_file):
    corpus = load_corpus(str(small_corpus_file), train_size=32, test_size=10, validation_fraction=0)
    record = finetune(str(tiny_base), corpus, TrainingOptions(epochs=1, **QUICK), output=tmp_path / "run")
    assert (record.train.best_epoch, record.train.selected_by) == (None, None)
    assert record.corpus.validation_reviews == 0


def test_test_rows_are_never_trained_or_selected_on(tmp_path, tiny_base, corpus, monkeypatch):
    import transformers

    seen = {}

    class Watched(transformers.Trainer):
        def __init__(self, *args, train_dataset, eval_dataset, **kwargs):
            seen["training"] = [tuple(row["input_ids"]) for row in train_dataset]
            seen["validation"] = [tuple(row["input_ids"]) for row in eval_dataset]
            super().__init__(*args, train_dataset=train_dataset, eval_dataset=eval_dataset, **kwargs)

    monkeypatch.setattr(transformers, "Trainer", Watched)
    options = TrainingOptions(epochs=1, **{**QUICK, "max_length": 64})
    finetune(str(tiny_base), corpus, options, output=tmp_path / "run")
    tokenizer = load_tokenizer(tiny_base)
    sides = [corpus.train, corpus.validation, corpus.test]
    training, validation, test = ([tuple(ids) for ids in tokenizer(side.texts)["input_ids"]] for side in sides)
    assert seen == {"training": training, "validation": validation}
    assert not set(test) & (set(training) | set(validation))
    assert not set(corpus.test.row_ids) & set(corpus.train.row_ids + corpus.validation.row_ids)


def test_a_lora_run(lora_run, corpus):
    record, folder = lora_run
    assert {file.name for file in folder.iterdir()} == {
        "README.md",
        "run.json",
        "model",
        "test_logits.npy",
        "ancestors.npz",
        "adapter",
    }
    head = 32 * 2 + 2
    assert record.trainable_parameters == 2 * 2 * 8 * (32 + 32) + head
    assert record.hyperparameters["lora_targets"] in (["query", "value"], ("query", "value"))
    assert (record.hyperparameters["lora_r"], record.hyperparameters["lora_alpha"]) == (8, 16)
    assert record.command == ["slmbench", "finetune"]
    assert record.total_parameters > 20_000
    assert "lora" not in (folder / "model" / "config.json").read_text()


def test_a_merged_lora_run_gives_the_logits_of_its_adapter(lora_run, tiny_base, corpus):
    from peft import PeftModel

    _, folder = lora_run
    logits = np.load(folder / "test_logits.npy")
    assert saved_logits(folder, corpus.test.texts, 16) == pytest.approx(logits, abs=1e-5)
    base = load_classifier(find_model(str(tiny_base)), ["negative", "positive"])
    adapted = PeftModel.from_pretrained(base, folder / "adapter")
    tokenizer = load_tokenizer(tiny_base)
    assert classifier_logits(adapted, tokenizer, corpus.test.texts, 16, SILENT) == pytest.approx(logits, abs=1e-4)
    assert classifier_logits(base, tokenizer, corpus.test.texts, 16, SILENT).shape == logits.shape


def test_three_labels_and_fewer_layers(tmp_path, tiny_base):
    labels = ["negative", "neutral", "positive"]
    corpus = load_corpus(str(write_reviews(tmp_path / "three.csv", labels, 200)), train_size=120)
    options = TrainingOptions(epochs=5, learning_rate=1e-2, layers=1, **{**QUICK, "batch_size": 8, "max_length": 32})
    record = finetune(str(tiny_base), corpus, options, output=tmp_path / "run")
    assert record.test.labels == labels
    assert np.shape(record.test.confusion) == (3, 3)
    assert np.load(tmp_path / "run" / "test_logits.npy").shape == (len(corpus.test), 3)
    configuration = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert configuration["id2label"] == {"0": "negative", "1": "neutral", "2": "positive"}
    assert configuration["num_hidden_layers"] == 1
    assert record.test.accuracy > record.test.majority_baseline


def test_bf16_training_is_tested_in_fp32(tmp_path, tiny_base, corpus):
    options = TrainingOptions(epochs=1, **{**QUICK, "precision": "bf16"})
    record = finetune(str(tiny_base), corpus, options, output=tmp_path / "run")
    assert record.train.precision == "bf16"
    logits = np.load(tmp_path / "run" / "test_logits.npy")
    assert saved_logits(tmp_path / "run", corpus.test.texts, 16) == pytest.approx(logits, abs=1e-5)


def test_inputs_are_cut_to_the_positions_there_are(tmp_path, tiny_base, corpus):
    options = TrainingOptions(epochs=1, **{**QUICK, "max_length": 500})
    record = finetune(str(tiny_base), corpus, options, output=tmp_path / "run")
    assert record.max_length == 66


def test_a_training_that_diverges_is_said_and_leaves_nothing(tmp_path, tiny_base, corpus):
    options = TrainingOptions(epochs=1, learning_rate=1e38, **QUICK)
    with pytest.raises(SlmbenchError, match=r"lower --lr \(1e\+38\)"):
        finetune(str(tiny_base), corpus, options, output=tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("validation", [0, 0.2])
def test_a_training_that_diverges_later_keeps_a_good_epoch(
    tmp_path, tiny_base, small_corpus_file, monkeypatch, validation
):
    from transformers import Trainer

    steps, learn = [], Trainer.training_step

    def break_in_epoch_three(self, model, *args, **kwargs):
        steps.append(1)
        if len(steps) == 2 * self.state.max_steps // 3 + 2:
            next(model.parameters()).data.fill_(float("nan"))
        return learn(self, model, *args, **kwargs)

    monkeypatch.setattr(Trainer, "training_step", break_in_epoch_three)
    corpus = load_corpus(str(small_corpus_file), train_size=64, test_size=20, validation_fraction=validation)
    record = finetune(str(tiny_base), corpus, TrainingOptions(epochs=3, **QUICK), output=tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert np.isfinite(np.load(tmp_path / "run/test_logits.npy")).all()
    assert record.train.best_epoch in ({1, 2} if validation else {2})
    assert any("diverged in epoch 3" in note for note in record.notes)


def test_more_layers_than_there_are(tmp_path, tiny_base, corpus):
    with pytest.raises(UsageError, match=r"--layers 3: .* has 2 encoder layers"):
        finetune(str(tiny_base), corpus, TrainingOptions(layers=3, **QUICK), output=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_device_that_is_not_there(tmp_path, tiny_base, corpus):
    with pytest.raises(SlmbenchError, match="there is no device 'tpu' here; available: .*cpu"):
        finetune(str(tiny_base), corpus, TrainingOptions(device="tpu"), output=tmp_path / "run")


def test_an_output_that_is_a_file(tmp_path, tiny_base, corpus):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(UsageError, match=r".*run is a file: name a folder"):
        finetune(str(tiny_base), corpus, TrainingOptions(**QUICK), output=tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def test_the_default_folder_is_named_after_the_run(tmp_path, corpus, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = finetune("ignored", corpus, TrainingOptions(method="tfidf"))
    assert record.path == str(next((tmp_path / "runs").iterdir()).relative_to(tmp_path))
    assert record.name == "tfidf-reviews"


@pytest.mark.parametrize(
    ("kind", "pad_id", "limit", "method"),
    [
        *((*family, method) for family in (("bert", 0, 12), ("roberta", 1, 12)) for method in ("full", "lora")),
        ("roberta", 5, 12, "full"),
        ("roberta", 1, 12, "linear"),
        # Families that count from elsewhere: MPNet from 2 whatever its padding token, the others from 0.
        *((kind, 0, 12, "full") for kind in ("albert", "electra", "distilbert", "deberta-v2", "mpnet", "modernbert")),
    ],
)
def test_a_model_with_positions_for_few_tokens_is_trained_on_as_many(tmp_path, kind, pad_id, limit, method):
    offset = {"roberta": pad_id + 1, "mpnet": 2}.get(kind, 0)
    base = model_folder(tmp_path / kind, kind, pad_token_id=pad_id, max_position_embeddings=limit + offset)
    path = tmp_path / "long.csv"
    rows = "".join(f"{'a good film ' * 20}{n},{('no', 'yes')[n % 2]}\n" for n in range(40))
    path.write_text(f"text,label\n{rows}")
    said = []
    listener = Silent()
    listener.say = said.append
    options = TrainingOptions(method=method, epochs=1, max_length=30, precision="fp32", device="cpu")
    record = finetune(str(base), load_corpus(str(path)), options, output=tmp_path / "run", progress=listener)
    assert record.max_length == limit
    assert any(f"cut at {limit} tokens, not at 30" in line for line in said)
    assert record.truncation.cut_reviews == record.truncation.reviews


def test_a_model_without_a_table_of_positions_reads_what_is_asked_for(tmp_path):
    base = model_folder(tmp_path / "xlnet", "xlnet")
    path = tmp_path / "long.csv"
    rows = "".join(f"{'a good film ' * 30}{n},{('no', 'yes')[n % 2]}\n" for n in range(40))
    path.write_text(f"text,label\n{rows}")
    options = TrainingOptions(epochs=1, max_length=70, precision="fp32", device="cpu")
    assert finetune(str(base), load_corpus(str(path)), options, output=tmp_path / "run").max_length == 70


def test_a_model_published_for_several_labels_a_text_is_said_to_give_one(tmp_path, tiny_base, corpus):
    base = shutil.copytree(tiny_base, tmp_path / "base")
    file = base / "config.json"
    configuration = json.loads(file.read_text(encoding="utf-8")) | {"problem_type": "multi_label_classification"}
    file.write_text(json.dumps(configuration), encoding="utf-8")
    said = []
    listener = Silent()
    listener.say = said.append
    record = finetune(str(base), corpus, TrainingOptions(**QUICK), output=tmp_path / "run", progress=listener)
    assert any("multi_label_classification" in line and str(base) in line for line in said)
    saved = json.loads((tmp_path / "run" / "model" / "config.json").read_text(encoding="utf-8"))
    assert saved["problem_type"] == "single_label_classification"
    assert np.sum(record.predictions.probabilities, axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", ["albert", "deberta-v2", "xlnet", "mpnet", "roberta"])
def test_tokens_beyond_the_table_are_found_in_every_family(tmp_path, kind):
    base = model_folder(tmp_path / "base", kind, vocab_size=100)
    with pytest.raises(SlmbenchError, match=r"rows \(100; "):
        load_tokenizer(base)


def test_a_tokenizer_with_tokens_beyond_the_model_is_refused_before_training(tmp_path, corpus):
    base = model_folder(tmp_path / "base", "bert", vocab_size=100)
    with pytest.raises(SlmbenchError, match=r"embedding table has rows \(100; "):
        finetune(str(base), corpus, TrainingOptions(**QUICK), output=tmp_path / "runs" / "run")
    assert not (tmp_path / "runs").exists()
