"""``slmbench evaluate`` as people type it."""

import importlib.util
import json
import shutil

import pytest
from cli_helpers import json_of, missing_keys, run
from learnable import write_reviews

KEYS = {
    "schema": None,
    "name": None,
    "path": None,
    "subject": None,
    "weights_sha256": None,
    "label_map": None,
    "accuracy": None,
    "majority_p_value": None,
    "training_rows_left_out": None,
    "corpus": {"name", "test_hash", "test_reviews"},
    "evaluation": {"accuracy_ci95", "macro_f1", "macro_f1_ci95", "majority_baseline", "confusion", "per_class"},
}


@pytest.fixture
def posts(workshop):
    """Reviews of the kind of the run's, but not its own, under other names of labels."""
    path = write_reviews(workshop / "posts.csv", ["negative", "positive"], 60, seed=5)
    text = path.read_text(encoding="utf-8").replace(",negative", ",hateful").replace(",positive", ",normal")
    path.write_text(text.replace("text,label", "body,verdict"), encoding="utf-8")
    columns = ("--text-column", "body", "--label-column", "verdict")
    return ("--corpus", "posts.csv", *columns, "--label-map", "hateful=negative, normal = positive")


def with_seed(folder, seed, **changes):
    """A copy of a run, said to be of another seed; its first answers turned round, so that it differs."""
    document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    probabilities = document["predictions"]["probabilities"]
    probabilities[:seed] = [row[::-1] for row in probabilities[:seed]]
    copy = folder.with_name(f"run{seed}")
    copy.mkdir()
    (copy / "run.json").write_text(json.dumps({**document, "seed": seed, "name": copy.name, **changes}))
    return copy.name


def test_own_rows(workshop):
    result = run("evaluate", "run")
    assert result.exit_code == 0
    for words in ("accuracy", "macro-F1", "ROC AUC", "majority baseline", "The accuracy is", "precision", "recall"):
        assert words in result.stdout
    assert (workshop / "evaluations/run/confusion.png").is_file()


@pytest.mark.parametrize("subject", ["run", "bundle"])
def test_another_corpus(workshop, posts, subject):
    document = json_of(run("evaluate", subject, *posts, "--json"))
    assert missing_keys(KEYS, document) == []
    assert document["schema"] == "slmbench.evaluation/1"
    assert document["subject"] == subject
    assert document["evaluation"]["confusion"][0][0] > 15
    assert document["accuracy"] > 0.7
    assert document["command"][0] == "slmbench"
    assert (workshop / document["path"] / "evaluation.json").is_file()
    view = run("evaluate", subject, *posts)
    assert "hateful = negative, normal = positive" in view.stdout
    assert "none of them trained on" in view.stdout
    assert "already there" in view.stderr


def test_a_sample_of_several_files(workshop):
    for number in range(3):
        write_reviews(workshop / f"part{number}.csv", ["negative", "positive"], 30, seed=20 + number)
    document = json_of(run("evaluate", "bundle", "--corpus", "part*.csv", "--test-size", "40", "--json"))
    assert document["corpus"]["test_reviews"] == 40
    assert document["corpus"]["label_balance"]["test"] == {"negative": 20, "positive": 20}


def test_runs_over_seeds(workshop):
    runs = [with_seed(workshop / "run", seed) for seed in (1, 2, 3)]
    result = run("evaluate", *runs)
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    assert "reviews.csv: 41 test reviews (" in shown
    assert "majority baseline 53.7 %" in shown
    assert "sd is over seeds" in shown
    document = json_of(run("evaluate", *runs, "--json"))
    (table,) = document["tables"]
    (row,) = table["rows"]
    assert row["seeds"] == [1, 2, 3]
    assert len(set(row["accuracies"])) > 1
    assert not (workshop / "evaluations").exists()


def test_what_is_no_run_is_passed_over(workshop):
    result = run("evaluate", "run", with_seed(workshop / "run", 1), "base")
    assert result.exit_code == 0
    assert "base is not a run" in result.stderr


def test_markdown(workshop):
    runs = [with_seed(workshop / "run", seed) for seed in (1, 2)]
    printed = run("evaluate", *runs, "--markdown", "-")
    assert printed.stdout.startswith("reviews.csv: 41 test reviews (")
    assert "\n| full | tiny-bert | 199 | 2 | " in printed.stdout
    result = run("evaluate", *runs, "--markdown", "table.md")
    assert (workshop / "table.md").read_text(encoding="utf-8") == printed.stdout
    assert "table in table.md" in result.stderr


@pytest.mark.parametrize(
    ("words", "says", "status"),
    [
        (("none",), "no run or bundle at none", 2),
        (("base",), "base holds no run or bundle", 2),
        (("run", "none"), "no run at none", 2),
        (("base", "bundle"), "none of these folders is a run", 2),
        (("run", "--form", "int8"), "--form int8: run is a run", 2),
        (("bundle", "--form", "int4"), "bundle has no form 'int4'; it has: fp32, int8", 2),
        (("run", "--test-size", "5"), "--corpus", 2),
        (("run", "--label-map", "a=b"), "--corpus", 2),
        (("run", "--skip-bad-rows"), "--corpus", 2),
        (("run", "--corpus", "reviews.csv", "--test-size", "many"), "--test-size many", 2),
        (("run", "--corpus", "reviews.csv", "--stars", "maybe"), "--stars maybe", 2),
        (("run", "--corpus", "reviews.csv", "--label-map", "bad"), "--label-map bad", 2),
        (
            ("run", "--corpus", "reviews.csv", "--label-map", "a=negative,a=positive"),
            "--label-map a=negative,a=positive",
            2,
        ),
        (
            ("run", "--corpus", "reviews.csv", "--label-map", "x=negative"),
            "no review of reviews.csv is labelled 'x'",
            2,
        ),
        (("run", "--corpus", "none_*.csv"), "no file matches none_*.csv", 2),
        (("run", "reviews.csv", "--corpus", "reviews.csv"), "quoted", 2),
        (("run", "--markdown", "table.md"), "--markdown", 2),
        (("run", "bundle", "--json", "--markdown", "-"), "stdout", 2),
        (("run", "--output", "reviews.csv"), "reviews.csv is a file: name a folder", 2),
    ],
)
def test_mistakes_are_one_sentence(workshop, words, says, status):
    before = sorted(workshop.rglob("*"))
    result = run("evaluate", *words)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert says in line
    assert result.exit_code == status
    assert sorted(workshop.rglob("*")) == before


def test_labels_without_a_map(workshop, posts):
    result = run("evaluate", "bundle", *posts[:-2])
    assert result.exit_code == 2
    assert "posts.csv has reviews labelled 'hateful', which is no label of the classifier" in result.stderr


def test_a_run_needs_torch_and_a_bundle_does_not(workshop, posts, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "torch" else found(name, *a))
    result = run("evaluate", "run", *posts)
    assert result.exit_code == 1
    assert "evaluating a run (a bundle needs none) needs the 'train' extra" in result.stderr
    assert run("evaluate", "bundle", *posts).exit_code == 0


def test_damaged_files_are_one_sentence(workshop, posts):
    (workshop / "run/model/config.json").unlink()
    assert "make the run again" in run("evaluate", "run", *posts).stderr
    shutil.copytree(workshop / "run", workshop / "other")
    (workshop / "other/run.json").write_text("{")
    result = run("evaluate", "other")
    assert result.exit_code == 1
    assert "is not a run record" in result.stderr


def test_help_has_examples():
    examples = run("evaluate", "--help").stdout.partition("Examples:")[2]
    assert examples.count("slmbench evaluate") >= 4
