"""Reviews without an answer count as wrong, and leave the other numbers what they are."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from slmbench.records import Predictions
from slmbench.statistics import evaluate

TRUTH = [0, 0, 0, 1, 1, 1, 1, 0]
ANSWERS = [0, 1, 0, 1, 1, 0, 1, 0]
SILENT = [2, 6]


@pytest.fixture
def probabilities():
    return np.eye(2)[ANSWERS]


def test_silence_is_wrong(probabilities):
    test = evaluate(TRUTH, probabilities, ["no", "yes"], SILENT)
    answered = [answer if row not in SILENT else 2 for row, answer in enumerate(ANSWERS)]
    precision, recall, f1, _ = precision_recall_fscore_support(TRUTH, answered, labels=[0, 1], zero_division=0)
    assert test.accuracy == np.mean(np.asarray(answered) == TRUTH)
    assert test.macro_f1 == pytest.approx(f1.mean())
    assert (test.precision, test.recall) == (pytest.approx(precision[1]), pytest.approx(recall[1]))
    # sklearn's micro average over the two labels leaves predictions of the third out as well.
    micro = precision_recall_fscore_support(TRUTH, answered, labels=[0, 1], average="micro", zero_division=0)[2]
    assert test.micro_f1 == pytest.approx(micro)
    assert test.abstained == 2
    assert sum(map(sum, test.confusion)) == len(TRUTH) - 2
    assert test.per_class["no"]["reviews"] == 4
    assert test.majority_baseline == 0.5


def test_without_probabilities_for_all_there_is_no_curve(probabilities):
    assert evaluate(TRUTH, probabilities, ["no", "yes"]).roc_auc is not None
    assert evaluate(TRUTH, probabilities, ["no", "yes"], SILENT).roc_auc is None


def test_silence_counts_in_top_k():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])
    truth = [1, 1, 1]
    assert evaluate(truth, probabilities, ["a", "b", "c"]).top_k[2] == 1.0
    assert evaluate(truth, probabilities, ["a", "b", "c"], [0]).top_k[2] == pytest.approx(2 / 3)


def test_predictions_say_where_nothing_was_said(probabilities):
    predictions = Predictions.of(["no", "yes"], [str(row) for row in range(8)], TRUTH, probabilities, SILENT)
    assert list(predictions.predicted()) == [0, 1, -1, 1, 1, 0, -1, 0]
    assert predictions.right().sum() == 4
    assert Predictions.model_validate_json(predictions.model_dump_json()) == predictions
    assert predictions.evaluate().accuracy == 0.5


def test_all_silent_is_nothing_right(probabilities):
    test = evaluate(TRUTH, probabilities, ["no", "yes"], range(8))
    assert test.accuracy == test.macro_f1 == test.micro_f1 == 0.0
