"""Options of a training, by the name of its method."""

from __future__ import annotations

from typing import Any

from slmbench.methods.options import DEFAULT_SEED, MethodOptions
from slmbench.methods.registry import method_of


class TrainingOptions(MethodOptions):
    """Options of a method of ``slmbench finetune``; the methods' declarations say what there is.

    Args:
        method: Name of the method.
        seed: Seed of initialisation, order and dropout.
        **given: Values by name; ``None`` means that nothing was chosen.

    Raises:
        UsageError: There is no such method or option, or a value is out of range.
    """

    def __init__(self, method: str = "full", *, seed: int = DEFAULT_SEED, **given: Any) -> None:
        chosen = method_of("finetune", method).choose(given, seed=seed)
        super().__init__(chosen.method, chosen.declared, chosen.given, chosen.seed)
