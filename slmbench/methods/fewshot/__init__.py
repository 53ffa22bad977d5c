"""Few labels or none: cloze, linear probe, SetFit, entailment, prompted language models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import Corpus, load_corpus
from slmbench.methods.known_methods import choose_options, method_of
from slmbench.methods.options import DEFAULT_SEED, MethodOptions
from slmbench.methods.runs import make_run
from slmbench.records import RunRecord

__all__ = ["fewshot"]


def fewshot(
    model: str,
    corpus: Corpus | str,
    options: MethodOptions | None = None,
    *,
    method: str = "",
    seed: int = DEFAULT_SEED,
    output: str | Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    **given: Any,
) -> RunRecord:
    """Classify the test reviews with few labelled examples, or none.

    Args:
        model: Folder, run, starter item or hub name.
        corpus: From :func:`slmbench.corpora.load_corpus`, or the name or path that it takes; examples are drawn from
            its training rows.
        options: The method, its options and the seed, instead of giving them one by one.
        method: ``cloze``, ``setfit``, ``probe``, ``nli``, ``prompt``, or one that a package adds.
        seed: Seed of the examples and of everything else random.
        output: The run folder; ``runs/MODEL-METHOD-VARIANT-CORPUS`` when not given.
        name: The run's name in tables; the folder's name when not given.
        command: The command line, for the record.
        progress: Receives progress.
        **given: Options of the method, by the names of its declaration: ``shots=8``.

    Returns:
        The record; an existing run with the same inputs is returned unchanged.

    Raises:
        UsageError: The model does not exist or does not fit the method, an option does not fit the corpus, or the
            folder contains something else.
        SlmbenchError: A library or weights are missing, or training failed.
    """
    options = options or choose_options("fewshot", method, given, seed=seed)
    if isinstance(corpus, str):
        corpus = load_corpus(corpus, progress=progress)
    return make_run(
        method_of("fewshot", options.method),
        model,
        corpus,
        options,
        output=Path(output) if output else None,
        name=name,
        command=command,
        progress=progress,
    )
