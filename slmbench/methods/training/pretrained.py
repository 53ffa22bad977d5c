"""A classifier that was fine-tuned elsewhere, taken as it is: tested on the corpus, nothing trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.errors import UsageError
from slmbench.common.files import content_key
from slmbench.instruments.devices import choose_device
from slmbench.methods.runs import NO_TRAINING, Outcome, RunMethod
from slmbench.methods.training.inference import classifier_logits
from slmbench.models import count_parameters, find_model, load_classifier, load_tokenizer
from slmbench.models.configuration import input_limit, read_config
from slmbench.models.sources import weights_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.options import MethodOptions


class PretrainedClassifier(RunMethod):
    """A published classifier with its own head.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model and check that it has the corpus's labels.

        Raises:
            UsageError: Its labels differ from the corpus's, or have another order.
            SlmbenchError: The model cannot be found or downloaded.
        """
        self._name = name
        self._corpus = corpus
        self._options = options
        self._files = find_model(name, allow_pickle=options.allow_pickle, progress=progress)
        config = read_config(self._files)
        self._notes = check_labels(name, [config.id2label[index] for index in sorted(config.id2label)], corpus)
        self._architecture: str = config.model_type
        self._max_length = input_limit(config, options.max_length)
        self._device = choose_device(options.device)
        self._side = options.truncation_side or "right"
        self._base_sha256 = weights_sha256(self._files.folder)
        self.key = content_key(
            stage="finetune/1",
            method="pretrained",
            weights=self._base_sha256,
            max_length=self._max_length,
            truncation_side=self._side,
            test=corpus.identity().test_hash,
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Test the model unchanged; see :class:`slmbench.methods.runs.RunMethod`."""
        labels = self._corpus.label_names
        tokenizer = load_tokenizer(self._files.folder, max_length=self._max_length)
        tokenizer.truncation_side = self._side
        model = load_classifier(self._files, labels, allow_pickle=self._options.allow_pickle)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(building / "model", safe_serialization=True)
        tokenizer.save_pretrained(building / "model")
        counts = count_parameters(model)
        return Outcome(
            model=self._name,
            model_source=self._files.source,
            base_sha256=self._base_sha256,
            weights_sha256=weights_sha256(building / "model"),
            architecture=self._architecture,
            base_license=self._files.license,
            max_length=self._max_length,
            hyperparameters={"max_length": self._max_length, "truncation_side": self._side},
            trainable_parameters=0,
            total_parameters=counts.total,
            parameters_without_embeddings=counts.without_embeddings,
            train=NO_TRAINING,
            logits=classifier_logits(
                model.to(self._device), tokenizer, self._corpus.test.texts, self._max_length, progress
            ),
            notes=self._notes,
        )


def check_labels(name: str, own: Sequence[str], corpus: Corpus) -> list[str]:
    """Check that a classifier's outputs are the corpus's labels.

    Args:
        name: The model's name.
        own: Its labels in the order of its outputs.
        corpus: The reviews.

    Returns:
        Notes for the record: labels without names (``LABEL_0``) are assumed to be in the corpus's order.

    Raises:
        UsageError: The labels differ, or have another order.
    """
    wanted = corpus.label_names
    if len(own) == len(wanted):
        if [label.lower() for label in own] == [label.lower() for label in wanted]:
            return []
        if list(own) == [f"LABEL_{index}" for index in range(len(own))]:
            return [f"the model's labels have no names; they are assumed to be {', '.join(wanted)}, in this order"]
    raise UsageError(
        f"'{name}' has the labels {', '.join(own)}, the corpus {', '.join(wanted)}: a published classifier"
        " (--method pretrained) needs the same labels in the same order"
    )
