"""A student learns from a teacher's soft labels, on reviews with and without a label of their own."""

import json
import shutil

import numpy as np
import pytest
import torch
from learnable import write_reviews
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.places import home
from slmbench.common.progress import SILENT
from slmbench.corpora import load_corpus
from slmbench.edge.runtime import softmax
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, distillation, finetune, inference
from slmbench.methods.training.distillation import Teacher, Teachers, mean_answer
from slmbench.methods.training.losses import UNKNOWN_LABEL, distillation_loss

OPTIONS = {"max_length": 32, "precision": "fp32", "device": "cpu", "batch_size": 8, "learning_rate": 5e-3}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def corpus(small_corpus_file):
    return load_corpus(str(small_corpus_file), train_size=24, unlabelled_size=150)


def distil(corpus, teacher, base, folder, **changes):
    teachers = [str(one) for one in teacher] if isinstance(teacher, list) else str(teacher)
    options = TrainingOptions(**{**OPTIONS, "epochs": 2, "teacher": teachers, **changes})
    return finetune(str(base), corpus, options, output=folder)


def test_the_loss_is_the_mix_of_soft_and_hard_cross_entropy():
    student = torch.tensor([[1.0, -1.0], [0.2, 0.4]])
    teacher = torch.tensor([[2.0, 0.0], [-1.0, 3.0]])
    labels = torch.tensor([0, UNKNOWN_LABEL])
    temperature, weight = 2.0, 0.3

    def log_softmax(rows):
        return rows - np.log(np.exp(rows).sum(-1, keepdims=True))

    targets = np.exp(log_softmax(teacher.numpy() / temperature))
    soft = -(targets * log_softmax(student.numpy() / temperature)).sum(-1) * temperature**2
    hard = -log_softmax(student.numpy())[0, 0]
    wanted = ((1 - weight) * soft[0] + weight * hard + soft[1]) / 2
    assert float(distillation_loss(student, teacher, labels, temperature, weight)) == pytest.approx(wanted, rel=1e-5)


def test_the_loss_is_least_where_the_student_says_what_the_teacher_says():
    teacher = torch.tensor([[1.5, -0.5]])
    unknown = torch.tensor([UNKNOWN_LABEL])
    losses = [
        float(distillation_loss(teacher + shift * torch.tensor([[1.0, 0.0]]), teacher, unknown, 2.0, 0.5))
        for shift in (-1.0, -0.1, 0.0, 0.1, 1.0)
    ]
    assert min(losses) == losses[2]


def test_unlabelled_reviews_bring_the_student_to_its_teacher(tiny_run, tiny_base, corpus, tmp_path):
    alone = finetune(
        str(tiny_base),
        load_corpus(**{**corpus.options, "unlabelled_size": 0}),
        TrainingOptions(**OPTIONS, epochs=2),
        output=tmp_path / "alone",
    )
    taught = distil(corpus, tiny_run, tiny_base, tmp_path / "taught")
    teacher = json.loads((tiny_run / "run.json").read_text())
    said = np.asarray(teacher["predictions"]["probabilities"]).argmax(1)
    # All three are tested on the same reviews; agreement with the teacher is what was learned.
    assert teacher["predictions"]["row_ids"] == taught.predictions.row_ids == alone.predictions.row_ids
    agreement = [(run.predictions.predicted() == said).mean() for run in (alone, taught)]
    assert agreement[1] > agreement[0]
    assert taught.test.accuracy > alone.test.accuracy
    assert taught.corpus.unlabelled_reviews == 150
    assert taught.corpus.train_hash == alone.corpus.train_hash
    assert taught.details["teacher"]["accuracy"] == pytest.approx(teacher["test"]["accuracy"])
    assert taught.hyperparameters["temperature"] == 2.0
    assert "temperature" not in alone.hyperparameters
    assert taught.key != alone.key


def test_the_teacher_is_asked_once(tiny_run, tiny_base, corpus, tmp_path, monkeypatch):
    first = distil(corpus, tiny_run, tiny_base, tmp_path / "first", epochs=1)

    def fail(*args, **kwargs):
        pytest.fail("the teacher was asked again")

    monkeypatch.setattr(distillation, "run_logits", fail)
    second = distil(corpus, tiny_run, tiny_base, tmp_path / "second", epochs=1)
    assert second.predictions == first.predictions


def test_soft_labels_in_bf16_are_those_in_fp32_but_for_rounding(tiny_run, corpus, monkeypatch):
    record = Teacher.open(str(tiny_run), corpus).record
    found = {}
    for precision in ("fp32", "bf16"):
        monkeypatch.setattr(inference, "choose_precision", lambda *_, chosen=precision: chosen)
        with SILENT.task("") as task:
            found[precision] = inference.run_logits(tiny_run, record, "cpu", fast=True)(corpus.test.texts, task)
            plain = inference.run_logits(tiny_run, record, "cpu")(corpus.test.texts, task)
        assert found[precision].dtype == plain.dtype == np.float32
    assert np.array_equal(found["fp32"], plain)
    assert 0 < np.abs(found["bf16"] - plain).max() < 0.1


def test_the_trainer_never_sees_a_label_of_an_unlabelled_review(tiny_run, tiny_base, corpus, tmp_path, monkeypatch):
    seen = {}

    def note(model, tokenizer, training, *args, **kwargs):
        seen["labels"] = training.labels
        raise KeyboardInterrupt

    monkeypatch.setattr("slmbench.methods.training.transformer.train", note)
    with pytest.raises(KeyboardInterrupt):
        distil(corpus, tiny_run, tiny_base, tmp_path / "student")
    assert seen["labels"][: len(corpus.train)] == corpus.train.labels
    assert set(seen["labels"][len(corpus.train) :]) == {UNKNOWN_LABEL}


def test_a_teacher_with_its_labels_in_another_order_is_read_right(tiny_run, corpus):
    teacher = Teacher.open(str(tiny_run), corpus)
    straight = teacher.logits(corpus.test.texts, corpus.test.row_ids, "cpu", progress=SILENT)
    turned = Teacher(teacher.folder, teacher.record, [1, 0])
    np.testing.assert_allclose(
        turned.logits(corpus.test.texts, corpus.test.row_ids, "cpu", progress=SILENT), straight[:, ::-1]
    )
    right = straight.argmax(1) == np.asarray(corpus.test.labels)
    assert right.mean() > 0.8


def test_a_teacher_with_other_classes_is_refused(tiny_run, tiny_base, tmp_path):
    three = write_reviews(tmp_path / "three.csv", ["negative", "neutral", "positive"], 90)
    with pytest.raises(UsageError, match="negative, positive, the corpus has negative, neutral, positive"):
        distil(load_corpus(str(three)), tiny_run, tiny_base, tmp_path / "student")
    assert not (tmp_path / "student").exists()


def test_a_teacher_without_a_classifier_is_refused(tiny_run, tiny_base, corpus, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "asks")
    record = json.loads((tmp_path / "asks" / "run.json").read_text())
    record["has_model"] = False
    (tmp_path / "asks" / "run.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match="without a classifier of its own"):
        distil(corpus, tmp_path / "asks", tiny_base, tmp_path / "student")


class TestSeveral:
    """Several teachers are asked one by one, and the mean of their probabilities is learned."""

    def ask(self, corpus, *folders):
        teachers = Teachers.open([str(folder) for folder in folders], corpus)
        return teachers.logits(corpus.unlabelled, corpus.unlabelled_ids, "cpu", SILENT)

    def test_the_mean_of_the_probabilities_is_learned(self, tiny_run, floor_run, corpus):
        alone = [softmax(self.ask(corpus, folder)) for folder in (tiny_run, floor_run)]
        both = softmax(self.ask(corpus, tiny_run, floor_run))
        assert both == pytest.approx(np.mean(alone, axis=0), abs=1e-5)
        assert np.abs(alone[0] - alone[1]).max() > 0.01
        assert (self.ask(corpus, floor_run, tiny_run) == self.ask(corpus, tiny_run, floor_run)).all()

    def test_the_mean_of_certain_answers_is_finite(self):
        certain = mean_answer([np.array([[800.0, -800.0]]), np.array([[900.0, 0.0]])])
        assert np.isfinite(certain).all()
        assert softmax(certain) == pytest.approx(np.array([[1.0, 0.0]]))

    def test_a_student_joins_its_teachers(self, tiny_run, tiny_base, corpus, tmp_path):
        first = tmp_path / "first"
        finetune("tfidf", corpus, TrainingOptions(method="tfidf", teacher=str(tiny_run)), output=first)
        record = distil(corpus, [tiny_run, first], tiny_base, tmp_path / "second")
        other = distil(corpus, [first, tiny_run], tiny_base, tmp_path / "other")
        assert {one["name"] for one in record.details["teacher"]["members"]} == {"tiny-bert-full", "first"}
        assert other.key == record.key
        assert distil(corpus, tiny_run, tiny_base, tmp_path / "one").key != record.key
        # What shaped the first student is followed through it.
        through = {tuple(fact.through) for fact in record.ancestors}
        assert {("teacher",), ("teacher", "teacher"), ("teacher", "base")} <= through
        assert record.trained_as.taught_by == record.details["teacher"]["name"]
        assert "tiny-bert-full" in record.details["teacher"]["name"]

    def test_one_teacher_twice_is_refused(self, tiny_run, corpus):
        with pytest.raises(UsageError, match="the same classifier"):
            self.ask(corpus, tiny_run, tiny_run)

    def test_what_is_kept_of_a_teacher_and_damaged_is_asked_again(self, tiny_run, corpus):
        whole = self.ask(corpus, tiny_run)
        (file,) = (home() / "teachers").iterdir()
        sound = file.read_bytes()
        np.save(file, whole[:, :1])
        too_narrow = file.read_bytes()
        for damaged in (b"", sound[:100], sound[:-8], b"\x80\x04K\x01.", too_narrow):
            file.write_bytes(damaged)
            assert (self.ask(corpus, tiny_run) == whole).all()
            assert file.read_bytes() == sound

    def test_an_interrupted_teacher_goes_on_where_it_was(self, tiny_run, corpus, monkeypatch):
        monkeypatch.setattr("slmbench.methods.training.distillation.CHUNK", 40)
        whole = self.ask(corpus, tiny_run)
        files = sorted((home() / "teachers").iterdir())
        assert len(files) == 4  # of 40, 40, 40 and 30 reviews
        files[0].unlink()
        asked = []
        ask = distillation.run_logits

        def counting(*args, **options):
            answer = ask(*args, **options)
            return lambda texts, task: asked.append(len(texts)) or answer(texts, task)

        monkeypatch.setattr(distillation, "run_logits", counting)
        assert (self.ask(corpus, tiny_run) == whole).all()
        assert len(asked) == 1

    def test_on_the_command_line_the_option_is_repeated(self, tiny_run, floor_run, tmp_path, small_corpus_file):
        teachers = ["--teacher", tiny_run, "--teacher", floor_run, "--unlabelled", "20"]
        corpus = ["--corpus", small_corpus_file, "--train-size", "24", "--output", tmp_path / "run", "--json"]
        words = ["finetune", "--method", "tfidf", *teachers, *corpus]
        run = CliRunner().invoke(app, [str(word) for word in words])
        assert run.exit_code == 0
        assert len(json.loads(run.stdout)["details"]["teacher"]["members"]) == 2


def test_a_teacher_that_is_not_there_is_refused(tiny_base, corpus, tmp_path):
    with pytest.raises(UsageError, match="--teacher: there is no run at nowhere"):
        distil(corpus, "nowhere", tiny_base, tmp_path / "student")


def test_a_damaged_teacher_is_refused(tiny_run, tiny_base, corpus, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "teacher")
    (tmp_path / "teacher" / "model" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(SlmbenchError, match="cannot be loaded"):
        distil(corpus, tmp_path / "teacher", tiny_base, tmp_path / "student")
    assert not (tmp_path / "student").exists()


def test_unlabelled_reviews_without_a_teacher_are_refused(tiny_base, corpus, tmp_path):
    with pytest.raises(UsageError, match="--teacher"):
        finetune(str(tiny_base), corpus, TrainingOptions(), output=tmp_path / "run")


def test_more_unlabelled_reviews_than_there_are_is_refused(small_corpus_file):
    with pytest.raises(UsageError, match="training reviews beside the labelled ones"):
        load_corpus(str(small_corpus_file), train_size=100, unlabelled_size=5000)


def test_unlabelled_reviews_are_none_of_the_labelled_or_test_ones(small_corpus_file):
    corpus = load_corpus(str(small_corpus_file), train_size=30, unlabelled_size="all")
    others = set(corpus.train.texts + corpus.validation.texts + corpus.test.texts)
    assert corpus.unlabelled
    assert not others & set(corpus.unlabelled)
    assert len(corpus.unlabelled) + 30 == corpus.train_pool


@pytest.mark.parametrize(
    "changes", [{"temperature": 0.0, "teacher": "x"}, {"hard_weight": 1.5, "teacher": "x"}, {"temperature": 2.0}]
)
def test_impossible_options_are_refused(changes):
    with pytest.raises(UsageError):
        TrainingOptions(**changes)


class TestTfidf:
    def taught(self, corpus, teacher, folder, **changes):
        options = TrainingOptions(method="tfidf", teacher=str(teacher), **changes)
        return finetune("tfidf", corpus, options, output=folder)

    def test_unlabelled_reviews_bring_it_to_its_teacher(self, tiny_run, corpus, tmp_path):
        few = load_corpus(**{**corpus.options, "unlabelled_size": 0})
        alone = finetune("tfidf", few, TrainingOptions(method="tfidf"), output=tmp_path / "alone")
        student = self.taught(corpus, tiny_run, tmp_path / "taught")
        teacher = softmax(np.load(tiny_run / "test_logits.npy"))

        def distance(folder):
            return np.abs(softmax(np.load(folder / "test_logits.npy")) - teacher).mean()

        assert distance(tmp_path / "taught") < 0.8 * distance(tmp_path / "alone")
        assert student.details["teacher"]["name"] == student.trained_as.taught_by == "tiny-bert-full"
        assert alone.trained_as.taught_by is None
        assert student.corpus.unlabelled_reviews == 150

    def test_with_hard_weight_one_a_label_counts_alone(self, tiny_run, corpus, tmp_path):
        few = load_corpus(**{**corpus.options, "unlabelled_size": 0})
        finetune("tfidf", few, TrainingOptions(method="tfidf"), output=tmp_path / "alone")
        self.taught(few, tiny_run, tmp_path / "hard", hard_weight=1.0)
        self.taught(few, tiny_run, tmp_path / "soft", hard_weight=0.0)
        alone, hard, soft = (np.load(tmp_path / name / "test_logits.npy") for name in ("alone", "hard", "soft"))
        assert hard == pytest.approx(alone, abs=1e-3)
        assert soft != pytest.approx(alone, abs=1e-2)

    def test_it_exports_like_any_other(self, tiny_run, corpus, tmp_path):
        self.taught(corpus, tiny_run, tmp_path / "taught")
        bundle = export(tmp_path / "taught", output=tmp_path / "bundle")
        assert bundle.forms["fp32"].parity.label_flips == 0
        assert bundle.trained_as.taught_by == "tiny-bert-full"


def test_the_answers_to_unlabelled_reviews_serve_every_student(tiny_run, tiny_base, corpus, tmp_path, monkeypatch):
    distil(corpus, tiny_run, tiny_base, tmp_path / "bert")
    asked = []
    ask = distillation.run_logits

    def counting(*args, **options):
        answer = ask(*args, **options)
        return lambda texts, task: asked.append(len(texts)) or answer(texts, task)

    monkeypatch.setattr(distillation, "run_logits", counting)
    finetune("tfidf", corpus, TrainingOptions(method="tfidf", teacher=str(tiny_run)), output=tmp_path / "tfidf")
    assert asked == []  # nor are those to labelled ones asked again, validation rows included
