"""How to measure: the options of ``slmbench profile``, ``sweep`` and ``versus``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from slmbench.common.errors import UsageError
from slmbench.edge.runtime import BATCH_TOKENS
from slmbench.instruments.energy import grid_factor
from slmbench.instruments.hardware import usable_cores
from slmbench.profiling.backends import BACKENDS, ProfilingBackend

SCENARIOS = ("single", "offline", "server")


@dataclass(frozen=True)
class ProfileOptions:
    """How to measure.

    Attributes:
        forms: Forms to measure; ``None`` is all of a bundle, of a run each precision that the device has natively.
        device: Where to run, such as ``cpu`` or ``cuda``; one of the backend's devices.
        backend: What runs the model; one of :data:`slmbench.profiling.backends.BACKENDS`.
        threads: Threads inside one inference; ``None`` is the cores this process may use.
        processes: Fresh processes per cell; their spread is larger than that inside one.
        sessions: Sessions of measurement that the processes are split over, at least two to each.
        session_gap_min: Pause between sessions (min).
        time_limit_s: Maximum sampling time per cell (s), over all its processes, loading not counted.
        scenario: What is timed; :data:`SCENARIOS`.
        batch_tokens: Token budget of a batch where batches are timed.
        qps: Reviews that arrive per second in the ``server`` scenario.
        max_p95_ms: In the ``server`` scenario without a rate: find the highest rate whose p95 stays within this.
        url: In the ``server`` scenario with a rate: measure the service there, which serves the bundle
            (:mod:`slmbench.profiling.outside`), instead of a process of one's own.
        sustained_s: In the ``single`` scenario: let one more process work for so long (s) without a pause, and trace
            it; see :mod:`slmbench.profiling.sustained`.
        grid: Carbon of electricity, in gCO2e/kWh or as a country's code; see
            :func:`slmbench.instruments.energy.grid_factor`.
    """

    forms: tuple[str, ...] | None = None
    device: str = "cpu"
    backend: str = "onnxruntime"
    threads: int | None = None
    #: Student's t over processes makes the interval 2.5 standard errors wide with three of them, 1.2 with five.
    processes: int = 5
    sessions: int = 1
    session_gap_min: float = 30.0
    time_limit_s: float = 20.0
    scenario: str = "single"
    batch_tokens: int = BATCH_TOKENS
    qps: float | None = None
    max_p95_ms: float | None = None
    url: str | None = None
    sustained_s: float | None = None
    grid: str | None = None

    def check(self) -> None:
        """Check the options.

        Raises:
            UsageError: A value is out of its range.
            SlmbenchError: A grid's country cannot be looked up.
        """
        if self.grid is not None:
            grid_factor(self.grid)
        self.runs_on.check_device(self.device)
        counts = {"--threads": self.threads, "--processes": self.processes, "--batch-tokens": self.batch_tokens}
        for option, value in counts.items():
            if value is not None and value < 1:
                raise UsageError(f"{option} must be at least 1, not {value}")
        self.check_sessions()
        limits = {
            "--time-limit": self.time_limit_s,
            "--qps": self.qps,
            "--max-p95-ms": self.max_p95_ms,
            "--sustained": self.sustained_s,
        }
        for option, limit in limits.items():
            if limit is not None and not 0 < limit < float("inf"):
                raise UsageError(f"{option} must be above 0, not {limit}")
        self._check_scenario()

    def check_sessions(self) -> None:
        """Check that each session has at least two processes.

        Raises:
            UsageError: It has not, or the pause is out of range.
        """
        if self.sessions < 1 or (self.sessions > 1 and self.processes < 2 * self.sessions):
            raise UsageError(
                f"--sessions {self.sessions}: give 1, or more with two processes for each (--processes"
                f" {max(2, 2 * self.sessions)} or more, it is {self.processes})"
            )
        if not 0 <= self.session_gap_min < float("inf"):
            raise UsageError(f"--session-gap must be at least 0, not {self.session_gap_min}")

    def _check_scenario(self) -> None:
        if self.scenario not in SCENARIOS:
            raise UsageError(f"--scenario {self.scenario}: choose among {', '.join(SCENARIOS)}")
        rates = [option for option, value in (("--qps", self.qps), ("--max-p95-ms", self.max_p95_ms)) if value]
        if self.scenario == "server" and len(rates) != 1:
            raise UsageError("--scenario server needs --qps RATE, or --max-p95-ms X to find the highest rate")
        if self.scenario != "server" and rates:
            raise UsageError(f"{rates[0]} is an option of --scenario server")
        if self.url is not None and (self.scenario != "server" or self.qps is None):
            raise UsageError("--url measures a service at a rate: add --scenario server --qps RATE")
        if self.url is not None and (self.threads or self.forms or self.backend != "onnxruntime"):
            raise UsageError(
                "--url measures the form and threads of the service: leave out --form, --threads, --backend"
            )
        if self.scenario != "single" and self.sustained_s is not None:
            raise UsageError(f"--sustained traces reviews one at a time: leave out --scenario {self.scenario}")

    @property
    def runs_on(self) -> ProfilingBackend:
        """The backend's declaration.

        Raises:
            UsageError: There is no such backend.
            SlmbenchError: The package that adds it cannot be imported.
        """
        return BACKENDS[self.backend]

    @property
    def as_exported(self) -> bool:
        """Whether forms compute as they did when they were exported, so that the accuracy in the bundle holds."""
        return self.device in self.runs_on.exported_on

    @property
    def answers_in(self) -> int | None:
        """Token budget of the batches whose labels count: those that are timed offline; else ``None``."""
        return self.batch_tokens if self.scenario == "offline" else None

    @property
    def threads_used(self) -> int:
        """Threads inside one inference."""
        return self.threads or usable_cores()

    def with_forms(self, *forms: str) -> ProfileOptions:
        """Return the same options for other forms."""
        return replace(self, forms=forms)
