"""The few-shot methods by name, each loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.common.errors import UsageError

if TYPE_CHECKING:
    from slmbench.methods.fewshot.answering import FewshotOptions


class _Method(NamedTuple):
    """Where a method's options are, and which of them it does not share with all others."""

    module: str
    options: str
    own: frozenset[str]


_METHODS = {
    "cloze": _Method("cloze", "ClozeOptions", frozenset({"template", "words", "top_n", "protocol", "inherit_from"})),
    "setfit": _Method("setfit", "SetfitOptions", frozenset({"epochs", "batch_size", "learning_rate", "pairs"})),
    "probe": _Method("probe", "ProbeOptions", frozenset()),
    "nli": _Method("nli", "NliOptions", frozenset({"template", "words"})),
    "prompt": _Method("prompt", "PromptOptions", frozenset({"template", "words", "protocol", "answer_by", "chat"})),
}
METHODS = tuple(_METHODS)


def method_options(method: str, own: dict[str, Any], **shared: Any) -> FewshotOptions:
    """Return the options of a method.

    Args:
        method: One of :data:`METHODS`.
        own: Options that not every method has, as they were given.
        **shared: Options that every method has: shots, seed, max_length, device.

    Raises:
        UsageError: There is no such method, or it has no such option.
    """
    if method not in _METHODS:
        raise UsageError(f"--method {method}: choose one of {', '.join(METHODS)}")
    known = _METHODS[method]
    for name in own:
        if name not in known.own:
            raise UsageError(f"--{name.replace('_', '-')} is no option of --method {method}")
    options = getattr(import_module(f"slmbench.methods.fewshot.{known.module}"), known.options)
    return options(**own, **shared)
