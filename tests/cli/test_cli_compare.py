"""``slmbench compare``: the front, the baseline and the exit status on the command line."""

import json

import pytest
from cli_helpers import json_of, run
from factories import (
    LABELS,
    MACHINE,
    bundle_record,
    corpus_identity,
    form_record,
    ladder,
    predictions,
    profile_record,
)

from slmbench.compare import compare
from slmbench.records import Latency, write_record


@pytest.fixture
def measured(here):
    for profile in ladder():
        write_record(profile, here / "profiles" / f"{profile.name}.json")
    return here


def slow_down(folder, factor=1.10, form="int8"):
    """Plant a slowdown in a profile of minilm-l6."""
    profile = next(one for one in ladder() if (one.bundle, one.form) == ("minilm-l6", form))
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
        run("compare", "--baseline", "profiles", "--fail-if-slower", "20", "--fail-if-worse", "0.5", "--json")
    )
    assert document["baseline"]["failures"] == [] and len(document["baseline"]["checks"]) == 7


def test_what_the_measurements_do_not_settle_is_exit_status_3_and_says_what_would(measured):
    now = slow_down(measured / "now", 1.04)
    result = run("compare", now, "--baseline", "profiles", "--fail-if-slower", "5%", "--json")
    assert result.exit_code == 3
    (sentence,) = json.loads(result.stdout)["baseline"]["inconclusive"]
    assert "minilm-l6 int8" in sentence and f"error: {sentence}" in result.stderr


@pytest.mark.parametrize(("factor", "status"), [(1.3, 1), (1.04, 3)])
def test_several_limits_that_are_not_kept_are_listed_one_per_line(measured, factor, status):
    for form in ("fp32", "int8"):
        slow_down(measured / "now", factor, form)
    result = run("compare", "now", "--baseline", "profiles", "--fail-if-slower", "5%")
    assert result.exit_code == status
    first, *others = result.stderr[result.stderr.index("error: ") :].strip().splitlines()
    assert "2 limits" in first and len(first) < 60
    assert sorted(line.split()[:2] for line in others) == [["minilm-l6", "fp32"], ["minilm-l6", "int8"]]


def test_margins_and_the_metric_are_options(measured):
    document = json_of(run("compare", "--model-margin", "3", "--time-margin", "5%", "--metric", "macro_f1", "--json"))
    assert document["rule"] == {
        "model_margin": 0.03,
        "form_margin": 0.01,
        "time_margin": 0.05,
        "metric": "macro_f1",
        "accept_undecided": False,
    }
    assert run("compare", "--metric", "macro_f2").exit_code == 2
    assert run("compare", "--model-margin", "0").exit_code == 2


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


class TestABundleMadeAgain:
    """A profile of an earlier bundle of the same name takes no part."""

    FILE = "a" * 64

    @pytest.fixture
    def profiled(self, here):
        """Profiles of two bundles as they lie in ``exported/``."""

        def write(name, **changes):
            own = {"key": f"{name}-1", "labels": LABELS, "corpus": corpus_identity(), **changes}
            said = predictions(0.8, labels=own["labels"])
            forms = {"fp32": form_record("fp32", predictions=said)}
            bundle = bundle_record(name, forms=forms, **own)
            write_record(bundle, here / "exported" / name / "bundle.json")
            return bundle

        for name, accuracy in (("big", 0.9), ("small", 0.8)):
            bundle = write(name)
            profile = profile_record(
                name,
                accuracy=accuracy,
                source_key=bundle.key,
                form_sha256=self.FILE,
                trained_on=bundle.corpus,
            ).model_copy(update={"name": f"{name}.fp32.onnxruntime-cpu-2t.1f0c2a9b"})
            write_record(profile, here / "profiles" / f"{profile.name}.json")
        return write

    def names(self):
        document = json_of(run("compare", "--json"))
        return [row["name"] for row in document["rows"]], document

    def test_the_same_bundle_is_compared(self, profiled):
        assert sorted(self.names()[0]) == ["big", "small"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"labels": ["off topic", "on topic"]},
            {"corpus": corpus_identity(train_hash="0" * 64)},
            {"corpus": corpus_identity(test_hash="0" * 64)},
        ],
    )
    def test_one_trained_again_on_other_labels_or_reviews_is_left_out_and_said_to(self, profiled, changes):
        profiled("big", key="big-2", **changes)
        names, document = self.names()
        assert names == ["small"] and document["recommended"]["name"] == "small"
        result = run("compare")
        assert "big fp32" in result.stderr and "exported/big" in result.stderr
        assert any("big fp32" in note for note in document["notes"])
        from_python = compare()
        assert [row.name for row in from_python.rows] == ["small"] and from_python.notes == document["notes"]

    def test_one_exported_for_another_machine_is_compared(self, profiled):
        profiled("big", key="big-avx2")
        assert sorted(self.names()[0]) == ["big", "small"]

    def test_one_exported_again_on_this_machine_is_left_out(self, profiled, monkeypatch):
        profiled("big", key="big-2")
        monkeypatch.setattr(
            "slmbench.compare.outdated.hardware_fingerprint", lambda: {"fingerprint": MACHINE["fingerprint"]}
        )
        assert self.names()[0] == ["small"]

    def test_nothing_left_is_a_failure_in_one_sentence(self, profiled):
        for name in ("big", "small"):
            profiled(name, key=f"{name}-2", labels=["x", "y"])
        result = run("compare")
        assert result.exit_code == 1 and "profile it again" in result.stderr
