"""Times of one session and of several: what blocks share cancels, what sessions differ by is allowed for."""

import math

import numpy as np
import pytest
from factories import MACHINE, SOFTWARE, profile_record

from slmbench.compare import Constraints, DecisionRule, Measurements, RegressionGate, compare, finalists
from slmbench.compare.cells import Cell, with_versus
from slmbench.compare.pairs import speed_verdict, time_bounds
from slmbench.compare.reading import read_measurements
from slmbench.records import Conditions, Latency, write_record
from slmbench.records.sessions import MeasuringSession, SentinelTimes
from slmbench.records.versus import Contestant, ProcessPair, VersusRecord
from slmbench.statistics.sessions import REFERENCE_SPREAD, SessionSpread

KNOWN = SessionSpread(deviation=0.05, freedom=20, apart=0.01, apart_freedom=40, stored=21)
DRIFT = (1.0, 1.6, 2.0, 0.8, 1.2)


def cell(bundle, ms, session="a", factors=DRIFT, spread=KNOWN, sentinel=10.0, **changes):
    noise = np.exp(np.random.default_rng(len(bundle)).normal(0, 0.05, 60))
    processes = [list(ms * factor * noise) for factor in factors]
    run = SentinelTimes(gemm_ms=sentinel, copy_ms=sentinel, text_ms=sentinel)
    return profile_record(
        bundle,
        **{
            "latency": Latency(processes_ms=processes, reviews=60, sessions=[0] * len(factors), spread=spread),
            "form_sha256": bundle * 4,
            "measured_in": [
                MeasuringSession(
                    id=session,
                    began="2026-01-10T11:00:00+00:00",
                    cells=2,
                    seed=0,
                    blocks=list(range(1, len(factors) + 1)),
                    sentinel=[run] * (len(factors) + 1),
                )
            ],
            **changes,
        },
    )


def versus_record(first, second, ratio, created="2026-01-10T13:00:00+00:00"):
    def side(profile):
        return Contestant(
            bundle=profile.bundle, form=profile.form, backend="onnxruntime", size_bytes=1, sha256=profile.form_sha256
        )

    pairs = [ProcessPair(first_ms=[ratio * ms for ms in (9.9, 10, 10.1)] * 9, second_ms=[10.0] * 27)] * 6
    return VersusRecord(
        name=f"{first.bundle}-vs-{second.bundle}",
        created=created,
        first=side(first),
        second=side(second),
        device="cpu",
        threads=2,
        pairs=pairs,
        corpus=first.corpus,
        note=None,
        warnings=[],
        conditions=Conditions(others_share=[], steal_share=[], clock_mhz=[]),
        hardware=dict(MACHINE),
        software=dict(SOFTWARE),
    )


def test_versus_allows_for_what_other_sessions_do_to_one_kind_of_work_and_not_to_the_other():
    pair = cell("minilm-big", 10.0), cell("minilm", 10.0)
    before = versus_record(*pair, 1.12)
    known, unknown = (before.model_copy(update={"spread": spread}) for spread in (KNOWN, REFERENCE_SPREAD))
    sides = (side.model_copy(update={"architecture": "bert"}) for side in (known.first, known.second))
    alike = unknown.model_copy(update=dict(zip(("first", "second"), sides, strict=True)))

    assert before.ratio == alike.ratio == before.here and before.verdict == alike.verdict == "slower"
    assert known.ratio.ci95[0] == pytest.approx(1.12 * math.exp(-math.sqrt(2) * 0.01 * 2.02), rel=0.002)
    assert known.ratio.ci95[0] < known.ratio.ci90[0] < 1.12 < known.ratio.ci90[1] < known.ratio.ci95[1]
    assert (known.verdict, known.gate(0.05), known.gate(0.2)) == ("slower", "fail", "pass")
    # Of a machine whose sessions are not known, one session of it shows little; and no more minutes of it show more.
    assert (unknown.verdict, unknown.gate(0.05), unknown.gate(0.2)) == ("undecided", "inconclusive", "inconclusive")
    assert unknown.minutes_to_settle(0.05) is None and known.minutes_to_settle(0.0) > 0
    assert "21 stored sessions" in known.sentence and "reference profiles" in unknown.sentence
    assert "widened" not in alike.sentence


def test_two_rows_of_one_file_are_equally_fast_and_never_finalists():
    rows = [cell(name, ms, form_sha256="one") for name, ms in (("minilm", 10.0), ("minilm-again", 13.0))]
    other_way = rows[1].model_copy(update={"threads": 1})

    assert speed_verdict(Cell(rows[0]), Cell(rows[1]), 0.1) == "equivalent"
    assert speed_verdict(Cell(rows[0]), Cell(other_way), 0.1) == "worse"
    assert finalists(Measurements(rows), Constraints(), DecisionRule()) == []


def test_what_a_block_does_to_both_cancels():
    fast, slow = cell("minilm", 10.0), cell("minilm-big", 13.0)

    together = time_bounds(Cell(slow), Cell(fast))
    apart = time_bounds(Cell(slow), Cell(cell("minilm", 10.0, session="b")))

    assert together.value == pytest.approx(math.log(1.3), abs=0.03)
    assert 0.2 < together.ci95[0] < together.ci95[1] < 0.35
    assert apart.ci95[0] < 0 < apart.ci95[1]
    assert speed_verdict(Cell(slow), Cell(fast), 0.1) == "better"
    assert speed_verdict(Cell(fast), Cell(slow), 0.1) == "worse"


def test_what_sessions_do_to_one_kind_of_work_is_allowed_for():
    fast, slow = (cell(name, ms, spread=REFERENCE_SPREAD) for name, ms in (("minilm", 10.0), ("minilm-big", 13.0)))
    larger = slow.model_copy(update={"size_bytes": 2 * fast.size_bytes})

    # On the reference machine the ratio of two forms differed by more than this from session to session.
    assert speed_verdict(Cell(fast), Cell(larger), 0.1) == "undecided"
    # Other weights of the same size make the same work.
    assert speed_verdict(Cell(fast), Cell(slow), 0.1) == "worse"


def test_the_same_code_in_another_session_is_not_called_slower():
    steady = (1.0, 1.01, 0.99, 1.0, 1.02)
    before = cell("minilm", 10.0, factors=steady, spread=REFERENCE_SPREAD)
    after = cell("minilm", 13.0, session="b", factors=steady, spread=REFERENCE_SPREAD)
    gate = RegressionGate("earlier", fail_if_slower=0.05)
    gate.__dict__["profiles"] = [before]

    report = compare(Measurements([after]), baseline=gate).baseline

    assert [check.slower_gate for check in report.checks] == ["inconclusive"]
    assert report.failures == []
    assert "versus" in report.inconclusive[0]


def test_unlike_conditions_stand_beside_the_decision_and_widen_the_ratio():
    steady = (1.0, 1.01, 0.99, 1.0, 1.02)
    one = cell("minilm", 10.0, factors=steady)
    alike, unlike = (cell("big", 13.0, session="b", factors=steady, sentinel=ms) for ms in (10.5, 16.0))

    def decided(other):
        (decision,) = compare(Measurements([one, other])).decisions
        return decision.caveats

    near, far = time_bounds(Cell(one), Cell(alike)), time_bounds(Cell(one), Cell(unlike))
    assert far.ci95[0] == pytest.approx(near.ci95[0] - math.log(1.6))
    assert far.ci90[1] == pytest.approx(near.ci90[1] + math.log(1.6))
    assert not any("60 %" in caveat for caveat in decided(alike))
    (caveat,) = [caveat for caveat in decided(unlike) if "60 %" in caveat]
    assert "minilm fp32" in caveat
    assert "big fp32" in caveat


def test_paired_turns_decide_which_is_faster():
    one, other = (cell(name, 10.0, session=name, spread=REFERENCE_SPREAD) for name in ("minilm", "big"))
    record = versus_record(other, one, 1.3)

    first, second = with_versus([Cell(one), Cell(other)], [record])

    assert speed_verdict(Cell(one), Cell(other), 0.1) == "undecided"
    assert speed_verdict(first, second, 0.1) == "worse"
    assert speed_verdict(second, first, 0.1) == "better"
    assert time_bounds(first, second).value == pytest.approx(-math.log(1.3), abs=1e-3)
    # What was measured before the profiles is not of them; on another machine it is of that one.
    older = versus_record(other, one, 1.3, created="2026-01-09T12:00:00+00:00")
    elsewhere = record.model_copy(update={"hardware": {**MACHINE, "fingerprint": "other"}})
    for useless in (older, elsewhere):
        assert speed_verdict(*with_versus([Cell(one), Cell(other)], [useless]), 0.1) == "undecided"


def test_finalists_are_measured_once_and_the_decision_reads_it(tmp_path):
    said = cell("minilm", 10.0).predictions
    one, other = (
        cell(name, ms, session=name, spread=REFERENCE_SPREAD, predictions=said, size_mb=size)
        for name, ms, size in (("minilm", 10.0, 90.0), ("big", 10.5, 95.0))
    )
    measured = Measurements([one, other])

    assert finalists(measured, Constraints(), DecisionRule()) == [(one, other)]
    before = compare(measured)
    assert before.recommended.name == "minilm"
    assert [pair.of for pair in before.decisions[0].undecided] == ["speed"]

    # Measured alternately, the other is faster.
    for record in (one, other, versus_record(other, one, 0.7)):
        write_record(record, tmp_path / f"{record.name}.json")
    found = read_measurements(tmp_path)
    assert finalists(found, Constraints(), DecisionRule()) == []
    after = compare(found)
    assert after.recommended.name == "big"
    assert after.decisions[0].undecided == []
    assert any("0.700" in caveat for caveat in after.caveats)
    # A shell's profiles/*.json names the record too.
    assert compare(sorted(tmp_path.glob("*.json"))).recommended.name == "big"


def test_replays_leave_out_what_the_session_did_to_all():
    pairs = [
        [cell("minilm", 10.0, spread=spread), cell("big", 13.0, session=session, spread=spread)]
        for spread in (KNOWN, SessionSpread(deviation=0.5, freedom=20, apart=0.01, apart_freedom=40, stored=21))
        for session in ("a", "b")
    ]
    shares = [compare(Measurements(pair)).decisions[0].stability.regret_time for pair in pairs]

    # Together, the spread of sessions makes no difference; apart, it does.
    assert shares[2] == pytest.approx(shares[0], abs=0.02)
    assert shares[3] > shares[1] + 0.2
