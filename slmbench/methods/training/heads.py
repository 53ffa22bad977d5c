"""Training a head on the outputs of a frozen encoder, epoch by epoch."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.methods.options import MethodOptions
from slmbench.methods.training.features import EncoderOutputs
from slmbench.methods.training.losses import weighted_cross_entropy
from slmbench.methods.training.saving import explain_memory_errors
from slmbench.methods.training.selection import EpochSelector
from slmbench.methods.training.space_losses import inter_loss, intra_loss, review_means
from slmbench.models.native_heads import NativeHead
from slmbench.records import EpochLog

if TYPE_CHECKING:
    import torch
    from torch import nn

    from slmbench.models.headed import SpaceHead

#: Reviews per batch in evaluation, as in the study.
EVALUATION_BATCH = 512


class Trainee(Protocol):
    """A head and its inputs."""

    #: Its layers; all of them are trained.
    layers: nn.ModuleList

    def forward(self, reviews: np.ndarray, labels: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Run the head on some reviews.

        Args:
            reviews: Indices of the reviews.
            labels: Their label ids, shape (reviews,), on the CPU.

        Returns:
            Logits, shape (reviews, labels), and the losses by name, each multiplied by its weight.
        """


class LinearTrainee:
    """The head of transformers on one vector per review, all in memory.

    Args:
        head: From :func:`slmbench.models.native_heads.native_head`.
        model: The classifier that the head belongs to.
        outputs: One vector per review.
        weights: Weight of each class in the loss, shape (labels,).
    """

    def __init__(
        self, head: NativeHead, model: nn.Module, outputs: EncoderOutputs, weights: np.ndarray | None = None
    ) -> None:
        import torch
        from torch import nn

        self._head, self._weights = head, weights
        self.layers = nn.ModuleList(getattr(model, name) for name in head.modules)
        device = next(self.layers.parameters()).device
        with torch.no_grad():
            self._inputs = head.frozen(outputs.vectors().unsqueeze(1).to(device))

    def forward(self, reviews: np.ndarray, labels: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Run the head on some reviews; see :class:`Trainee`."""
        logits = self._head.trained(self._inputs[reviews])
        return logits, {"cross_entropy": weighted_cross_entropy(logits, labels, self._weights)}


class SpaceTrainee:
    """Study 002's head on all tokens, read from disk batch by batch.

    Args:
        head: The head.
        outputs: All tokens of each review.
        options: Options of the training, with the weights of the losses.
        weights: Weight of each class in the cross-entropy, shape (labels,).
    """

    def __init__(
        self, head: SpaceHead, outputs: EncoderOutputs, options: MethodOptions, weights: np.ndarray | None = None
    ) -> None:
        import torch
        from torch import nn

        self._head, self._weights = head, weights
        self._outputs = outputs
        self._options = options
        self.layers = nn.ModuleList([head])
        self._device = next(head.parameters()).device
        self._buffer = torch.empty(0, outputs.width)

    def forward(self, reviews: np.ndarray, labels: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Run the head on some reviews; see :class:`Trainee`."""
        import torch

        head, options = self._head, self._options
        lengths = torch.from_numpy(self._outputs.lengths[reviews])
        rows = int(lengths.sum())
        if rows > len(self._buffer):
            self._buffer = torch.empty(rows, self._outputs.width)
        tokens = self._outputs.read(reviews, self._buffer).to(self._device)
        lengths, labels = lengths.to(self._device), labels.to(self._device)
        concepts = head.concepts(tokens)
        means = review_means(concepts, lengths)
        logits = head.classifier(means)
        losses = {"cross_entropy": (options.ce_weight or 0.0) * weighted_cross_entropy(logits, labels, self._weights)}
        if options.inter and options.inter_weight:
            spaces = means.unflatten(1, (-1, head.latents))
            losses["inter"] = options.inter_weight * inter_loss(options.inter, spaces, labels)
        if options.intra_weight:
            losses["intra"] = options.intra_weight * intra_loss(concepts, means, lengths)
        return logits, losses


@dataclass(frozen=True)
class Fit:
    """Cost and history of training a head.

    Attributes:
        seconds: Wall time of all epochs, validation included.
        best_epoch: The epoch whose weights are kept; ``None`` without validation rows.
        history: One entry per epoch.
        epochs: The same with each loss separately and the metrics on the training rows during training.
    """

    seconds: float
    best_epoch: float | None
    history: list[EpochLog]
    epochs: list[dict[str, float]]


def train_head(
    trainee: Trainee,
    labels: np.ndarray,
    training: int,
    options: MethodOptions,
    progress: Progress,
    of_review: np.ndarray | None = None,
) -> Fit:
    """Train a head in place with Adam at a constant rate; it keeps the weights of its best epoch.

    Args:
        trainee: The head and its inputs: first the training reviews, then the validation reviews.
        labels: Label ids of both, shape (reviews,).
        training: Number of training reviews.
        options: Resolved options.
        progress: Where progress is reported.
        of_review: To which review each input belongs, where long ones are read in windows, shape (inputs,).

    Raises:
        SlmbenchError: The loss became NaN or infinite, or memory ran out.
    """
    try:
        with explain_memory_errors(options):
            return _train(trainee, labels, training, options, progress, of_review)
    except RuntimeError as error:
        if "overflow" in str(error):
            raise _diverged(options) from None
        raise


def _train(
    trainee: Trainee,
    labels: np.ndarray,
    training: int,
    options: MethodOptions,
    progress: Progress,
    of_review: np.ndarray | None,
) -> Fit:
    import torch

    optimizer = torch.optim.Adam(
        trainee.layers.parameters(), lr=options.learning_rate or 0.0, weight_decay=options.weight_decay or 0.0
    )
    generator = torch.Generator().manual_seed(options.seed)
    selector = EpochSelector("macro_f1" if options.select_by == "macro_f1" else "accuracy")
    validation = np.arange(training, len(labels))
    best_score, best_epoch, best_weights = -np.inf, None, None
    lines: list[dict[str, float]] = []
    count = int(options.epochs or 1)
    start = time.perf_counter()
    with progress.task("training the head", count * training, "reviews") as task:
        for epoch in range(1, count + 1):
            tally = _Tally()
            order = torch.randperm(training, generator=generator).numpy()
            for reviews in _batches(order, options.batch_size or training):
                logits, losses = trainee.forward(reviews, torch.from_numpy(labels[reviews]))
                optimizer.zero_grad(set_to_none=True)
                torch.stack(list(losses.values())).sum().backward()
                optimizer.step()
                tally.add(logits, losses, labels[reviews])
                task.advance(len(reviews))
            lines.append({"epoch": float(epoch), **_named("train", tally.metrics(EpochSelector("accuracy")))})
            if not np.isfinite(lines[-1]["train_loss"]):
                raise _diverged(options)
            if len(validation):
                metrics = measure(trainee, labels, validation, selector, of_review)
                lines[-1] |= _named("validation", metrics)
                task.describe(f"training the head, epoch {epoch}: validation accuracy {metrics['accuracy']:.3f}")
                score = -metrics["loss"] if options.select_by == "loss" else metrics["selection"]
                if score > best_score:
                    best_score, best_epoch = score, float(epoch)
                    best_weights = copy.deepcopy(trainee.layers.state_dict())
    seconds = time.perf_counter() - start
    if best_weights:
        trainee.layers.load_state_dict(best_weights)
    known = EpochLog.model_fields.keys()
    history = [EpochLog(**{name: value for name, value in line.items() if name in known}) for line in lines]
    return Fit(seconds, best_epoch, history, lines)


def _named(side: str, metrics: dict[str, float]) -> dict[str, float]:
    return {f"{side}_{name}": value for name, value in metrics.items() if name != "selection"}


def _diverged(options: MethodOptions) -> SlmbenchError:
    return SlmbenchError(f"training diverged: the loss became NaN or infinite; lower --lr ({options.learning_rate})")


def measure(
    trainee: Trainee,
    labels: np.ndarray,
    reviews: np.ndarray,
    selector: EpochSelector,
    of_review: np.ndarray | None = None,
) -> dict[str, float]:
    """Return a head's losses and metrics on some reviews.

    Args:
        trainee: The head and its inputs.
        labels: Label ids of all reviews.
        reviews: Indices of the reviews to measure on.
        selector: Computes the metrics.
        of_review: As of :func:`train_head`; the windows of a review are one answer.

    Returns:
        The losses by name, their sum as ``loss``, accuracy, macro-F1 and the selector's score.
    """
    import torch

    tally = _Tally()
    with torch.no_grad():
        for batch in _batches(reviews, EVALUATION_BATCH):
            tally.add(*trainee.forward(batch, torch.from_numpy(labels[batch])), labels[batch])
    return tally.metrics(selector, None if of_review is None else of_review[reviews])


class _Tally:
    """Collects the losses and logits of an epoch."""

    def __init__(self) -> None:
        self._losses: dict[str, float] = {}
        self._logits: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def add(self, logits: torch.Tensor, losses: dict[str, torch.Tensor], labels: np.ndarray) -> None:
        for name, loss in losses.items():
            self._losses[name] = self._losses.get(name, 0.0) + float(loss.detach()) * len(labels)
        self._logits.append(logits.detach().float().cpu().numpy())
        self._labels.append(labels)

    def metrics(self, selector: EpochSelector, of_review: np.ndarray | None = None) -> dict[str, float]:
        """Return the mean losses, their sum as ``loss``, accuracy, macro-F1 and the selector's score."""
        labels = np.concatenate(self._labels)
        losses = {name: total / len(labels) for name, total in self._losses.items()}
        answers = SimpleNamespace(
            predictions=np.concatenate(self._logits), label_ids=labels if of_review is None else (labels, of_review)
        )
        return {"loss": sum(losses.values()), **losses, **selector(answers)}


def _batches(reviews: np.ndarray, size: int) -> list[np.ndarray]:
    return [reviews[start : start + size] for start in range(0, len(reviews), size)]
