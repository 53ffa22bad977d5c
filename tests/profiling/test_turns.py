"""Cells are timed in turns: blocks, each with one process of every cell, in random order."""

import pytest
from ceilings import keep_made_up_ceilings
from profiling_helpers import steady

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.progress import SILENT
from slmbench.instruments.sentinel import store_session, stored_sessions
from slmbench.profiling import ProfileOptions, profile, scenarios, turns
from slmbench.profiling.measuring import find_cells, profile_cells
from slmbench.profiling.turns import PlannedCell
from slmbench.records import ProfileRecord, read_record
from slmbench.records.sessions import SentinelTimes
from slmbench.records.sustained import Sustained
from slmbench.statistics.sessions import REFERENCE_SPREAD


def forms_of(made):
    return [process.task["form"] for process in made]


def test_each_block_has_one_process_of_every_cell_in_an_order_that_changes(bundle, tmp_path, pretend):
    made = pretend({"ms": steady(2.0)})

    records = profile([bundle], ProfileOptions(processes=8), output=tmp_path)

    blocks = [forms_of(made)[start : start + 2] for start in range(0, 16, 2)]
    assert all(sorted(block) == ["fp32", "int8"] for block in blocks)
    assert len({tuple(block) for block in blocks}) == 2
    # Each process ends before the next one starts, so that nothing of it runs meanwhile.
    assert all(process.asked[-1] == {"do": "end"} for process in made)
    assert [record.form for record in records] == ["fp32", "int8"]
    assert all(len(record.latency.processes_ms) == 8 for record in records)


def test_sustained_work_comes_after_all_blocks_and_the_sentinel(bundle, tmp_path, pretend, monkeypatch):
    made, asked = pretend({"ms": steady(2.0)}), []

    def sustained(process, seconds, known, reviews):
        asked.append((process.task["form"], len(made)))
        return Sustained(seconds=seconds, trace=[])

    monkeypatch.setattr(scenarios, "measure_sustained", sustained)
    records = profile([bundle], ProfileOptions(processes=3, sustained_s=60.0), output=tmp_path)

    assert asked == [("fp32", 7), ("int8", 8)]  # after three processes of each
    assert [record.sustained.seconds for record in records] == [60.0, 60.0]
    assert all([session.blocks for session in record.measured_in] == [[1, 2, 3]] for record in records)
    assert all(len(session.sentinel) == 4 for record in records for session in record.measured_in)


def test_cells_of_several_settings_are_timed_in_the_same_blocks(bundle, tmp_path, pretend):
    made = pretend({"ms": steady(2.0)})
    ways = [
        ProfileOptions(forms=("fp32",), processes=count, scenario=scenario)
        for count, scenario in ((1, "single"), (3, "offline"))
    ]
    planned = [PlannedCell(cell, way) for way in ways for cell in find_cells([bundle], way)]

    records = profile_cells(planned, output=tmp_path, command=[], progress=SILENT, failed=None)

    assert [len(record.latency.processes_ms) for record in records] == [1, 3]
    # The first block has a process of each; the shorter measurement is done then.
    assert [len(process.rows) > 20 for process in made].count(True) == 1
    assert [session.blocks for record in records for session in record.measured_in] == [[1], [1, 2, 3]]


def test_a_cell_that_fails_in_a_later_block_leaves_the_others(bundle, tmp_path, pretend, monkeypatch):
    made = pretend({"ms": steady(2.0)})
    start, failures = scenarios.MeasuredProcess, []

    def failing(task):
        if task["form"] == "fp32" and forms_of(made).count("fp32") == 1:
            raise SlmbenchError("the measured process failed")
        return start(task)

    monkeypatch.setattr(scenarios, "MeasuredProcess", failing)
    options = ProfileOptions(processes=3)
    (record,) = profile([bundle], options, output=tmp_path, failed=lambda cell, _: failures.append(cell.form))

    assert (record.form, len(record.latency.processes_ms), failures) == ("int8", 3, ["fp32"])
    assert [file.stem for file in tmp_path.glob("*.json")] == [record.name]
    made.clear()
    with pytest.raises(SlmbenchError, match="the measured process failed"):
        profile([bundle], options, output=tmp_path / "others")
    assert not (tmp_path / "others").exists()


def test_the_sentinel_runs_before_each_block_and_is_kept(bundle, tmp_path, pretend, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    keep_made_up_ceilings()
    pretend({"ms": steady(2.0)})

    records = profile([bundle], ProfileOptions(processes=3), output=tmp_path)

    sessions = [record.measured_in for record in records]
    assert [len(one) for one in sessions] == [1, 1]
    (first,), (second,) = sessions
    assert (first.id, first.cells, first.blocks) == (second.id, 2, [1, 2, 3])
    assert len(first.sentinel) == 4
    assert min(run.total_ms for run in first.sentinel) > 0
    assert first.drift is not None
    assert [one.id for one in stored_sessions()] == [first.id]
    for record in records:
        assert record.latency.sessions == record.throughput.sessions == [0, 0, 0]
        assert record.latency.spread == REFERENCE_SPREAD
        # Other sessions of this machine are not known: the interval allows for those of the reference machine.
        assert record.latency.ci95_ms[0] < 0.75 * record.latency.here_ci95_ms[0]
        assert record.latency.ci95_ms[1] > 1.3 * record.latency.here_ci95_ms[1]
        read = read_record(ProfileRecord, tmp_path / f"{record.name}.json")
        assert read.latency.ci95_ms == pytest.approx(record.latency.ci95_ms)
        assert read.measured_in == record.measured_in


def test_sessions_have_a_pause_between_them_and_share_the_processes(bundle, tmp_path, pretend, monkeypatch):
    made, pauses = pretend({"ms": steady(2.0)}), []
    monkeypatch.setattr(turns.time, "sleep", lambda seconds: pauses.append((seconds, len(made))))

    options = ProfileOptions(processes=5, sessions=2, session_gap_min=20)
    (first, second) = profile([bundle], options, output=tmp_path)

    assert pauses == [(1200, 6)]
    assert [session.blocks for session in first.measured_in] == [[1, 2, 3], [1, 2]]
    assert [session.seed for session in first.measured_in] == [0, 1]
    assert [one.id for one in first.measured_in] == [one.id for one in second.measured_in]
    # They began at once, as the pause was none: that is one session.
    assert first.latency.sessions == [0] * 5
    assert first.key != profile([bundle], ProfileOptions(), output=tmp_path)[0].key


@pytest.mark.parametrize("changes", [{"sessions": 0}, {"sessions": 3}, {"session_gap_min": -1.0}])
def test_sessions_that_cannot_be_are_refused(changes):
    with pytest.raises(UsageError):
        ProfileOptions(processes=5, **changes).check()


def test_a_machine_that_is_not_as_usual_is_told(bundle, tmp_path, pretend, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    keep_made_up_ceilings()
    pretend({"ms": steady(2.0)})
    for hour in range(8):
        run = SentinelTimes(gemm_ms=0.1 + hour / 1e4, copy_ms=0.1, text_ms=0.1)
        store_session(str(hour), f"2026-11-21T{hour:02}:00:00+00:00", [run])

    record, _ = profile([bundle], ProfileOptions(processes=3), output=tmp_path)

    spread = record.latency.spread
    assert spread.stored == 8
    assert spread.usual_ms[1] < record.measured_in[0].sentinel_ms
    assert any(f"{spread.usual_ms[1]:.3g}" in warning for warning in record.warnings)


def test_a_machine_that_becomes_slower_over_the_blocks_is_told(bundle, tmp_path, pretend, monkeypatch):
    pretend({"ms": steady(2.0)})
    times = iter([10.0, 11.0, 12.1, 13.2, 14.6, 16.1])
    monkeypatch.setattr(
        turns.Sentinel, "run", lambda self: SentinelTimes(gemm_ms=next(times), copy_ms=1.0, text_ms=1.0)
    )

    (record,) = profile([bundle], ProfileOptions(forms=("fp32",)), output=tmp_path)

    (session,) = record.measured_in
    assert session.drift == pytest.approx(0.5, abs=0.05)
    assert session.is_drifting
    assert any(f"{100 * session.drift:.0f} %" in warning for warning in record.warnings)
