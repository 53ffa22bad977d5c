"""Training a head on a frozen encoder: the encoder runs once per review, then only the head is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import require_extra
from slmbench.common.files import content_key
from slmbench.common.progress import Progress
from slmbench.corpora import Corpus
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import Outcome, training_cost
from slmbench.methods.training.features import EncoderOutputs, Kept, encoder_outputs
from slmbench.methods.training.heads import Fit, LinearTrainee, SpaceTrainee, Trainee, measure, train_head
from slmbench.methods.training.saving import save_and_read_back
from slmbench.methods.training.selection import EpochSelector
from slmbench.methods.training.transformer import TransformerTraining
from slmbench.models import load_classifier, load_encoder, load_tokenizer
from slmbench.models.long_texts import encode_texts, set_long_texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class FrozenHeadTraining(TransformerTraining):
    """One training of a head: the one of transformers (``linear``) or study 002's (``space``).

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model and fix every hyper-parameter; see :class:`TransformerTraining`.

        Raises:
            SlmbenchError: The model cannot be found or downloaded, an option does not fit it, or a plotting library
                is not installed.
        """
        super().__init__(name, corpus, options, progress)
        if options.plots:
            for module in ("matplotlib", "plotly"):
                require_extra(module, "report", "drawing plots")
            self.key = content_key(run=self.key, plots=True)

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Run the encoder, train the head, save and test; see :class:`slmbench.methods.runs.RunMethod`."""
        from transformers import set_seed

        options, corpus = self._options, self._corpus
        set_seed(options.seed)
        tokenizer = load_tokenizer(self._files.folder, max_length=self._max_length)
        tokenizer.truncation_side = options.truncation_side or "right"
        prepare = self._prepare_space if options.method == "space" else self._prepare_linear
        model, trainee, outputs, notes = prepare(tokenizer, progress)
        parameters = {name: weights.numel() for name, weights in model.named_parameters() if weights.requires_grad}
        set_long_texts(model.config, options.long_texts)
        labels = np.array(corpus.train.labels + corpus.validation.labels)
        training, of_review = len(corpus.train), None
        if options.long_texts == "windows":
            of_review = encode_texts(tokenizer, self._learned, self._max_length, "windows").texts
            labels, training = labels[of_review], int((of_review < training).sum())
        fit = train_head(trainee, labels, training, options, progress, of_review)
        details: dict[str, Any] = {
            "trained_parameters": parameters,
            "epochs": fit.epochs,
            "head_seconds": fit.seconds,
            "encoder": {**asdict(outputs.cost), "from_cache": outputs.from_cache},
        }
        if outputs.from_cache:
            notes.append(
                "The encoder's outputs on the training reviews were in the cache: the training time is that of the"
                f" head; computing the outputs took {outputs.cost.seconds:.1f} s."
            )
        if self._tokens_kept == "padded":
            details["padded_test"] = padded = self._padded_test(model, tokenizer, progress)
            notes.append(
                "Padding counted in the means during training, as in study 002. The test reviews were classified"
                " without padding, as in an app; padded to the longest review, the accuracy is"
                f" {padded['accuracy']:.4f}."
            )
        reloaded = save_and_read_back(
            model,
            tokenizer,
            building / "model",
            corpus,
            max_length=self._max_length,
            learning_rate=options.learning_rate,
        )
        if options.plots:
            self._draw(building / "plots", reloaded, tokenizer, fit)
        seconds = fit.seconds + (0.0 if outputs.from_cache else outputs.cost.seconds)
        return self._outcome(
            reloaded,
            tokenizer,
            building,
            progress,
            trainable=sum(parameters.values()),
            train=training_cost(
                seconds,
                len(corpus.train) * len(fit.epochs),
                epochs=float(len(fit.epochs)),
                **self._cost_facts(fit.best_epoch),
                history=fit.history,
            ),
            details=details,
            notes=notes,
        )

    def _prepare_linear(
        self, tokenizer: PreTrainedTokenizerFast, progress: Progress
    ) -> tuple[PreTrainedModel, Trainee, EncoderOutputs, list[str]]:
        """Return a classifier, its head with its inputs, the encoder's outputs, and notes for the record."""
        from slmbench.models.native_heads import is_in_checkpoint, native_head

        model = load_classifier(self._files, self._corpus.label_names, native_head=True, new_head=True, **self._how)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        head = native_head(model.to(self._device).eval())
        head.freeze_below(model)
        outputs = self._read(model.base_model, tokenizer, self._learned, head.reads, progress)
        notes = []
        if head.below and not is_in_checkpoint(self._files.folder, head.below):
            notes.append(
                f"The checkpoint has no weights of '{head.below}', a layer between the encoder and the trained layer:"
                " it kept its random initial weights."
            )
        return model, LinearTrainee(head, model, outputs, self._class_weights), outputs, notes

    def _prepare_space(
        self, tokenizer: PreTrainedTokenizerFast, progress: Progress
    ) -> tuple[PreTrainedModel, Trainee, EncoderOutputs, list[str]]:
        """Return the same for study 002's head."""
        from slmbench.models.headed import SpaceHead, put_head

        labels = self._corpus.label_names
        encoder = load_encoder(self._files, **self._how).requires_grad_(False).to(self._device)
        head = SpaceHead(encoder.config.hidden_size, len(labels), self._options.latents or 1).to(self._device)
        outputs = self._read(encoder, tokenizer, self._learned, self._tokens_kept, progress)
        trainee = SpaceTrainee(head, outputs, self._options, self._class_weights)
        return put_head(encoder, head, labels), trainee, outputs, []

    def _padded_test(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, progress: Progress
    ) -> dict[str, float]:
        """Return losses, accuracy and macro-F1 on the test rows, padded as in the study."""
        test = self._corpus.test
        outputs = self._read(model.encoder, tokenizer, test.texts, "padded", progress)
        trainee = SpaceTrainee(model.head, outputs, self._options)
        metrics = measure(trainee, np.array(test.labels), np.arange(len(test)), EpochSelector("accuracy"))
        return {name: value for name, value in metrics.items() if name != "selection"}

    def _read(
        self,
        encoder: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        texts: Sequence[str],
        kept: Kept,
        progress: Progress,
    ) -> EncoderOutputs:
        return encoder_outputs(
            encoder,
            tokenizer,
            texts,
            weights_sha256=self._base_sha256,
            kept=kept,
            max_length=self._max_length,
            precision=self._precision,
            progress=progress,
            long_texts=self._options.long_texts,
        )

    def _draw(self, folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, fit: Fit) -> None:
        from slmbench.methods.training.plots import draw_curves, draw_projection

        folder.mkdir()
        draw_curves(fit.epochs, fit.best_epoch, folder / "curves.png")
        if self._options.method == "space":
            draw_projection(model, tokenizer, self._corpus.test, self._corpus.label_names, folder / "tokens.html")

    @property
    def _how(self) -> dict[str, Any]:
        """How the encoder is loaded: without dropout, because its outputs are computed once."""
        return {"layers": self._options.layers, "dropout": 0.0, "allow_pickle": self._options.allow_pickle}

    @property
    def _learned(self) -> list[str]:
        return self._corpus.train.texts + self._corpus.validation.texts

    @property
    def _tokens_kept(self) -> Kept:
        return "padded" if self._options.given.get("space_pooling") == "padded" else "tokens"
