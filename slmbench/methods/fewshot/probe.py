"""The linear probe: a frozen encoder and a logistic regression on K examples per label. The baseline of SetFit."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import content_key
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import Corpus, Split
from slmbench.edge.runtime import softmax
from slmbench.instruments.devices import choose_device
from slmbench.instruments.memory import high_water_mark
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import RELOAD_REVIEWS, RELOAD_TOLERANCE, answer_cost
from slmbench.methods.runs import Outcome, RunMethod, draw_shots
from slmbench.models import (
    ModelFiles,
    ParameterCounts,
    count_parameters,
    find_model,
    load_classifier,
    load_encoder,
    load_tokenizer,
)
from slmbench.models.configuration import input_limit, read_config
from slmbench.models.long_texts import set_long_texts
from slmbench.models.model_files import weights_sha256
from slmbench.records import EpochLog, TrainCost

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from transformers import PreTrainedModel

    from slmbench.methods.fewshot.embedding import SentenceEncoder


@dataclass(frozen=True)
class EncoderTraining:
    """How the encoder was trained before the regression; by default not at all.

    Attributes:
        seconds: Duration without loading libraries.
        epochs: Passes over the training pairs.
        trained_parameters: Number of encoder parameters that were trained.
        history: Loss of each epoch.
        details: Entries for the run's record.
    """

    seconds: float = 0.0
    epochs: float = 1.0
    trained_parameters: int = 0
    history: list[EpochLog] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class LinearProbe(RunMethod):
    """A classifier on the sentence vectors of K examples per label.

    Attributes:
        key: Hash of everything the result depends on.
    """

    #: What to do when the vectors are not finite.
    remedy: ClassVar[str] = "choose another model"
    #: Every dropout probability of the encoder; ``None`` keeps the model's own, which a frozen encoder does not use.
    dropout: ClassVar[float | None] = None

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model and fill in every default.

        Raises:
            UsageError: The model does not exist, or accepts fewer tokens than ``max_length``.
            SlmbenchError: Its configuration or pooling modules cannot be read.
        """
        from slmbench.methods.fewshot.embedding import REGRESSION, pooling_of

        self._corpus = corpus
        self._files = find_model(name, progress=progress)
        config = read_config(self._files)
        self._pooling = pooling_of(self._files)
        self._max_length = input_limit(config, options.max_length)
        self._device = choose_device(options.device)
        self._shots = options.shots
        self._long_texts: str = options.long_texts
        self._seed = options.seed
        self._architecture: str = config.model_type
        self._base_sha256 = weights_sha256(self._files.folder)
        self._hyperparameters = {
            **options.hyperparameters(),
            "max_length": self._max_length,
            "device": self._device,
            "normalize": self._pooling.normalize,
            "regression": REGRESSION,
            **({} if self.dropout is None else {"dropout": self.dropout}),
        }
        identity = corpus.identity()
        self.key = content_key(
            stage="fewshot/1",
            method=options.method,
            weights=self._base_sha256,
            architecture=self._architecture,
            seed=options.seed,
            hyperparameters=self._hyperparameters,
            train=identity.train_hash,
            test=identity.test_hash,
            labels=corpus.label_names,
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Embed the examples, fit the regression, save the classifier, load it again and answer the test reviews."""
        from transformers import set_seed

        from slmbench.methods.fewshot.embedding import SentenceEncoder, fit_regression
        from slmbench.methods.training.inference import classifier_logits

        corpus = self._corpus
        set_seed(self._seed)
        examples = draw_shots(corpus, self._shots, self._seed)
        tokenizer = load_tokenizer(self._files.folder, max_length=self._max_length)
        encoder = load_encoder(self._files, dropout=self.dropout).to(self._device)
        body = SentenceEncoder(
            encoder, tokenizer, self._max_length, normalize=self._pooling.normalize, long_texts=self._long_texts
        )
        trained = self.train_encoder(body, examples, progress)
        began = time.perf_counter()
        vectors = body.vectors(examples.texts, SILENT)
        if not np.isfinite(vectors).all():
            raise SlmbenchError(
                f"the sentence vectors of '{self._files.name}' contain NaN or infinity: {self.remedy}"
            )
        regression = fit_regression(vectors, examples.labels, self._hyperparameters.get("class_weight"))
        train_seconds = trained.seconds + time.perf_counter() - began
        train_peak = high_water_mark()[0]
        counts = self._save(body, regression, building / "model")
        saved = ModelFiles(self._files.name, building / "model", "directory")
        reloaded = load_classifier(saved, corpus.label_names).to(self._device)
        self._check_reloaded(reloaded, body, regression)
        del body, encoder
        began = time.perf_counter()
        logits = classifier_logits(reloaded, tokenizer, corpus.test.texts, self._max_length, progress, "answering")
        seconds = time.perf_counter() - began
        return Outcome(
            model=self._files.name,
            model_source=self._files.source,
            base_sha256=self._base_sha256,
            weights_sha256=weights_sha256(building / "model"),
            architecture=self._architecture,
            base_license=self._files.license,
            max_length=self._max_length,
            hyperparameters=self._hyperparameters,
            trainable_parameters=trained.trained_parameters + regression.coef_.size + regression.intercept_.size,
            total_parameters=counts.total,
            parameters_without_embeddings=counts.without_embeddings,
            train=TrainCost(
                seconds=train_seconds,
                reviews_per_second=len(examples) * trained.epochs / train_seconds,
                epochs=trained.epochs,
                peak_rss_bytes=train_peak,
                device=self._device,
                precision="fp32",
                best_epoch=None,
                selected_by=None,
                history=trained.history,
            ),
            logits=logits,
            answering=answer_cost(len(logits), seconds),
            shots=self._shots,
            details={"embedding_width": vectors.shape[1], "examples": examples.row_ids, **trained.details},
            notes=[self._pooling.note],
        )

    def train_encoder(self, body: SentenceEncoder, examples: Split, progress: Progress) -> EncoderTraining:
        """Train the encoder in place before the regression; a linear probe leaves it frozen.

        Args:
            body: The encoder.
            examples: The labelled examples.
            progress: Receives progress.

        Raises:
            SlmbenchError: Memory ran out.
        """
        return EncoderTraining()

    def _save(self, body: SentenceEncoder, regression: LogisticRegression, folder: Path) -> ParameterCounts:
        """Save the encoder and the regression as one classifier; returns its parameters."""
        from slmbench.methods.fewshot.embedding import head_of
        from slmbench.models.headed import put_head

        head = head_of(regression, normalize=self._pooling.normalize).to(self._device)
        set_long_texts(body.encoder.config, self._long_texts)
        classifier = put_head(body.encoder, head, self._corpus.label_names)
        classifier.save_pretrained(folder, safe_serialization=True)
        body.tokenizer.save_pretrained(folder)
        return count_parameters(classifier)

    def _check_reloaded(
        self, classifier: PreTrainedModel, body: SentenceEncoder, regression: LogisticRegression
    ) -> None:
        """Check on some test reviews that the saved classifier repeats the fitted regression.

        Raises:
            SlmbenchError: Its probabilities differ.
        """
        from slmbench.methods.training.inference import classifier_logits

        texts = self._corpus.test.texts[:RELOAD_REVIEWS]
        fitted = regression.predict_proba(body.vectors(texts, SILENT))
        saved = softmax(classifier_logits(classifier, body.tokenizer, texts, self._max_length, SILENT))
        difference = float(np.abs(saved - fitted).max())
        if difference > RELOAD_TOLERANCE:
            raise SlmbenchError(
                f"the saved classifier's probabilities differ from the fitted one's by {difference:.3g}, so it was"
                f" not kept; please report the architecture '{self._architecture}'"
            )
