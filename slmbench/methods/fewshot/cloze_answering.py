"""One masked language model asked about one corpus: from settled options to a run's answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from slmbench.common.errors import UsageError
from slmbench.instruments.devices import choose_device
from slmbench.instruments.memory import high_water_mark
from slmbench.methods.fewshot import study_000
from slmbench.methods.fewshot.cloze_model import load_with_head, word_scores
from slmbench.methods.fewshot.cloze_prompts import ClozePrompts, Template, word_token
from slmbench.methods.fewshot.cloze_rules import by_likeliest_word, by_study_000
from slmbench.methods.fewshot.words import words_of
from slmbench.methods.runs import NO_TRAINING, Outcome, draw_shots
from slmbench.models import count_parameters, find_model, load_tokenizer
from slmbench.models.configuration import input_limit, read_config
from slmbench.models.quiet import quiet_libraries
from slmbench.models.sources import weights_sha256
from slmbench.records import AnswerCost, RunRecord, artefacts
from slmbench.records.base import content_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.fewshot.cloze import ClozeOptions
    from slmbench.methods.fewshot.cloze_model import WordScores
    from slmbench.methods.fewshot.cloze_prompts import Prompt
    from slmbench.methods.fewshot.cloze_rules import Decision


class ClozeAnswering:
    """One model asked about one corpus.

    Attributes:
        key: Hash of everything the result depends on.
    """

    def __init__(self, name: str, corpus: Corpus, options: ClozeOptions, progress: Progress) -> None:
        """Find the model, the words' tokens and the demonstrations.

        Raises:
            SlmbenchError: The model cannot be had, or an option does not fit it or the corpus.
        """
        self._name = name
        self._corpus = corpus
        self._files = find_model(name, progress=progress)
        config = read_config(self._files)
        self._architecture: str = config.model_type
        self._options = options
        self._max_length = input_limit(config, options.max_length)
        self._device = choose_device(options.device)
        self._top_n = study_000.TOP_N if options.protocol else options.top_n
        self._words = words_of(corpus.label_names, options.words)
        self._inherited = None
        if options.protocol:
            _check_study(corpus, options.shots)
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
        self._demonstrations = draw_shots(corpus, 0 if options.protocol else options.shots, options.seed)
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
        """Ask the model; nothing is written, since the model stays where it is."""
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
            trainable_parameters=0,
            total_parameters=counts.total,
            parameters_without_embeddings=counts.without_embeddings,
            train=NO_TRAINING,
            logits=decision.logits,
            abstained=decision.abstained,
            answering=AnswerCost(
                seconds=seconds,
                reviews_per_second=len(prompts) / seconds,
                peak_rss_bytes=high_water_mark()[0],
            ),
            # The study's shots are no examples: see ``labelled_rows`` in the details.
            shots=0 if self._options.protocol else self._options.shots,
            has_model=False,
            details=self._details(scores, decision),
            notes=self._notes(prompts, decision),
        )

    def clean_up(self, folder: Path) -> None:
        """Nothing is left beside a finished run."""

    def _decide(self, scores: WordScores) -> Decision:
        corpus, options = self._corpus, self._options
        if options.protocol:
            positive = corpus.label_names.index("positive")
            return by_study_000(scores, positive, corpus.test.labels, options.shots, self._inherited)
        columns = [
            [column for column, verbaliser in enumerate(self._verbalisers) if verbaliser.label == label]
            for label in range(len(corpus.label_names))
        ]
        return by_likeliest_word(scores, columns, options.top_n)

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
                    " label words of its own"
                )

    def _hyperparameters(self) -> dict[str, Any]:
        settled = {
            "max_length": self._max_length,
            "device": self._device,
            "words": self._words,
            "top_n": self._top_n,
        }
        return {**self._options.hyperparameters(), **settled}

    def _details(self, scores: WordScores, decision: Decision) -> dict[str, Any]:
        names = self._corpus.label_names
        undecided = [self._corpus.test.labels[row] for row in decision.abstained]
        study = {"labelled_rows": self._options.shots, "inherited": decision.inherited}
        return {
            "unknown": {name: undecided.count(label) for label, name in enumerate(names)},
            **(study if self._options.protocol else {}),
            "words": [
                {
                    "label": names[verbaliser.label],
                    "word": verbaliser.word,
                    "token": verbaliser.token,
                    # From 1, the likeliest token of the vocabulary.
                    "median_rank": float(np.median(ranks)) + 1,
                }
                for verbaliser, ranks in zip(self._verbalisers, scores.ranks.T, strict=True)
            ],
            "demonstrations": self._demonstrations.row_ids,
        }

    def _notes(self, prompts: Sequence[Prompt], decision: Decision) -> list[str]:
        rows, shots, notes = len(prompts), self._options.shots, []
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
                f" {self._top_n} likeliest tokens"
            )
        if self._options.protocol and shots:
            notes.append(
                f"the first {shots} rows carry their true label as prediction, as in the study; no example reached"
                " a prompt"
            )
        if decision.inherited:
            notes.append(
                f"{decision.inherited} rows in which neither word was found carry the prediction of"
                f" {self._options.inherit_from}, as in the study"
            )
        return notes


class _Verbaliser(NamedTuple):
    """A word, the label it stands for, and its token at the mask's place."""

    label: int
    word: str
    token: int


def _check_study(corpus: Corpus, labelled: int) -> None:
    """Check that study 000's rule can be applied.

    Raises:
        UsageError: The labels are others, or more rows are to get their label than there are.
    """
    if set(corpus.label_names) != {"negative", "positive"}:
        raise UsageError(
            f"--protocol {study_000.PROTOCOL} knows the labels negative and positive only; those of"
            f" {corpus.name} are: {', '.join(corpus.label_names)}"
        )
    if labelled > len(corpus.test):
        raise UsageError(f"--shots {labelled}: there are only {len(corpus.test)} test rows to carry their own label")


def _predictions_of(folder: str, corpus: Corpus) -> np.ndarray:
    """Return another run's predicted label ids on the same rows in the same order, -1 where it gave none.

    Raises:
        UsageError: There is no run, or it is about other rows or labels.
        SlmbenchError: Its record is damaged.
    """
    said = artefacts.read(folder, RunRecord, option="--inherit-from").predictions
    if said.labels != corpus.label_names or said.row_ids != corpus.test.row_ids:
        raise UsageError(f"--inherit-from {folder}: that run was tested on other rows than these")
    return said.predicted()
