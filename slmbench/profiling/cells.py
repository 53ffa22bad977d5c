"""Which cells there are to measure, how, and which are measured already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from slmbench.edge.runtime import BATCH_TOKENS
from slmbench.energy import grid_factor
from slmbench.errors import SlmbenchError, UsageError
from slmbench.hardware import hardware_fingerprint, software_versions, usable_cores
from slmbench.records import BundleRecord, ProfileRecord, find_bundles, read_record
from slmbench.records.base import content_key, finished_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

R = TypeVar("R")

BACKENDS = ("onnxruntime",)
DEVICES = ("cpu",)
SCENARIOS = ("single", "offline", "server")


@dataclass(frozen=True)
class ProfileOptions:
    """How to measure.

    Attributes:
        forms: Forms to measure; ``None`` is all of a bundle.
        device: Where to run; :data:`DEVICES`.
        backend: What runs the ONNX file; :data:`BACKENDS`.
        threads: Threads inside one inference; ``None`` is the cores this process may use.
        processes: Fresh processes a cell; their spread is larger than that inside one.
        time_limit_s: Seconds a cell may sample for, over all its processes, loading not counted.
        scenario: What is timed; :data:`SCENARIOS`.
        batch_tokens: Token budget of a batch where batches are timed.
        qps: Reviews that arrive a second in the ``server`` scenario.
        max_p95_ms: In the ``server`` scenario without a rate: the highest rate is sought whose p95 keeps to this.
        grid: Carbon of electricity, in gCO2e/kWh or as a country's code (:func:`slmbench.energy.grid_factor`).
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
            raise UsageError(f"--device {self.device}: bundles are measured on {', '.join(DEVICES)}")
        if self.backend not in BACKENDS:
            raise UsageError(f"--backend {self.backend}: choose among {', '.join(BACKENDS)}")
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


def find_cells(bundles: Sequence[Path], options: ProfileOptions) -> list[Cell]:
    """Return what is to be measured, reading every bundle before anything is timed.

    Raises:
        UsageError: A folder is not a bundle and holds none, or has none of the forms.
        SlmbenchError: A bundle's record is damaged.
    """
    folders = find_bundles(bundles)
    cells = []
    for folder in folders:
        record = read_record(BundleRecord, folder / "bundle.json")
        chosen = [form for form in record.forms if options.forms is None or form in options.forms]
        if options.forms is not None and len(folders) == 1 and len(chosen) < len(options.forms):
            missing = ", ".join(form for form in options.forms if form not in record.forms)
            raise UsageError(f"{folder} has no form {missing}; it has: {', '.join(record.forms)}")
        cells += [Cell(folder, record, form) for form in chosen]
    if not cells:
        raise UsageError(f"no bundle has a form {', '.join(options.forms or ())}")
    return cells


def measure_each(
    cells: Iterable[Cell], measure: Callable[[Cell], R], failed: Callable[[Cell, SlmbenchError], None] | None
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


def profile_key(cell: Cell, options: ProfileOptions) -> str:
    """Return the hash of everything a cell's measurement depends on, machine and versions included."""
    form = cell.bundle.forms[cell.form]
    versions = software_versions()
    return content_key(
        stage="profile/2",
        bundle=cell.bundle.key,
        file=form.sha256,
        machine=hardware_fingerprint()["fingerprint"],
        backend=options.backend,
        device=options.device,
        threads=options.threads or usable_cores(),
        processes=options.processes,
        time_limit_s=options.time_limit_s,
        **_scenario_inputs(options),
        **({"grid": options.grid} if options.grid is not None else {}),
        versions={name: versions.get(name) for name in ("onnxruntime", "numpy", "tokenizers", "python")},
    )


def _scenario_inputs(options: ProfileOptions) -> dict[str, float | str]:
    """Return what a key holds besides, of scenarios that came later: keys of older records stay what they are."""
    if options.scenario == "single" and options.batch_tokens == BATCH_TOKENS:
        return {}
    inputs: dict[str, float | str] = {"scenario": options.scenario, "batch_tokens": options.batch_tokens}
    return inputs | {name: value for name in ("qps", "max_p95_ms") if (value := getattr(options, name)) is not None}


def finished_profile(cell: Cell, options: ProfileOptions, output: Path) -> Path | None:
    """Return the record of a cell when it was measured already, on a like machine with the same versions."""
    path = output / f"{profile_name(cell, options)}.json"
    return path if finished_record(ProfileRecord, path, profile_key(cell, options)) else None


def profile_name(cell: Cell, options: ProfileOptions) -> str:
    """Return the name of a cell's record, which is also its file's."""
    threads = options.threads or usable_cores()
    machine = hardware_fingerprint()["fingerprint"][:8]
    setting = f"{options.backend}-{options.device}-{threads}t"
    return f"{cell.folder.resolve().name}.{cell.form}.{setting}{_scenario_suffix(options)}.{machine}"


def _scenario_suffix(options: ProfileOptions) -> str:
    """Return what tells a record's name from that of another scenario; nothing for single reviews."""
    if options.scenario == "server":
        return f"-server-{options.qps:g}qps" if options.qps else f"-server-p95-{options.max_p95_ms:g}ms"
    batches = "" if options.batch_tokens == BATCH_TOKENS else f"-{options.batch_tokens}tokens"
    return ("" if options.scenario == "single" else f"-{options.scenario}") + batches
