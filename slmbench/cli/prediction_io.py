"""Texts in, JSON lines out, one at a time: memory does not grow with the file."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from slmbench.common.errors import SlmbenchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from slmbench.cli.output import Output
    from slmbench.corpora.tables import TableFormat
    from slmbench.edge import Classifier


def texts_from(
    arguments: Sequence[str] | None,
    source: Path | None,
    text_column: str | None,
    trained: str | None,
    layout: TableFormat,
    out: Output,
) -> Iterator[str]:
    """Yield the texts to classify: the arguments, a file's, or stdin's lines.

    Args:
        arguments: Texts given on the command line.
        source: A table (CSV, TSV, JSON Lines, Parquet) or a text file with one text per line.
        text_column: Column of the text in a table, or several with commas between them; when not given, those that
            the classifier was trained on where the table has them, else found by the usual names.
        trained: The columns that the classifier was trained on.
        layout: What was said of the layout of a CSV or TSV file.
        out: Where progress is shown.

    Raises:
        UsageError: There is no such file or column, or nothing to read.
        SlmbenchError: A text is not UTF-8, or a row of the file cannot be read.
    """
    from slmbench.corpora.encoding import open_text
    from slmbench.corpora.formats import FORMATS, format_of

    if arguments:
        for number, text in enumerate(arguments, 1):
            yield _encodable(text, f"text {number}")
    elif source is None:
        if sys.stdin.isatty():
            raise UsageError("give texts, --input FILE, or pipe texts into stdin, one per line")
        yield from _lines(sys.stdin.buffer, "stdin")
    elif not source.is_file():
        raise UsageError(f"there is no file {source}")
    elif format_of(source) in FORMATS:
        yield from _column(source, text_column, trained, layout, out)
    else:
        if text_column is not None:
            raise UsageError(f"--text-column needs a table ({', '.join(FORMATS)}); {source} is not one")
        with source.open("rb") as raw:
            file, notes = open_text(source, raw, layout.encoding, may_be_western=True)
            for note in notes:
                out.say(f"{source.name}: {note}")
            yield from _lines(file, str(source))


def trained_columns(bundle: Path) -> str | None:
    """Return the text columns that a bundle's classifier was trained on, where its record says so."""
    try:
        record = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
        return record["corpus"]["columns"]["text"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a bundle of before, or one without a record: its classifier says what is wrong


def classify_to(output: Path | None, classifier: Classifier, texts: Iterable[str], out: Output) -> None:
    """Write one JSON line per text, in input order.

    Args:
        output: File to write, built beside its place and renamed at the end; ``None`` is stdout.
        classifier: The classifier.
        texts: The texts.
        out: Where lines go when there is no file.

    Raises:
        SlmbenchError: The file cannot be written.
    """
    lines = (_json_line(prediction) for prediction in classifier.stream(texts))
    if output is None:
        for line in lines:
            out.line(line)
        return
    building = output.with_name(f".{output.name}.building")
    try:
        with building.open("w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
        building.replace(output)
    except OSError as error:
        raise SlmbenchError(f"{output} cannot be written ({error.strerror or error})") from None
    finally:
        building.unlink(missing_ok=True)


def _json_line(prediction: Any) -> str:
    scores = {label: round(score, 6) for label, score in prediction.scores.items()}
    return json.dumps(
        {"label": prediction.label, "score": round(prediction.score, 6), "scores": scores}, ensure_ascii=False
    )


def _lines(file: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise SlmbenchError(f"{name}: line {number} is not in UTF-8; --encoding names that of a file") from None


def _column(
    source: Path, text_column: str | None, trained: str | None, layout: TableFormat, out: Output
) -> Iterator[str]:
    from slmbench.corpora.columns import KNOWN_COLUMNS, choose_text, is_missing, join_texts
    from slmbench.corpora.formats import open_table
    from slmbench.corpora.rows import BadRows

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
        for number, values in table.cells(columns):
            value = join_texts(values)
            yield _encodable("" if is_missing(value) else str(value), f"{source}: row {number}")


def _encodable(text: str, where: str) -> str:
    """Check that a text can be encoded: bytes that are not UTF-8 were read as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SlmbenchError(f"{where} is not in UTF-8 (broken characters); --encoding names that of a file") from None
    return text
