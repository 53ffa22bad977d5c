"""``slmbench compare``: the front, the baseline and the exit status on the command line."""

import json

import pytest
from cli_helpers import json_of, run
from factories import ladder, profile_record

from slmbench.records import Latency, write_record


@pytest.fixture
def measured(here):
    for profile in ladder():
        write_record(profile, here / "profiles" / f"{profile.name}.json")
    return here


def slow_down(folder, factor=1.10):
    """Plant a slowdown in the one int8 profile of minilm-l6."""
    profile = next(one for one in ladder() if (one.bundle, one.form) == ("minilm-l6", "int8"))
    longer = [[sample * factor for sample in process] for process in profile.latency.processes_ms]
    slower = profile.model_copy(update={"latency": Latency(processes_ms=longer)})
    write_record(slower, folder / f"{profile.name}.json")
    return folder / f"{profile.name}.json"


def test_a_build_fails_with_a_sentence_when_a_row_got_slower(measured):
    now = slow_down(measured / "now")
    result = run("compare", now, "--baseline", "profiles", "--fail-if-slower", "5%", "--fail-if-worse", "0.5")
    assert result.exit_code == 1
    assert result.stderr.count("error: minilm-l6 int8 is 10 % slower") == 1
    assert "compared with the baseline profiles:" in result.stdout
    # The decision and the report are there all the same.
    assert "Ship minilm-l6 int8" in result.stdout
    assert (measured / "comparisons/latest/report.html").exists()


def test_the_record_is_printed_also_when_the_build_fails(measured):
    now = slow_down(measured / "now")
    result = run("compare", now, "--baseline", "profiles", "--fail-if-slower", "5%", "--json")
    assert result.exit_code == 1
    baseline = json.loads(result.stdout)["baseline"]
    assert len(baseline["failures"]) == 1 and baseline["checks"][0]["slower"]


def test_an_unchanged_build_passes(measured):
    document = json_of(
        run("compare", "--baseline", "profiles", "--fail-if-slower", "0", "--fail-if-worse", "0", "--json")
    )
    assert document["baseline"]["failures"] == [] and len(document["baseline"]["checks"]) == 7


def test_without_limits_a_baseline_is_shown_and_nothing_fails(measured):
    now = slow_down(measured / "now", 3.0)
    result = run("compare", now, "--baseline", "profiles")
    assert result.exit_code == 0, result.stderr
    assert "is 3.0× slower" in result.stdout


def test_a_baseline_can_be_one_profile_or_a_row(measured):
    now = slow_down(measured / "now")
    one = measured / "profiles" / now.name
    assert run("compare", now, "--baseline", one, "--fail-if-slower", "20").exit_code == 0
    assert run("compare", "--baseline", "minilm-l6 int8", "--fail-if-slower", "5%").exit_code == 1


def test_a_front_over_chosen_axes(measured):
    document = json_of(run("compare", "--pareto", "accuracy,p50,size", "--json"))
    assert document["decisions"][0]["front_axes"] == ["accuracy", "p50", "size"]
    words = " ".join(run("compare", "--pareto", "p50,size").stdout.split())
    assert "no row is better in one of p50 and size and as good in the others" in words


def test_a_front_over_what_nobody_knows_is_said(measured):
    words = " ".join(run("compare", "--pareto", "accuracy,energy").stdout.split())
    assert "no Pareto front: no row has each of accuracy and energy" in words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fail-if-slower", "5%"), "need --baseline"),
        (("--baseline", "nothing"), "no profile, no folder and no row"),
        (("--baseline", "profiles", "--fail-if-slower", "slow"), "from 0 to 100"),
        (("--pareto", "accuracy,beauty"), "no quantity 'beauty'"),
        (("--recipe", "quickstart", "--baseline", "nothing"), "no profile, no folder and no row of the recipe"),
    ],
)
def test_wrong_calls_are_usage_errors(measured, words, said):
    result = run("compare", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_damaged_baseline_is_said(measured):
    (measured / "old.json").write_text("{}")
    write_record(profile_record(), measured / "profiles" / "one.json")
    result = run("compare", "--baseline", "old.json", "--fail-if-slower", "5%")
    assert result.exit_code == 1 and "old.json is not a profile record" in result.stderr
