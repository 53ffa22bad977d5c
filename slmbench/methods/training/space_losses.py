"""Losses of study 002's concept spaces (Tytarenko & Amin, arXiv 2401.16638, and its code).

Reviews of different lengths are concatenated: ``concepts`` has a row for each token of each review, and ``lengths``
holds the number of rows of each review. A space is m columns; the K spaces are side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

#: Versions of the loss between spaces: A is that of the study's first table, B of its other tables, C is newer.
Inter = Literal["A", "B", "C"]
#: Keeps a divisor from being 0.
EPSILON = 1e-9
#: Weights of the two halves of version C.
_OWN = _OTHER = 0.5


def review_means(concepts: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the mean over the rows of each review.

    Args:
        concepts: Shape (rows, columns).
        lengths: Rows of each review, shape (reviews,).

    Returns:
        Shape (reviews, columns).
    """
    import torch

    owner = _owner(lengths)
    sums = torch.zeros(len(lengths), concepts.shape[1], device=concepts.device).index_add(0, owner, concepts)
    return sums / lengths.clamp(min=1).unsqueeze(1)


def intra_loss(concepts: torch.Tensor, means: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the loss within spaces, which is large when the tokens of a review vary little.

    The sum over spaces and dimensions of 1 / (variance over the review's tokens + 1e-9), the variance unbiased, mean
    over the reviews.

    Args:
        concepts: Shape (rows, columns).
        means: From :func:`review_means`.
        lengths: Rows of each review, shape (reviews,).

    Returns:
        A scalar.
    """
    import torch

    owner = _owner(lengths)
    squares = (concepts - means[owner]) ** 2
    variance = torch.zeros_like(means).index_add(0, owner, squares) / (lengths - 1).clamp(min=1).unsqueeze(1)
    return (1 / (variance + EPSILON)).sum(1).mean()


def inter_loss(version: Inter, means: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss between spaces, which is large when the spaces are similar.

    With c_k the means of the reviews in space k:

    - A: over pairs of spaces k < l, 1 / (1 - tanh(c_k[i] . c_l[j]) + 1e-9), sum over reviews j, mean over reviews i;
      it grows with the batch.
    - B: over pairs of spaces, 1 / (1 - tanh(C_k . C_l) + 1e-9), C the mean of the c; 1 when they are orthogonal.
    - C: half of the mean of 1 - c_k over the space k of the review's label, and half of that of 1 + c_k over the
      others; the only version that uses the labels.

    Args:
        version: ``A``, ``B`` or ``C``.
        means: From :func:`review_means`, reshaped to (reviews, K, m).
        labels: Label ids, shape (reviews,).

    Returns:
        A scalar.
    """
    import torch
    from torch.nn import functional

    spaces = means.shape[1]
    if version == "C":
        own = functional.one_hot(labels, spaces).bool()
        return _OWN * (1 - means[own]).mean() + _OTHER * (1 + means[~own]).mean()
    pairs = [(k, other) for k in range(spaces) for other in range(k + 1, spaces)]
    if version == "A":
        alike = [means[:, k] @ means[:, other].T for k, other in pairs]
        return torch.stack([(1 / (1 - torch.tanh(dots) + EPSILON)).sum(1).mean() for dots in alike]).sum()
    centres = means.mean(0)
    dots = torch.stack([centres[k] @ centres[other] for k, other in pairs])
    return (1 / (1 - torch.tanh(dots) + EPSILON)).sum()


def _owner(lengths: torch.Tensor) -> torch.Tensor:
    """Return the review that each row belongs to, shape (rows,)."""
    import torch

    return torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
