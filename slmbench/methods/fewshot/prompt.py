"""Prompting: a language model labels each review, by likelihood or by generated text. Nothing is trained."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from slmbench.common.errors import UsageError
from slmbench.common.files import content_key, sha256_of
from slmbench.common.progress import Progress
from slmbench.corpora import Corpus
from slmbench.instruments.devices import choose_device
from slmbench.methods.declarations.fewshot import answer_mode
from slmbench.methods.fewshot.model_card import training_data
from slmbench.methods.fewshot.prompting.answers import PromptAnswers, by_generation, by_likelihood
from slmbench.methods.fewshot.prompting.classifier import check_classifier, write_classifier
from slmbench.methods.fewshot.prompting.language_models import LanguageModel, load_language_model
from slmbench.methods.fewshot.prompting.prompts import EncodedPrompts, FittedFrame, encode_prompts, fit_frame
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import answer_cost
from slmbench.methods.protocols import PROMPTS
from slmbench.methods.runs import Outcome, RunMethod, draw_shots
from slmbench.methods.words import words_of
from slmbench.models import count_parameters
from slmbench.models.model_files import find_language_model, weights_sha256


class PromptedModel(RunMethod):
    """A language model that is prompted with every test review.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model and draw the demonstrations, which is enough to recognise a finished run.

        Raises:
            UsageError: The model does not exist, a label has no words, or the corpus has too few examples.
            SlmbenchError: The weights cannot be read.
        """
        self._name = name
        self._corpus = corpus
        self._options = options
        self._words = words_of(corpus.label_names, options.words)
        self._shots = draw_shots(corpus, options.shots, options.seed)
        self._protocol = PROMPTS[options.protocol] if options.protocol else None
        self._files = find_language_model(name, progress=progress)
        self._device = choose_device(options.device)
        folder, gguf = self._files.folder, self._files.gguf
        self._training_data = training_data(folder)
        self._base_sha256 = sha256_of(folder / gguf) if gguf else weights_sha256(folder)
        self._answer_by = answer_mode(options)
        self._hyperparameters = {
            **options.hyperparameters(),
            "template": None if options.protocol else options.template,
            "answer_by": self._answer_by,
            "device": self._device,
        }
        self.key = content_key(
            stage="prompt/1",
            weights=self._base_sha256,
            zero_shot=self._training_data.zero_shot,
            seed=options.seed,
            hyperparameters=self._hyperparameters,
            shots=self._shots.row_ids,
            labels=corpus.label_names,
            test=corpus.identity().test_hash,
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Answer the test reviews, and write ``model/`` if the prompt can be a classifier."""
        with progress.task(f"loading {self._name}"):
            loaded = load_language_model(self._files, self._device)
        fitted = self._fit(loaded)
        begin = time.perf_counter()
        prompts = encode_prompts(loaded.tokenizer, fitted.frame, self._corpus.test.texts, fitted.room)
        answers = self._answer(loaded, fitted, prompts, progress)
        cost = answer_cost(len(prompts.ids), time.perf_counter() - begin)
        counts = count_parameters(loaded.model)
        missing = self._write_classifier(loaded, fitted, prompts, answers, building / "model", progress)
        return Outcome(
            model=self._name,
            model_source=self._files.source,
            base_sha256=self._base_sha256,
            weights_sha256=self._base_sha256 if missing else weights_sha256(building / "model"),
            architecture=loaded.model.config.model_type,
            base_license=self._files.license,
            max_length=fitted.longest,
            hyperparameters=self._hyperparameters,
            total_parameters=counts.total,
            parameters_without_embeddings=counts.without_embeddings,
            logits=answers.logits,
            abstained=answers.abstained,
            answering=cost,
            shots=self._options.shots,
            has_model=not missing,
            details={**self._details(fitted), **answers.details},
            notes=[*loaded.notes, self._training_data.note, *self._notes(fitted, prompts), *answers.notes, *missing],
        )

    def _fit(self, loaded: LanguageModel) -> FittedFrame:
        options = self._options
        if options.chat and not loaded.tokenizer.chat_template:
            raise UsageError(f"'{self._name}' has no chat template: leave --chat out")
        names = [choice[0] for choice in self._words.values()]
        template = self._protocol.template_for(names) if self._protocol else options.template
        return fit_frame(
            loaded,
            template,
            names,
            [(text, names[label]) for text, label in zip(self._shots.texts, self._shots.labels, strict=True)],
            max_review=self._hyperparameters["max_length"],
            answer=0 if loaded.is_seq2seq else self._answer_room(loaded),
            chat=options.chat,
        )

    def _answer_room(self, loaded: LanguageModel) -> int:
        if self._answer_by == "generate":
            return self._options.max_new_tokens
        every = [f" {word}" for choice in self._words.values() for word in choice]
        return max(map(len, loaded.tokenizer(every, add_special_tokens=False)["input_ids"]))

    def _answer(
        self, loaded: LanguageModel, fitted: FittedFrame, prompts: EncodedPrompts, progress: Progress
    ) -> PromptAnswers:
        options = self._options
        if self._answer_by == "generate":
            # The study's limit includes the start token of the decoder.
            start_tokens = int(loaded.is_seq2seq and self._protocol is not None)
            return by_generation(
                loaded,
                prompts.ids,
                self._words,
                self._corpus.test.labels,
                progress,
                new_tokens=options.max_new_tokens - start_tokens,
                protocol=self._protocol,
            )
        calibrated = self._answer_by == "calibrated"
        return by_likelihood(loaded, fitted, self._words, prompts.ids, progress, calibrated=calibrated)

    def _write_classifier(
        self,
        loaded: LanguageModel,
        fitted: FittedFrame,
        prompts: EncodedPrompts,
        answers: PromptAnswers,
        folder: Path,
        progress: Progress,
    ) -> list[str]:
        """Write ``model/`` if the prompt can be a classifier; returns a note of one sentence if it cannot."""
        if answers.first_tokens is None or self._answer_by != "likelihood":
            return [
                "this run cannot be exported: only a prompt scored by the likelihood of first tokens is a classifier"
            ]
        labels, texts = self._corpus.label_names, self._corpus.test.texts
        with progress.task("writing the prompt as a classifier"):
            reason = write_classifier(loaded, fitted, answers.first_tokens, labels, folder)
            if reason is None:
                reason = check_classifier(folder, labels, fitted.longest, texts, prompts.ids, answers.logits)
        if reason is None:
            return []
        shutil.rmtree(folder, ignore_errors=True)
        return [f"this prompt cannot be exported: {reason}"]

    def _details(self, fitted: FittedFrame) -> dict[str, Any]:
        details: dict[str, Any] = {
            "prompt": fitted.frame.around("{text}"),
            "words": {label: list(choice) for label, choice in self._words.items()},
            "review_tokens": fitted.room,
            "zero_shot": self._training_data.zero_shot,
        }
        if len(self._shots):
            details["demonstrations"] = {
                "row_ids": self._shots.row_ids,
                "tokens_each": fitted.demonstration_tokens,
                "shortened": fitted.shortened,
            }
        return details

    def _notes(self, fitted: FittedFrame, prompts: EncodedPrompts) -> list[str]:
        notes = []
        if prompts.cut:
            notes.append(f"{prompts.cut} of {len(prompts.ids)} reviews were cut to {fitted.room} tokens")
        if fitted.shortened:
            notes.append(
                f"{fitted.shortened} of {len(self._shots)} demonstrations were cut to"
                f" {fitted.demonstration_tokens} tokens"
            )
        if self._protocol:
            names = [choice[0] for choice in self._words.values()]
            if strange := [label for label in self._protocol.shown if label not in names]:
                notes.append(
                    f"the prompt's own example answers {', '.join(strange)}, which is not a label of this corpus"
                )
        return notes
