"""Where the answers to one file go, and which columns of it go along."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slmbench.cli.output import Output
from slmbench.cli.piped import PipedLines, answers_of
from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.files import write_aside
from slmbench.edge import Classifier
from slmbench.scoring.answers import DELIMITED, answer_writer, json_line

#: Suffixes of ``--output``.
OUTPUT_FORMATS = (".jsonl", ".ndjson", *DELIMITED, ".parquet")


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
    output: Path | None,
    classifier: Classifier,
    texts: Iterable[str],
    kept: KeptColumns,
    out: Output,
    piped: PipedLines | None = None,
) -> None:
    """Write one row per text, in input order.

    Args:
        output: File to write, built beside its place and renamed at the end; ``None`` is stdout.
        classifier: The classifier.
        texts: The texts; who yields them appends the values of kept columns first.
        kept: Columns of the input that go along.
        out: Where lines go when there is no file.
        piped: The lines that the texts are, where they come from a pipe.

    Raises:
        UsageError: A kept column has the name of a column of the answers.
        SlmbenchError: The file cannot be written, or a text has no answer.
    """
    answers = ((kept.rows.popleft() if kept.rows else (), answer) for answer in answers_of(classifier, texts, piped))
    if output is None:
        for values, answer in answers:
            out.line(json_line(kept.names, values, answer))
        return
    if not output.parent.is_dir():
        raise SlmbenchError(f"{output} cannot be written: there is no folder {output.parent}")
    try:
        with (
            write_aside(output) as building,
            answer_writer(building, output.suffix.lower(), classifier.labels, lambda: kept.names) as write,
        ):
            for values, answer in answers:
                write(values, answer)
    except OSError as error:
        raise SlmbenchError(f"{output} cannot be written ({error.strerror or error})") from None
