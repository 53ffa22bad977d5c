"""How a bundle is served, and what a service refuses; the defaults of limits are text-embeddings-inference's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slmbench.common.errors import UsageError


@dataclass(frozen=True)
class ServeOptions:
    """How a bundle is served.

    Attributes:
        form: Form to run; ``None`` is the one the bundle chooses.
        workers: Texts answered at the same time, each with one thread; ``None`` is the usable cores, and one of
            bundles that numpy runs, which compute in one thread at a time.
        public_key: PEM file of the public key with whose private one every bundle has to be signed.
        verify: Whether a bundle is served only if it answers its fixed texts here as where it was exported.
        batch_ms: Latency budget of a batch: a worker answers what is waiting, and hands the answers back together
            after so long at most (ms).
        max_body_bytes: Largest body of a request (``--payload-limit`` there).
        max_inputs: Most texts of a request (``--max-client-batch-size`` there).
        max_characters: Longest text; there is no such limit there.
        max_queue: Most texts, and most requests, that are in the service at once (``--max-concurrent-requests``
            there).
        body_s: Time in which the body of a request has to arrive (s).
        watch_s: Pause between looks at the bundle's folder for another bundle (s); 0 does not look.
        drain_s: Time that requests in flight have to be answered once the service is asked to end (s).
        access_log: Whether each request is logged, without its texts.
    """

    form: str | None = None
    workers: int | None = None
    public_key: str | Path | None = None
    verify: bool = True
    batch_ms: float = 1.0
    max_body_bytes: int = 2_000_000
    max_inputs: int = 32
    max_characters: int = 100_000
    max_queue: int = 512
    body_s: float = 10.0
    watch_s: float = 2.0
    drain_s: float = 30.0
    access_log: bool = True

    def check(self) -> None:
        """Check the options.

        Raises:
            UsageError: A value is out of its range.
        """
        for name in ("max_body_bytes", "max_inputs", "max_characters", "max_queue", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
        for name in ("batch_ms", "body_s", "watch_s", "drain_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} must be at least 0, not {getattr(self, name)}")
        if self.max_inputs > self.max_queue:
            raise UsageError(
                f"--max-inputs {self.max_inputs} is more than --max-queue {self.max_queue}: none would fit"
            )
