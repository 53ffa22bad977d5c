"""Registries: methods, forms, backends, engines, corpus sources, metrics are declared once; packages add more.

A package adds an entry by an entry point whose name is the entry's and whose object is the declaration::

    [project.entry-points."slmbench.metrics"]
    mcc = "my_package:MCC"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, Protocol, TypeVar

from slmbench.common.errors import SlmbenchError, UsageError, first_line
from slmbench.common.suggestions import did_you_mean


class Named(Protocol):
    """What a registry holds: anything with a name."""

    @property
    def name(self) -> str:
        """What commands, recipes and records call it."""


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Declarations by name: the built-in ones first, in their order, then those of installed packages.

    Args:
        noun: What an entry is, in the singular, for messages: ``method``.
        group: Entry point group that packages add to: ``slmbench.methods``.
        builtin: The declarations of slmbench itself.
    """

    def __init__(self, noun: str, group: str, builtin: Iterable[T]) -> None:
        self.noun = noun
        self.group = group
        self._entries: dict[str, T] = {entry.name: entry for entry in builtin}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name; a package's entries are listed without being imported."""
        return (*self._entries, *(name for name in self._plugins if name not in self._entries))

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._plugins

    def __iter__(self) -> Iterator[T]:
        return (self[name] for name in self.names)

    def __getitem__(self, name: str) -> T:
        """Return an entry.

        Raises:
            UsageError: There is none of that name; the message lists those that exist.
            SlmbenchError: It belongs to an installed package that cannot be imported.
        """
        if name not in self._entries:
            if name not in self._plugins:
                hint = did_you_mean(name, self.names)
                raise UsageError(f"there is no {self.noun} '{name}'{hint} ({self.noun}s: {', '.join(self.names)})")
            self._entries[name] = self._load(self._plugins[name])
        return self._entries[name]

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            taken = "slmbench" if point.name in self._entries else _package(found.get(point.name))
            if taken is not None and taken != _package(point):
                raise SlmbenchError(
                    f"the package {_package(point)} adds a {self.noun} '{point.name}', and {taken} already has one:"
                    " uninstall one of them"
                )
            found[point.name] = point
        return found

    def _load(self, point: EntryPoint) -> T:
        try:
            entry: T = point.load()
        except Exception as error:  # a package may fail in any way when it is imported
            raise SlmbenchError(
                f"the {self.noun} '{point.name}' of the package {_package(point)} cannot be loaded:"
                f" {first_line(error)}"
            ) from error
        if getattr(entry, "name", None) != point.name:
            raise SlmbenchError(
                f"the entry point '{point.name}' of the package {_package(point)} ({point.value}) is not a"
                f" {self.noun} of that name"
            )
        return entry


def _package(point: EntryPoint | None) -> str | None:
    if point is None:
        return None
    return point.dist.name if point.dist else point.value
