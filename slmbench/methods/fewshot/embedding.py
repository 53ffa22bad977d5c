"""Sentence vectors and a logistic regression on them, which becomes the head of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Progress
from slmbench.edge.runtime import MAX_RECORD_BYTES, mean_by_text, read_json
from slmbench.models import ModelFiles
from slmbench.models.batching import answer_in_batches
from slmbench.models.headed import PooledHead
from slmbench.models.long_texts import encode_texts

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


#: Starter models whose cards document mean pooling and normalisation (all-MiniLM-L6-v2, all-mpnet-base-v2), but
#: whose wheels lack the sentence-transformers modules that configure it.
_NORMALISED_STARTERS = ("minilm-l6", "mpnet-base")
#: The sentence-transformers modules that mean pooling and normalisation reproduce.
_UNDERSTOOD = {"Transformer", "Pooling", "Normalize"}
#: Which review each input is of, among the features of a batch read in windows.
_TEXT = "text"
#: Settings of the regression: the defaults of scikit-learn and setfit, except that 100 iterations may be too few.
REGRESSION = {"C": 1.0, "max_iter": 1000}


@dataclass(frozen=True)
class Pooling:
    """How token vectors become one sentence vector: always by their mean.

    Attributes:
        normalize: Whether the vector is scaled to length 1.
        note: A sentence that says what decided it.
    """

    normalize: bool
    note: str


def pooling_of(files: ModelFiles) -> Pooling:
    """Return how a model's tokens are pooled.

    A model's own sentence-transformers modules (``modules.json``) determine whether the mean is normalised. Without
    them it is not, as in sentence-transformers, except for the starter models whose cards document it.

    Args:
        files: The model's files.

    Raises:
        SlmbenchError: The modules cannot be read.
    """
    modules = files.folder / "modules.json"
    if not modules.is_file():
        if files.source == "starter" and files.name in _NORMALISED_STARTERS:
            return Pooling(True, "sentence vectors: mean of the tokens, normalised, as the model's card documents")
        return Pooling(
            False, "sentence vectors: mean of the tokens; the model has no sentence-transformers modules of its own"
        )
    try:
        listed = read_json(modules, MAX_RECORD_BYTES)
        kinds = [str(module["type"]).rpartition(".")[2] for module in listed]
        pooled = [_pooling_mode(files.folder / module["path"]) for module in listed if "Pooling" in module["type"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SlmbenchError(f"the sentence-transformers modules of '{files.name}' cannot be read: {error}") from None
    normalize = "Normalize" in kinds
    how = f"mean of the tokens{', normalised' if normalize else ''}"
    strange = sorted(set(kinds) - _UNDERSTOOD) + [f"pooling by {mode}" for mode in pooled if mode != "mean"]
    if strange:
        what = f"although the model's own sentence-transformers modules have {', '.join(strange)}"
    else:
        what = "as the model's own sentence-transformers modules say"
    return Pooling(normalize, f"sentence vectors: {how}, {what}")


def _pooling_mode(folder: Path) -> str:
    """Return the mode in a pooling module's configuration, of sentence-transformers 5.4 and later or before."""
    config = read_json(folder / "config.json", MAX_RECORD_BYTES)
    if mode := config.get("pooling_mode"):
        return mode if isinstance(mode, str) else " and ".join(mode)
    prefix = "pooling_mode_"
    chosen = [key for key, on in config.items() if key.startswith(prefix) and on]
    names = [key.removeprefix(prefix).removesuffix("_tokens").removesuffix("_token") for key in chosen]
    return " and ".join(names) or "mean"


class SentenceEncoder(nn.Module):
    """An encoder with its tokenizer and the pooling that the classifier will have before its last layer.

    It is also a complete ``SentenceTransformer`` module, so contrastive training changes exactly the vectors that the
    classifier will use.

    Args:
        encoder: From :func:`slmbench.models.load_encoder`.
        tokenizer: Its tokenizer.
        max_length: Maximum input in tokens.
        normalize: Scale the vectors to length 1.
        long_texts: What is read of longer reviews, one of :data:`slmbench.edge.runtime.LONG_TEXTS`. The vector of a
            review read in windows is the mean of theirs; its logits are then the mean of theirs, as in an app.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        *,
        normalize: bool,
        long_texts: str = "head",
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.max_seq_length = max_length
        self._long_texts = long_texts
        self.pool = PooledHead(1, 1, normalize)
        self.pool.linear = nn.Identity()

    def preprocess(self, texts: Sequence[str], **_: Any) -> Any:
        """Tokenise a batch; called by sentence-transformers (as ``tokenize`` before 5.4)."""
        encoded = encode_texts(self.tokenizer, texts, self.max_seq_length, self._long_texts)
        padded = self.tokenizer.pad(encoded.columns, return_tensors="pt")
        return {**padded, _TEXT: torch.from_numpy(encoded.texts)} if self._long_texts == "windows" else padded

    tokenize = preprocess

    def forward(self, features: dict[str, torch.Tensor], **_: Any) -> dict[str, torch.Tensor]:
        """Return the features and their ``sentence_embedding``, shape (texts, width)."""
        inputs = {name: features[name] for name in self.tokenizer.model_input_names if name in features}
        vectors = self.pool(self.encoder(**inputs)[0], features["attention_mask"])
        if _TEXT in features:
            texts = features[_TEXT]
            counts = torch.bincount(texts).to(vectors.dtype)
            vectors = vectors.new_zeros(len(counts), vectors.shape[1]).index_add(0, texts, vectors) / counts[:, None]
        return {**features, "sentence_embedding": vectors}

    def vectors(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Return sentence vectors in input order, shape (texts, width), float32."""
        self.eval()
        encoded = encode_texts(self.tokenizer, texts, self.max_seq_length, self._long_texts)
        with progress.task("embedding", total=len(encoded.texts), unit="inputs") as task:
            found = answer_in_batches(
                lambda batch: self(batch)["sentence_embedding"],
                self.tokenizer,
                encoded.columns,
                self.encoder.device,
                task,
            )
        return mean_by_text(found, encoded.texts)


def fit_regression(vectors: np.ndarray, labels: Sequence[int], class_weight: str | None = None) -> LogisticRegression:
    """Fit a logistic regression.

    Args:
        vectors: Shape (examples, width).
        labels: Label ids; each occurs at least once.
        class_weight: ``balanced``, or ``None`` for weights of 1.
    """
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**REGRESSION, class_weight=class_weight).fit(vectors, list(labels))


def head_of(regression: LogisticRegression, *, normalize: bool) -> PooledHead:
    """Return the head whose softmax over one logit per label gives the regression's probabilities.

    With two labels the first has logit 0 and the second the regression's single score.

    Args:
        regression: From :func:`fit_regression`.
        normalize: Whether its vectors were scaled to length 1.
    """
    weights = torch.from_numpy(regression.coef_).float()
    bias = torch.from_numpy(regression.intercept_).float()
    if len(weights) == 1:
        weights = torch.cat([torch.zeros_like(weights), weights])
        bias = torch.cat([torch.zeros_like(bias), bias])
    head = PooledHead(weights.shape[1], len(weights), normalize)
    with torch.no_grad():
        head.linear.weight.copy_(weights)
        head.linear.bias.copy_(bias)
    return head
