"""The ``fewshot`` stage: a pretrained model and a handful of labels in, a run with its answers out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from slmbench.common.errors import UsageError, require_extra
from slmbench.common.progress import SILENT
from slmbench.methods.declarations.shared import MIN_TOKENS
from slmbench.methods.options import DEFAULT_SEED
from slmbench.methods.runs.run_folder import default_folder, write_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.common.progress import Progress
    from slmbench.corpora import Corpus
    from slmbench.methods.runs import RunMethod
    from slmbench.records import RunRecord


@dataclass(frozen=True)
class FewshotOptions:
    """What every few-shot method lets one choose; each method adds its own.

    Attributes:
        shots: Labelled examples per label.
        seed: Seed of the examples and of everything else random.
        max_length: Longest input in tokens; ``None`` is the method's own default.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    #: The method's name in records and commands.
    method: ClassVar[str]

    shots: int = 0
    seed: int = DEFAULT_SEED
    max_length: int | None = None
    device: str = "auto"

    def check(self) -> None:
        """Check what can be checked without a model.

        Raises:
            UsageError: A value is out of its range.
        """
        if self.shots < 0:
            raise UsageError(f"--shots must be at least 0, not {self.shots}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed must be at least 0 and below 2^32, not {self.seed}")
        if self.max_length is not None and self.max_length < MIN_TOKENS:
            raise UsageError(f"--max-length must be at least {MIN_TOKENS}, not {self.max_length}")

    def making(self, model: str, corpus: Corpus, progress: Progress) -> RunMethod:
        """Return the method with every choice settled.

        Raises:
            SlmbenchError: The model cannot be had, or an option does not fit it.
        """
        raise NotImplementedError

    def variant(self) -> list[str]:
        """Return the words that tell runs of one method, model and corpus apart in the names of their folders."""
        return [f"{self.shots}shot"]

    def hyperparameters(self) -> dict[str, Any]:
        """Return what belongs in the run's record: everything chosen but the seed, which it has of its own."""
        return {name: value for name, value in asdict(self).items() if name != "seed"}


def fewshot(
    model: str,
    corpus: Corpus,
    options: FewshotOptions,
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
        options: Options of the method wanted, such as :class:`slmbench.methods.fewshot.cloze.ClozeOptions`.
        output: The run folder; ``runs/MODEL-METHOD-VARIANT-CORPUS`` when not given.
        name: What tables call the run; the folder's name when not given.
        command: The command line, for the record.
        progress: Where to say how far it is.

    Returns:
        The record; a run with the same inputs that is already there is returned as it is.

    Raises:
        SlmbenchError: Something the user can mend; see the message.
    """
    options.check()
    require_extra("torch", "train", "few-shot classification")
    making = options.making(model, corpus, progress)
    return write_run(
        making,
        corpus,
        method=options.method,
        seed=options.seed,
        folder=output or default_folder(model, corpus.name, options.seed, options.method, *options.variant()),
        name=name,
        command=command,
        progress=progress,
    )
