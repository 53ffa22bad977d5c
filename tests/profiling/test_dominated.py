"""Which cells need not be timed to the end, and what becomes of them."""

from itertools import cycle
from types import SimpleNamespace

import numpy as np
import pytest
from profiling_helpers import steady

from slmbench.common.progress import SILENT
from slmbench.profiling import ProfileOptions, turns
from slmbench.profiling.dominated import TimedSoFar, need_no_more
from slmbench.profiling.measuring import find_cells, profile_cells
from slmbench.profiling.scenarios import Measured
from slmbench.profiling.turns import PlannedCell
from slmbench.records import Predictions


def cell(name, *, right, ms, passes=1.0, size=100, peak=1000, cold=50.0, accepted=True, reviews=400):
    """A cell after two processes: right on the first so many reviews."""
    answers = np.eye(2)[[int(row >= right) for row in range(reviews)]]
    prepared = SimpleNamespace(
        accepted=accepted,
        size_bytes=size,
        predictions=Predictions.of(["yes", "no"], [f"r{row}" for row in range(reviews)], [0] * reviews, answers),
    )
    measured = Measured(
        starts=[SimpleNamespace(cold_ms=cold)] * 2,
        latency_ms=[[ms * (1 + number / 1000) for number in range(200)]] * 2,
        passes_s=[[passes, passes], [passes]],
        memory=[({"peak_bytes": peak}, {"peak_bytes": peak})] * 2,
    )
    return TimedSoFar(name, prepared, measured)


FAST = {"right": 360, "ms": 1.0, "passes": 0.1, "size": 10, "peak": 100, "cold": 10.0}
SLOW = {"right": 320, "ms": 10.0}


def test_a_cell_that_another_one_beats_in_everything_needs_no_more():
    found = need_no_more({0: cell("small", **FAST), 1: cell("large", **SLOW)})
    assert list(found) == [1]
    assert "small" in found[1]


@pytest.mark.parametrize(
    "better",
    [{"right": 358}, {"ms": 0.9}, {"passes": 0.05}, {"size": 9}, {"peak": 99}, {"cold": 9.0}],
    ids=lambda better: next(iter(better)),
)
def test_one_thing_in_which_it_may_be_better_is_enough_to_go_on(better):
    assert need_no_more({0: cell("small", **FAST), 1: cell("large", **{**SLOW, **better})}) == {}


def test_a_refused_form_needs_no_more_and_beats_nothing():
    cells = {0: cell("small", **FAST, accepted=False), 1: cell("large", **SLOW)}
    assert list(need_no_more(cells)) == [0]
    other_rows = {0: cell("small", **FAST, reviews=401), 1: cell("large", **SLOW)}
    assert need_no_more(other_rows) == {}


def test_where_only_the_order_counts_a_time_far_from_all_others_needs_no_more():
    quick, slow = cell("quick", right=300, ms=1.0), cell("slow", right=360, ms=10.0)
    assert need_no_more({0: quick, 1: slow}) == {}
    assert list(need_no_more({0: quick, 1: slow}, only_order=True)) == [0, 1]
    near = cell("near", right=360, ms=15.0)
    assert list(need_no_more({0: quick, 1: slow, 2: near}, only_order=True)) == [0]
    # What cannot be shipped does not count, and processes that differ go on.
    refused = cell("near", right=360, ms=15.0, accepted=False)
    assert list(need_no_more({0: slow, 1: refused}, only_order=True)) == [1, 0]
    slow.measured.latency_ms[1] = [1.2 * ms for ms in slow.measured.latency_ms[1]]
    assert list(need_no_more({0: quick, 1: slow}, only_order=True)) == [0]


@pytest.mark.parametrize("allowed", [True, False])
def test_such_a_cell_ends_after_three_processes_and_says_so(bundle, tmp_path, pretend, monkeypatch, allowed):
    made = pretend({"ms": steady(2.0)})
    monkeypatch.setattr(turns, "need_no_more", lambda cells, **_: {1: "it is beaten"})
    options = ProfileOptions(processes=5)
    planned = [PlannedCell(one, options, may_end_early=allowed) for one in find_cells([bundle], options)]

    first, second = profile_cells(planned, output=tmp_path, command=[], progress=SILENT, failed=None)

    assert (len(first.latency.processes_ms), len(second.latency.processes_ms)) == (5, 3 if allowed else 5)
    assert len(made) == (8 if allowed else 10)
    assert any("3 of 5 processes" in warning for warning in second.warnings) == allowed
    assert not any("of 5 processes" in warning for warning in first.warnings)
    assert [session.blocks for session in second.measured_in] == [[1, 2, 3] if allowed else [1, 2, 3, 4, 5]]


def test_a_second_pass_is_for_processes_whose_passes_differ(bundle, tmp_path, pretend):
    for passes, counts in (([0.5], [2, 1, 1]), ([0.5, 0.6], [2, 2, 2]), ([1.5], [1, 1, 1])):
        pretend({"ms": steady(2.0), "passes": cycle(passes)})
        options = ProfileOptions(forms=("int8",), processes=3)
        planned = [PlannedCell(one, options) for one in find_cells([bundle], options)]
        (record,) = profile_cells(planned, output=tmp_path, command=[], progress=SILENT, failed=None)
        assert [len(process) for process in record.throughput.processes_s] == counts
