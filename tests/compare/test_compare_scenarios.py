"""Latencies are compared only where reviews came alike: one at a time, in like batches, at the same rate."""

from __future__ import annotations

import pytest
from factories import batched, profile_record, served

from slmbench.compare import RegressionGate, compare
from slmbench.records import write_record


def single(bundle="tfidf", **changes):
    return profile_record(bundle, "fp32", **changes)


@pytest.fixture
def decided(tmp_path):
    def decided(*profiles, **options):
        for number, profile in enumerate(profiles):
            write_record(profile, tmp_path / "now" / f"{number}.json")
        return compare([tmp_path / "now"], **options)

    return decided


def test_rates_of_arrival_are_told_apart_and_not_compared(decided):
    later = "2026-01-11T12:00:00+00:00"
    record = decided(served(50, p50_ms=9.0), served(10, p50_ms=4.0, created=later))
    assert {row.variant for row in record.rows} == {"server at 50/s", "server at 10/s"}
    assert record.recommended.variant == "server at 10/s"
    (lost,) = record.rejected
    assert lost.reason == "other_timing" and "server at 50/s" in lost.why and "server at 10/s" in lost.why
    assert "left out: 1 row " in record.decisions[0].sentence and "server at 10/s" in record.decisions[0].sentence
    assert {row.variant: row.compared for row in record.rows} == {"server at 50/s": False, "server at 10/s": True}


def test_a_service_measured_from_outside_is_not_compared_with_a_process(decided):
    here = served(50, "tfidf")
    load = here.load.model_copy(update={"url": "http://127.0.0.1:1", "processes_empty_ms": [[0.5]] * 3})
    later = {"created": "2026-01-11T12:00:00+00:00", "name": "over-http", "cold": None}
    record = decided(here, here.model_copy(update={"load": load, **later}))
    assert {row.variant: row.compared for row in record.rows} == {
        "server at 50/s": False,
        "server at 50/s over HTTP": True,
    }
    assert [row.cold_start_ms for row in record.rows if row.compared] == [None]


def test_budgets_of_batches_are_told_apart(decided):
    record = decided(batched(2048), batched(512))
    assert {row.variant for row in record.rows} == {"offline", "offline, 512 tokens a batch"}
    assert len(record.rejected) == 1


def test_single_reviews_decide_where_there_are_as_many_of_another_scenario(decided):
    record = decided(single(), served(50, "tfidf", created="2026-01-11T12:00:00+00:00"))
    assert record.recommended.variant == "single"


def test_a_larger_scenario_decides_and_the_sentence_counts_what_takes_no_part(decided):
    record = decided(
        *(served(50, bundle) for bundle in ("bert-tiny", "minilm-l6", "mpnet-base")),
        *(single(bundle) for bundle in ("bert-tiny", "minilm-l6")),
        single("other-reviews", reviews=500),
    )
    assert record.recommended.variant == "server at 50/s"
    sentence = record.decisions[0].sentence
    assert "1 row tested on other reviews and 2 rows not timed as server at 50/s" in sentence


def test_the_rate_that_was_found_is_the_rows_throughput_one_that_was_given_is_not(decided):
    record = decided(served(40, bound=20.0), served(10))
    assert {row.variant: row.reviews_per_second for row in record.rows} == {
        "server, p95 up to 20 ms": 40,
        "server at 10/s": None,
    }


def test_a_baseline_at_another_rate_cannot_be_checked(decided, tmp_path):
    write_record(served(10), tmp_path / "before" / "0.json")
    report = decided(served(50), baseline=RegressionGate(str(tmp_path / "before"), 0.05)).baseline
    (failure,) = report.failures
    assert "server at 50/s" in failure and "server at 10/s" in failure
    assert failure.endswith("the limit cannot be checked")


def test_bundles_of_one_name_are_told_apart_by_their_folders(decided):
    record = decided(*(single(name=f"{folder}.fp32.onnxruntime-cpu-2t.x") for folder in ("mine", "theirs")))
    assert {row.label for row in record.rows} == {"tfidf fp32 (mine)", "tfidf fp32 (theirs)"}
