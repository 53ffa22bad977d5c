"""Study 002's losses, against its formulas written out with plain loops."""

import math

import numpy as np
import pytest

from slmbench.methods.training.space_losses import inter_loss, intra_loss, review_means

LENGTHS = [3, 1, 4]
LABELS = [1, 0, 1]
K, M = 2, 3


@pytest.fixture
def concepts():
    import torch

    return torch.tanh(torch.randn(sum(LENGTHS), K * M, generator=torch.Generator().manual_seed(0)))


def reviews(concepts):
    """The rows of each review, in numpy and double precision."""
    return np.split(concepts.numpy().astype(float), np.cumsum(LENGTHS)[:-1])


def spaces(concepts):
    """Means of the reviews, shape (reviews, K, m)."""
    return np.stack([rows.mean(0).reshape(K, M) for rows in reviews(concepts)])


def computed(version, concepts, labels=LABELS):
    import torch

    means = review_means(concepts, torch.tensor(LENGTHS)).unflatten(1, (K, M))
    return float(inter_loss(version, means, torch.tensor(labels)))


def test_means_are_those_of_each_review(concepts):
    import torch

    means = review_means(concepts, torch.tensor(LENGTHS))
    assert means.reshape(-1, K, M).numpy() == pytest.approx(spaces(concepts), abs=1e-6)


def test_intra_is_the_sum_of_inverse_variances(concepts):
    import torch

    lengths = [3, 1, 4]
    wanted = 0.0
    for rows in reviews(concepts):
        # One token has no variance; the study's reviews all had as many rows as the longest.
        variances = rows.var(0, ddof=1) if len(rows) > 1 else np.zeros(K * M)
        wanted += sum(1 / (variance + 1e-9) for variance in variances) / len(lengths)
    found = intra_loss(concepts, review_means(concepts, torch.tensor(lengths)), torch.tensor(lengths))
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_inter_a_sums_over_the_other_reviews(concepts):
    means = spaces(concepts)
    wanted = np.mean(
        [sum(1 / (1 - math.tanh(one @ other)) for other in means[:, 1]) for one in means[:, 0]],
    )
    assert computed("A", concepts) == pytest.approx(wanted, rel=1e-5)


def test_inter_b_compares_the_centres(concepts):
    centres = spaces(concepts).mean(0)
    assert computed("B", concepts) == pytest.approx(1 / (1 - math.tanh(centres[0] @ centres[1])), rel=1e-5)


def test_inter_c_pulls_the_own_space_up_and_the_others_down(concepts):
    means = spaces(concepts)
    own = [1 - means[row, label] for row, label in enumerate(LABELS)]
    other = [1 + means[row, 1 - label] for row, label in enumerate(LABELS)]
    assert computed("C", concepts) == pytest.approx(0.5 * np.mean(own) + 0.5 * np.mean(other), rel=1e-5)
    assert computed("C", concepts, labels=[0, 1, 0]) != pytest.approx(computed("C", concepts), rel=1e-2)


def test_only_c_knows_the_labels(concepts):
    for version in ("A", "B"):
        assert computed(version, concepts) == computed(version, concepts, labels=[0, 1, 0])


def test_a_grows_with_the_batch_and_b_does_not():
    import torch

    means = torch.tanh(torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1)))
    twice, labels = torch.cat([means, means]), torch.zeros(8, dtype=torch.long)
    assert float(inter_loss("A", twice, labels)) == pytest.approx(2 * float(inter_loss("A", means, labels[:4])))
    assert float(inter_loss("B", twice, labels)) == pytest.approx(float(inter_loss("B", means, labels[:4])))


def test_b_is_one_for_each_pair_of_orthogonal_spaces():
    import torch

    means = torch.eye(3).unsqueeze(0) / 2
    assert float(inter_loss("B", means, torch.tensor([0]))) == pytest.approx(3)
    opposed = torch.tensor([[[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]])
    assert float(inter_loss("B", opposed, torch.tensor([0]))) == pytest.approx(1 / (1 + math.tanh(3)))


@pytest.mark.parametrize("version", ["A", "B", "C"])
def test_a_step_down_the_gradient_lowers_the_loss(version):
    import torch

    raw = torch.randn(sum(LENGTHS), K * M, generator=torch.Generator().manual_seed(2), requires_grad=True)

    def loss():
        concepts, lengths = torch.tanh(raw), torch.tensor(LENGTHS)
        means = review_means(concepts, lengths)
        return inter_loss(version, means.unflatten(1, (K, M)), torch.tensor(LABELS))

    before = loss()
    before.backward()
    with torch.no_grad():
        raw -= 0.01 * raw.grad
    assert float(loss()) < float(before)
