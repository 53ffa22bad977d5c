"""Entailment as classification: does the review entail "This review is positive."? (Yin et al. 2019)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import content_key
from slmbench.common.progress import Progress
from slmbench.corpora import Corpus
from slmbench.instruments.devices import choose_device
from slmbench.methods.fewshot.model_card import training_data
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import answer_cost
from slmbench.methods.runs import Outcome, RunMethod
from slmbench.methods.words import words_of
from slmbench.models import ModelFiles, count_parameters, find_model, load_tokenizer
from slmbench.models.batching import answer_in_batches
from slmbench.models.configuration import input_limit, read_config
from slmbench.models.model_files import weights_sha256
from slmbench.models.model_loading import load_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


_SLOT = "{label}"


class Entailment(RunMethod):
    """An entailment model that judges one hypothesis per label for each review.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model and write the hypotheses.

        Raises:
            UsageError: The model does not exist, or none of its labels means entailment.
            SlmbenchError: Its configuration cannot be read.
        """
        self._corpus = corpus
        self._files = find_model(name, progress=progress)
        self._config = read_config(self._files)
        self._entailment = _entailment_id(self._config, name)
        words = words_of(corpus.label_names, options.words)
        self._hypotheses = {label: options.template.replace(_SLOT, own[0]) for label, own in words.items()}
        self._max_length = input_limit(self._config, options.max_length)
        self._device = choose_device(options.device)
        self._hyperparameters: dict[str, Any] = {
            **options.hyperparameters(),
            "words": {label: list(own) for label, own in words.items()},
            "max_length": self._max_length,
            "device": self._device,
        }
        self._training_data = training_data(self._files.folder)
        self._sha256 = weights_sha256(self._files.folder)
        self.key = content_key(
            stage="fewshot/1",
            method=options.method,
            weights=self._sha256,
            architecture=self._config.model_type,
            entailment=self._entailment,
            zero_shot=self._training_data.zero_shot,
            hyperparameters=self._hyperparameters,
            test=corpus.identity().test_hash,
            labels=corpus.label_names,
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Judge every test review; nothing is written, since the model is used as it is."""
        tokenizer = load_tokenizer(self._files.folder, max_length=self._max_length)
        self._check_room(tokenizer)
        model = _load(self._files).to(self._device)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        began = time.perf_counter()
        logits = self._entailment_logits(model, tokenizer, self._corpus.test.texts, progress)
        seconds = time.perf_counter() - began
        counts = count_parameters(model)
        return Outcome(
            model=self._files.name,
            model_source=self._files.source,
            base_sha256=self._sha256,
            weights_sha256=self._sha256,
            architecture=self._config.model_type,
            base_license=self._files.license,
            max_length=self._max_length,
            hyperparameters=self._hyperparameters,
            total_parameters=counts.total,
            parameters_without_embeddings=counts.without_embeddings,
            logits=logits,
            answering=answer_cost(len(logits), seconds),
            shots=0,
            has_model=False,
            details={
                "hypotheses": self._hypotheses,
                "entailment_label": self._config.id2label[self._entailment],
                "zero_shot": self._training_data.zero_shot,
            },
            notes=[self._training_data.note],
        )

    def _check_room(self, tokenizer: PreTrainedTokenizerFast) -> None:
        """Refuse hypotheses that leave no room for the review, the only part that is truncated."""
        hypotheses = list(self._hypotheses.values())
        longest = max(map(len, tokenizer([""] * len(hypotheses), hypotheses)["input_ids"]))
        if longest >= self._max_length:
            raise UsageError(
                f"the hypothesis takes {longest} of {self._max_length} tokens and leaves none for the review:"
                " shorten --template or raise --max-length"
            )

    def _entailment_logits(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], progress: Progress
    ) -> np.ndarray:
        """Return the logit of entailment of each label's hypothesis, shape (texts, labels), float32.

        Their softmax over the labels is the score of transformers' zero-shot pipeline for mutually exclusive labels
        (``multi_label=False``), which ignores the logits of contradiction and neutrality.
        """
        columns = []
        with progress.task("judging", total=len(texts) * len(self._hypotheses), unit="pairs") as task:
            for hypothesis in self._hypotheses.values():
                encoded = tokenizer(
                    list(texts), [hypothesis] * len(texts), truncation="only_first", max_length=self._max_length
                )
                columns.append(
                    answer_in_batches(
                        lambda batch: model(**batch).logits[:, [self._entailment]],
                        tokenizer,
                        encoded,
                        model.device,
                        task,
                    )
                )
        return np.hstack(columns)


def _entailment_id(config: Any, name: str) -> int:
    """Return the id of the class whose name begins with "entail", in any case.

    Raises:
        UsageError: The model has no such class.
    """
    for index, label in config.id2label.items():
        if label.lower().startswith("entail"):
            return int(index)
    raise UsageError(
        f"'{name}' is not an entailment model: none of its labels ({', '.join(config.id2label.values())}) begins with"
        " 'entail'; --method nli needs a model fine-tuned on natural language inference"
    )


def _load(files: ModelFiles) -> PreTrainedModel:
    """Load an entailment model with its head.

    Raises:
        SlmbenchError: The weights do not load, or some are missing and would be random.
    """
    from transformers import AutoModelForSequenceClassification

    model, report = load_weights(
        AutoModelForSequenceClassification, files, "an entailment model", use_safetensors=True
    )
    if missing := sorted(report["missing_keys"]):
        raise SlmbenchError(
            f"'{files.name}' cannot judge entailment: it lacks weights ({missing[0]} and {len(missing) - 1} more)"
        )
    return model.eval()
