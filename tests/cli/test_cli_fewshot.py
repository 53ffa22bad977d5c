"""``slmbench fewshot``: options reach their method, foreign ones are refused, several seeds give a mean."""

import json

import pytest
from cli_helpers import run
from tiny import masked_lm_folder

WORDS = "positive=good,great;negative=bad"


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    return masked_lm_folder(tmp_path_factory.mktemp("masked") / "lm")


@pytest.fixture
def cloze(masked, small_corpus_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*more):
        return run(
            "fewshot",
            "--model",
            str(masked),
            "--method",
            "cloze",
            "--corpus",
            str(small_corpus_file),
            "--test-size",
            "20",
            "--device",
            "cpu",
            *more,
        )

    return call


def test_a_cloze_prints_its_record(cloze):
    result = cloze("--words", WORDS, "--json")
    record = json.loads(result.stdout)
    assert record["schema"] == "slmbench.run/1"
    assert record["method"] == "cloze"
    assert record["shots"] == 0
    assert record["has_model"] is False
    assert record["test"]["reviews"] == 20
    assert record["hyperparameters"]["words"] == {"positive": ["good", "great"], "negative": ["bad"]}
    assert record["answering"]["seconds"] > 0


def test_people_read_a_summary(cloze):
    result = cloze("--words", WORDS, "--shots", "1")
    assert result.exit_code == 0
    for word in ("accuracy", "majority baseline", "(cloze)"):
        assert word in result.stdout


def test_the_protocol_reaches_the_method(cloze):
    record = json.loads(cloze("--protocol", "study-000", "--labelled-rows", "3", "--json").stdout)
    assert record["details"]["labelled_rows"] == 3
    assert record["shots"] == 0


def test_variants_of_a_method_have_folders_of_their_own(cloze, tmp_path):
    cloze("--words", WORDS)
    cloze("--words", WORDS, "--top-n", "5")
    cloze("--words", WORDS, "--shots", "1", "--seed", "3")
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert folders == ["lm-cloze-0shot-reviews", "lm-cloze-0shot-top5-reviews", "lm-cloze-1shot-reviews-seed3"]


def test_several_seeds_are_several_runs_and_a_mean(cloze, tmp_path):
    result = cloze("--words", WORDS, "--shots", "2", "--seeds", "3", "--json")
    document = json.loads(result.stdout)
    assert document["schema"] == "slmbench.runs/1"
    assert [one["seed"] for one in document["runs"]] == [42, 43, 44]
    assert len(list((tmp_path / "runs").iterdir())) == 3
    table = cloze("--words", WORDS, "--shots", "2", "--seeds", "3")
    assert "3" in table.stdout
    assert "accuracy" in table.stdout


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--pairs", "5"], "--pairs is no option of method 'cloze'; methods that have it: setfit"),
        (["--chat"], "--chat is no option of method 'cloze'; methods that have it: prompt"),
        (["--words", "positive"], "write label=word"),
        (["--words", "positive=good"], "label 'negative' has no words"),
        (["--words", "happy=good;negative=bad"], "there is no label 'happy'"),
        (["--words", "positive=superbissimo;negative=bad"], "superbissimo"),
        (["--words", WORDS, "--shots", "500"], "--shots 500: the training rows of reviews.csv"),
        (["--template", "no place"], "{text}"),
        (["--seeds", "0"], "--seeds"),
        (["--seeds", "2", "--output", "somewhere"], "leave it out with --seeds"),
    ],
)
def test_a_mistake_is_one_sentence(cloze, tmp_path, more, says):
    result = cloze(*more)
    assert result.exit_code == 2
    assert says in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_method_there_is_not(small_corpus_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("fewshot", "--model", "bert-tiny", "--method", "guessing")
    assert result.exit_code == 2
    assert "cloze, setfit, probe, nli, prompt" in result.stderr.replace("\n", " ")
