"""Runs in torch: which forms of them there are to measure, and what each answers to the test reviews.

A form in torch is a precision and a way to run it, and is nowhere written down: so its accuracy is measured here, in
a process of the kind that is timed afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, require_extra
from slmbench.common.files import folder_bytes
from slmbench.common.places import RUNS
from slmbench.instruments.hardware import usable_cores
from slmbench.profiling.answering import JUST_ANSWERED, all_test_reviews, ask_all, other_labels
from slmbench.profiling.subjects import Subject
from slmbench.profiling.workload import REVIEWS, workload_of
from slmbench.records import Predictions, RunRecord, artefacts
from slmbench.records.predictions import REGIME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slmbench.common.progress import Progress
    from slmbench.profiling.cells import ProfileOptions

#: What files with a model's weights end in.
WEIGHTS = (".safetensors", ".bin")


@dataclass(frozen=True)
class RunCell:
    """One measurement to make: a run in a precision and mode of torch."""

    folder: Path
    run: RunRecord
    precision: str
    mode: str

    @property
    def form(self) -> str:
        """What records call the form, such as ``torch-bf16``."""
        from slmbench.profiling.torch.forward import form_name

        return form_name(self.precision, self.mode)

    @property
    def name(self) -> str:
        """Run and form."""
        return f"{self.run.name} {self.form}"

    @property
    def source(self) -> RunRecord:
        """The record of what is measured."""
        return self.run

    @property
    def inputs(self) -> dict[str, str | None]:
        """What a key holds of it."""
        return {"run": self.run.key, "file": self.run.weights_sha256, "form": self.form}

    def task(self, options: ProfileOptions) -> dict[str, Any]:
        """Return what the worker is told, but for the texts."""
        return {
            "run": str(self.folder),
            "form": self.form,
            "device": options.device,
            "precision": self.precision,
            "mode": self.mode,
            "threads": options.threads or usable_cores(),
        }

    def describe(self, options: ProfileOptions, progress: Progress) -> Subject:
        """Make it ready to be timed; see :func:`describe_run`."""
        return describe_run(self, options, progress)


def find_run_cells(runs: Sequence[Path], options: ProfileOptions) -> list[RunCell]:
    """Return what is to be measured, reading every run's record before anything is timed.

    Args:
        runs: Run folders, or folders of runs; ``runs/`` when there are none.
        options: How; without forms every precision that the device has natively, not compiled.

    Raises:
        UsageError: A folder is not a run and holds none, or the device has no such form.
        SlmbenchError: A record is damaged, or torch or the device is not there.
    """
    folders = artefacts.find(runs or [RUNS], RunRecord, option="--backend torch")
    require_extra("torch", "train", "profiling a run in torch")
    from slmbench.instruments.devices import choose_device
    from slmbench.profiling.torch.forward import native_precisions, parse_form

    if options.forms is None:
        forms = [(precision, "eager") for precision in native_precisions(options.device)]
    else:
        forms = list(dict.fromkeys(parse_form(form, options.device) for form in options.forms))
        if options.device != "cpu":
            choose_device(options.device)
    records = {folder: artefacts.read(folder, RunRecord) for folder in folders}
    return [RunCell(folder, records[folder], precision, mode) for folder in folders for precision, mode in forms]


def describe_run(cell: RunCell, options: ProfileOptions, progress: Progress) -> Subject:
    """Describe a run's form, once it has answered every test review.

    Raises:
        SlmbenchError: The reviews are not at hand or have changed, or the model does not load.
    """
    from slmbench.profiling.torch.forward import GRAPH_TOKENS

    padded = f"one review at a time, padded to multiples of {GRAPH_TOKENS} tokens"
    run, task = cell.run, cell.task(options)
    try:
        reviews = all_test_reviews(run.corpus)
    except SlmbenchError as error:
        raise SlmbenchError(
            f"the accuracy of {run.name} in torch cannot be measured: {error}: bring them here (`slmbench fetch` for"
            " starter corpora), or profile its bundle"
        ) from None
    probabilities, tokens = ask_all(task, reviews.texts, cell.name, progress)
    predictions = Predictions.of(run.predictions.labels, reviews.row_ids, reviews.labels, probabilities)
    workload = workload_of(run.corpus, reviews.texts[:REVIEWS], tokens[:REVIEWS], reviews.row_ids[:REVIEWS])
    differing = other_labels(predictions, run.predictions)
    model = cell.folder / "model"
    return Subject(
        task={**task, "texts": workload.texts},
        workload=workload,
        backend="torch",
        threads=task["threads"],
        labels=run.predictions.labels,
        accepted=True,
        reason=f"{differing} of {len(reviews)} test reviews get another label than the run gave them",
        predictions=predictions,
        regime=padded if cell.mode == "graphs" else REGIME,
        elsewhere=JUST_ANSWERED,
        model_bytes=sum(file.stat().st_size for file in model.iterdir() if file.suffix in WEIGHTS),
        size_bytes=folder_bytes(model),
        warnings=[],
    )
