"""Cells are timed in turns: blocks, each with one process of every cell, in random order."""

import pytest
from profiling_helpers import steady

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import SILENT
from slmbench.profiling import ProfileOptions, profile, scenarios
from slmbench.profiling.measuring import find_cells, profile_cells
from slmbench.profiling.turns import PlannedCell


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


def test_cells_of_several_settings_are_timed_in_the_same_blocks(bundle, tmp_path, pretend):
    made = pretend({"ms": steady(2.0)})
    ways = [ProfileOptions(forms=("fp32",), processes=count, threads=count) for count in (1, 3)]
    planned = [PlannedCell(cell, way) for way in ways for cell in find_cells([bundle], way)]

    records = profile_cells(planned, output=tmp_path, command=[], progress=SILENT, failed=None)

    assert [len(record.latency.processes_ms) for record in records] == [1, 3]
    assert sorted(process.task["threads"] for process in made[:2]) == [1, 3]
    assert [process.task["threads"] for process in made[2:]] == [3, 3]


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
