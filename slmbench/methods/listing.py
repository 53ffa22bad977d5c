"""The options of all methods of a stage, each listed once: for ``--help``, and for the tables in the documentation.

``python -m slmbench.methods.listing docs/fewshot.md docs/training.md`` rewrites the tables in these files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slmbench.methods.declarations.training import ADAPTATION
from slmbench.methods.known_methods import loadable_methods
from slmbench.methods.method import Method, Stage
from slmbench.methods.options import Option

#: Panels of the options that several methods of a stage have.
SHARED: dict[Stage, str] = {"finetune": "Training options", "fewshot": "Options of several methods"}
_TABLE = re.compile(r"(<!-- options of (finetune|fewshot|adapt) -->\n).*?(<!-- end of options -->)", re.DOTALL)


@dataclass(frozen=True)
class ListedOption:
    """An option and the methods that have it.

    Attributes:
        methods: The methods, in their order.
        declared: The option as each of them declares it.
    """

    methods: tuple[Method, ...]
    declared: tuple[Option, ...]

    @property
    def panel(self) -> str:
        """Its heading in the help."""
        method = self.methods[0]
        return self.declared[0].panel or (SHARED[method.stage] if len(self.methods) > 1 else f"Method {method.name}")

    @property
    def shown_default(self) -> str:
        """The default of each method as a phrase."""
        methods: dict[str, list[str]] = {}
        for method, option in zip(self.methods, self.declared, strict=True):
            methods.setdefault(option.shown_default, []).append(method.name)
        if len(methods) == 1:
            return next(iter(methods))
        return "; ".join(f"{', '.join(names)}: {default}" for default, names in methods.items())


def list_options(methods: Iterable[Method]) -> list[ListedOption]:
    """Return the options of some methods, each once, in the order of their first declaration."""
    by_name: dict[str, list[tuple[Method, Option]]] = {}
    for method in methods:
        for option in method.options:
            by_name.setdefault(option.name, []).append((method, option))
    return [ListedOption(*zip(*owners, strict=True)) for owners in by_name.values()]


def method_tables(stage: Stage) -> str:
    """Return the methods of a stage and their options as two Markdown tables."""
    methods = loadable_methods(stage)
    options = []
    for listed in list_options(methods):
        option = listed.declared[0]
        key = "–" if option.keyboard_only else f"`{option.name}`"
        names = ", ".join(method.name for method in listed.methods)
        choices = tuple(dict.fromkeys(choice for one in listed.declared for choice in one.choices))
        options.append((f"`{option.flag}`", key, names, listed.shown_default, _meaning(option, choices)))
    return (
        _table(("method", ""), [(f"`{method.name}`", method.help) for method in methods])
        + "\n"
        + _table(("option", "recipe key", "methods", "default", "meaning"), options)
    )


def adaptation_table() -> str:
    """Return the options of ``adapt`` as a Markdown table."""
    rows = [(f"`{one.flag}`", f"`{one.name}`", one.shown_default, _meaning(one, one.choices)) for one in ADAPTATION]
    return _table(("option", "in Python", "default", "meaning"), rows)


def _meaning(option: Option, choices: tuple[str, ...]) -> str:
    return option.help + (f" ({', '.join(choices)})" if choices else "")


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def with_tables(document: str) -> str:
    """Return a Markdown document with its tables of options up to date.

    Args:
        document: With the lines ``<!-- options of STAGE -->`` and ``<!-- end of options -->`` around each table.
    """
    return _TABLE.sub(_filled, document)


def _filled(found: re.Match[str]) -> str:
    tables = {"finetune": lambda: method_tables("finetune"), "fewshot": lambda: method_tables("fewshot")}
    return f"{found[1]}{tables.get(found[2], adaptation_table)()}{found[3]}"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
