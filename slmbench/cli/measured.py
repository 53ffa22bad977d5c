"""What the commands that measure share: their options, and the report of what could and could not be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from slmbench.cli import shared_options as opt
from slmbench.cli.output import Output, to_json
from slmbench.common.errors import SlmbenchError
from slmbench.profiling.backends import BUILTIN_BACKENDS, ProfilingBackend

if TYPE_CHECKING:
    from rich.console import RenderableType

    from slmbench.profiling.prepared import AnyCell
    from slmbench.records import Record

#: Panels of the help.
WHAT, HOW_LONG, SCENARIO = "What is measured", "Samples", "Scenario"

_DEVICES = dict.fromkeys(device for backend in BUILTIN_BACKENDS for device in backend.devices)


def _backend(builtin: Iterable[ProfilingBackend]) -> Any:
    names = ", ".join(backend.name for backend in builtin)
    return typer.Option(
        "--backend",
        help=f"What runs the model: {names}, or the backend of an installed package.",
        rich_help_panel=WHAT,
    )


Axis = Literal["length", "batch", "threads"]
Scenario = Literal["single", "offline", "server"]
Dtype = Literal["fp32", "bf16", "fp16"]

Bundles = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Bundle folders, or folders of bundles.", metavar="BUNDLE", show_default="everything in exported/"
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", help=f"Device to run on: {' or '.join(_DEVICES)}.", rich_help_panel=WHAT, metavar="DEVICE"
    ),
]
Form = Annotated[
    list[str] | None,
    typer.Option(
        "--form",
        help="Form to measure, such as int8; can be repeated.",
        show_default="all forms of a bundle",
        rich_help_panel=WHAT,
    ),
]
BackendName = Annotated[str, _backend(BUILTIN_BACKENDS)]
#: The same for commands that measure bundles only.
BundleBackendName = Annotated[str, _backend(backend for backend in BUILTIN_BACKENDS if backend.takes == "bundle")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        help="Threads inside one inference.",
        show_default="the usable cores",
        rich_help_panel=WHAT,
    ),
]
Processes = Annotated[int, typer.Option("--processes", help="Fresh processes per form.", rich_help_panel=HOW_LONG)]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", help="Maximum sampling time per form (s).", rich_help_panel=HOW_LONG)
]
RecordsFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for the records.", rich_help_panel=opt.OUTPUT)
]


class Failures(list[dict[str, str]]):
    """Cells that could not be measured, each with the reason."""

    def add(self, cell: AnyCell, error: SlmbenchError) -> None:
        """Add one."""
        self.append({"bundle": cell.source.name, "form": cell.form, "reason": str(error)})


def report_measured(
    out: Output,
    kind: str,
    found: Iterable[Record],
    failures: Failures,
    view: Callable[[Sequence[Any]], Iterable[RenderableType]],
    *,
    written: Path,
    then: Callable[[Sequence[Any]], Sequence[Path | str]],
) -> None:
    """Print what was measured and what could not be.

    Args:
        out: Where to print.
        kind: Noun of the records in the plural, which names the JSON document.
        found: The records, measured as they are asked for.
        failures: Filled while they are.
        view: Renders the records for people.
        written: Folder of the records.
        then: Words of the command that usually comes next, from the records.

    Raises:
        SlmbenchError: Nothing could be measured.
    """
    records = list(found)
    reasons = [f"{failure['bundle']} {failure['form']}: {failure['reason']}" for failure in failures]
    if records:
        for reason in reasons:
            out.warn(f"not measured: {reason}")
    document = {
        "schema": f"slmbench.{kind}/1",
        kind: [record.model_dump(mode="json", by_alias=True) for record in records],
        "failed": list(failures),
    }
    if records:
        out.result(to_json(document), *view(records), written=written, then=then(records))
    else:
        out.result(to_json(document))
        raise SlmbenchError(f"no form could be measured: {'; '.join(reasons)}")
