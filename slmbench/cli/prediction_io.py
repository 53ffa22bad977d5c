"""The texts to classify, one at a time: memory does not grow with the file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.cli.output import Output
from slmbench.cli.piped import PipedLines
from slmbench.cli.prediction_output import KeptColumns
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge.runtime import MAX_RECORD_BYTES, read_json

if TYPE_CHECKING:
    from slmbench.corpora.tables import TableFormat


def texts_from(
    arguments: Sequence[str] | None,
    source: Path | None,
    piped: PipedLines | None,
    text_column: str | None,
    trained: str | None,
    layout: TableFormat,
    kept: KeptColumns,
    out: Output,
) -> Iterator[str]:
    """Yield the texts to classify: the arguments, a file's, or stdin's lines.

    Args:
        arguments: Texts given on the command line.
        source: A table (CSV, TSV, JSON, Parquet, Arrow) or a text file with one text per line.
        piped: Lines of stdin, where there is neither.
        text_column: Column of the text in a table, or several with commas between them; when not given, those that
            the classifier was trained on where the table has them, else found by the usual names.
        trained: The columns that the classifier was trained on.
        layout: What was said of the layout of a CSV or TSV file.
        kept: Columns that go into the output; their values are appended before the text of their row is yielded.
            Texts that are in no table have one column, ``text``.
        out: Where progress is shown.

    Raises:
        UsageError: There is no such file or column, or nothing to read.
        SlmbenchError: A text is not UTF-8, or a row of the file cannot be read.
    """
    from slmbench.corpora.encoding import open_text
    from slmbench.corpora.formats import FORMATS, checked_head, format_of

    if arguments:
        yield from _alone((_encodable(text, f"text {number}") for number, text in enumerate(arguments, 1)), kept)
    elif source is None:
        if sys.stdin.isatty() or piped is None:
            raise UsageError("give texts, --input FILE, or pipe texts into stdin, one per line")
        yield from _alone(_lines(piped, "stdin"), kept)
    elif not source.is_file():
        raise UsageError(f"there is no file {source}")
    elif format_of(source) in FORMATS:
        yield from _column(source, text_column, trained, layout, kept, out)
    else:
        if text_column is not None:
            raise UsageError(f"--text-column needs a table ({', '.join(FORMATS)}); {source} is not one")
        with source.open("rb") as raw:
            checked_head(source, raw)
            file, notes = open_text(source, raw, layout.encoding, may_be_western=True)
            for note in notes:
                out.say(f"{source.name}: {note}")
            yield from _alone(_lines(file, str(source)), kept)


def trained_columns(bundle: Path) -> str | None:
    """Return the text columns that a bundle's classifier was trained on, where its record says so."""
    try:
        record = read_json(bundle / "bundle.json", MAX_RECORD_BYTES)
        return record["corpus"]["columns"]["text"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a bundle of before, or one without a record: its classifier says what is wrong


def _alone(texts: Iterable[str], kept: KeptColumns) -> Iterator[str]:
    names = kept.choose(["text"], "the input")
    for text in texts:
        kept.rows.append([text] if names else [])
        yield text


def _lines(file: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise SlmbenchError(f"{name}: line {number} is not in UTF-8; --encoding names that of a file") from None


def _column(
    source: Path,
    text_column: str | None,
    trained: str | None,
    layout: TableFormat,
    kept: KeptColumns,
    out: Output,
) -> Iterator[str]:
    from slmbench.corpora.columns import KNOWN_COLUMNS, choose_text, is_missing, join_texts
    from slmbench.corpora.formats import open_table
    from slmbench.corpora.rows import BadRows, without_half_pairs

    with (
        out.task(f"classifying {source.name}", total=source.stat().st_size, unit="bytes") as task,
        open_table(
            source, layout, KNOWN_COLUMNS, BadRows(str(source), skip=False, remedy="correct it"), task
        ) as table,
    ):
        columns = choose_text(table, str(source), text_column, trained)
        guessed = [] if text_column else [f"the text is in {' and '.join(columns)}"]
        for note in (*table.notes, *guessed):
            out.say(f"{source.name}: {note}")
        others = kept.choose(list(table.columns), str(source))
        for number, values in table.cells([*columns, *others]):
            kept.rows.append(values[len(columns) :])
            value = join_texts(values[: len(columns)])
            if isinstance(value, (list, dict)):
                raise SlmbenchError(f"{source}: row {number}: the text is not a string but {str(value)[:50]!r}")
            text = "" if is_missing(value) else without_half_pairs(str(value))
            yield _encodable(text, f"{source}: row {number}")


def _encodable(text: str, where: str) -> str:
    """Check that a text can be encoded: bytes that are not UTF-8 were read as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SlmbenchError(f"{where} is not in UTF-8 (broken characters); --encoding names that of a file") from None
    return text
