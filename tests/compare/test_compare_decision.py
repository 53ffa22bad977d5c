"""Which row is recommended, and why every other one lost."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from factories import MACHINE, RASPBERRY, batched, ladder, predictions, profile_record, served
from rich.console import Console

from slmbench.cli.views.decision import decision_table
from slmbench.common.errors import UsageError
from slmbench.compare import Constraints, DecisionRule, compare
from slmbench.compare.front import pareto_front
from slmbench.records import ComparisonRecord, Conditions, Latency, Predictions, Row, write_record
from slmbench.records.ancestors import Ancestor
from slmbench.records.run import SeedIdentity


@pytest.fixture
def decide(tmp_path):
    def decide(*profiles, failures=(), rule=None, **limits):
        folder = tmp_path / "measured"
        folder.mkdir(exist_ok=True)
        for number, profile in enumerate(profiles):
            write_record(profile, folder / f"{number}.json")
        return compare([folder] if profiles else [], constraints=Constraints(**limits), rule=rule, failures=failures)

    return decide


def why(record, label):
    return next(rejection.why for rejection in record.rejected if rejection.label == label)


def reason(record, label):
    return next(rejection.reason for rejection in record.rejected if rejection.label == label)


def test_a_row_tested_on_what_shaped_it_is_not_shipped(decide):
    seen = Ancestor(what="training", of="leaky", through=["teacher"], rows=900, tested=37)
    best = profile_record("best", accuracy=0.95, p50_ms=5.0, ancestors=[seen])
    record = decide(best, profile_record("fair", accuracy=0.8, ancestors=[seen.model_copy(update={"tested": 0})]))
    assert record.recommended.name == "fair"
    assert reason(record, "best fp32") == "refused"
    assert "37" in why(record, "best fp32") and "leaky" in why(record, "best fp32")
    # Alone it is not shipped either.
    assert decide(best).recommended is None or decide(best).recommended.name != "best"


def test_unknown_ancestors_qualify_the_decision(decide):
    hub = Ancestor(what="training", of="some-hub-model", through=["base"], rows=None)
    known = Ancestor(what="training", of="own", rows=900)
    caveats = decide(profile_record("a", ancestors=[known]), profile_record("b", ancestors=[known, hub])).caveats
    (caveat,) = [caveat for caveat in caveats if "some-hub-model" in caveat]
    assert "training texts" in caveat and "unknown" in caveat
    caveats = decide(profile_record("a", ancestors=[known]), profile_record("b", ancestors=[known])).caveats
    assert not any("training texts" in caveat for caveat in caveats)
    caveats = decide(profile_record("a", ancestors=[known]), profile_record("b")).caveats
    assert any("not recorded" in caveat and "b fp32" in caveat for caveat in caveats)


def test_pareto_front_keeps_what_nothing_beats_on_every_count():
    assert pareto_front([(1, 5), (2, 4), (2, 5), (3, 1), (3, 1), (4, 2)]) == [
        True,
        True,
        False,
        True,
        True,
        False,
    ]
    assert pareto_front([]) == []


def test_ladder_ships_the_fastest_of_the_equally_accurate(decide):
    record = decide(*ladder())
    assert (record.recommended.name, record.recommended.form) == ("minilm-l6", "int8")
    assert "fastest of the 2 (of 7 candidates)" in record.recommended.why
    assert "minilm-l6 fp32 is 2.1× slower and 3.9× larger" in record.recommended.why
    assert "(87.4 % against 87.1 %, p = " in why(record, "minilm-l6 fp32")
    assert reason(record, "minilm-l6 fp32") == "slower_or_larger"
    assert why(record, "minilm-l6 fp32").endswith("2.1× slower")
    assert why(record, "bert-tiny fp32").startswith("5.2 points less accurate than minilm-l6 fp32 (p < 0.001)")
    assert "dominated by tfidf fp32" in why(record, "bert-tiny fp32")
    assert reason(record, "bert-tiny fp32") == "less_accurate"
    assert len(record.rejected) == len(record.rows) - 1
    assert [row.label for row in record.rows if row.recommended] == ["minilm-l6 int8"]


def test_rows_are_sorted_by_median_latency_and_the_front_is_over_p95(decide):
    record = decide(*ladder())
    assert [row.p50_ms for row in record.rows] == sorted(row.p50_ms for row in record.rows)
    assert record.decisions[0].front_axes == ["accuracy", "p95"]
    assert record.pareto == ["tfidf fp32", "minilm-l6-3layers int8", "minilm-l6 int8", "minilm-l6 fp32"]
    assert record.pareto == [row.label for row in record.rows if row.pareto]


def test_one_row_without_p95_moves_the_whole_front_to_p50(decide):
    record = decide(profile_record("a", p50_ms=5), profile_record("b", p50_ms=9, accuracy=0.9, samples=100))
    assert record.decisions[0].front_axes == ["accuracy", "p50"]
    assert record.pareto == ["a fp32", "b fp32"]
    assert any("too few latency samples for p95" in caveat for caveat in record.caveats)


@pytest.mark.parametrize(
    ("limits", "winner", "loser", "reason"),
    [
        (
            {"max_p95_ms": 12},
            "minilm-l6-3layers int8",
            "minilm-l6 int8",
            "p95 19.4 ms is over the limit of 12 ms",
        ),
        (
            {"max_memory_mb": 160},
            "minilm-l6-3layers int8",
            "minilm-l6 int8",
            "peak memory 173 MB is over the limit of 160 MB",
        ),
        (
            {"max_size_mb": 20},
            "minilm-l6-3layers int8",
            "minilm-l6 int8",
            "size 23.6 MB is over the limit of 20 MB",
        ),
        (
            {"min_accuracy": 0.872},
            "minilm-l6 fp32",
            "minilm-l6 int8",
            "accuracy 87.1 % is under the limit of 87.2 %",
        ),
        (
            {"min_accuracy": 87.2},
            "minilm-l6 fp32",
            "minilm-l6 int8",
            "accuracy 87.1 % is under the limit of 87.2 %",
        ),
    ],
)
def test_each_limit_takes_rows_out(decide, limits, winner, loser, reason):
    record = decide(*ladder(), **limits)
    assert record.recommended.label == winner
    assert reason in why(record, loser)


def test_a_row_that_breaks_two_limits_names_both(decide):
    record = decide(*ladder(), max_p95_ms=12, max_size_mb=20)
    assert "limit of 12 ms; size 91.6 MB is over the limit of 20 MB" in why(record, "minilm-l6 fp32")


def test_where_nothing_is_known_of_a_limit_no_phrase_is_empty(decide):
    (decision,) = decide(profile_record("few", samples=40), max_p95_ms=100).decisions
    assert decision.recommended is None and "p95 is not known" in decision.sentence
    assert all(part.strip() for part in decision.sentence.split(";"))


def test_what_is_not_known_cannot_keep_a_limit(decide):
    record = decide(
        profile_record("few", samples=40, peak_mb=None),
        profile_record("many"),
        max_p95_ms=100,
        max_memory_mb=900,
    )
    assert why(record, "few fp32") == (
        "p95 is not known (p95 needs 130 different reviews, there are 40), so the limit of 100 ms cannot be checked;"
        " peak memory is not known, so the limit of 900 MB cannot be checked"
    )


def test_nothing_within_the_limits_says_how_near_the_rows_come(decide):
    record = decide(*ladder(), max_p95_ms=1, min_accuracy=90)
    assert record.recommended is None
    sentence = record.decisions[0].sentence
    assert "p95 ≤ 1 ms" in sentence and "accuracy ≥ 90.0 %" in sentence
    assert "the lowest p95 is 0.864 ms (tfidf fp32)" in sentence
    assert "the highest accuracy is 87.4 % (minilm-l6 fp32)" in sentence
    # tfidf keeps the first; of the second it lacks 6 points. All others are far over the first.
    assert "the nearest is tfidf fp32: accuracy 83.9 % is under the limit of 90.0 %" in sentence


def test_a_large_loss_is_not_waved_through_because_few_reviews_cannot_show_it(decide):
    record = decide(
        profile_record("slow", accuracy=0.86, p50_ms=30, reviews=100),
        profile_record("fast", accuracy=0.83, p50_ms=3, reviews=100),
    )
    assert record.recommended.name == "slow"
    # Nor is it called less accurate: it is undecided, and how many reviews it would take is said.
    assert reason(record, "fast fp32") == "undecided"
    (pair,) = record.decisions[0].undecided
    assert (pair.first, pair.second, pair.of) == ("slow fp32", "fast fp32", "accuracy")
    assert pair.reviews_needed > 100
    assert f"{pair.reviews_needed:,} test reviews" in record.recommended.why


def test_a_small_loss_that_is_certain_counts_beyond_the_margin_only(decide):
    # Nested errors: the faster model errs on ten reviews more and is never right where the other errs.
    pair = (
        profile_record("slow", p50_ms=30, predictions=predictions(0.87, noise=0)),
        profile_record("fast", p50_ms=3, predictions=predictions(0.86, noise=0)),
    )
    assert decide(*pair).recommended.name == "fast"
    record = decide(*pair, rule=DecisionRule(model_margin=0.005))
    assert record.recommended.name == "slow"
    assert why(record, "fast fp32") == "1.0 points less accurate (p = 0.002), 10× faster"
    assert record.rule["model_margin"] == 0.005


def test_of_equally_fast_rows_the_smaller_wins(decide):
    same = predictions(0.86)
    record = decide(
        profile_record("large", p50_ms=10.0, size_mb=90, predictions=same),
        profile_record("small", p50_ms=10.1, size_mb=20, predictions=same),
    )
    assert record.recommended.name == "small"
    assert why(record, "large fp32").endswith("larger (90.0 MB against 20.0 MB)")
    assert {row.name: row.speed_verdict for row in record.rows} == {"large": None, "small": "equivalent"}


def timed(name, *processes, size_mb):
    """A profile whose processes' medians are given; its accuracy is that of all others."""
    latency = Latency(processes_ms=[[level * (1 + i % 7 / 1000) for i in range(60)] for level in processes])
    return profile_record(name, latency=latency, size_mb=size_mb, predictions=predictions(0.86))


def test_what_is_undecided_in_speed_is_not_lost_to_the_slower_row(decide):
    """20 ms and 30 ms, with intervals that touch and as good as one size: the intervals do not make them equal."""
    record = decide(
        timed("quick", 17.0, 20.0, 24.5, size_mb=90.1),
        timed("slow", 27.0, 30.0, 33.0, size_mb=90.0),
    )
    assert record.recommended.name == "quick"
    (pair,) = record.decisions[0].undecided
    assert pair.of == "speed" and "slmbench versus" in pair.sentence
    assert "slow fp32" in record.recommended.why and "undecided" in record.recommended.why
    # Where it is decided that they differ, nothing is undecided.
    record = decide(
        timed("quick", 19.9, 20.0, 20.1, size_mb=90.1),
        timed("slow", 29.9, 30.0, 30.1, size_mb=90.0),
    )
    assert record.recommended.name == "quick" and record.decisions[0].undecided == []


@pytest.mark.parametrize("reviews", [100, 1000])
def test_a_form_ships_when_it_is_shown_to_be_as_accurate_as_fp32(decide, reviews):
    """Each errs on one review in a hundred where the other is right."""
    fp32 = predictions(0.86, reviews=reviews, noise=0)
    swapped = np.asarray(fp32.probabilities)
    rows = [*np.flatnonzero(fp32.right())[: reviews // 200], *np.flatnonzero(~fp32.right())[: reviews // 200]]
    rows = rows or [0]
    swapped[rows] = swapped[rows][:, ::-1]
    int8 = fp32.model_copy(update={"probabilities": swapped.tolist()})
    pair = (
        profile_record(form="fp32", p50_ms=30, predictions=fp32),
        profile_record(form="int8", p50_ms=10, size_mb=23, predictions=int8),
    )
    record = decide(*pair)
    assert record.recommended.form == ("int8" if reviews == 1000 else "fp32")
    if reviews == 100:
        assert reason(record, "minilm-l6 int8") == "form_undecided"
        (doubt,) = record.decisions[0].undecided
        assert doubt.reviews_needed > 100 and f"{doubt.reviews_needed:,}" in why(record, "minilm-l6 int8")
        accepted = decide(*pair, rule=DecisionRule(accept_undecided=True, model_margin=0.1))
        assert accepted.recommended.form == "int8"
        assert accepted.recommended.why.startswith("undecided whether it is as accurate as fp32")


def test_a_form_that_is_less_accurate_than_fp32_for_certain_never_ships(decide):
    record = decide(
        profile_record(form="fp32", p50_ms=30, predictions=predictions(0.87, noise=0)),
        profile_record(form="int8", p50_ms=10, size_mb=23, predictions=predictions(0.82, noise=0)),
        rule=DecisionRule(accept_undecided=True, model_margin=0.2),
    )
    assert record.recommended.form == "fp32"
    assert reason(record, "minilm-l6 int8") == "form_worse"


def test_of_many_equal_rows_few_are_called_worse(decide):
    """The best of nine is chosen for being the best: tested one by one half of such sets have a 'worse' row."""
    called = 0
    for number in range(20):
        rows = [
            profile_record(f"m{i}", predictions=predictions(0.86, who=f"{number}-{i}", noise=0.6)) for i in range(9)
        ]
        called += any(row.accuracy_verdict == "worse" for row in decide(*rows).rows)
    assert called <= 3  # at 5 % a set, four or more of 20 come in 1.6 % of cases


def test_at_chance_level_nothing_is_shipped(decide):
    row = profile_record("guesser", predictions=predictions(0.55, reviews=100))
    record = decide(row)
    assert record.recommended is None and not any(one.recommended for one in record.rows)
    assert reason(record, "guesser fp32") == "at_chance"
    assert "most frequent label" in record.decisions[0].sentence and "55.0 %" in record.decisions[0].sentence


def test_what_does_not_beat_the_baseline_says_so_first(decide):
    record = decide(
        profile_record("tfidf", accuracy=0.86, p50_ms=1, method="tfidf", peak_mb=500),
        profile_record("model", accuracy=0.865),
        max_memory_mb=300,
    )
    assert record.recommended.name == "model"
    assert record.recommended.why.startswith("not shown to be better than the TF-IDF baseline (86.5 % against 86.0")


def test_a_caveat_of_what_decided_stands_beside_the_decision(decide):
    why = "why it may be unsteady: others used 40 % of the CPU; the machine is virtual: caches"
    virtual = {**MACHINE, "virtualised": True}
    record = decide(
        profile_record("winner", accuracy=0.9, warnings=[why], machine=virtual),
        profile_record("far-off", accuracy=0.6, warnings=["warm-up was not stable"], machine=virtual),
    )
    (caveat,) = record.decisions[0].caveats
    assert "winner fp32" in caveat and "40 % of the CPU" in caveat and "virtual" not in caveat
    assert any("warm-up" in other for other in record.caveats)
    # Said once: not repeated among the caveats, and that the machine is virtual is said of the machine.
    assert not any("40 %" in other for other in record.caveats)
    assert len([other for other in record.caveats if "virtual" in other]) == 1


def test_the_front_is_over_what_was_limited(decide):
    record = decide(*ladder(), max_memory_mb=300)
    assert record.decisions[0].front_axes == ["accuracy", "memory"]
    assert decide(*ladder(), min_accuracy=0.8).decisions[0].front_axes == ["accuracy", "p95"]


def test_another_metric_can_decide(decide):
    """With one review in ten of the rare label, the more accurate model may miss all of those."""
    truth = np.array([1] * 60 + [0] * 540)
    ids = predictions(reviews=600).row_ids

    def answering(right_of_rare, right_of_common):
        said = np.concatenate([np.arange(60) < right_of_rare, np.arange(540) >= right_of_common])
        return Predictions.of(["common", "rare"], ids, truth.tolist(), np.stack([~said, said], 1) * 0.98 + 0.01)

    lazy = profile_record("lazy", p50_ms=3, predictions=answering(5, 540), labels=["common", "rare"])
    fair = profile_record("fair", p50_ms=30, predictions=answering(50, 500), labels=["common", "rare"])
    assert fair.evaluation.accuracy > lazy.evaluation.accuracy - 0.02
    assert decide(lazy, fair).recommended is None or decide(lazy, fair).recommended.name == "fair"
    record = decide(lazy, fair, rule=DecisionRule(metric="macro_f1"))
    assert record.recommended.name == "fair"
    assert "macro-F1 0.8" in record.recommended.why
    assert record.decisions[0].front_axes[0] == "macro-f1"
    assert reason(record, "lazy fp32") == "less_accurate"
    with pytest.raises(UsageError):
        DecisionRule(metric="macro_f2")


@pytest.mark.parametrize("margins", [{"model_margin": 0}, {"time_margin": 1}, {"form_margin": float("nan")}])
def test_margins_that_are_no_margins_are_usage_errors(margins):
    with pytest.raises(UsageError):
        DecisionRule(**margins)


@pytest.mark.parametrize("accuracy", [0.86, 0.865])
def test_a_form_that_gains_nothing_over_fp32_is_not_recommended(decide, accuracy):
    record = decide(
        profile_record(form="fp32", p50_ms=30, size_mb=90),
        profile_record(form="int8", p50_ms=31, size_mb=90, predictions=predictions(accuracy)),
    )
    assert record.recommended.form == "fp32"
    assert why(record, "minilm-l6 int8") == (
        "no gain on this machine: neither faster (31.0 ms against 30.0 ms) nor smaller"
        " (90.0 MB against 90.0 MB) than minilm-l6 fp32"
    )


def test_a_refused_form_is_shown_but_neither_on_the_front_nor_recommended(decide):
    record = decide(
        profile_record(form="fp32"),
        profile_record(form="int8", p50_ms=10, size_mb=23, accepted=False, reason="accuracy falls by 3.1 points"),
    )
    assert record.recommended.form == "fp32"
    assert why(record, "minilm-l6 int8") == "refused at export: accuracy falls by 3.1 points"
    refused = next(row for row in record.rows if row.form == "int8")
    assert refused.refusal and not refused.pareto and refused.p50_ms == pytest.approx(10, rel=0.01)


def test_when_every_form_was_refused_there_is_no_recommendation(decide):
    record = decide(profile_record(accepted=False, reason="labels flipped"))
    assert record.recommended is None
    assert record.pareto == []
    assert "every form was refused" in record.decisions[0].sentence


def test_failed_cells_are_rows_and_the_others_go_on(decide):
    failure = Row(name="mpnet-base", form="fp32", failure="the worker ran out of memory")
    record = decide(profile_record(), failures=[failure])
    assert record.recommended.name == "minilm-l6"
    assert record.rows[-1] == failure
    assert why(record, "mpnet-base fp32") == "failed: the worker ran out of memory"
    only_failures = decide(failures=[failure])
    assert only_failures.recommended is None and only_failures.rows == [failure]


def test_other_test_reviews_are_not_compared(decide):
    record = decide(
        profile_record("a"),
        profile_record("b", accuracy=0.84),
        profile_record("other", accuracy=0.99, p50_ms=1, corpus="rotten-tomatoes"),
    )
    assert record.recommended.name == "a"
    assert "measured on other test reviews" in why(record, "other fp32")
    assert record.pareto == ["a fp32"]
    assert any("different test reviews" in caveat and "other fp32" in caveat for caveat in record.caveats)


def test_rates_of_arrival_are_circumstances_of_their_own(decide):
    same = predictions(0.86)
    record = decide(
        served(10, p50_ms=9.0, size_mb=80, predictions=same),
        served(40, p50_ms=30.0, size_mb=80, predictions=same),
        served(40, "quick", p50_ms=12.0, size_mb=80, predictions=same),
    )
    # minilm-l6 is no faster than quick: fewer reviews arrived.
    assert record.recommended.label == "quick fp32"
    assert reason(record, "minilm-l6 fp32 (server at 10/s)") == "other_timing"
    assert "server at 40/s" in why(record, "minilm-l6 fp32 (server at 10/s)")


def test_of_highest_rates_the_highest_wins_not_the_latency_at_it(decide):
    same = predictions(0.86)
    record = decide(
        served(20, "idle", bound=50, p50_ms=9.0, size_mb=80, predictions=same),
        served(80, "busy", bound=50, p50_ms=30.0, size_mb=80, predictions=same),
    )
    assert record.recommended.label == "busy fp32"
    assert "80.0 reviews/s" in record.recommended.why and "4.0× slower" in record.recommended.why
    assert record.decisions[0].front_axes == ["accuracy", "throughput"]
    assert record.pareto == ["busy fp32"]


def test_a_highest_rate_that_did_not_hold_is_none(decide):
    record = decide(
        served(80, "hoped", bound=20, p50_ms=30.0),
        served(40, "kept", bound=20, p50_ms=9.0),
    )
    assert record.recommended.label == "kept fp32"
    assert why(record, "hoped fp32").startswith("its rate of 80.0 reviews/s did not hold when it was verified")


def test_offline_the_reviews_a_second_decide_not_the_time_of_a_batch(decide):
    same = predictions(0.86)
    record = decide(
        batched(2048, "many-small-batches", seconds=4.0, p50_ms=9.0, size_mb=80, predictions=same),
        batched(2048, "few-large-batches", seconds=1.0, p50_ms=30.0, size_mb=80, predictions=same),
    )
    assert record.recommended.label == "few-large-batches fp32"
    assert record.decisions[0].front_axes == ["accuracy", "throughput"]


def test_offline_a_limit_of_single_reviews_cannot_be_checked(decide):
    record = decide(batched(2048, p50_ms=3.0), max_p95_ms=20)
    assert record.recommended is None
    assert "offline it is that of a batch" in why(record, "minilm-l6 fp32")


def test_a_p95_whose_interval_reaches_over_the_limit_is_said(decide):
    profile = profile_record(samples=300)
    _, high = profile.latency.p95_ci95_ms
    over = decide(profile, max_p95_ms=round((profile.latency.p95_ms + high) / 2, 3)).recommended.why
    assert "may not the next time: its 95 % interval reaches " in over
    assert "next time" not in decide(profile, max_p95_ms=high * 1.01).recommended.why


def test_a_few_samples_are_no_exact_median(decide):
    same = predictions(0.86)
    few = Latency(processes_ms=[[19.0, 60.0, 20.0, 90.0]], reviews=200)
    record = decide(
        profile_record("few", latency=few, size_mb=20, predictions=same),
        profile_record("many", p50_ms=30.0, size_mb=90, predictions=same),
    )
    # Few samples show neither that it is slower nor that it is as fast.
    assert record.recommended.name == "many"
    assert {row.name: row.speed_verdict for row in record.rows} == {"few": "undecided", "many": None}


def test_forms_of_different_exports_are_said(decide):
    old, new = "a" * 64, "b" * 64
    record = decide(profile_record(form="fp32", source_key=new), profile_record(form="int8", source_key=old))
    (caveat,) = record.decisions[0].caveats
    assert "different exports" in caveat and caveat not in record.caveats
    assert "bbbbbbbb: minilm-l6 fp32" in caveat and "aaaaaaaa: minilm-l6 int8" in caveat
    # A run in torch has a key of its own, and records from before have none.
    record = decide(
        profile_record(form="fp32", source_key=new),
        profile_record(form="int8"),
        profile_record(form="torch-fp32", backend="torch", source_key=old),
    )
    assert not any("different exports" in one for one in [*record.caveats, *record.decisions[0].caveats])


def test_two_machines_have_a_front_and_a_recommendation_each(decide):
    record = decide(*ladder(), *ladder(RASPBERRY, 4.0)[1:], max_p95_ms=40)
    first, second = record.decisions
    assert record.machines[first.machine]["name"].startswith("Intel")
    assert record.recommended == first.recommended and record.pareto == first.pareto
    assert first.recommended.label == "minilm-l6 int8"
    assert second.recommended.label == "minilm-l6-3layers int8"
    assert "bert-tiny fp32" in second.pareto and "bert-tiny fp32" not in first.pareto
    assert any("2 machines" in caveat for caveat in record.caveats)
    assert len(record.rows) == 13 and len(record.rejected) == 11


def test_runs_of_one_form_in_several_ways_are_told_apart(decide):
    record = decide(profile_record(p50_ms=20, threads=2), profile_record(p50_ms=35, threads=1))
    assert [row.label for row in record.rows] == ["minilm-l6 fp32 (2 threads)", "minilm-l6 fp32 (1 thread)"]
    assert record.recommended.label == "minilm-l6 fp32 (2 threads)"


def test_every_model_is_compared_with_the_tfidf_baseline(decide):
    record = decide(*ladder())
    tests = {f"{test.name} {test.form}": test for test in record.baseline_tests}
    assert len(tests) == 6 and "tfidf fp32" not in tests
    assert tests["minilm-l6 fp32"].verdict == "better"
    assert tests["minilm-l6 fp32"].accuracy.difference == pytest.approx(0.035)
    assert "3.5 points" in tests["minilm-l6 fp32"].sentence
    assert tests["bert-tiny fp32"].verdict == "undecided"
    # What does not beat it is a caveat.
    assert "(82.2 % against 83.9 %, p = " in tests["bert-tiny fp32"].sentence
    assert tests["bert-tiny fp32"].sentence in record.caveats
    assert tests["minilm-l6 fp32"].sentence not in record.caveats


def test_a_tfidf_student_of_a_model_is_no_baseline(decide):
    taught = SeedIdentity(candidate="0", seed=42, validation_accuracy=None, taught_by="minilm-l6")
    student = profile_record("tfidf-distilled", method="tfidf", trained_as=taught, predictions=predictions(0.9))
    record = decide(*ladder(), student)
    tests = {test.name: test for test in record.baseline_tests}
    assert tests["tfidf-distilled"].accuracy.difference == pytest.approx(0.061)
    assert tests["minilm-l6"].accuracy.difference == pytest.approx(0.035)  # compared with the other TF-IDF


def test_comparisons_from_before_the_tfidf_baseline_had_that_name_are_read(decide):
    document = json.loads(decide(*ladder()).to_json())
    del document["baseline_tests"]
    document["floor"] = ["bert-tiny fp32 does not beat the TF-IDF floor"]
    record = ComparisonRecord.model_validate(document)
    assert [test.sentence for test in record.baseline_tests] == document["floor"]


def test_without_a_tfidf_baseline_nothing_is_compared_with_it(decide):
    record = decide(profile_record())
    assert record.baseline_tests == []
    assert record.rows


def test_steal_stands_beside_the_verdict(decide):
    def seen(share):
        return Conditions(others_share=[0.0] * 2, steal_share=[0.0, share], clock_mhz=[None] * 2)

    record = decide(profile_record("stolen", conditions=seen(0.3), warnings=["busy", "drifting", "more"]))
    assert any("30 %" in caveat and "profile again" in caveat for caveat in record.decisions[0].caveats)
    calm = decide(profile_record("calm", conditions=seen(0.02)))
    assert calm.decisions[0].caveats == []


def test_what_limits_the_measurements_is_said(decide):
    odd = profile_record(
        "odd",
        warnings=["the machine was busy"],
        latency={"processes_ms": [[5.0] * 200], "note": "the interval of the median did not close in 60 s"},
        software={"onnxruntime": "1.19.0"},
    )
    odd = odd.model_copy(update={"corpus": odd.corpus.model_copy(update={"inputs": "length-matched words"})})
    # Unsteady rows that decided are named beside the decision, others here.
    fine = profile_record("fine", accuracy=0.95, size_mb=1)
    record = decide(profile_record(), odd, fine)
    caveats = "\n".join(record.caveats)
    assert (record.recommended.name, record.decisions[0].caveats) == ("fine", [])
    assert "odd fp32: the machine was busy" in caveats
    assert "odd fp32: the interval of the median did not close in 60 s" in caveats
    assert "odd fp32: too few processes (1)" in caveats
    assert "words matched to the corpus's lengths, not on reviews: odd fp32" in caveats
    assert "different versions of onnxruntime" in caveats
    assert "the machine is virtual" in caveats


@pytest.mark.parametrize("limits", [{"max_p95_ms": 0}, {"max_size_mb": -1}, {"max_memory_mb": float("nan")}])
def test_limits_that_are_no_limits_are_usage_errors(limits):
    with pytest.raises(UsageError, match="above 0"):
        Constraints(**limits)


def test_an_accuracy_above_100_per_cent_is_a_usage_error():
    with pytest.raises(UsageError, match="fraction"):
        Constraints(min_accuracy=870)


def test_a_row_that_always_gives_one_label_is_said_in_table_and_decision(decide):
    truth = [0] * 97 + [1] * 3
    ids = [f"{number:016x}" for number in range(100)]

    def profile(bundle, answers):
        probabilities = np.eye(2)[answers] * 0.8 + 0.1
        return profile_record(bundle, predictions=Predictions.of(["ok", "spam"], ids, truth, probabilities))

    record = decide(profile("silent", [0] * 100))
    assert record.rows[0].only_answer == "ok"
    # It is no better than always saying the most frequent label, so it is not shipped.
    assert record.recommended is None and reason(record, "silent fp32") == "at_chance"
    assert "97.0 %" in record.decisions[0].sentence
    (shipped,) = decide(profile("silent", [0] * 100), rule=DecisionRule(metric="macro_f1")).decisions
    assert "'ok'" in shipped.recommended.why
    assert any("'ok'" in caveat for caveat in record.caveats)
    lines = io.StringIO()
    Console(file=lines, width=200).print(decision_table(record))
    assert "always answers 'ok': silent fp32" in lines.getvalue()
    # One that finds a single spam is not said to.
    record = decide(profile("silent", [0] * 99 + [1]))
    assert record.rows[0].only_answer is None and "every test review" not in record.decisions[0].sentence
