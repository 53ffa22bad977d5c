"""Few labels or none: cloze, linear probe, SetFit, entailment, prompted language models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slmbench.common.progress import SILENT
from slmbench.methods.registry import method_of
from slmbench.methods.runs import make_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.options import MethodOptions
    from slmbench.records import RunRecord

__all__ = ["fewshot"]


def fewshot(
    model: str,
    corpus: Corpus,
    options: MethodOptions,
    *,
    output: Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> RunRecord:
    """Classify the test reviews with few labelled examples, or none.

    Args:
        model: Folder, run, starter item or hub name.
        corpus: From :func:`slmbench.corpora.load_corpus`; examples are drawn from its training rows.
        options: The method and its options, such as ``method_of("fewshot", "cloze").choose({"shots": 2})``.
        output: The run folder; ``runs/MODEL-METHOD-VARIANT-CORPUS`` when not given.
        name: The run's name in tables; the folder's name when not given.
        command: The command line, for the record.
        progress: Receives progress.

    Returns:
        The record; an existing run with the same inputs is returned unchanged.

    Raises:
        UsageError: The model does not exist or does not fit the method, an option does not fit the corpus, or the
            folder contains something else.
        SlmbenchError: A library or weights are missing, or training failed.
    """
    method = method_of("fewshot", options.method)
    return make_run(method, model, corpus, options, output=output, name=name, command=command, progress=progress)
