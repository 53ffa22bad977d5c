"""How answers are written: JSON lines, CSV, TSV or Parquet, with columns of the input beside them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import no_formula
from slmbench.edge import Prediction

#: Delimiter of each suffix of a text table.
DELIMITED = {".csv": ",", ".tsv": "\t"}
#: Rows of a Parquet file that are written together.
_BATCH = 4096

#: Writes the kept values of a row and its answer.
Write = Callable[[Sequence[Any], Prediction], None]


@contextmanager
def answer_writer(
    path: Path,
    suffix: str,
    labels: Sequence[str],
    kept: Callable[[], Sequence[str]],
    *,
    types: Sequence[Any] | None = None,
    guarded: bool = False,
) -> Iterator[Write]:
    """Open a file for answers.

    Args:
        path: The file.
        suffix: Says the format: of JSON lines, or of :data:`DELIMITED`, or ``.parquet``.
        labels: Of the classifier, in the order of its scores.
        kept: Gives the names of the columns of the input, once they are known.
        types: Their types in Parquet, as pyarrow has them; by default as the first rows have them.
        guarded: Put an apostrophe before cells that a spreadsheet would compute; see
            :func:`slmbench.common.formatting.no_formula`.

    Yields:
        What writes a row.

    Raises:
        UsageError: A column of the input has the name of a column of the answers.
        SlmbenchError: Parquet cannot hold the values of a column.
    """
    if suffix == ".parquet":
        with _parquet(path, labels, kept, types) as write:
            yield write
        return
    delimiter = DELIMITED.get(suffix)
    with path.open("w", encoding="utf-8", newline="\n" if delimiter is None else "") as file:
        if delimiter is None:
            yield lambda values, answer: _write_line(file, json_line(kept(), values, answer))
            return
        rows = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        cells: Callable[[Sequence[Any]], Sequence[Any]] = _guarded if guarded else _as_is
        headed = False

        def write_row(values: Sequence[Any], answer: Prediction) -> None:
            nonlocal headed
            if not headed:
                rows.writerow(cells(header(labels, kept())))
                headed = True
            try:
                rows.writerow(cells([*values, *_row(answer)]))
            except UnicodeEncodeError:
                rows.writerow(cells([*map(_writable, values), *_row(answer)]))

        yield write_row
        if not headed:
            rows.writerow(cells(header(labels, kept())))


def header(labels: Sequence[str], kept: Sequence[str]) -> list[str]:
    """Return the columns of a table of answers.

    Raises:
        UsageError: A column of the input has the name of one of the answers.
    """
    own = ["predicted_label", "predicted_score", *(f"score_{label}" for label in labels)]
    if twice := [name for name in kept if name in own]:
        raise UsageError(f"the input has a column {twice[0]!r} of its own: name the columns to --keep without it")
    return [*kept, *own]


def json_line(kept: Sequence[str], values: Sequence[Any], answer: Prediction) -> str:
    """Return an answer as one line of JSON, in which NaN and infinity are null."""
    scores = {label: round(score, 6) for label, score in answer.scores.items()}
    line: dict[str, Any] = {"label": answer.label, "score": round(answer.score, 6), "scores": scores}
    if kept:
        line["input"] = dict(zip(kept, values, strict=True))
    try:
        text = json.dumps(line, ensure_ascii=False, default=str, allow_nan=False)
        text.encode()
    except ValueError:
        text = json.dumps(_writable(line, finite=True), ensure_ascii=False, default=str)
    return text


def _writable(value: Any, *, finite: bool = False) -> Any:
    """Return a value that files can hold: bytes that were not UTF-8, and halves of surrogate pairs, are U+FFFD.

    Args:
        value: Of a cell, or in one.
        finite: Whether NaN and infinity are ``None``.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if math.isfinite(value) or not finite else None
    if isinstance(value, (list, tuple)):
        return [_writable(one, finite=finite) for one in value]
    if isinstance(value, dict):
        return {_writable(key): _writable(one, finite=finite) for key, one in value.items()}
    return value


@contextmanager
def _parquet(
    path: Path, labels: Sequence[str], kept: Callable[[], Sequence[str]], types: Sequence[Any] | None
) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    waiting: list[list[Any]] = []
    file: Any = None

    def flush() -> None:
        nonlocal file
        names = header(labels, kept())
        columns = list(zip(*waiting, strict=True)) or [()] * len(names)
        try:
            schema = file.schema if file else _schema(names, types)
            try:
                table = pyarrow.table(dict(zip(names, columns, strict=True)), schema=schema)
            except UnicodeEncodeError:
                columns = [tuple(map(_writable, column)) for column in columns]
                table = pyarrow.table(dict(zip(names, columns, strict=True)), schema=schema)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
            raise SlmbenchError(f"a column has values of several types, which Parquet cannot hold: {error}") from None
        file = file or parquet.ParquetWriter(path, table.schema)
        file.write_table(table)
        waiting.clear()

    def write(values: Sequence[Any], answer: Prediction) -> None:
        waiting.append([*values, *_row(answer)])
        if len(waiting) >= _BATCH:
            flush()

    try:
        yield write
        if waiting or file is None:
            flush()
    finally:
        if file is not None:
            file.close()


def _schema(names: Sequence[str], types: Sequence[Any] | None) -> Any:
    """Return the schema of a Parquet file, where the types of the kept columns are given."""
    import pyarrow

    if types is None:
        return None
    scores = [pyarrow.float64()] * (len(names) - len(types) - 1)
    return pyarrow.schema(list(zip(names, [*types, pyarrow.string(), *scores], strict=True)))


def _write_line(file: Any, line: str) -> None:
    file.write(line + "\n")


def _row(answer: Prediction) -> list[Any]:
    label, score, scores = answer
    return [label, round(score, 6), *[round(one, 6) for one in scores.values()]]


def _guarded(cells: Sequence[Any]) -> Sequence[Any]:
    return [no_formula(cell) for cell in cells]


def _as_is(cells: Sequence[Any]) -> Sequence[Any]:
    return cells
