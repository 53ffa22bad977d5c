"""``slmbench profile --architecture``: runtime and memory of a model whose weights nobody has fetched."""

import pytest
from cli_helpers import json_of, run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--architecture", "bert-tiny"], "--architecture NAME and --random-weights go together"),
        (["--random-weights"], "--architecture NAME and --random-weights go together"),
        (["exported/x", "--architecture", "bert-tiny", "--random-weights"], "give bundles or --architecture"),
        (["--architecture", "bert-tiny", "--random-weights", "--lengths", "a,b"], "--lengths a,b: give numbers"),
        (["--architecture", "bert-tinny", "--random-weights"], "bert-tinny"),
        (["--architecture", "bert-tiny", "--random-weights", "--form", "int8"], "--form is no option of --architec"),
    ],
)
def test_wrong_use(here, words, said):
    result = run("profile", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_what_cannot_fit_is_refused_with_the_arithmetic(here, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 2**34, "total": 2**34})())
    result = run("profile", "--architecture", "google/flan-ul2", "--random-weights")
    assert result.exit_code == 1
    assert "19,459,613,696 parameters × 4 bytes" in result.stderr


def test_a_small_one_is_timed_without_an_accuracy(here):
    document = json_of(
        run("profile", "--architecture", "bert-tiny", "--random-weights", "--lengths", "8", "--threads", 1, "--json")
    )
    assert document["schema"] == "slmbench.architecture/1"
    assert "accuracy" not in str(document.keys())
