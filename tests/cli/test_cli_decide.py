"""``slmbench decide``: from a file to a bundle that answers, on tiny models and a short measurement."""

import csv
import json
import signal

import pytest
from cli_helpers import json_of, run
from learnable import reviews, write_reviews

from slmbench.deciding import candidates, deciding
from slmbench.deciding.search import Search
from slmbench.edge import Classifier
from slmbench.records import DecisionRecord, artefacts

TINY = {"epochs": 1, "batch_size": 8, "learning_rate": 5e-3, "max_length": 16, "precision": "fp32", "device": "cpu"}


@pytest.fixture(scope="module")
def _short(tiny_base):
    """Let the baseline be the first answer, a tiny BERT the larger rung, and a measurement be short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "FIRST", ({"name": "tfidf", "method": "tfidf"},))
        patch.setattr(candidates, "LARGER", ({"name": "tiny", "model": str(tiny_base), **TINY},))
        patch.setattr(deciding, "PROFILE", {"processes": 1, "time_limit_s": 0.2})
        yield


@pytest.fixture
def quick(_short, here):
    """An empty working folder."""
    return here


def write_table(file, rows):
    with file.open("w", newline="") as written:
        table = csv.writer(written)
        table.writerow(["text", "label"])
        table.writerows(rows)


def is_planted(place):
    """Whether the label of this row is the wrong one."""
    return place % 20 == 3


ROWS = reviews(["negative", "positive"], 1300)
OTHER = {"negative": "positive", "positive": "negative"}


@pytest.fixture(scope="module")
def decided(_short, tmp_path_factory):
    """A working folder with a decision over a table, some of whose labels are wrong and the last of which lack."""
    folder = tmp_path_factory.mktemp("decided")
    labels = [OTHER[label] if is_planted(place) else label for place, (_, label) in enumerate(ROWS)]
    labels[1000:] = [""] * 300
    write_table(folder / "my reviews.v2.csv", [(text, label) for (text, _), label in zip(ROWS, labels, strict=True)])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "printed.json").write_text(json.dumps(json_of(run("decide", "my reviews.v2.csv", "--json"))))
    return folder


@pytest.fixture
def record(decided, monkeypatch):
    """What the command printed, in its working folder."""
    monkeypatch.chdir(decided)
    return json.loads((decided / "printed.json").read_text())


def test_from_a_file_to_a_bundle_that_answers(record, decided):
    assert record["schema"] == "slmbench.decision/1"
    keys = "assumed first_answer_seconds rungs recommended stability confirmation bundle learning_curve"
    assert set(keys.split()) <= record.keys()
    assert 0 < record["first_answer_seconds"] <= record["seconds"]
    assert [rung["outcome"] for rung in record["rungs"] if rung["name"] == "tfidf"] == ["compared", *["curve"] * 3]
    compared = {rung["name"] for rung in record["rungs"] if rung["outcome"] == "compared"}
    assert compared == {"tfidf", "tiny", "tfidf-taught"}
    curve = record["learning_curve"]
    trained = [rung["train_reviews"] for rung in record["rungs"] if rung["name"] == curve["rung"]]
    assert [size for size, _ in curve["points"]] == sorted(trained)
    folder = decided / "decisions" / "my-reviews"
    assert json.loads((folder / "decision.json").read_text()) == record
    assert (folder / "report" / "report.html").is_file()
    opened = artefacts.read(folder, DecisionRecord)
    namespace = {}
    exec(opened.code, namespace)
    assert namespace["classifier"].form == record["recommended"]["form"]
    assert Classifier(record["bundle"]).predict(["superb great loved"])[0].label == "positive"


def test_texts_without_a_label_are_what_to_label_next(record):
    with open(record["label_next"], newline="") as file:
        asked = [row["text"] for row in csv.DictReader(file)]
    assert len(asked) == len(set(asked)) == 50
    assert set(asked) <= {text for text, _ in ROWS[1000:]}


def test_wrong_labels_are_written_down(record):
    with open(record["suspected_labels"], newline="") as file:
        suspected = list(csv.DictReader(file))
    planted = {text for place, (text, _) in enumerate(ROWS) if is_planted(place)}
    assert sum(row["text"] in planted for row in suspected) >= 0.8 * len(suspected) > 0
    assert all(row["label"] != row["likelier"] for row in suspected)


def test_a_rerun_trains_nothing_again_and_limits_apply_to_what_is_there(record, decided):
    before = {file: file.stat().st_mtime_ns for file in decided.rglob("run.json")}
    again = json_of(run("decide", "my reviews.v2.csv", "--json", "--max-size-mb", "0.000001", "--output", "again"))
    assert before == {file: file.stat().st_mtime_ns for file in decided.rglob("run.json")}
    assert [rung["accuracy"] for rung in again["rungs"]] == [rung["accuracy"] for rung in record["rungs"]]
    assert again["recommended"] is None
    assert again["bundle"] is None


def test_without_time_the_first_answer_is_the_answer(quick):
    write_reviews(quick / "reviews.csv", ["negative", "positive"], 240)
    result = run("decide", "reviews.csv", "--time-budget", "1s")
    assert result.exit_code == 0, result.stderr
    record = artefacts.read(quick / "decisions" / "reviews", DecisionRecord)
    assert [(rung.name, rung.outcome) for rung in record.rungs] == [("tfidf", "compared"), ("tiny", "no_time")]
    assert record.recommended.name == "tfidf"
    assert record.learning_curve is None
    assert record.code.splitlines()[0] in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_after_the_first_answer_decides_and_another_signal_does_not(quick, monkeypatch, number):
    write_reviews(quick / "reviews.csv", ["negative", "positive"], 240)
    monkeypatch.setattr(Search, "larger", lambda self, rungs: signal.raise_signal(number))
    result = run("decide", "reviews.csv")
    folder = quick / "decisions" / "reviews"
    if number == signal.SIGTERM:
        assert result.exit_code == 128 + number
        assert not (folder / "decision.json").exists()
        return
    assert result.exit_code == 0, result.stderr
    record = artefacts.read(folder, DecisionRecord)
    assert record.interrupted
    assert record.recommended.name == "tfidf"


def test_ctrl_c_before_the_first_answer_ends_the_command(quick, monkeypatch):
    write_reviews(quick / "reviews.csv", ["negative", "positive"], 240)
    monkeypatch.setattr(Search, "first", lambda self: signal.raise_signal(signal.SIGINT))
    assert run("decide", "reviews.csv").exit_code == 130


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (["nothing.csv"], "nothing.csv"),
        (["reviews.csv", "--time-budget", "soon"], "soon"),
        (["reviews.csv", "--time-budget", "-3s"], "--time-budget"),
        (["reviews.csv", "--label-column", "verdict"], "verdict"),
    ],
)
def test_mistakes_are_one_sentence(quick, words, fact):
    write_reviews(quick / "reviews.csv", ["negative", "positive"], 240)
    result = run("decide", *words)
    assert result.exit_code in (1, 2)
    assert fact in result.stderr
    assert "Traceback" not in result.stderr
