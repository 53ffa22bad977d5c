"""The accuracy of what is recommended: from answers opened for it alone, or corrected for the choice."""

import base64
import hashlib
import json

import numpy as np
import pytest
from factories import RASPBERRY, ladder, predictions, profile_record, row_ids

from slmbench.compare import Measurements, compare, confirmation
from slmbench.compare.cells import Cell
from slmbench.compare.confirmation import LOG
from slmbench.compare.constraints import Constraints
from slmbench.compare.decision import decide
from slmbench.records import write_record
from slmbench.records.predictions import hash_rows
from slmbench.records.sealed_answers import SealedAnswers, open_answers, seal_answers

REVIEWS = 2000
ALL_ROWS = hash_rows(row_ids(REVIEWS, "set-aside"))


def sealed(accuracy, who="minilm-l6", content=None):
    """Answers to 2,000 reviews of their own; ``content`` replaces the bytes that would be read."""
    answers = predictions(accuracy, who=who, reviews=REVIEWS, corpus="set-aside")
    packed = seal_answers(answers) if content is None else content
    facts = SealedAnswers(
        reviews=REVIEWS,
        rows_hash=answers.rows_hash(),
        confirmation_hash=ALL_ROWS,
        digest=hashlib.sha256(packed).hexdigest(),
        regime="one review at a time",
    )
    return facts.carrying(packed)


def fast(**changes):
    return profile_record("fast", **{"accuracy": 0.87, "p50_ms": 5, "size_mb": 10, **changes})


def slow(**changes):
    return profile_record("slow", **{"accuracy": 0.872, "p50_ms": 50, "size_mb": 90, **changes})


@pytest.fixture
def profiles(tmp_path):
    """Write profiles as JSON into a folder and return it."""

    def write(*records):
        for record in records:
            write_record(record, tmp_path / "profiles" / f"{record.name}.json")
        return tmp_path / "profiles"

    return write


def log_of(folder):
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def test_the_headline_is_the_confirmed_accuracy_and_the_table_keeps_the_other(profiles):
    folder = profiles(fast(confirmation=sealed(0.855)), slow(confirmation=sealed(0.8)))
    record = compare(folder)
    found = record.confirmation
    assert record.recommended.name == "fast"
    assert "confirmation.content" not in fast(confirmation=sealed(0.855)).to_rows()[0]
    assert (found.reviews, found.accuracy, found.openings) == (2000, 0.855, 1)
    assert found.ci95[0] < 0.855 < found.ci95[1] and found.ci95[1] - found.ci95[0] < 0.04
    assert 0.8 < found.macro_f1 < 0.9
    assert (found.rows_hash, found.digest) == (sealed(0.855).rows_hash, sealed(0.855).digest)
    assert record.decisions[0].confirmation == found and record.corrected is None
    assert next(row for row in record.rows if row.recommended).accuracy == 0.87
    sentence = record.decisions[0].sentence
    assert sentence.index("85.5 %") < sentence.index("87.0 %")
    assert "2,000 reviews" in sentence
    (entry,) = log_of(folder)
    assert (entry["name"], entry["form"], entry["digest"], entry["limits"]) == ("fast", "fp32", found.digest, {})


def test_only_the_answers_of_the_winner_are_opened(profiles, monkeypatch):
    opened = []
    monkeypatch.setattr(
        confirmation,
        "open_answers",
        lambda content: opened.append(hashlib.sha256(content).hexdigest()) or open_answers(content),
    )
    winner = sealed(0.855)
    # Whoever reads the others stumbles over them.
    folder = profiles(fast(confirmation=winner), slow(confirmation=sealed(0.9, content=b"nobody may read this")))
    compare(folder)
    assert opened == [winner.digest]


def test_other_limits_and_other_winners_are_openings_and_the_same_decision_is_none(profiles):
    folder = profiles(fast(confirmation=sealed(0.855)), slow(confirmation=sealed(0.86, who="slow")))
    for _ in range(3):
        assert compare(folder).confirmation.openings == 1
    again = compare(folder, max_p95_ms=1000)
    assert (again.recommended.name, again.confirmation.openings) == ("fast", 2)
    assert "2 times" in again.decisions[0].sentence
    other = compare(folder, min_accuracy=0.871)
    assert (other.recommended.name, other.confirmation.openings) == ("slow", 3)
    assert compare(folder).confirmation.openings == 3
    assert len(log_of(folder)) == 3


def test_openings_of_other_reviews_are_not_counted_and_unreadable_lines_are(profiles):
    folder = profiles(fast(confirmation=sealed(0.855)))
    (folder / LOG).write_text('{"confirmation_hash": "of other reviews"}\n{"cut o\n"no entry"\n', encoding="utf-8")
    assert compare(folder).confirmation.openings == 3
    assert len((folder / LOG).read_text(encoding="utf-8").splitlines()) == 4


def test_the_same_answers_on_two_machines_are_one_opening(profiles):
    answers = sealed(0.855)
    folder = profiles(fast(confirmation=answers), fast(confirmation=answers, machine=RASPBERRY))
    record = compare(folder)
    assert len(record.decisions) == 2
    assert [decision.confirmation.openings for decision in record.decisions] == [1, 1]


def test_below_the_minimum_on_the_confirmation_rows_is_said(profiles):
    folder = profiles(fast(confirmation=sealed(0.855)))
    assert "below the minimum of 86.0 %" in compare(folder, min_accuracy=0.86).decisions[0].sentence
    assert "below the minimum" not in compare(folder, min_accuracy=0.85).decisions[0].sentence


def test_what_cannot_be_logged_is_not_opened(profiles, monkeypatch):
    monkeypatch.setattr(confirmation, "open_answers", lambda content: pytest.fail("opened"))
    folder = profiles(fast(confirmation=sealed(0.855)))
    (folder / LOG).mkdir()
    record = compare(folder)
    assert record.confirmation is None
    assert LOG in record.corrected.no_confirmation


def test_profiles_that_lie_nowhere_are_not_opened():
    record = compare(Measurements([fast(confirmation=sealed(0.855))]))
    assert record.confirmation is None
    assert "logged" in record.corrected.no_confirmation


def test_damaged_answers_confirm_nothing(profiles):
    answers = sealed(0.855)
    other = base64.b64encode(seal_answers(predictions(0.99, corpus="set-aside"))).decode()
    for content in ([other], ["not base64!"], None):
        folder = profiles(fast(confirmation=answers.model_copy(update={"content": content})))
        record = compare(folder)
        assert record.confirmation is None
        assert "SHA-256" in record.corrected.no_confirmation
        assert not (folder / LOG).exists()


def test_without_confirmation_the_choice_is_taken_off_the_accuracy(profiles):
    models = [
        profile_record(f"model-{number}", accuracy=0.87, p50_ms=20, noise=1.0, no_confirmation="too few reviews left")
        for number in range(9)
    ]
    record = compare(profiles(*models))
    found = record.corrected
    assert (found.no_confirmation, found.candidates, found.reviews) == ("too few reviews left", 9, 1000)
    assert found.measured == 0.87
    assert found.accuracy == pytest.approx(0.87 - found.optimism)
    assert found.ci95[0] < found.accuracy < found.ci95[1]
    sentence = record.decisions[0].sentence
    assert "too few reviews left" in sentence and "1,000 reviews" in sentence
    assert not (profiles() / LOG).exists()


def test_the_most_accurate_of_equals_is_corrected_by_more_than_a_point(profiles):
    # Each but the best is far larger than what counts as equal, so accuracy alone chooses.
    rng = np.random.default_rng(1)
    truth = np.arange(300) % 2
    records = []
    for number in range(9):
        right = rng.random(300) < 0.8
        label = np.where(right, truth, 1 - truth)
        said = predictions(reviews=300).model_copy(
            update={"truth": truth.tolist(), "probabilities": np.eye(2)[label].tolist()}
        )
        records.append(profile_record(f"model-{number}", predictions=said, p50_ms=20 + number))
    found = compare(profiles(*records)).corrected
    assert found.optimism > 0.01


def test_an_only_candidate_is_not_corrected(profiles):
    record = compare(profiles(fast(no_confirmation="none left")))
    assert (record.corrected.optimism, record.corrected.accuracy) == (0, record.corrected.measured)
    assert "none left" not in record.decisions[0].sentence


def test_old_profiles_say_that_they_are_old(profiles):
    assert "before" in compare(profiles(fast(), slow())).corrected.no_confirmation


def test_nothing_recommended_opens_nothing(profiles):
    folder = profiles(fast(confirmation=sealed(0.855)))
    record = compare(folder, max_p95_ms=0.001)
    assert (record.confirmation, record.corrected) == (None, None)
    assert not (folder / LOG).exists()


@pytest.mark.parametrize("cells", [ladder(), ladder(RASPBERRY, slower=4), [fast(), slow()]])
@pytest.mark.parametrize("limits", [{}, {"max_size_mb": 25}])
def test_replays_choose_as_the_decision_does(cells, limits):
    choice = decide([Cell(profile) for profile in cells], Constraints(**limits)).choice
    right = np.stack([cell.right for cell in choice.candidates]).astype(float)
    chosen = confirmation._choose_again(choice.compared, right, np.ones((2, right.shape[1])))
    assert [choice.candidates[number] for number in chosen] == [choice.winner] * 2
