"""A classifier that was fine-tuned elsewhere, taken as it is: tested on the corpus, nothing trained."""

from __future__ import annotations

from pathlib import Path

from slmbench.common.files import content_key
from slmbench.common.progress import Progress
from slmbench.corpora import Corpus
from slmbench.instruments.devices import choose_device
from slmbench.methods.options import MethodOptions
from slmbench.methods.runs import Outcome, RunMethod
from slmbench.methods.training.inference import classifier_logits
from slmbench.models import count_parameters, find_model, load_classifier, load_tokenizer
from slmbench.models.configuration import input_limit, read_config
from slmbench.models.long_texts import set_long_texts
from slmbench.models.model_files import weights_sha256
from slmbench.models.outputs import match_labels, reorder_outputs


class PretrainedClassifier(RunMethod):
    """A published classifier with its own head.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model and match its labels with the corpus's.

        Raises:
            UsageError: Its labels differ from the corpus's, and the option ``label_map`` does not say which is which.
            SlmbenchError: The model cannot be found or downloaded.
        """
        self._corpus = corpus
        self._options = options
        self._files = find_model(name, allow_pickle=options.allow_pickle, progress=progress)
        config = read_config(self._files)
        self._label_map = dict(options.label_map or {})
        self._match = match_labels(name, config, corpus.label_names, self._label_map)
        self._architecture: str = config.model_type
        self._max_length = input_limit(config, options.max_length, progress=progress)
        self._device = choose_device(options.device)
        self._side = options.truncation_side or "right"
        self._long_texts = {} if options.long_texts == "head" else {"long_texts": options.long_texts}
        self._base_sha256 = weights_sha256(self._files.folder)
        self.key = content_key(
            stage="finetune/1",
            method="pretrained",
            weights=self._base_sha256,
            max_length=self._max_length,
            truncation_side=self._side,
            test=corpus.identity().test_hash,
            **({} if self._match.is_same_order else {"order": self._match.order}),
            **self._long_texts,
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Test the model unchanged; see :class:`slmbench.methods.runs.RunMethod`."""
        labels = self._corpus.label_names
        tokenizer = load_tokenizer(self._files.folder, max_length=self._max_length)
        tokenizer.truncation_side = self._side
        model = load_classifier(self._files, labels, allow_pickle=self._options.allow_pickle)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        set_long_texts(model.config, self._options.long_texts)
        if not self._match.is_same_order:
            reorder_outputs(model, self._match.order)
        model.save_pretrained(building / "model", safe_serialization=True)
        tokenizer.save_pretrained(building / "model")
        counts = count_parameters(model)
        return Outcome(
            model_source=self._files.source,
            base_sha256=self._base_sha256,
            weights_sha256=weights_sha256(building / "model"),
            architecture=self._architecture,
            base_license=self._files.license,
            max_length=self._max_length,
            hyperparameters={
                "max_length": self._max_length,
                "truncation_side": self._side,
                **({"label_map": self._label_map} if self._label_map else {}),
                **self._long_texts,
            },
            total_parameters=counts.total,
            parameters_without_embeddings=counts.without_embeddings,
            logits=classifier_logits(
                model.to(self._device), tokenizer, self._corpus.test.texts, self._max_length, progress
            ),
            notes=self._match.notes,
        )
