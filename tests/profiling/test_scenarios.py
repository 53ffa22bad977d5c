"""Batches, and reviews that arrive by chance and wait for one another."""

from itertools import cycle

import numpy as np
import pytest
from profiling_helpers import FakeProcess, steady
from sealing import reseal

from slmbench.common.errors import SlmbenchError
from slmbench.compare.cells import Cell
from slmbench.profiling import ProfileOptions, profile
from slmbench.profiling.scenarios import VERIFICATIONS, highest_rate
from slmbench.records import ProfileRecord, read_record
from slmbench.statistics.queueing import arrivals, late_allowed


def measure(bundle, output, **options):
    (record,) = profile([bundle], ProfileOptions(**{"forms": ("fp32",), "processes": 3, **options}), output=output)
    assert read_record(ProfileRecord, output / f"{record.name}.json") == record
    return record


# --- offline --------------------------------------------------------------------------------------------------


def test_passes_are_taken_until_their_median_is_known_and_as_many_in_each_process(bundle, tmp_path, pretend):
    pretend({"ms": steady(), "passes": cycle([0.5, 0.501, 0.499])})

    record = measure(bundle, tmp_path, scenario="offline", batch_tokens=512)

    assert [len(passes) for passes in record.throughput.processes_s] == [6, 6, 6]
    assert record.throughput.batch_tokens == 512
    assert record.throughput.reviews_per_second == pytest.approx(record.corpus.reviews / 0.5)
    low, high = record.throughput.reviews_per_second_ci95
    assert low <= record.throughput.reviews_per_second <= high
    assert record.latency.processes_ms == [[4.0, 6.0, 8.0]] * 3  # of each batch
    assert record.latency.note is None
    assert record.scenario == "offline"
    assert "-offline-512tokens." in record.name


def test_passes_that_never_agree_are_noted(bundle, tmp_path, pretend):
    pretend({"ms": steady(), "passes": cycle([0.5, 1.5])})

    record = measure(bundle, tmp_path, scenario="offline", time_limit_s=1e-9)

    assert all(fact in record.latency.note for fact in ("median pass", "±3 %", "1e-09 s", "2 passes"))
    low, high = record.throughput.reviews_per_second_ci95
    assert low < 0.8 * high


def test_a_real_process_answers_batches(tiny_bundle, tmp_path):
    record = measure(tiny_bundle, tmp_path, scenario="offline", processes=1, time_limit_s=0.1, batch_tokens=64)

    assert record.throughput.reviews_per_second > 0
    assert len(record.latency.samples_ms) > 5
    assert [phase.name for phase in record.memory.phases] == ["interpreter", "load", "first answer", "batches"]


# --- server ---------------------------------------------------------------------------------------------------


def test_arrivals_are_a_poisson_process():
    times = np.array(arrivals(4000, 20.0, 0))
    gaps = np.diff(times)
    assert times[-1] == pytest.approx(200, rel=0.05)
    # Of exponential gaps the standard deviation is the mean.
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert arrivals(5, 20.0, 0) == arrivals(5, 20.0, 0) != arrivals(5, 20.0, 1)
    assert np.array(arrivals(5, 40.0, 0)) == pytest.approx(times[:5] / 2)


def test_latency_under_load_is_what_queueing_theory_says(bundle, tmp_path, pretend):
    pretend({"ms": steady(2.0)})

    record = measure(bundle, tmp_path, scenario="server", qps=300.0, time_limit_s=15.0)

    # M/D/1 at 60 % load: the mean wait is rho / (2 (1 - rho)) service times (Pollaczek-Khinchine).
    waits = [ms for process in record.load.processes_wait_ms for ms in process]
    assert np.mean(waits) == pytest.approx(2.0 * 0.6 / (2 * 0.4), rel=0.15)
    assert record.latency.mean_ms == pytest.approx(np.mean(waits) + 2.0, rel=0.01)
    assert record.load.served_per_second == pytest.approx(300, rel=0.05)
    assert len(record.latency.processes_ms) == 3
    assert record.throughput is None
    assert "-server-300qps." in record.name
    assert not any("can be served" in warning for warning in record.warnings)


def test_a_server_that_cannot_keep_up_says_so(bundle, tmp_path, pretend):
    pretend({"ms": steady(2.0)})

    record = measure(bundle, tmp_path, scenario="server", qps=900.0, time_limit_s=2.0)

    assert any("900 reviews/s arrive and 500 can be served" in warning for warning in record.warnings)


def test_a_server_that_cannot_keep_up_takes_no_longer_than_the_time_allows(bundle, tmp_path, pretend):
    pretend({"ms": steady(2.0)})

    # 5,000 reviews arrive in each process within a second; serving them all would take ten.
    record = measure(bundle, tmp_path, scenario="server", qps=5000.0, time_limit_s=3.0)

    assert all(1.5 < seconds < 2.5 for seconds in record.load.processes_s)
    assert any("5000 reviews/s arrive and 500 can be served" in warning for warning in record.warnings)


def test_the_highest_rate_is_found_where_waiting_begins_to_cost():
    trials = highest_rate(FakeProcess(steady(2.0)), bound_ms=6.0, duration_s=60.0)

    held = max(trial.qps for trial in trials if trial.holds)
    missed = min(trial.qps for trial in trials if not trial.holds)
    # Of M/D/1 with 2 ms of service, the 95th percentile passes 6 ms at about half of the 500 reviews a second.
    assert 0.35 * 500 < held < missed < 0.7 * 500
    assert missed - held == pytest.approx(500 / 2 ** len(trials), rel=0.01)
    for trial in trials:
        # Fewer than one in twenty: that is what shows, with 99 % confidence, that no more than that are.
        assert trial.late <= trial.requests / 20 or not trial.holds


def test_the_rate_found_is_verified_in_all_processes(bundle, tmp_path, pretend):
    made = pretend({"ms": steady(8.0)})

    record = measure(bundle, tmp_path, scenario="server", max_p95_ms=40.0, time_limit_s=9.0)

    late = sum(ms > 40.0 for ms in record.latency.samples_ms)
    assert record.keeps_its_bound and late <= late_allowed(len(record.latency.samples_ms))
    assert sum(record.load.processes_s) >= 0.9 * 60  # however short the time limit
    assert record.load.max_p95_ms == 40.0
    low, high = record.highest_rate_ci95
    # At most 125 reviews/s of 8 ms can be served, and by a factor of 1.63 more in a faster session.
    assert low <= record.load.qps <= high and 1.02 * low < high < 1.63 * 125
    assert record.load.qps <= max(trial.qps for trial in record.load.trials if trial.holds)
    assert len(made) >= 4  # one that searches, three that verify
    assert all(process.asked[-1] == {"do": "end"} for process in made)


def test_the_highest_rate_allows_for_other_sessions(bundle, tmp_path, pretend):
    pretend({"ms": steady(8.0)})

    record = measure(bundle, tmp_path, scenario="server", max_p95_ms=40.0, time_limit_s=9.0)

    here = record.model_copy(update={"latency": record.latency.model_copy(update={"spread": None})})
    (low, high), (low_here, high_here) = record.highest_rate_ci95, here.highest_rate_ci95
    # Sessions differ by 19 %: Student's t of five degrees of freedom makes that a factor of 1.63.
    assert low < 0.6 * low_here and high > 1.6 * high_here
    tight = record.model_copy(update={"load": record.load.model_copy(update={"max_p95_ms": 10.0})})
    # In a slower session even a review that does not wait takes longer.
    assert tight.highest_rate_ci95[0] == 0 < tight.highest_rate_ci95[1]
    assert np.isfinite(Cell(tight).pace_ci95_ms).all()


def test_a_rate_that_does_not_hold_in_other_processes_is_lowered_and_said(bundle, tmp_path, pretend):
    pretend({"ms": steady(2.0)}, *[{"ms": steady(12.0)} for _ in range(3 * VERIFICATIONS)])

    record = measure(bundle, tmp_path, scenario="server", max_p95_ms=10.0, time_limit_s=3.0)

    found = max(trial.qps for trial in record.load.trials if trial.holds)
    assert record.load.qps == pytest.approx(0.9 ** (VERIFICATIONS - 1) * found)
    assert any("longer than 10 ms" in warning and "lower than" in warning for warning in record.warnings)
    assert not record.keeps_its_bound


def test_a_bound_below_the_service_time_is_refused(bundle, tmp_path, pretend):
    pretend({"ms": steady(2.0)})

    with pytest.raises(SlmbenchError, match="no rate .* 1 ms: .* p95 of 2 ms"):
        measure(bundle, tmp_path, scenario="server", max_p95_ms=1.0)


def test_a_real_process_serves_arrivals_in_time(tiny_bundle, tmp_path):
    record = measure(tiny_bundle, tmp_path, scenario="server", qps=100.0, processes=1, time_limit_s=0.3)

    assert len(record.latency.samples_ms) == 30
    assert all(
        latency > wait >= 0
        for latency, wait in zip(record.latency.samples_ms, record.load.processes_wait_ms[0], strict=True)
    )
    # The last review is due at a known moment, and nothing ends before it.
    assert record.load.processes_s[0] > arrivals(30, 100.0, 0)[-1]


# --- accuracy in the way that is timed ------------------------------------------------------------------------


def test_offline_the_accuracy_is_that_of_batches(bundle, tmp_path, pretend, monkeypatch):
    asked = []

    def answers(self, rows, batch_tokens=None):
        asked.append(batch_tokens)
        others = [1 - self._labels[row] if row < 10 else self._labels[row] for row in rows]
        return {"probabilities": np.eye(2)[others].tolist(), "tokens": [10] * len(rows)}

    pretend({"ms": steady()})
    (single,) = profile([bundle], ProfileOptions(forms=("fp32",), processes=1), output=tmp_path)
    monkeypatch.setattr(FakeProcess, "_answers", answers)
    record = measure(bundle, tmp_path, scenario="offline", batch_tokens=512)

    assert asked == [512] and "512 tokens" in record.regime
    assert (record.predictions.predicted() != single.predictions.predicted()).sum() == 10
    assert Cell(record).row.accuracy == record.accuracy
    assert any("10 of" in warning and "in batches" in warning for warning in record.warnings)
    assert record.confirmation is None  # sealed answers are those of single reviews


def test_offline_without_the_reviews_no_accuracy_stands_beside_the_speed(bundle, tmp_path, pretend):
    reseal(bundle, lambda document: document["corpus"]["options"].update(name_or_path="gone.csv"))
    pretend({"ms": steady()})

    row = Cell(measure(bundle, tmp_path, scenario="offline")).row

    assert (row.accuracy, row.test_hash is not None) == (None, True)
    assert "in batches is not known" in row.refusal and row.reviews_per_second > 0
