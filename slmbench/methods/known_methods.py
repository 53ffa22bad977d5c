"""The methods there are: built-in ones, and those that installed packages add (entry points ``slmbench.methods``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.registry import Registry
from slmbench.common.suggestions import did_you_mean
from slmbench.methods.declarations.fewshot import FEWSHOT
from slmbench.methods.declarations.training import TRAINING
from slmbench.methods.method import Method, Stage
from slmbench.methods.options import DEFAULT_SEED, MethodOptions

_BUILTIN: tuple[Method, ...] = (*TRAINING, *FEWSHOT)
METHODS: Registry[Method] = Registry("method", "slmbench.methods", _BUILTIN)
#: What people ask for as a method and is a command of its own: the command, and what it does.
_COMMANDS = {
    "mlm": ("adapt", "reading texts without their labels"),
    "cascade": ("cascade", "joining a small classifier and a large one"),
}


def methods_of(stage: Stage) -> list[Method]:
    """Return the methods of a command."""
    return [method for method in METHODS if method.stage == stage]


def loadable_methods(stage: Stage) -> list[Method]:
    """Return the methods of a command for its help; packages that cannot be imported are left out."""
    found = []
    try:
        names: Sequence[str] = METHODS.names
    except SlmbenchError:
        names = [method.name for method in _BUILTIN]
    for name in names:
        with suppress(SlmbenchError):
            found.append(METHODS[name])
    return [method for method in found if method.stage == stage]


def picks_epoch(name: str) -> bool:
    """Return whether a method uses validation rows only to pick an epoch.

    Args:
        name: Name of the method in a record; ``False`` is returned when its package is not installed any more.
    """
    return name in METHODS and METHODS[name].picks_epoch


def method_of(stage: Stage, name: str) -> Method:
    """Return a method of a command by its name.

    Raises:
        UsageError: There is no such method, or it belongs to another command; the message names what to use.
    """
    if name not in METHODS and name in _COMMANDS:
        command, what = _COMMANDS[name]
        raise UsageError(f"'{name}' is no method of {stage}: {what} is a command of its own: slmbench {command}")
    if name not in METHODS:
        names = [method.name for method in methods_of(stage)]
        hint = did_you_mean(name, METHODS.names)
        raise UsageError(f"there is no method '{name}'{hint} (methods of {stage}: {', '.join(names)})")
    method = METHODS[name]
    if method.stage != stage:
        raise UsageError(f"'{name}' is a method of `slmbench {method.stage}`, not of `slmbench {stage}`")
    return method


def choose_options(stage: Stage, name: str, given: Mapping[str, Any], *, seed: int = DEFAULT_SEED) -> MethodOptions:
    """Return options of a method of a command.

    Args:
        stage: The command.
        name: The method.
        given: Values by name; ``None`` means that nothing was chosen.
        seed: Seed of everything random.

    Raises:
        UsageError: There is no such method or option, a value is out of range, or options contradict each other.
            For an option of other methods the message names these.
    """
    method = method_of(stage, name)
    own = {option.name for option in method.options}
    for key in (key for key, value in given.items() if value is not None and key not in own):
        if others := methods_with(key):
            flag = next(option.flag for option in METHODS[others[0]].options if option.name == key)
            raise UsageError(f"{flag} is no option of method '{name}'; methods that have it: {', '.join(others)}")
    return method.choose(given, seed=seed)


def methods_with(option: str) -> list[str]:
    """Return the names of the methods that have an option."""
    return [method.name for method in METHODS if any(one.name == option for one in method.options)]
