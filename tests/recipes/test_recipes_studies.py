"""The studies' recipes: readable, checked, and where no hub is reachable honest about what stands in for what."""

import json
from pathlib import Path

import pytest
from tiny import masked_lm_folder

from slmbench.common.errors import UsageError
from slmbench.recipes import find_recipe, read_recipe, run_recipe
from slmbench.recipes.ladder import offline_version

STUDIES = ["study-000", "study-001", "study-002", "study-003", "study-003-categories", "study-004"]
STARTER_MODELS = {"bert-tiny", "minilm-l6", "mpnet-base", "smollm2-135m", "tfidf"}

MIXED = """
name = "mixed"
notes = ["what the reader has to know"]

[corpus]
name = "{corpus}"
train_size = 80
test_size = 24

[[rungs]]
name = "baseline"
method = "tfidf"

[[rungs]]
name = "words"
model = "far/away-masked-lm"
method = "cloze"
template = "{{text}} movie was {{mask}}"
words = {{ negative = ["bad"], positive = ["good"] }}

[[rungs]]
name = "tiny"
model = "{base}"
epochs = 1
batch_size = 8
learning_rate = 5e-3
max_length = 16
precision = "fp32"
device = "cpu"

[[rungs]]
name = "taught"
model = "{base}"
teacher = "tiny"
unlabelled = 60
epochs = 1
batch_size = 8
learning_rate = 5e-3
max_length = 16
precision = "fp32"
device = "cpu"

[[rungs]]
name = "both"
method = "cascade"
small = "baseline"
large = "tiny"
threshold = 0.6

[[transfer]]
rung = "tiny"
corpus = "{other}"
label_map = {{ awful = "negative", fine = "positive" }}

[offline]
models = {{ "far/away-masked-lm" = "{masked}" }}

[export]
forms = ["fp32"]
max_accuracy_drop = 1.0

[profile]
processes = 1
time_limit_s = 0.3
"""


@pytest.fixture
def recipe_file(tmp_path, monkeypatch, small_corpus_file, tiny_base):
    monkeypatch.chdir(tmp_path)
    masked = masked_lm_folder(tmp_path / "masked-lm")
    other = tmp_path / "other.csv"
    other.write_text(
        "text,label\n"
        + "".join(
            f"a {word} film {n},{label}\n" for n in range(10) for word, label in (("bad", "awful"), ("good", "fine"))
        )
    )
    path = tmp_path / "mixed.toml"
    path.write_text(MIXED.format(corpus=small_corpus_file, base=tiny_base, masked=masked, other=other))
    return path


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_recipe_that_can_be_read(name):
    recipe = read_recipe(find_recipe(name))
    assert recipe.name == name
    assert len(recipe.rungs) >= 2


@pytest.mark.parametrize("name", STUDIES)
def test_offline_a_study_runs_on_starter_models_under_their_own_names(name):
    recipe = read_recipe(find_recipe(name))
    here, notes = offline_version(recipe)
    for before, after in zip(recipe.rungs, here.rungs, strict=True):
        if after.method == "cascade":
            continue
        assert after.model in STARTER_MODELS
        if after.model != before.model:
            # Never called by the name of what it stands in for alone.
            assert after.name.startswith(f"{after.model}-for-")
            assert any(f"{after.model} stands in for {before.model}" in note for note in notes)
    names = [rung.name for rung in here.rungs]
    assert len(set(names)) == len(names)
    assert here.name != recipe.name


def test_a_ladder_of_all_kinds_of_rungs(recipe_file):
    record = run_recipe(str(recipe_file), offline=True)
    rows = {(row.name, row.form): row for row in record.rows}
    names = {name for name, _ in rows}
    assert {"baseline", "tiny", "both"} <= names
    (cloze,) = [row for row in record.rows if row.method == "cloze"]
    assert cloze.name.endswith("-for-words")
    assert cloze.accuracy is not None
    assert cloze.p50_ms is None
    assert "no bundle" in cloze.unprofiled
    (both,) = [row for row in record.rows if row.name == "both"]
    assert both.failure is None
    assert both.p50_ms > 0
    taught = json.loads(Path("runs/mixed-offline-taught/run.json").read_text())
    assert taught["corpus"]["unlabelled_reviews"] == 60
    assert taught["details"]["teacher"]["name"] == "tiny"
    assert any("stands in for far/away-masked-lm" in note for note in record.notes)
    assert "what the reader has to know" in record.notes
    assert any("other.csv" in note and "macro-F1" in note for note in record.notes)
    report = Path("comparisons/mixed-offline/report.md").read_text()
    assert "stands in for far/away-masked-lm" in report
    assert "accuracy only" in report or "not profiled" in report


def test_online_what_the_hub_has_is_asked_for_by_its_name(recipe_file):
    first, later = recipe_file.read_text().split('[[rungs]]\nname = "tiny"')
    settings = later[later.index("[export]") :]
    recipe_file.write_text(first + settings)

    record = run_recipe(str(recipe_file))

    (row,) = [row for row in record.rows if row.name == "words"]
    assert "far/away-masked-lm" in row.failure


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('small = "baseline"', 'small = "nobody"', "no earlier rung is named 'nobody'"),
        ('teacher = "tiny"', "", "--unlabelled goes with --teacher"),
        ('rung = "tiny"', 'rung = "nobody"', "there is no rung 'nobody'"),
        ('method = "cloze"\n', 'method = "cloze"\npairs = 3\n', "'pairs'.*'cloze'"),
        ('method = "cloze"\n', 'method = "cloze"\ncolour = 3\n', "colour"),
        ("threshold = 0.6", "threshold = 6", "threshold"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(recipe_file, old, new, says):
    recipe_file.write_text(recipe_file.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match=says) as error:
        read_recipe(recipe_file)
    assert "\n" not in str(error.value)
