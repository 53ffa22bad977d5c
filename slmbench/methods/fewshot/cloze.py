"""Cloze: a masked language model fills in the word that names a review's label. Nothing is trained.

The idea is that of pattern and verbaliser (Schick and Schütze 2021, "Exploiting Cloze Questions for Few Shot Text
Classification and Natural Language Inference"), without their training; study 000's variant of it is a protocol.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.common.files import content_key
from slmbench.common.progress import Progress
from slmbench.corpora import Corpus
from slmbench.instruments.devices import choose_device
from slmbench.methods.fewshot.cloze_prompts import ClozePrompt, ClozePrompts, Template, word_token
from slmbench.methods.fewshot.cloze_scores import (
    ClozeDecision,
    WordScores,
    by_best_word,
    by_study_000,
    load_with_head,
    word_scores,
)
from slmbench.methods.options import MethodOptions
from slmbench.methods.outcome import answer_cost
from slmbench.methods.protocols import CLOZE_TOP_N
from slmbench.methods.runs import Outcome, RunMethod, draw_shots
from slmbench.methods.words import words_of
from slmbench.models import count_parameters, find_model, load_tokenizer
from slmbench.models.configuration import input_limit, read_config
from slmbench.models.model_files import weights_sha256
from slmbench.models.quiet import quiet_libraries
from slmbench.records import RunRecord, artefacts


class Cloze(RunMethod):
    """A masked language model that fills in one blank per test review.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: MethodOptions, progress: Progress) -> None:
        """Find the model, the tokens of the words and the demonstrations.

        Raises:
            UsageError: The model has no mask token, a word is not a single token or stands for two labels, the
                template leaves no room for a review, or the protocol does not fit the corpus.
            SlmbenchError: The model is missing or unreadable, or there is no run to inherit from.
        """
        self._name = name
        self._corpus = corpus
        self._files = find_model(name, progress=progress)
        config = read_config(self._files)
        self._architecture: str = config.model_type
        self._options = options
        self._max_length = input_limit(config, options.max_length)
        self._device = choose_device(options.device)
        self._top_n = CLOZE_TOP_N if options.protocol else options.top_n
        self._words = words_of(corpus.label_names, options.words)
        self._labelled_rows: int = options.labelled_rows or 0
        self._inherited = None
        if options.protocol:
            _check_study(corpus, self._labelled_rows)
            if options.inherit_from is not None:
                self._inherited = _predictions_of(options.inherit_from, corpus)
        with quiet_libraries():
            self._tokenizer = load_tokenizer(self._files.folder, max_length=self._max_length)
        self._tokenizer.padding_side = "right"
        if self._tokenizer.mask_token_id is None:
            raise UsageError(f"the tokenizer of '{name}' has no mask token, which a cloze needs")
        template = Template(options.template)
        self._verbalisers = [
            _Verbaliser(number, word, word_token(self._tokenizer, template, word, name))
            for number, words in enumerate(self._words.values())
            for word in words
        ]
        self._check_distinct()
        self._demonstrations = draw_shots(corpus, options.shots, options.seed)
        first_words = [words[0] for words in self._words.values()]
        self._prompts = ClozePrompts(
            self._tokenizer,
            template,
            self._max_length,
            [
                (text, first_words[label])
                for text, label in zip(self._demonstrations.texts, self._demonstrations.labels, strict=True)
            ],
            round_size=len(first_words),
        )
        self._base_sha256 = weights_sha256(self._files.folder)
        identity = corpus.identity()
        self.key = content_key(
            stage="fewshot-cloze/1",
            weights=self._base_sha256,
            architecture=self._architecture,
            seed=options.seed,
            hyperparameters={**self._hyperparameters(), "inherit_from": None},
            inherited=None if self._inherited is None else self._inherited.tolist(),
            train=identity.train_hash,
            test=identity.test_hash,
        )

    def run(self, building: Path, folder: Path, progress: Progress) -> Outcome:
        """Answer the test reviews; nothing is written, since the model is used as it is."""
        model = load_with_head(self._files).to(self._device)
        begin = time.perf_counter()
        prompts = list(self._prompts.of(self._corpus.test.texts))
        tokens = [verbaliser.token for verbaliser in self._verbalisers]
        scores = word_scores(model, self._tokenizer, prompts, tokens, progress)
        decision = self._decide(scores)
        seconds = time.perf_counter() - begin
        counts = count_parameters(model)
        return Outcome(
            model=self._name,
            model_source=self._files.source,
            base_sha256=self._base_sha256,
            weights_sha256=self._base_sha256,
            architecture=self._architecture,
            base_license=self._files.license,
            max_length=self._max_length,
            hyperparameters=self._hyperparameters(),
            total_parameters=counts.total,
            parameters_without_embeddings=counts.without_embeddings,
            logits=decision.logits,
            abstained=decision.abstained,
            answering=answer_cost(len(prompts), seconds),
            shots=self._options.shots,
            has_model=False,
            details=self._details(scores, decision),
            notes=self._notes(prompts, decision),
        )

    def _decide(self, scores: WordScores) -> ClozeDecision:
        corpus, options = self._corpus, self._options
        if options.protocol:
            positive = corpus.label_names.index("positive")
            return by_study_000(scores, positive, corpus.test.labels, self._labelled_rows, self._inherited)
        columns = [
            [column for column, verbaliser in enumerate(self._verbalisers) if verbaliser.label == label]
            for label in range(len(corpus.label_names))
        ]
        return by_best_word(scores, columns, options.top_n)

    def _check_distinct(self) -> None:
        """Check that no token stands for two labels.

        Raises:
            UsageError: One does.
        """
        names = self._corpus.label_names
        owner: dict[int, int] = {}
        for label, word, token in self._verbalisers:
            if owner.setdefault(token, label) != label:
                raise UsageError(
                    f"--words: '{word}' stands for both '{names[owner[token]]}' and '{names[label]}': give each"
                    " label its own words"
                )

    def _hyperparameters(self) -> dict[str, Any]:
        settled = {
            "max_length": self._max_length,
            "device": self._device,
            "words": self._words,
            "top_n": self._top_n,
        }
        return {**self._options.hyperparameters(), **settled}

    def _details(self, scores: WordScores, decision: ClozeDecision) -> dict[str, Any]:
        names = self._corpus.label_names
        undecided = [self._corpus.test.labels[row] for row in decision.abstained]
        study = {"labelled_rows": self._labelled_rows, "inherited": decision.inherited}
        return {
            "unknown": {name: undecided.count(label) for label, name in enumerate(names)},
            **(study if self._options.protocol else {}),
            "words": [
                {
                    "label": names[verbaliser.label],
                    "word": verbaliser.word,
                    "token": verbaliser.token,
                    # 1 is the most likely token of the vocabulary.
                    "median_rank": float(np.median(ranks)) + 1,
                }
                for verbaliser, ranks in zip(self._verbalisers, scores.ranks.T, strict=True)
            ],
            "demonstrations": self._demonstrations.row_ids,
        }

    def _notes(self, prompts: Sequence[ClozePrompt], decision: ClozeDecision) -> list[str]:
        rows, notes = len(prompts), []
        if cut := sum(prompt.review_cut for prompt in prompts):
            notes.append(f"{cut} of {rows} reviews were shortened so that the prompt fits {self._max_length} tokens")
        shortened = sum(prompt.demonstrations_cut > 0 for prompt in prompts)
        dropped = sum(prompt.demonstrations_dropped > 0 for prompt in prompts)
        if shortened or dropped:
            most = max(prompt.demonstrations_dropped for prompt in prompts)
            what = [f"some were shortened in {shortened} of {rows} prompts"] if shortened else []
            what += [f"up to {most} left out in {dropped} of {rows} prompts"] if dropped else []
            notes.append(
                f"the {len(self._demonstrations)} demonstrations did not all fit into {self._max_length} tokens:"
                f" {', '.join(what)}"
            )
        if decision.abstained:
            notes.append(
                f"{len(decision.abstained)} of {rows} reviews got no label: none of the words is among the"
                f" {self._top_n} most likely tokens"
            )
        if self._labelled_rows:
            notes.append(
                f"the first {self._labelled_rows} rows have their true label as prediction, as in the study; no"
                " prompt contains an example"
            )
        if decision.inherited:
            notes.append(
                f"{decision.inherited} rows in which neither word was found have the prediction of"
                f" {self._options.inherit_from}, as in the study"
            )
        return notes


class _Verbaliser(NamedTuple):
    """A word, the label it stands for, and its token at the mask's position."""

    label: int
    word: str
    token: int


def _check_study(corpus: Corpus, labelled: int) -> None:
    """Check that study 000's rule can be applied.

    Raises:
        UsageError: The labels are not positive and negative, or there are fewer rows than should get their label.
    """
    if set(corpus.label_names) != {"negative", "positive"}:
        raise UsageError(
            f"--protocol study-000 needs the labels negative and positive; those of"
            f" {corpus.name} are: {', '.join(corpus.label_names)}"
        )
    if labelled > len(corpus.test):
        raise UsageError(f"--labelled-rows {labelled}: there are only {len(corpus.test)} test rows to label")


def _predictions_of(folder: str, corpus: Corpus) -> np.ndarray:
    """Return another run's predicted label ids on the same rows in the same order, -1 where it gave none.

    Raises:
        UsageError: There is no run, or it was tested on other rows or has other labels.
        SlmbenchError: Its record is damaged.
    """
    other = artefacts.read(folder, RunRecord, option="--inherit-from").predictions
    if other.labels != corpus.label_names or other.row_ids != corpus.test.row_ids:
        raise UsageError(f"--inherit-from {folder}: that run was tested on other rows")
    return other.predicted()
