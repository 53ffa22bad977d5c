"""Which cells there are to measure, how, and which are measured already."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.places import BUNDLES
from slmbench.edge.runtime import BATCH_TOKENS
from slmbench.instruments.energy import grid_factor
from slmbench.instruments.hardware import hardware_fingerprint, software_versions, usable_cores
from slmbench.profiling.subjects import describe_bundle
from slmbench.profiling.torch.runs import RunCell
from slmbench.records import BundleRecord, ProfileRecord, artefacts
from slmbench.records.base import content_key, finished_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from slmbench.common.progress import Progress
    from slmbench.profiling.subjects import Subject

C = TypeVar("C")
R = TypeVar("R")

BACKENDS = ("onnxruntime", "openvino", "torch")
DEVICES = ("cpu", "cuda")
#: Libraries whose version a measurement depends on; of providers, packages that bring them.
LIBRARIES = {
    "onnxruntime": ("onnxruntime", "numpy", "tokenizers", "python"),
    "openvino": ("onnxruntime-ep-openvino", "onnxruntime-openvino"),
    "cuda": ("onnxruntime-gpu",),
    "torch": ("torch", "transformers", "numpy", "tokenizers", "python"),
}
SCENARIOS = ("single", "offline", "server")


@dataclass(frozen=True)
class ProfileOptions:
    """How to measure.

    Attributes:
        forms: Forms to measure; ``None`` is all of a bundle, of a run each precision that the device has natively.
        device: Where to run; :data:`DEVICES`.
        backend: What runs the model: onnxruntime by itself or through OpenVINO, or torch; :data:`BACKENDS`.
        threads: Threads inside one inference; ``None`` is the cores this process may use.
        processes: Fresh processes a cell; their spread is larger than that inside one.
        time_limit_s: Seconds a cell may sample for, over all its processes, loading not counted.
        scenario: What is timed; :data:`SCENARIOS`.
        batch_tokens: Token budget of a batch where batches are timed.
        qps: Reviews that arrive a second in the ``server`` scenario.
        max_p95_ms: In the ``server`` scenario without a rate: the highest rate is sought whose p95 keeps to this.
        grid: Carbon of electricity, in gCO2e/kWh or as a country's code; see
            :func:`slmbench.instruments.energy.grid_factor`.
    """

    forms: tuple[str, ...] | None = None
    device: str = "cpu"
    backend: str = "onnxruntime"
    threads: int | None = None
    #: Student's t over processes makes the interval 2.5 standard errors wide with three of them, 1.2 with five.
    processes: int = 5
    time_limit_s: float = 20.0
    scenario: str = "single"
    batch_tokens: int = BATCH_TOKENS
    qps: float | None = None
    max_p95_ms: float | None = None
    grid: str | None = None

    def check(self) -> None:
        """Check the options.

        Raises:
            UsageError: A value is out of its range.
            SlmbenchError: A grid's country cannot be looked up.
        """
        if self.grid is not None:
            grid_factor(self.grid)
        if self.device not in DEVICES:
            raise UsageError(f"--device {self.device}: choose among {', '.join(DEVICES)}")
        if self.backend not in BACKENDS:
            raise UsageError(f"--backend {self.backend}: choose among {', '.join(BACKENDS)}")
        if self.backend == "openvino" and self.device != "cpu":
            raise UsageError(f"--backend openvino runs on the CPU: leave out --device {self.device}")
        for option, value in {"--threads": self.threads, "--processes": self.processes}.items():
            if value is not None and value < 1:
                raise UsageError(f"{option} must be at least 1, not {value}")
        if self.batch_tokens < 1:
            raise UsageError(f"--batch-tokens must be at least 1, not {self.batch_tokens}")
        limits = {"--time-limit": self.time_limit_s, "--qps": self.qps, "--max-p95-ms": self.max_p95_ms}
        for option, limit in limits.items():
            if limit is not None and not 0 < limit < float("inf"):
                raise UsageError(f"{option} must be above 0, not {limit}")
        self._check_scenario()

    def _check_scenario(self) -> None:
        if self.scenario not in SCENARIOS:
            raise UsageError(f"--scenario {self.scenario}: choose among {', '.join(SCENARIOS)}")
        rates = [option for option, value in (("--qps", self.qps), ("--max-p95-ms", self.max_p95_ms)) if value]
        if self.scenario == "server" and len(rates) != 1:
            raise UsageError("--scenario server needs --qps RATE, or --max-p95-ms X to find the highest rate")
        if self.scenario != "server" and rates:
            raise UsageError(f"{rates[0]} is an option of --scenario server")

    @property
    def provider(self) -> str:
        """What the edge runtime calls it: ``cpu``, ``cuda`` or ``openvino``."""
        return self.backend if self.backend == "openvino" else self.device

    def with_forms(self, *forms: str) -> ProfileOptions:
        """Return the same options for other forms."""
        return replace(self, forms=forms)


@dataclass(frozen=True)
class Cell:
    """One measurement to make: a form of a bundle."""

    folder: Path
    bundle: BundleRecord
    form: str

    @property
    def name(self) -> str:
        """Bundle and form."""
        return f"{self.bundle.name} {self.form}"

    @property
    def source(self) -> BundleRecord:
        """The record of what is measured."""
        return self.bundle

    @property
    def inputs(self) -> dict[str, str | None]:
        """What a key holds of it."""
        return {"bundle": self.bundle.key, "file": self.bundle.forms[self.form].sha256}

    def backend(self, options: ProfileOptions) -> str:
        """Return what runs it, as records name it: a bundle without an ONNX file has one of its own."""
        return options.backend if self.bundle.needs_onnxruntime else "numpy"

    def task(self, options: ProfileOptions) -> dict[str, Any]:
        """Return what the worker is told, but for the texts."""
        return {
            "bundle": str(self.folder),
            "form": self.form,
            "provider": options.provider,
            "threads": options.threads or usable_cores(),
        }

    def describe(self, options: ProfileOptions, progress: Progress) -> Subject:
        """Make it ready to be timed; see :func:`slmbench.profiling.subjects.describe_bundle`."""
        return describe_bundle(self, options, progress)


#: Either kind of measurement.
AnyCell = Cell | RunCell


def find_cells(bundles: Sequence[Path], options: ProfileOptions) -> list[Cell]:
    """Return what is to be measured of bundles, reading every one before anything is timed.

    Raises:
        UsageError: A folder is not a bundle and holds none, or has none of the forms; or runs are to be measured.
        SlmbenchError: A bundle's record is damaged.
    """
    if options.backend == "torch":
        raise UsageError("sweep and versus measure bundles: leave out --backend torch")
    folders = artefacts.find(bundles or [BUNDLES], BundleRecord)
    cells = []
    for folder in folders:
        record = artefacts.read(folder, BundleRecord)
        chosen = [form for form in record.forms if options.forms is None or form in options.forms]
        if options.forms is not None and len(folders) == 1 and len(chosen) < len(options.forms):
            missing = ", ".join(form for form in options.forms if form not in record.forms)
            raise UsageError(f"{folder} has no form {missing}; it has: {', '.join(record.forms)}")
        cells += [Cell(folder, record, form) for form in chosen]
    if not cells:
        raise UsageError(f"no bundle has a form {', '.join(options.forms or ())}")
    return cells


def check_output(output: Path) -> None:
    """Check, before anything is timed, that records can be put there.

    Raises:
        UsageError: It is a file.
    """
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file, not a folder")


def check_names(names: Sequence[str]) -> None:
    """Check, before anything is timed, that no record would take another's place.

    Raises:
        UsageError: Two records would have one name, which is made of their folders' names.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(
            f"the records of two folders would both be called {twice[0]} and would replace each other: measure one"
            " after the other, each with an --output of its own"
        )


def measure_each(
    cells: Iterable[C], measure: Callable[[C], R], failed: Callable[[C, SlmbenchError], None] | None
) -> Iterator[R]:
    """Measure cells one after another; one that fails lets the others go on.

    Args:
        cells: What to measure.
        measure: Measures one.
        failed: Called when a cell fails; without it the failure is raised.

    Yields:
        What each measurement gives.

    Raises:
        SlmbenchError: A cell failed and ``failed`` was not given.
    """
    for cell in cells:
        try:
            record = measure(cell)
        except SlmbenchError as error:
            if failed is None:
                raise
            failed(cell, error)
            continue
        yield record


def profile_key(cell: AnyCell, options: ProfileOptions) -> str:
    """Return the hash of everything a cell's measurement depends on, machine and versions included."""
    versions = software_versions()
    return content_key(
        stage="profile/3",
        **cell.inputs,
        machine=hardware_fingerprint()["fingerprint"],
        backend=options.backend,
        device=options.device,
        threads=options.threads or usable_cores(),
        processes=options.processes,
        time_limit_s=options.time_limit_s,
        **_scenario_inputs(options),
        **({"grid": options.grid} if options.grid is not None else {}),
        versions={name: versions.get(name) for name in _libraries(options)},
    )


def _libraries(options: ProfileOptions) -> tuple[str, ...]:
    """Return whose versions count; keys of onnxruntime on the CPU are what they were before there were others."""
    if options.backend == "torch":
        return LIBRARIES["torch"]
    return LIBRARIES["onnxruntime"] + LIBRARIES.get(options.provider, ())


def _scenario_inputs(options: ProfileOptions) -> dict[str, float | str]:
    """Return what a key holds besides, of scenarios that came later: keys of older records stay what they are."""
    if options.scenario == "single" and options.batch_tokens == BATCH_TOKENS:
        return {}
    inputs: dict[str, float | str] = {"scenario": options.scenario, "batch_tokens": options.batch_tokens}
    return inputs | {name: value for name in ("qps", "max_p95_ms") if (value := getattr(options, name)) is not None}


def finished_profile(cell: AnyCell, options: ProfileOptions, output: Path) -> Path | None:
    """Return the record of a cell when it was measured already, on a like machine with the same versions."""
    path = output / f"{profile_name(cell, options)}.json"
    return path if finished_record(ProfileRecord, path, profile_key(cell, options)) else None


def profile_name(cell: AnyCell, options: ProfileOptions) -> str:
    """Return the name of a cell's record, which is also its file's."""
    machine = hardware_fingerprint()["fingerprint"][:8]
    return f"{cell.folder.resolve().name}.{cell.form}.{setting_name(options)}{_scenario_suffix(options)}.{machine}"


def setting_name(options: ProfileOptions) -> str:
    """Return what names of records say of backend, device and threads."""
    return f"{options.backend}-{options.device}-{options.threads or usable_cores()}t"


def _scenario_suffix(options: ProfileOptions) -> str:
    """Return what tells a record's name from that of another scenario; nothing for single reviews."""
    if options.scenario == "server":
        return f"-server-{options.qps:g}qps" if options.qps else f"-server-p95-{options.max_p95_ms:g}ms"
    batches = "" if options.batch_tokens == BATCH_TOKENS else f"-{options.batch_tokens}tokens"
    return ("" if options.scenario == "single" else f"-{options.scenario}") + batches
