"""Packages whose public names are imported on first use, and packages that share their name with a stage.

Called, ``slmbench.export`` and ``slmbench.compare`` run the stage.
``import slmbench.export.forms`` binds the attribute ``export`` of ``slmbench`` to the package, whatever stood there
before; so the package itself has to be what ``slmbench.export(run)`` calls. Replacing a module's class is what
Python's data model documents for such cases ("Customizing module attribute access").
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class StagePackage(ModuleType):
    """A package that can be called: it calls the function of its own name in it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the stage; arguments, result and errors are the function's."""
        return self._stage(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's signature, for help in editors and notebooks."""
        return inspect.signature(self._stage)

    @property
    def _stage(self) -> Callable[..., Any]:
        return getattr(self, self.__name__.rpartition(".")[2])


def make_callable(package: str) -> None:
    """Make a package call its stage function.

    Args:
        package: Its ``__name__``; the package has a function of the last part of that name.
    """
    sys.modules[package].__class__ = StagePackage


def on_first_use(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package that imports its public names when they are first asked for.

    Args:
        package: Its ``__name__``.
        modules: By public name, the module of the package that has it.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return get
