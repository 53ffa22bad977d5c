"""Metrics against scikit-learn's, and the edges where definitions differ."""

import numpy as np
import pytest
from sklearn import metrics

from slmbench.statistics import (
    confusion_matrix,
    evaluate,
    mean_average_precision,
    roc_auc,
    roc_curve,
    top_k_accuracy,
)


def answers(classes, reviews=300, seed=0):
    """True labels and probabilities that are right more often than not, with ties in the scores."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, reviews)
    truth[:classes] = np.arange(classes)
    scores = generator.normal(size=(reviews, classes))
    scores[np.arange(reviews), truth] += 1
    scores = np.round(np.exp(scores), 1) + 0.01
    return truth, scores / scores.sum(1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_confusion_accuracy_and_f1_are_those_of_scikit_learn(classes, seed):
    truth, probabilities = answers(classes, seed=seed)
    names = [f"label {number}" for number in range(classes)]
    found = evaluate(truth.tolist(), probabilities, names)
    predicted = probabilities.argmax(1)
    assert found.confusion == metrics.confusion_matrix(truth, predicted).tolist()
    assert found.labels == names
    assert found.reviews == 300
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found.macro_f1 == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert found.micro_f1 == pytest.approx(metrics.f1_score(truth, predicted, average="micro"))
    average = "binary" if classes == 2 else "macro"
    assert found.precision == pytest.approx(metrics.precision_score(truth, predicted, average=average))
    assert found.recall == pytest.approx(metrics.recall_score(truth, predicted, average=average))
    assert found.majority_baseline == pytest.approx(np.bincount(truth).max() / 300)
    report = metrics.classification_report(truth, predicted, target_names=names, output_dict=True)
    for name in names:
        wanted = [report[name][key] for key in ("precision", "recall", "f1-score", "support")]
        assert list(found.per_class[name].values()) == pytest.approx(wanted)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_roc_auc_is_that_of_scikit_learn(classes):
    truth, probabilities = answers(classes)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    wanted = metrics.roc_auc_score(truth, scores, multi_class="ovr", average="macro")
    assert roc_auc(truth, probabilities) == pytest.approx(wanted)


def test_the_roc_curve_has_the_points_of_scikit_learn():
    truth, probabilities = answers(2)
    false, true = roc_curve(truth, probabilities[:, 1])
    wanted_false, wanted_true, _ = metrics.roc_curve(truth, probabilities[:, 1], drop_intermediate=False)
    assert false == pytest.approx(wanted_false)
    assert true == pytest.approx(wanted_true)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)


def test_equal_scores_are_one_point_of_the_roc_curve():
    false, true = roc_curve([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])
    assert false.tolist() == [0, 1]
    assert true.tolist() == [0, 1]


def test_a_label_without_rows_has_no_roc_auc():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert roc_auc([0, 0], probabilities) is None
    assert evaluate([1, 1], probabilities, ["a", "b"]).roc_auc is None


def test_a_label_never_seen_and_never_predicted_counts_nought_in_macro_f1():
    probabilities = np.eye(3)[[0, 0, 1, 1]]
    found = evaluate([0, 0, 1, 1], probabilities, ["a", "b", "c"])
    assert found.accuracy == 1
    assert found.macro_f1 == pytest.approx(2 / 3)
    wanted = metrics.f1_score([0, 0, 1, 1], [0, 0, 1, 1], labels=[0, 1, 2], average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(wanted)
    assert found.per_class["c"] == {"precision": 0, "recall": 0, "f1": 0, "reviews": 0}


def test_always_answering_one_label():
    found = evaluate([0, 0, 0, 1], np.tile([0.9, 0.1], (4, 1)), ["a", "b"])
    assert found.accuracy == found.majority_baseline == 0.75
    assert found.macro_f1 == pytest.approx((2 * 3 / 7) / 2)
    assert (found.precision, found.recall) == (0, 0)


def test_rows_of_the_confusion_are_true_labels():
    assert confusion_matrix([0, 0, 1], [1, 1, 1], 2).tolist() == [[0, 2], [0, 1]]


def test_intervals_hold_the_estimates_and_are_the_same_each_time():
    truth, probabilities = answers(3)
    first, second = (evaluate(truth.tolist(), probabilities, ["a", "b", "c"]) for _ in range(2))
    assert first == second
    assert first.accuracy_ci95[0] < first.accuracy < first.accuracy_ci95[1]
    assert first.macro_f1_ci95[0] < first.macro_f1 < first.macro_f1_ci95[1]
    # The bootstrap's width is that of the normal approximation, to a tenth or so.
    width = 2 * 1.96 * np.sqrt(first.accuracy * (1 - first.accuracy) / 300)
    assert np.diff(first.accuracy_ci95)[0] == pytest.approx(width, rel=0.15)


@pytest.mark.parametrize(("classes", "decimals"), [(2, 6), (4, 6), (4, 1)])
def test_top_k_and_mean_average_precision_are_those_of_scikit_learn(classes, decimals):
    generator = np.random.default_rng(3)
    truth = generator.integers(0, classes, 200)
    probabilities = np.round(generator.dirichlet(np.ones(classes), 200) + 0.5 * np.eye(classes)[truth], decimals)
    wanted = [metrics.average_precision_score(truth == label, probabilities[:, label]) for label in range(classes)]
    assert mean_average_precision(truth, probabilities) == pytest.approx(np.mean(wanted))
    assert top_k_accuracy(truth, probabilities, 1) == (truth == probabilities.argmax(1)).mean()
    for k in range(2, classes):
        found = top_k_accuracy(truth, probabilities, k)
        if decimals > 1:  # scikit-learn breaks ties the other way round
            assert found == pytest.approx(metrics.top_k_accuracy_score(truth, probabilities, k=k))
    assert mean_average_precision(np.zeros(3, int), probabilities[:3]) is None


@pytest.mark.parametrize("right", [True, False])
def test_reviews_that_are_all_right_do_not_make_it_certain(right):
    truth = [0, 1] * 10
    low, high = evaluate(truth, np.eye(2)[truth if right else truth[::-1]], ["a", "b"]).accuracy_ci95
    # Clopper & Pearson: at the limit 20 of 20 happens in one of 40 cases.
    assert (low if right else 1 - high) == pytest.approx(0.025 ** (1 / 20))
    assert (high if right else low) == (1.0 if right else 0.0)


def test_top_k_of_equal_scores_names_the_first_labels():
    probabilities = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
    assert top_k_accuracy([1, 2], probabilities, 1) == 0.0
    assert top_k_accuracy([1, 2], probabilities, 2) == 1.0
    assert evaluate([1, 2], probabilities, ["a", "b", "c"]).top_k == {1: 0.0, 2: 1.0}
    assert evaluate([1, 0], probabilities[:, :2], ["a", "b"]).top_k == {}
