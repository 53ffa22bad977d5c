"""The ``finetune`` stage: corpus and base model in, run folder and record out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.common.errors import UsageError, require_extra
from slmbench.common.progress import SILENT
from slmbench.methods.runs import default_folder, make_run
from slmbench.methods.training.options import FROZEN, TrainingOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.runs import Making
    from slmbench.records import RunRecord


def finetune(
    model: str,
    corpus: Corpus,
    options: TrainingOptions | None = None,
    *,
    output: Path | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> RunRecord:
    """Train a classifier and test it.

    The run folder (see :func:`slmbench.methods.runs.make_run`) has in ``model/`` the Hugging Face files, LoRA merged,
    or the TF-IDF files; and, for LoRA, ``adapter/``.

    Args:
        model: Folder, starter item or hub name; ignored by ``tfidf``.
        corpus: From :func:`slmbench.corpora.load_corpus`.
        options: Hyper-parameters.
        output: The run folder; ``runs/MODEL-METHOD-CORPUS`` when not given.
        name: What tables call the run; the folder's name when not given.
        command: The command line, for the record.
        progress: Where to say how far it is.

    Returns:
        The record; a run with the same inputs that is already there is returned as it is.

    Raises:
        SlmbenchError: Something the user can mend; see the message.
    """
    options = options or TrainingOptions()
    options.check()
    if corpus.unlabelled and options.teacher is None:
        raise UsageError("unlabelled reviews are of use with a teacher only: pass --teacher, or --method mlm")
    if options.method == "tfidf":
        require_extra("sklearn", "train", "the TF-IDF floor")
        from slmbench.methods.training.floor import FloorTraining

        model = "tfidf"
        making: Making = FloorTraining(corpus, options)
    elif options.method == "pretrained":
        require_extra("torch", "train", "testing a published classifier")
        from slmbench.methods.training.pretrained import PretrainedClassifier

        making = PretrainedClassifier(model, corpus, options, progress)
    elif options.method in FROZEN:
        require_extra("torch", "train", "fine-tuning")
        from slmbench.methods.training.frozen import FrozenHeadTraining

        making = FrozenHeadTraining(model, corpus, options, progress)
    else:
        require_extra("torch", "train", "fine-tuning")
        from slmbench.methods.training.transformer import TransformerTraining

        making = TransformerTraining(model, corpus, options, progress)
    return make_run(
        making,
        corpus,
        method=options.method,
        seed=options.seed,
        folder=output or _default_folder(model, corpus.name, options),
        name=name,
        command=command,
        progress=progress,
    )


def _default_folder(model: str, corpus: str, options: TrainingOptions) -> Path:
    words = [f"{options.layers}layers"] if options.layers is not None else []
    if options.method != model:
        words.append(options.method)
    if options.teacher:
        words.append(f"from-{Path(options.teacher).name}")
    return default_folder(model, corpus, options.seed, *words)
