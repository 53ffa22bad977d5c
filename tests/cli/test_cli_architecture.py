"""``slmbench architecture``: runtime and memory of a model whose weights nobody has fetched."""

import json

import pytest
from cli_helpers import json_of, run

from slmbench.profiling.architectures import random_weights


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bert-tiny", "--lengths", "a,b"], "--lengths a,b: give numbers"),
        (["bert-tinny"], "bert-tinny"),
    ],
)
def test_wrong_use(here, words, said):
    result = run("architecture", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_what_cannot_fit_is_refused_with_the_arithmetic(here, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 2**34, "total": 2**34})())
    result = run("architecture", "google/flan-ul2")
    assert result.exit_code == 1
    assert "19,459,613,696 parameters × 4 bytes" in result.stderr


def test_options_reach_the_child_and_what_it_timed_is_printed(here, monkeypatch):
    asked = []

    def answer(module, request, **_):
        """What ``tests/architectures`` asks of the child itself is not asked again."""
        asked.append(request)
        times = {"samples_ms": [2.0] * 6, "peak_bytes": 3_000, "device_peak_bytes": None}
        timings = [{"tokens": tokens, **times} for tokens in request["lengths"]]
        sizes = {"parameters": 4_386_178, "runtime_bytes": 1_000, "loaded_bytes": 2_000}
        return {**sizes, "build_s": 0.1, "memory_source": "VmHWM", "timings": timings}

    monkeypatch.setattr(random_weights, "ask_child", answer)
    words = ("bert-tiny", "--lengths", "8,16", "--batch-size", 2)

    document = json_of(run("architecture", *words, "--threads", 1, "--json"))

    (request,) = asked
    assert (request["lengths"], request["batch_size"], request["threads"]) == ([8, 16], 2, 1)
    assert document["schema"] == "slmbench.architecture/1"
    assert [timing["p50_ms"] for timing in document["timings"]] == [2.0, 2.0]
    assert "accuracy" not in document
    (written,) = (here / "profiles/architectures").iterdir()
    assert json.loads(written.read_text(encoding="utf-8")) == document
