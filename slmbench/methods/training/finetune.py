"""The ``finetune`` stage: corpus and base model in, run folder and record out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slmbench.common.errors import UsageError
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import Corpus, load_corpus
from slmbench.methods.known_methods import choose_options, method_of
from slmbench.methods.options import DEFAULT_SEED, MethodOptions
from slmbench.methods.runs import make_run
from slmbench.records import RunRecord


class TrainingOptions(MethodOptions):
    """Options of a method of ``slmbench finetune``; the methods' declarations say what there is.

    Args:
        method: Name of the method.
        seed: Seed of initialisation, order and dropout.
        **given: Values by name; ``None`` means that nothing was chosen.

    Raises:
        UsageError: There is no such method or option, or a value is out of range.
    """

    def __init__(self, method: str = "full", *, seed: int = DEFAULT_SEED, **given: Any) -> None:
        chosen = choose_options("finetune", method, given, seed=seed)
        super().__init__(chosen.method, chosen.declared, chosen.given, chosen.seed)


def finetune(
    model: str = "minilm-l6",
    corpus: Corpus | str = "imdb",
    options: MethodOptions | None = None,
    *,
    method: str = "full",
    seed: int = DEFAULT_SEED,
    output: str | Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
    **given: Any,
) -> RunRecord:
    """Train a classifier and test it.

    The run folder (see :func:`slmbench.methods.runs.make_run`) has in ``model/`` the Hugging Face files, LoRA merged,
    or the TF-IDF files; and, for LoRA, ``adapter/``.

    Args:
        model: Folder, run, starter item or hub name; ignored by a method that takes no model.
        corpus: From :func:`slmbench.corpora.load_corpus`, or the name or path that it takes.
        options: The method, its hyper-parameters and the seed, instead of giving them one by one.
        method: How the classifier is made (:data:`slmbench.methods.known_methods.METHODS`).
        seed: Seed of initialisation, order and dropout.
        output: The run folder; ``runs/MODEL-METHOD-CORPUS`` when not given.
        name: What tables call the run; the folder's name when not given.
        command: The command line, for the record.
        progress: Where progress is reported.
        **given: Hyper-parameters of the method, by the names of its declaration: ``epochs=2, learning_rate=1e-4``.

    Returns:
        The record; a run with the same inputs that is already there is returned as it is.

    Raises:
        UsageError: An option does not fit the model or the corpus, or the folder holds something else.
        SlmbenchError: A library is missing, the model cannot be had, or training failed.
    """
    options = options or TrainingOptions(method, seed=seed, **given)
    if isinstance(corpus, str):
        corpus = load_corpus(corpus, unlabelled_size=options.given.get("unlabelled", 0), progress=progress)
    if corpus.unlabelled and options.given.get("teacher") is None:
        raise UsageError("unlabelled reviews are for a teacher to label: pass --teacher, or use `slmbench adapt`")
    return make_run(
        method_of("finetune", options.method),
        model,
        corpus,
        options,
        output=Path(output) if output else None,
        name=name,
        command=command,
        progress=progress,
    )
