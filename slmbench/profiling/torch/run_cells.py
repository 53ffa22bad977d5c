"""Cells of runs in torch: which forms there are to measure, and what a profile says of one.

A form in torch is a precision and a mode; it exists only while it runs. So the profile measures its accuracy, in a
process of the kind that is timed afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import folder_bytes
from slmbench.common.places import RUNS
from slmbench.common.progress import Progress
from slmbench.profiling.agreement import JUST_ANSWERED, all_test_reviews, ask_all, other_labels
from slmbench.profiling.backends import TORCH
from slmbench.profiling.prepared import PreparedCell, task_of
from slmbench.profiling.profile_options import ProfileOptions
from slmbench.profiling.torch.forward import GRAPH_TOKENS, form_name, native_precisions, parse_form
from slmbench.profiling.workload import workload_of
from slmbench.records import Predictions, RunRecord, artefacts
from slmbench.records.predictions import REGIME, batched_regime

#: Suffixes of files with weights.
WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True)
class RunCell:
    """A run in a precision and mode of torch; see :class:`slmbench.profiling.prepared.AnyCell`."""

    folder: Path
    run: RunRecord
    precision: str
    mode: str

    @property
    def form(self) -> str:
        """What records call the form, such as ``torch-bf16``."""
        return form_name(self.precision, self.mode)

    @property
    def name(self) -> str:
        """Run and form."""
        return f"{self.run.name} {self.form}"

    @property
    def source(self) -> RunRecord:
        """The run's record."""
        return self.run

    @property
    def inputs(self) -> dict[str, str | None]:
        """What the key of a profile holds of it."""
        return {"run": self.run.key, "file": self.run.weights_sha256, "form": self.form}

    @property
    def same_everywhere(self) -> bool:
        """Never: every precision and device computes in its own way."""
        return False

    def prepare(self, options: ProfileOptions, progress: Progress) -> PreparedCell:
        """Make it ready to be timed; see :func:`prepare_run`."""
        return prepare_run(self, options, progress)


def find_run_cells(runs: Sequence[Path], options: ProfileOptions) -> list[RunCell]:
    """Return what is to be measured, reading every run's record before anything is timed.

    Args:
        runs: Run folders, or folders of runs; ``runs/`` when there are none.
        options: How; without forms every precision that the device has natively, not compiled.

    Raises:
        UsageError: A folder is not a run and holds none, or the device has no such form.
        SlmbenchError: A record is damaged, or torch or the device is not available.
    """
    folders = artefacts.find(runs or [RUNS], RunRecord, option="--backend torch")
    given = None
    if options.forms is not None:
        given = list(dict.fromkeys(parse_form(form, options.device) for form in options.forms))
    TORCH.check_available(options.device)
    forms = given or [(precision, "eager") for precision in native_precisions(options.device)]
    records = {folder: artefacts.read(folder, RunRecord) for folder in folders}
    return [RunCell(folder, records[folder], precision, mode) for folder in folders for precision, mode in forms]


def prepare_run(cell: RunCell, options: ProfileOptions, progress: Progress) -> PreparedCell:
    """Let a form answer every test review, and return what a profile says of it.

    Raises:
        SlmbenchError: The reviews are not on this machine or have changed, or the model does not load.
    """
    regime = REGIME
    if options.answers_in is not None:
        regime = batched_regime(options.answers_in)
    elif cell.mode == "graphs":
        regime = f"one review at a time, padded to multiples of {GRAPH_TOKENS} tokens"
    run, task = cell.run, task_of(cell.folder, cell.form, options)
    try:
        reviews = all_test_reviews(run.corpus)
    except SlmbenchError as error:
        raise SlmbenchError(
            f"the accuracy of {run.name} in torch cannot be measured: {error}: copy them to this machine (`slmbench"
            " fetch` for starter corpora), or profile its bundle"
        ) from None
    probabilities, tokens = ask_all(task, reviews.texts, cell.name, progress, options.answers_in)
    predictions = Predictions.of(run.predictions.labels, reviews.row_ids, reviews.labels, probabilities)
    workload = workload_of(run.corpus, reviews.texts, tokens, reviews.row_ids)
    differing = other_labels(predictions, run.predictions)
    model = cell.folder / "model"
    return PreparedCell(
        task={**task, "texts": workload.texts},
        workload=workload,
        backend=TORCH.name,
        threads=options.threads_used,
        labels=run.predictions.labels,
        accepted=True,
        verdict="accepted",
        reason=f"{differing} of {len(reviews)} test reviews get another label than the run gave them",
        predictions=predictions,
        regime=regime,
        elsewhere=JUST_ANSWERED,
        model_bytes=sum(file.stat().st_size for file in model.iterdir() if file.suffix in WEIGHTS),
        size_bytes=folder_bytes(model),
        warnings=[],
    )
