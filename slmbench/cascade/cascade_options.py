"""The options of a cascade."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slmbench.common.errors import UsageError


@dataclass(frozen=True)
class CascadeOptions:
    """How to put two models together.

    Attributes:
        threshold: Minimum probability with which the small model's label is kept; ``None`` chooses it.
        max_routed: Maximum share of reviews that a chosen threshold sends to the large model.
        small_form: Form of the small member; the smallest accepted one of a bundle, fp32 of a run when ``None``.
        large_form: The same of the large one.
        validation_size: Maximum number of reviews that choose the threshold.
        profiles: Profiles of the small and the large member; their mean latencies are used instead of the times
            measured here.
    """

    threshold: float | None = None
    max_routed: float | None = None
    small_form: str | None = None
    large_form: str | None = None
    validation_size: int = 1000
    profiles: tuple[Path, Path] | None = None

    def check(self) -> None:
        """Check the options.

        Raises:
            UsageError: A value is out of its range, or two contradict each other.
        """
        for option, value in {"--threshold": self.threshold, "--max-routed": self.max_routed}.items():
            if value is not None and not 0 < value <= 1:
                raise UsageError(f"{option} must be above 0 and at most 1, not {value:g}")
        if self.threshold is not None and self.max_routed is not None:
            raise UsageError("--threshold and --max-routed contradict each other: give one")
        if self.validation_size < 1:
            raise UsageError(f"--validation-size must be at least 1, not {self.validation_size}")
        for path in self.profiles or ():
            if not path.is_file():
                raise UsageError(f"there is no profile {path}")
