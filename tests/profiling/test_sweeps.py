"""Curves over lengths, token budgets and threads."""

import pytest
from profiling_helpers import Clock, FakeProcess, FirstOnesShort, steady
from rich.console import Console

from slmbench.cli.views.profiles import sweep_summary
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge import Classifier
from slmbench.profiling import ProfileOptions, sampling, sweeps
from slmbench.profiling.sweeps import sweep, thread_counts
from slmbench.records import Conditions, read_record
from slmbench.records.sweep import SweepRecord

QUICK = ProfileOptions(forms=("fp32",), processes=3, time_limit_s=1e-9)


@pytest.fixture
def imagined(monkeypatch):
    """Let measured processes be fake ones, made by a function of their task; returns those made."""

    def install(make):
        made = []

        def start(task):
            made.append(make(task))
            made[-1].task = task
            return made[-1]

        monkeypatch.setattr(sweeps, "MeasuredProcess", start)
        return made

    return install


class ByTokens(FakeProcess):
    """Takes a millisecond and a tenth of one for each token; texts are of known lengths."""

    def __init__(self, lengths):
        super().__init__(steady())
        self._lengths = lengths

    def _single(self, rows, lead=False):
        return {"ms": [1.0 + 0.1 * self._lengths[row % len(self._lengths)] for row in rows]}


class ByBudget(FakeProcess):
    """Batches pay up to a thousand tokens, beyond that padding costs more than it saves."""

    def _batches(self, batch_tokens, each=False, reviews=None):
        return {"s": {None: 5.0, 256: 4.0, 512: 3.0, 1024: 2.0}.get(batch_tokens, 2.5) * reviews / 1000}


def curve(bundle, axis, output, options=QUICK):
    (record,) = sweep([bundle], axis, options, output=output)
    assert read_record(SweepRecord, output / f"{record.name}.json") == record
    assert record.name.endswith(f".by-{axis}")
    return record


def test_lengths_up_to_the_longest_and_what_a_token_costs(bundle, tmp_path, imagined):
    lengths = [8, 16, 32]
    made = imagined(lambda task: ByTokens(lengths))

    record = curve(bundle, "length", tmp_path)

    assert [point.value for point in record.points] == lengths
    assert Classifier(bundle).token_lengths(made[0].task["texts"]) == lengths
    assert record.ms_per_token == pytest.approx(0.1)
    assert record.best is None
    assert all(fact in record.sentence for fact in ("8 tokens take 1.8 ms", "32 tokens 4.2 ms", "takes 0.1 ms"))
    assert all(len(point.processes_ms) == 3 for point in record.points)


def test_the_token_budget_with_most_reviews_a_second_is_named(bundle, tmp_path, imagined):
    imagined(lambda task: ByBudget(steady()))

    record = curve(bundle, "batch", tmp_path)

    # Larger ones would hold the whole corpus, as this one does.
    assert [point.value for point in record.points] == [0, 256, 512, 1024]
    assert record.best == 1024
    assert record.points[0].p50_ms == pytest.approx(5.0)
    assert record.sentence.startswith(
        "1,024 tokens per batch is best: 2 ms per review, 500 reviews/s, 2.50× as fast as the slowest"
    )
    assert "no significant difference" not in record.sentence


def test_a_busy_machine_and_too_few_processes_are_said(bundle, tmp_path, imagined, monkeypatch, capsys):
    imagined(lambda task: ByBudget(steady()))
    busy = Conditions(others_share=[0.4, None], steal_share=[0.0], clock_mhz=[None])
    monkeypatch.setattr(sweeps, "conditions_of", lambda seen: busy)

    record = curve(bundle, "batch", tmp_path, ProfileOptions(forms=("fp32",), processes=2, time_limit_s=9.0))

    assert any("40 %" in warning for warning in record.warnings)
    assert {point.ci95_ms for point in record.points} == {None}
    Console(width=200).print(*sweep_summary(record))
    shown = capsys.readouterr().out
    assert "40 %" in shown and "too few processes (2)" in shown


def test_passes_of_all_processes_have_the_same_reviews(bundle, tmp_path, imagined, monkeypatch):
    monkeypatch.setattr(sweeps, "MIN_REVIEWS", 4)
    monkeypatch.setattr(sweeps, "time", clock := Clock())
    speeds = iter([20.0, 10.0, 15.0])

    class Passes(FakeProcess):
        def __init__(self):
            super().__init__(steady(), clock)
            self._each = next(speeds)

        def _batches(self, batch_tokens, each=False, reviews=None):
            return {"s": self._each * reviews / 1e3}

    made = imagined(lambda task: Passes())
    curve(bundle, "batch", tmp_path, ProfileOptions(forms=("fp32",), processes=3, time_limit_s=9.0))

    passes = [[one["reviews"] for one in process.asked if one["do"] == "batches"] for process in made]
    assert passes[0][0] == 4  # how long a review takes
    assert {*passes[0][1:], *passes[1], *passes[2]} == {passes[0][1]}
    assert passes[0][1] > 4


def test_every_number_of_threads_gets_a_process_of_its_own(bundle, tmp_path, imagined, monkeypatch):
    monkeypatch.setattr(sweeps, "usable_cores", lambda: 6)
    made = imagined(lambda task: FakeProcess(steady({1: 8.0, 2: 5.0, 4: 3.0, 6: 3.5}[task["threads"]])))

    record = curve(bundle, "threads", tmp_path)

    assert thread_counts() == [1, 2, 4, 6]
    assert [process.task["threads"] for process in made] == [1, 2, 4, 6, 6, 4, 2, 1, 1, 2, 4, 6]
    assert record.best == 4
    assert record.threads is None
    assert record.sentence.startswith("4 threads are best: 3 ms ")


def test_numbers_of_threads_are_compared_on_the_same_reviews(bundle, tmp_path, imagined, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(sweeps, "usable_cores", lambda: 2)
    monkeypatch.setattr(sampling, "time", clock)
    imagined(lambda task: FirstOnesShort({1: 12.0, 2: 10.0}[task["threads"]], clock))

    record = curve(bundle, "threads", tmp_path, ProfileOptions(forms=("fp32",), processes=3, time_limit_s=1.5))

    # Two threads get to 40 reviews in that time, of which half are long, one to 35.
    assert record.best == 2
    assert {len(ms) for point in record.points for ms in point.processes_ms} == {35}


def test_settings_that_cannot_be_told_apart_are_named(bundle, tmp_path, imagined, monkeypatch):
    monkeypatch.setattr(sweeps, "usable_cores", lambda: 2)
    slow = iter([2.0, 2.3, 1.9, 2.5, 2.2, 1.8])
    imagined(lambda task: FakeProcess(steady(next(slow))))

    record = curve(bundle, "threads", tmp_path)

    assert "no significant difference" in record.sentence


def test_a_number_of_threads_that_fails_leaves_the_others(bundle, tmp_path, imagined, monkeypatch):
    monkeypatch.setattr(sweeps, "usable_cores", lambda: 2)

    def make(task):
        if task["threads"] == 2:
            raise SlmbenchError("it was killed")
        return FakeProcess(steady())

    imagined(make)

    record = curve(bundle, "threads", tmp_path)

    assert [point.value for point in record.points] == [1]
    assert {(failure.value, failure.reason) for failure in record.failed} == {(2, "it was killed")}


def test_a_curve_without_a_point_is_a_failed_cell(bundle, tmp_path, imagined):
    def make(task):
        raise SlmbenchError("it was killed")

    imagined(make)
    failures = []

    records = list(
        sweep([bundle], "threads", QUICK, output=tmp_path, failed=lambda cell, error: failures.append(str(error)))
    )

    assert records == []
    assert failures == ["no setting could be measured: it was killed"]
    with pytest.raises(SlmbenchError, match="no setting could be measured"):
        list(sweep([bundle], "threads", QUICK, output=tmp_path))


@pytest.mark.parametrize("axis", ["length", "batch", "threads"])
def test_real_processes_and_their_picture(tiny_bundle, tmp_path, axis):
    pytest.importorskip("matplotlib")
    options = ProfileOptions(forms=("int8",), processes=1, time_limit_s=0.1, threads=1)

    record = curve(tiny_bundle, axis, tmp_path, options)

    assert all(point.p50_ms > 0 for point in record.points)
    assert (tmp_path / f"{record.name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("axis", "options", "says"),
    [
        ("colour", ProfileOptions(), "--over colour: choose among length, batch, threads"),
        ("batch", ProfileOptions(scenario="offline"), "not the scenario offline"),
    ],
)
def test_curves_that_there_are_not(tiny_bundle, axis, options, says):
    with pytest.raises(UsageError, match=says):
        list(sweep([tiny_bundle], axis, options))


def test_a_file_is_no_place_for_curves_and_nothing_is_timed(tiny_bundle, tmp_path, monkeypatch):
    (tmp_path / "curves").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(sweeps, "measure_curve", lambda *_: pytest.fail("it was timed"))

    with pytest.raises(UsageError, match="curves is a file, not a folder"):
        list(sweep([tiny_bundle], "length", ProfileOptions(), output=tmp_path / "curves"))
    assert (tmp_path / "curves").read_text(encoding="utf-8") == "mine"
