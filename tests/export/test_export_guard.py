"""When a form may be shipped: what it loses is judged by bounds, label by label, with known error rates."""

import json
from pathlib import Path

import numpy as np
import pytest

from slmbench.export.forms import DEFAULT_MAX_ACCURACY_DROP
from slmbench.export.guard import LossLimits, judge
from slmbench.records import BundleRecord, read_record
from slmbench.records.bundle import FormRecord
from slmbench.statistics.verdicts import FORM_MARGIN

#: Written before forms had a verdict.
OLD = Path(__file__).parents[1] / "records/old/bundle.json"
BALANCED = np.arange(1000) % 2
RARE = (np.arange(1000) < 30).astype(int)


def answers(truth, wrong):
    """The truth, but for another label on these rows."""
    changed = truth.copy()
    changed[list(wrong)] = 1 - changed[list(wrong)]
    return changed


def judged(truth, lost=(), gained=(), **limits):
    limits = LossLimits(**{"accuracy": 0.01, **limits})
    return judge(truth, answers(truth, gained), answers(truth, lost), ["common", "rare"], limits)


def checks(judgement):
    return {(check.quantity, check.label): check for check in judgement.checks}


def test_a_form_that_loses_little_on_many_reviews_is_accepted():
    found = judged(BALANCED, lost=range(6), gained=range(10, 16))
    assert (found.verdict, found.accepted, found.reviews_to_settle) == ("accepted", True, None)
    assert [check.result for check in found.checks] == ["pass"] * 4
    assert {key[0] for key in checks(found)} == {"accuracy", "recall", "macro_f1"}
    assert "12 of 1000 labels changed" in found.reason


def test_a_form_that_loses_more_is_refused():
    found = judged(BALANCED, lost=range(30))
    assert (found.verdict, found.accepted) == ("refused", False)
    assert checks(found)["accuracy", None].high < -0.01
    assert "more than the 1.0 points allowed (--max-accuracy-drop)" in found.reason


@pytest.mark.parametrize("wanted", [False, True])
def test_few_reviews_leave_a_form_undecided_and_say_how_many_settle_it(wanted):
    found = judged(BALANCED[:50], accept_undecided=wanted)
    assert (found.verdict, found.accepted) == ("undecided", wanted)
    assert checks(found)["accuracy", None].low == pytest.approx(-0.069, abs=0.001)
    # 361 reviews without a single change are the fewest that show a loss below one point.
    assert 361 <= found.reviews_to_settle < 3000
    assert f"{found.reviews_to_settle:,} test reviews" in found.reason
    assert ("--accept-undecided" in found.reason) == wanted
    assert judged(np.arange(360) % 2).verdict == "undecided"
    assert judged(np.arange(362) % 2).verdict == "accepted"


def test_a_third_of_a_rare_label_is_not_lost_silently():
    """Ten of a thousand reviews: within one point of accuracy by the estimate, and a third of the rare label."""
    found = judged(RARE, lost=range(10))
    assert checks(found)["accuracy", None].difference == pytest.approx(-0.01)
    rare = checks(found)["recall", "rare"]
    assert (rare.result, rare.reviews, rare.limit) == ("fail", 30, pytest.approx(0.1))
    assert rare.difference == pytest.approx(-1 / 3)
    assert found.verdict == "refused"
    assert "recall of rare -33.3 points" in found.reason
    assert "--max-class-drop" in found.reason


def test_a_rare_label_given_to_others_is_not_lost_silently():
    """Its recall stays; its precision and with it macro-F1 fall."""
    found = judged(RARE, lost=range(30, 50), accuracy=0.03, per_class=0.1)
    failed = {key for key, check in checks(found).items() if check.result == "fail"}
    assert failed == {("macro_f1", None)}
    assert found.verdict == "refused"
    assert "macro-F1 -13.0 points" in found.reason


def test_a_few_reviews_of_a_label_leave_a_form_undecided():
    found = judged((np.arange(1000) < 20).astype(int))
    assert {key for key, check in checks(found).items() if check.result == "inconclusive"} == {("recall", "rare")}
    assert (found.verdict, found.accepted) == ("undecided", False)
    # So many of all reviews as are needed for enough of the label.
    assert found.reviews_to_settle > 1000


def test_a_limit_of_one_switches_a_check_off():
    assert judged(BALANCED, lost=range(900), accuracy=1).verdict == "accepted"
    assert {key[0] for key in checks(judged(BALANCED, per_class=1))} == {"accuracy"}
    assert judged(BALANCED, accuracy=0).reviews_to_settle is None


def test_a_loss_as_large_as_the_limit_is_accepted_in_one_of_twenty():
    """2,000 replays, 3 % of labels changed; the estimate alone would accept half of them."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(1000, (0.02, 0.01, 0.97), size=2000)
    truth, decided = np.zeros(1000, dtype=int), {}
    for lost, gained, _ in counts.tolist():
        if (lost, gained) not in decided:
            rows = range(lost), range(lost, lost + gained)
            decided[lost, gained] = judged(truth, *rows, per_class=1).verdict
    verdicts = [decided[lost, gained] for lost, gained, _ in counts.tolist()]
    assert verdicts.count("accepted") / 2000 <= 0.05 + 2 * 0.005
    assert verdicts.count("refused") / 2000 <= 0.05 + 2 * 0.005


def test_the_default_limit_is_the_margin_between_forms():
    assert DEFAULT_MAX_ACCURACY_DROP == FORM_MARGIN


def test_older_bundles_have_the_verdict_of_their_time():
    record = read_record(BundleRecord, OLD)
    assert {form.verdict for form in record.forms.values()} == {"accepted"}
    form = json.loads(OLD.read_text())["forms"]["int8"]
    assert "verdict" not in form
    assert FormRecord.model_validate({**form, "accepted": False}).verdict == "refused"
