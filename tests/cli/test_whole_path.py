"""The whole path through the program itself: what each command prints, and what it hands on."""

import json
import re

import pytest
from cli_helpers import COMMANDS, json_of, missing_keys, run, run_apart

RUN = {
    "schema": None,
    "name": None,
    "path": None,
    "model": None,
    "method": None,
    "seed": None,
    "trainable_parameters": None,
    "total_parameters": None,
    "corpus": {"name", "train_reviews", "test_reviews", "test_hash", "labels"},
    "train": {"seconds", "reviews_per_second", "epochs", "peak_rss_bytes"},
    "test": {
        "accuracy",
        "macro_f1",
        "micro_f1",
        "precision",
        "recall",
        "roc_auc",
        "confusion",
        "labels",
        "majority_baseline",
    },
}
FORM = {
    "file": None,
    "bytes": None,
    "accuracy": None,
    "parity": {"reviews", "label_flips", "max_abs_logit_diff"},
    "accepted": None,
    "reason": None,
}
BUNDLE = {"schema": None, "name": None, "path": None, "forms": {"fp32": FORM, "int8": FORM}}
PROFILE = {
    "schema": None,
    "bundle": None,
    "form": None,
    "backend": None,
    "device": None,
    "threads": None,
    "scenario": None,
    "latency": {"samples_ms", "p50_ms", "p95_ms", "p99_ms", "mean_ms", "ci95_ms"},
    "throughput": {"reviews_per_second", "tokens_per_second"},
    "memory": {"load_bytes", "peak_bytes"},
    "size_bytes": None,
    "cold_start_ms": None,
    "energy": {"joules_per_review", "source", "quality", "reason", "joules_per_1000", "gco2e_per_1000"},
    "roofline": {"macs", "macs_linear", "achieved"},
    "accuracy": None,
    "hardware": None,
    "software": None,
    "corpus": {"test_hash"},
}
COMPARISON = {
    "schema": None,
    "rows": None,
    "pareto": None,
    "recommended": {"name", "form", "why"},
    "rejected": None,
}

PATH = {
    "finetune": (
        "--model base --corpus reviews.csv --train-size 180 --test-size 30 --epochs 6 --batch-size 8"
        " --lr 5e-3 --max-length 16 --seed 7 --output runs/tiny"
    ),
    "export": "runs/tiny --max-accuracy-drop 100%",
    "profile": "--device cpu --processes 1 --time-limit 1",
    "compare": "",
    "predict": "exported/tiny Superb.",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory, small_corpus_file, tiny_base):
    """The folder in which every command ran once with --json, each on what the one before left there."""
    folder = tmp_path_factory.mktemp("path")
    (folder / "reviews.csv").write_bytes(small_corpus_file.read_bytes())
    (folder / "base").symlink_to(tiny_base, target_is_directory=True)
    results = {name: run_apart(name, *words.split(), "--json", cwd=folder) for name, words in PATH.items()}
    return folder, results


@pytest.mark.parametrize("command", PATH)
def test_stderr_holds_only_plain_words(path, command):
    said = path[1][command].stderr

    assert "Traceback" not in said
    assert not re.search(r"warning", said, re.IGNORECASE)
    # One line a thing said; a library's log lines would come with level, time or module.
    progress = re.compile(r".*, \d+ s|.*: \d+ s")  # on a slow machine
    assert len([line for line in said.splitlines() if not progress.fullmatch(line)]) <= 5


def test_finetune_prints_the_run(path):
    folder, results = path
    document = json_of(results["finetune"])

    assert missing_keys(RUN, document) == []
    assert document["schema"] == "slmbench.run/1"
    assert (document["path"], document["method"], document["seed"]) == ("runs/tiny", "full", 7)
    assert (document["corpus"]["train_reviews"], document["corpus"]["test_reviews"]) == (162, 30)
    assert document["command"][:4] == ["slmbench", "finetune", "--model", "base"]
    assert document == json.loads((folder / "runs/tiny/run.json").read_text(encoding="utf-8"))
    rows, labels = document["test"]["confusion"], document["test"]["labels"]
    truth = document["predictions"]["truth"]
    assert labels == ["negative", "positive"]
    assert [sum(row) for row in rows] == [truth.count(0), truth.count(1)]


def test_export_prints_the_bundle(path):
    folder, results = path
    document = json_of(results["export"])

    assert missing_keys(BUNDLE, document) == []
    assert document["schema"] == "slmbench.bundle/1"
    parity = document["forms"]["fp32"]["parity"]
    assert (parity["reviews"], parity["label_flips"]) == (30, 0)
    for form in document["forms"].values():
        assert (folder / document["path"] / form["file"]).stat().st_size == form["bytes"]


def test_profile_without_arguments_measures_all_of_exported(path):
    folder, results = path
    document = json_of(results["profile"])

    assert document["failed"] == []
    measured = document["profiles"]
    assert [(found["bundle"], found["form"]) for found in measured] == [("tiny", "fp32"), ("tiny", "int8")]
    for found in measured:
        assert missing_keys(PROFILE, found) == []
        assert found["schema"] == "slmbench.profile/1"
        assert found["latency"]["samples_ms"]
        written = json.loads((folder / "profiles" / f"{found['name']}.json").read_text(encoding="utf-8"))
        assert written == found


def test_compare_without_arguments_decides_over_profiles(path):
    folder, results = path
    document = json_of(results["compare"])

    assert missing_keys(COMPARISON, document) == []
    assert document["schema"] == "slmbench.comparison/1"
    assert {(row["name"], row["form"]) for row in document["rows"]} == {("tiny", "fp32"), ("tiny", "int8")}
    assert len(document["rejected"]) == 1
    assert missing_keys({"name", "form", "why"}, document["rejected"][0]) == []
    report = folder / "comparisons/latest"
    assert json.loads((report / "comparison.json").read_text(encoding="utf-8")) == document
    assert document["recommended"]["why"] in (report / "report.md").read_text(encoding="utf-8")
    assert len(list(report.glob("*.png"))) == 3


def test_predict_prints_a_line_a_text(path):
    (line,) = path[1]["predict"].stdout.splitlines()
    document = json.loads(line)

    assert list(document) == ["label", "score", "scores"]
    assert document["score"] == document["scores"][document["label"]] == max(document["scores"].values())


def test_nothing_is_left_beside_the_results(path):
    folder, _ = path

    assert sorted(entry.name for entry in folder.iterdir()) == [
        "base",
        "comparisons",
        "exported",
        "profiles",
        "reviews.csv",
        "runs",
    ]
    hidden = [entry for entry in folder.rglob(".*") if "base" not in entry.parts]
    assert hidden == []


@pytest.mark.parametrize("command", ["finetune", "export", "compare", "predict"])
def test_the_same_command_again_says_the_same(path, monkeypatch, capfd, command):
    """Finished work is recognised by what it was made of; run in this process, which is another one."""
    folder, results = path
    monkeypatch.chdir(folder)

    again = run(command, *PATH[command].split(), "--json", "--quiet")

    assert again.stderr == ""
    if command == "predict":
        assert again.stdout == results[command].stdout
    else:
        changing = ("created", "command")
        documents = [json_of(result) for result in (again, results[command])]
        first, second = ({key: doc[key] for key in doc if key not in changing} for doc in documents)
        assert first == second
        if command in ("finetune", "export"):
            assert documents[0]["created"] == documents[1]["created"]
    # Nothing went past the program's own stdout.
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("command", ["finetune", "export", "compare"])
def test_people_get_a_table_and_quiet_gets_nothing(path, monkeypatch, command):
    monkeypatch.chdir(path[0])
    words = [command, *PATH[command].split()]

    shown, hushed = run(*words), run(*words, "--quiet")

    assert (shown.exit_code, hushed.exit_code) == (0, 0)
    assert "accuracy" in shown.stdout
    assert (hushed.stdout, hushed.stderr) == ("", "")


def test_people_get_a_table_of_profiles(path, monkeypatch, tmp_path):
    monkeypatch.chdir(path[0])
    monkeypatch.setenv("COLUMNS", "120")

    shown = run("profile", "--form", "int8", "--processes", "1", "--time-limit", "0.1", "-o", tmp_path / "p")

    assert shown.exit_code == 0
    assert re.search(r"tiny +int8 ", shown.stdout)
    assert "p50 ms" in shown.stdout


def test_fetch_lists_what_there_is_as_json(here):
    document = json_of(run("fetch", "--list", "--json"))

    assert document["schema"] == "slmbench.catalogue/1"
    names = {item["name"] for item in document["items"]}
    assert {"bert-tiny", "minilm-l6", "imdb", "rotten-tomatoes", "mpnet-base", "smollm2-135m"} <= names
    assert missing_keys({"name", "kind", "title", "licence", "download_bytes", "fetched"}, document["items"][0]) == []
    assert not any(item["fetched"] for item in document["items"])


def test_fetch_lists_what_there_is_for_people(here):
    listed = run("fetch", "--list")

    assert listed.exit_code == 0
    assert "bert-tiny" in listed.stdout and "Apache-2.0" in listed.stdout


def test_a_traceback_is_for_debugging(here):
    plain = run_apart("compare", "nothing.json", cwd=here)
    debugged = run_apart("compare", "nothing.json", "--debug", cwd=here)

    assert plain.exit_code == 2
    assert "Traceback" not in plain.stderr
    assert debugged.exit_code != 0
    assert "Traceback" in debugged.stderr
    assert "there is no profile or folder at nothing.json" in debugged.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_json_and_quiet(command):
    assert run(command, "--help", "--json", "--quiet").exit_code == 0
