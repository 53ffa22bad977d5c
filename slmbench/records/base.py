"""What every record has, and how records are read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slmbench.common.errors import SlmbenchError, first_line, require_extra
from slmbench.common.files import write_atomically
from slmbench.common.version import __version__
from slmbench.records.documents import READING, read_document

if TYPE_CHECKING:
    import pandas as pd


Value = str | int | float | bool | None


def rows_of(document: Mapping[str, Any], rows_in: str | None) -> list[dict[str, Value]]:
    """Return a record's JSON document as table rows.

    Args:
        document: From ``model_dump(mode="json")``.
        rows_in: The key of its entries: a list, or an object whose keys are forms. Each is a row, after the single
            values that the document has itself. ``None`` makes one row of the whole document.

    Returns:
        Values by dotted keys, such as ``latency.p50_ms``. An interval becomes two values, ``….low`` and ``….high``;
        other lists are left out.
    """
    if rows_in is None:
        return [_flat(document)]
    common = {key: value for key, value in document.items() if not isinstance(value, (dict, list))}
    entries = document[rows_in]
    if isinstance(entries, dict):
        return [{**common, "form": form, **_flat(entry)} for form, entry in entries.items()]
    return [{**common, **_flat(entry)} for entry in entries]


def frame_of(rows: Sequence[Mapping[str, Value]]) -> pd.DataFrame:
    """Return rows as a pandas table.

    Raises:
        SlmbenchError: pandas is not installed.
    """
    require_extra("pandas", "notebook", "a record as a table (to_frame)")
    import pandas as pd

    return pd.DataFrame(list(rows))


def html_of(title: str, rows: Sequence[Mapping[str, Value]], columns: Sequence[str]) -> str:
    """Return rows as an HTML table; every text is escaped.

    Args:
        title: What stands above the table.
        rows: From :func:`rows_of`.
        columns: Keys to show, those that some row has.
    """
    shown = [column for column in columns if any(row.get(column) is not None for row in rows)]
    head = "".join(f"<th>{escape(column)}</th>" for column in shown)
    body = "".join(f"<tr>{''.join(f'<td>{_written(row.get(column))}</td>' for column in shown)}</tr>" for row in rows)
    return f"<p>{escape(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _flat(document: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": cell for inner, cell in _flat(value).items()}
        elif not isinstance(value, list):
            found[key] = value
        elif "ci95" in key and len(value) == 2:
            found |= {f"{key}.low": value[0], f"{key}.high": value[1]}
    return found


def _written(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(str(value))


class Part(BaseModel):
    """A part of a record: immutable, and tolerant of keys that a later version added."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null", protected_namespaces=())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy with changes; statistics that were computed of what is changed are not copied with it."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


class Record(Part):
    """A result of one stage, ``schema`` naming its kind and version."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    #: The command that makes one, for messages.
    made_by: ClassVar[str]
    #: Name of the JSON file in the folder that the record describes; ``None`` where the file is all there is.
    file: ClassVar[str | None] = None
    #: The field that has the rows of :meth:`to_rows`; ``None`` where a record is one row.
    rows_in: ClassVar[str | None] = None
    #: Keys of :meth:`to_rows` that a notebook shows, separated by spaces.
    shown: ClassVar[str]

    schema_: str = Field(default="", alias="schema")
    name: str
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    slmbench_version: str = __version__
    command: list[str] = Field(default_factory=list)
    #: SHA-256 over everything the result depends on; equal keys mean the work need not be done again.
    key: str | None = None

    model_config = ConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, ser_json_inf_nan="null", protected_namespaces=()
    )

    def model_post_init(self, context: Any) -> None:
        """Fill in the schema name of this kind of record."""
        object.__setattr__(self, "schema_", self.schema_name())

    @classmethod
    def schema_name(cls) -> str:
        """Return the schema string, for example ``slmbench.run/1``."""
        return f"slmbench.{cls.kind}/{cls.version}"

    def to_json(self) -> str:
        """Return the record as one JSON document, statistics included."""
        return self.model_dump_json(by_alias=True)

    def to_rows(self) -> list[dict[str, Value]]:
        """Return the record as table rows: single values by their dotted JSON keys, without the raw observations.

        A run, an evaluation and a profile are one row, a bundle has a row per form, a comparison one per candidate, a
        sweep one per setting.
        """
        return rows_of(self.model_dump(mode="json", by_alias=True), self.rows_in)

    def to_frame(self) -> pd.DataFrame:
        """Return :meth:`to_rows` as a pandas table; ``pandas.concat`` joins those of several records.

        Raises:
            SlmbenchError: pandas is not installed.
        """
        return frame_of(self.to_rows())

    def _repr_html_(self) -> str:
        """Show the record in a notebook."""
        return html_of(f"{self.kind} {self.name}", self.to_rows(), self.shown.split())


R = TypeVar("R", bound=Record)


def write_record(record: Record, path: Path) -> None:
    """Write a record as JSON; readers see the old record or the new one, never a part."""
    write_atomically(path, record.to_json() + "\n")


def read_record(record_type: type[R], path: Path) -> R:
    """Read a record and check that it is of the kind and version wanted.

    Args:
        record_type: The kind of record expected.
        path: Its JSON file.

    Returns:
        The record, its statistics recomputed.

    Raises:
        SlmbenchError: There is no such file, it is not JSON, or it is another kind or version of record.
    """
    try:
        document = read_document(path)
    except FileNotFoundError:
        raise SlmbenchError(f"there is no {record_type.kind} record at {path}") from None
    except OSError as error:
        if path.is_dir():
            raise SlmbenchError(f"{path} is a folder, not a {record_type.kind} record") from None
        raise SlmbenchError(f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SlmbenchError(
            f"{path} is not a {record_type.kind} record: it is not JSON ({error}): make it again, or move it away"
        ) from None
    except ValueError as error:
        raise SlmbenchError(f"{path} is damaged: {error}: make it again, or move it away") from None
    found = document.get("schema") if isinstance(document, dict) else None
    if found != record_type.schema_name():
        raise SlmbenchError(
            f"{path} is not a {record_type.kind} record this version reads: its schema is {found!r:.100},"
            f" {record_type.schema_name()!r} is wanted: make it again with this version, or move it away"
        )
    try:
        return record_type.model_validate(document, context=READING)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:300]
        why = first["msg"].removeprefix("Value error, ")[:300]
        raise SlmbenchError(
            f"{path} is damaged: {where + ': ' if where else ''}{why}: make it again, or move it away"
        ) from None
    except (AttributeError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        # Raised where a value is of another kind than the one that is filled in or converted before it is checked.
        raise SlmbenchError(f"{path} is damaged ({first_line(error)}): make it again, or move it away") from None


def finished_record(record_type: type[R], path: Path, key: str) -> R | None:
    """Return the record at a path when it was made from the same inputs.

    Args:
        record_type: The kind of record expected.
        path: Its JSON file.
        key: From :func:`slmbench.common.files.content_key`.

    Returns:
        The record, or ``None`` when there is none, or it is damaged, of another version or of other inputs: then
        the work is done again.
    """
    try:
        record = read_record(record_type, path)
    except SlmbenchError:
        return None
    return record if record.key == key else None
