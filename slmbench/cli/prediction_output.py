"""Where predictions go: JSON lines, CSV, TSV or Parquet, with columns of the input beside them."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slmbench.cli.output import Output
from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.files import write_aside
from slmbench.edge import Classifier, Prediction

_DELIMITED = {".csv": ",", ".tsv": "\t"}
#: Suffixes of ``--output``.
OUTPUT_FORMATS = (".jsonl", ".ndjson", *_DELIMITED, ".parquet")
#: Rows of a Parquet file that are written together.
_BATCH = 4096


@dataclass
class KeptColumns:
    """Columns of the input that go into the output.

    Attributes:
        wanted: Their names; ``None`` is all of them.
        names: As found in the input, once it is open.
        rows: Values of rows that were read and not answered yet; a classifier reads ahead.
    """

    wanted: Sequence[str] | None = ()
    names: list[str] = field(default_factory=list)
    rows: deque[Sequence[Any]] = field(default_factory=deque)

    def choose(self, columns: Sequence[str], where: str) -> list[str]:
        """Choose among the columns of the input.

        Raises:
            UsageError: It lacks one.
        """
        if missing := [name for name in self.wanted or () if name not in columns]:
            raise UsageError(f"--keep {','.join(missing)}: {where} has the columns {', '.join(columns)}")
        self.names = list(columns if self.wanted is None else self.wanted)
        return self.names


def check_output(output: Path | None, keep: str | None) -> KeptColumns:
    """Check the name of the output; returns what goes into it.

    Args:
        output: The file; ``None`` is stdout, as JSON lines.
        keep: Names of columns with commas between them, or ``all``; when not given, all for tables and none for JSON
            lines.

    Raises:
        UsageError: It has another suffix than :data:`OUTPUT_FORMATS`.
        SlmbenchError: Parquet is wanted, and pyarrow is not installed.
    """
    suffix = ".jsonl" if output is None else output.suffix.lower()
    if suffix not in OUTPUT_FORMATS:
        raise UsageError(f"--output {output}: name a file that ends in {', '.join(OUTPUT_FORMATS)}")
    if suffix == ".parquet":
        require_extra("pyarrow", "train", "writing Parquet")
    if keep is None:
        return KeptColumns(() if suffix in (".jsonl", ".ndjson") else None)
    return KeptColumns(None if keep == "all" else [name.strip() for name in keep.split(",") if name.strip()])


def classify_to(
    output: Path | None, classifier: Classifier, texts: Iterable[str], kept: KeptColumns, out: Output
) -> None:
    """Write one row per text, in input order.

    Args:
        output: File to write, built beside its place and renamed at the end; ``None`` is stdout.
        classifier: The classifier.
        texts: The texts; who yields them appends the values of kept columns first.
        kept: Columns of the input that go along.
        out: Where lines go when there is no file.

    Raises:
        UsageError: A kept column has the name of a column of the answers.
        SlmbenchError: The file cannot be written, or a text has no answer.
    """
    answers = ((kept.rows.popleft() if kept.rows else (), answer) for answer in classifier.stream(texts))
    if output is None:
        for values, answer in answers:
            out.line(_json_line(kept, values, answer))
        return
    if not output.parent.is_dir():
        raise SlmbenchError(f"{output} cannot be written: there is no folder {output.parent}")
    try:
        with (
            write_aside(output) as building,
            _writer(building, output.suffix.lower(), classifier.labels, kept) as write,
        ):
            for values, answer in answers:
                write(values, answer)
    except OSError as error:
        raise SlmbenchError(f"{output} cannot be written ({error.strerror or error})") from None


@contextmanager
def _writer(path: Path, suffix: str, labels: Sequence[str], kept: KeptColumns) -> Iterator[Any]:
    if suffix == ".parquet":
        with _parquet(path, labels, kept) as write:
            yield write
        return
    with path.open("w", encoding="utf-8", newline="" if suffix in _DELIMITED else "\n") as file:
        if suffix not in _DELIMITED:
            yield lambda values, answer: file.write(_json_line(kept, values, answer) + "\n")
            return
        rows = csv.writer(file, delimiter=_DELIMITED[suffix], lineterminator="\n")
        headed = False

        def write(values: Sequence[Any], answer: Prediction) -> None:
            nonlocal headed
            if not headed:
                rows.writerow(_header(labels, kept))
                headed = True
            rows.writerow([*values, *_row(answer)])

        yield write
        if not headed:
            rows.writerow(_header(labels, kept))


@contextmanager
def _parquet(path: Path, labels: Sequence[str], kept: KeptColumns) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    waiting: list[list[Any]] = []
    file: Any = None

    def flush() -> None:
        nonlocal file
        names = _header(labels, kept)
        columns = list(zip(*waiting, strict=True)) or [()] * len(names)
        try:
            table = pyarrow.table(dict(zip(names, columns, strict=True)), schema=file and file.schema)
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


def _header(labels: Sequence[str], kept: KeptColumns) -> list[str]:
    own = ["predicted_label", "predicted_score", *(f"score_{label}" for label in labels)]
    if twice := [name for name in kept.names if name in own]:
        raise UsageError(f"the input has a column {twice[0]!r} of its own: name the columns to --keep without it")
    return [*kept.names, *own]


def _row(answer: Prediction) -> list[Any]:
    return [answer.label, round(answer.score, 6), *(round(score, 6) for score in answer.scores.values())]


def _json_line(kept: KeptColumns, values: Sequence[Any], answer: Prediction) -> str:
    scores = {label: round(score, 6) for label, score in answer.scores.items()}
    line: dict[str, Any] = {"label": answer.label, "score": round(answer.score, 6), "scores": scores}
    if kept.names:
        line["input"] = dict(zip(kept.names, values, strict=True))
    return json.dumps(line, ensure_ascii=False, default=str)
