"""The options of all methods of a stage, each listed once: for ``--help``, and for the tables in the documentation.

``python -m slmbench.methods.listing docs/fewshot.md docs/training.md`` rewrites the tables in these files.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.methods.registry import loadable_methods

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slmbench.methods.method import Method, Stage
    from slmbench.methods.options import Option

#: Panels of the options that several methods of a stage have.
SHARED: dict[Stage, str] = {"finetune": "Training options", "fewshot": "Options of several methods"}
_TABLE = re.compile(r"(<!-- options of (finetune|fewshot) -->\n).*?(<!-- end of options -->)", re.DOTALL)


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


def option_table(stage: Stage) -> str:
    """Return the options of a stage's methods as a Markdown table."""
    lines = ["| option | recipe key | methods | default | meaning |", "|---|---|---|---|---|"]
    for listed in list_options(loadable_methods(stage)):
        option = listed.declared[0]
        key = "–" if option.keyboard_only else f"`{option.name}`"
        names = ", ".join(method.name for method in listed.methods)
        choices = dict.fromkeys(choice for one in listed.declared for choice in one.choices)
        meaning = option.help + (f" ({', '.join(choices)})" if choices else "")
        cells = (f"`{option.flag}`", key, names, listed.shown_default, meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def with_tables(document: str) -> str:
    """Return a Markdown document with its tables of options up to date.

    Args:
        document: With the lines ``<!-- options of STAGE -->`` and ``<!-- end of options -->`` around each table.
    """
    return _TABLE.sub(_filled, document)


def _filled(found: re.Match[str]) -> str:
    stage: Stage = "finetune" if found[2] == "finetune" else "fewshot"
    return f"{found[1]}{option_table(stage)}{found[3]}"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
