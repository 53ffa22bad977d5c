"""All labelled rows of a corpus, whatever kind it is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slmbench.common.errors import UsageError
from slmbench.corpora.columns import Wanted, choose, read_rows
from slmbench.corpora.registry import check_corpus
from slmbench.corpora.sources import Opening

if TYPE_CHECKING:
    from slmbench.common.progress import Progress
    from slmbench.corpora.columns import Reading
    from slmbench.corpora.rows import Row


@dataclass
class LabelledRows:
    """Labelled rows of one corpus; ``test_rows`` is set when it comes with a test part of its own."""

    name: str
    description: str
    rows: list[Row]
    skipped: int
    label_names: tuple[str, ...] | None
    notes: list[str]
    has_stars: bool = False
    test_rows: list[Row] | None = None


def read_labelled(
    corpus: str, wanted: Wanted, skip_bad_rows: bool, progress: Progress, *, for_test: bool = False
) -> LabelledRows:
    """Read all rows of a corpus.

    Args:
        corpus: Its name, path or pattern.
        wanted: Columns and labels the caller has named.
        skip_bad_rows: Leave rows out that cannot be used.
        progress: Told what is being read or fetched.
        for_test: It is tested on after training on another one; a starter corpus need not have its columns.

    Returns:
        The rows, not deduplicated.

    Raises:
        UsageError: There is no such corpus or column.
        SlmbenchError: A row cannot be used, or the corpus cannot be fetched.
    """
    source = check_corpus(corpus)
    if for_test and source.fixed_columns:
        wanted = Wanted(labels=wanted.labels)
    opening = Opening(wanted, skip_bad_rows, progress)
    sides: dict[str, list[Row]] = {}
    notes = source.notes(corpus, for_test=for_test)
    first: tuple[str, Reading] | None = None
    with closing(source.parts(corpus, opening)) as parts:  # type: ignore[type-var]
        for part in parts:
            reading = choose(part.table, part.name, wanted)
            if first is None:
                first = part.name, reading
            _check_same_columns(*first, part.name, reading)
            found: list[str] = list(part.table.notes)
            read = read_rows(part.table, reading, part.bad_rows, found)
            sides.setdefault(part.side, []).extend(row._replace(file=part.file) for row in read)
            notes += [f"{part.file}: {note}" if part.file else note for note in found]
    if first is None:
        raise UsageError(f"{corpus} has no table")
    return LabelledRows(
        name=source.short_name(corpus),
        description=source.description(corpus),
        rows=sides.get("train", []),
        skipped=opening.skipped,
        label_names=first[1].label_names,
        notes=list(dict.fromkeys(notes)),
        has_stars=first[1].are_stars,
        test_rows=sides.get("test"),
    )


def _check_same_columns(first_name: str, first: Reading, name: str, reading: Reading) -> None:
    """Refuse tables whose columns were guessed differently: their labels would mean different things."""
    for role in ("text", "label"):
        columns = [getattr(one, f"{role}_column") for one in (first, reading)]
        if columns[0] != columns[1]:
            raise UsageError(
                f"the {role} is in column '{columns[0]}' of {first_name} and in '{columns[1]}' of {name}:"
                f" name one with --{role}-column, or leave one of the files out"
            )
