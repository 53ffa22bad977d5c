"""Close rows of a recipe are measured alternately, and what may be recommended answers the confirmation rows."""

from dataclasses import replace

import pytest
from factories import ladder, profile_record
from learnable import write_reviews
from listener import Listener

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import BUNDLES
from slmbench.common.progress import SILENT
from slmbench.compare import Constraints, DecisionRule, Measurements, compare, read_measurements, to_confirm
from slmbench.corpora import load_corpus, sides
from slmbench.export import export, sealing
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.profiling import ProfileOptions
from slmbench.profiling.identity import profile_name
from slmbench.profiling.measuring import find_cells, profile_cells
from slmbench.profiling.turns import PlannedCell
from slmbench.recipes import final_turns


@pytest.fixture
def planned(tiny_bundle):
    options = ProfileOptions(processes=3, time_limit_s=0.5, threads=1)
    return [PlannedCell(cell, options) for cell in find_cells([tiny_bundle], options)]


@pytest.fixture
def meet(planned, monkeypatch):
    """Let the profiles of planned cells be the finalists; returns how versus was called."""
    profiles = [profile_record(one.cell.form, name=profile_name(one.cell, one.options)) for one in planned]
    called = []

    def versus(*bundles, **given):
        called.append((*bundles, given))
        return len(called)

    monkeypatch.setattr(final_turns, "versus", versus)

    def run(cells, pairs=((0, 1),), progress=None):
        found = [(profiles[one], profiles[other]) for one, other in pairs]
        monkeypatch.setattr(final_turns, "finalists", lambda *_: found)
        met = final_turns.measure_finalists(
            Measurements(profiles),
            cells,
            Constraints(),
            DecisionRule(),
            command=["slmbench"],
            progress=progress or Listener(),
        )
        return met, called

    return run


def test_the_other_is_measured_against_the_fastest_as_the_recipe_measures(planned, meet, tiny_bundle):
    met, [(candidate, baseline, options, given)] = meet(planned)

    assert met == [1]
    assert (candidate, baseline) == (f"{tiny_bundle}:int8", f"{tiny_bundle}:fp32")
    assert (options.processes, options.time_limit_s, options.threads) == (4, 0.5, 1)
    assert (given["output"].name, given["command"]) == ("profiles", ["slmbench"])


def test_only_so_many_pairs_are_measured(planned, meet):
    met, called = meet(planned, pairs=[(0, 1)] * 5)

    assert met == [1, 2]
    assert len(called) == final_turns.MAX_PAIRS


def test_what_is_not_at_hand_or_measured_in_another_way_is_left_out(planned, meet):
    fp32, int8 = planned
    for cells in (
        [fp32],
        [fp32, PlannedCell(int8.cell, replace(int8.options, time_limit_s=1.0))],
        [PlannedCell(one.cell, replace(one.options, processes=1)) for one in planned],
    ):
        assert meet(cells) == ([], [])


def test_a_pair_that_cannot_be_measured_is_said_and_left_out(planned, meet, monkeypatch):
    def fails(*_, **__):
        raise SlmbenchError("out of memory")

    ears = Listener()
    monkeypatch.setattr(final_turns, "versus", fails)

    assert meet(planned, progress=ears) == ([], [])
    assert any("out of memory" in line for line in ears.said)


def test_what_would_be_recommended_and_the_front_are_worth_asking():
    profiles = ladder()
    rule = DecisionRule()
    names = {(one.bundle, one.form) for one in to_confirm(Measurements(profiles), Constraints(), rule)}
    record = compare(Measurements(profiles))
    front = {(row.name, row.form) for row in record.rows if row.pareto}
    assert names == front | {(record.recommended.name, record.recommended.form)}
    assert ("bert-tiny", "fp32") not in names
    under = {(one.bundle, one.form) for one in to_confirm(Measurements(profiles), Constraints(max_p95_ms=1), rule)}
    assert ("tfidf", "fp32") in under


def test_the_winner_is_asked_after_it_was_chosen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for module in (sides, sealing):
        monkeypatch.setattr(module, "MIN_CONFIRMATION", 20)
    path = write_reviews(tmp_path / "reviews.csv", ["negative", "positive"], 600)
    finetune(
        "tfidf", load_corpus(str(path), train_size=100, test_size=40), TrainingOptions(method="tfidf"), output="run"
    )
    export("run", output="exported/tfidf", seal=False)
    options = ProfileOptions(processes=1, time_limit_s=0.2)
    cells = [PlannedCell(one, options) for one in find_cells([BUNDLES / "tfidf"], options)]
    profile_cells(cells, output=final_turns.PROFILES, command=[], progress=SILENT, failed=None)
    measured = read_measurements()
    assert measured.profiles[0].confirmation is None

    def confirm(measured):
        return final_turns.confirm_finalists(measured, cells, Constraints(), DecisionRule(), None, progress=SILENT)

    confirmed = confirm(measured)
    assert compare(confirmed).confirmation.reviews > 20
    assert read_measurements().profiles == confirmed.profiles
    monkeypatch.setattr(final_turns, "seal_form", None)  # it is not asked again
    assert confirm(read_measurements()).profiles == confirmed.profiles
