"""All rows of a corpus with their labels, whatever kind of corpus it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import counted, few
from slmbench.common.progress import Progress
from slmbench.corpora.columns import Reading, Wanted, choose, choose_text, join_texts, read_rows, read_texts
from slmbench.corpora.known_corpora import check_corpus
from slmbench.corpora.labels import (
    NO_LABEL,
    ClassLabels,
    check_classes,
    is_number,
    maybe_missing,
    one_spelling,
    spelling_key,
)
from slmbench.corpora.row_sets import Origin, RowCollector, RowSet, keys_of
from slmbench.corpora.rows import text_digest, without_half_pairs
from slmbench.corpora.sources import Opening, OpenPart

#: So many rows tell classes from a scale and from texts.
_ROWS_TO_JUDGE_BY = 1000


@dataclass
class LabelledRows:
    """The rows of one corpus.

    Attributes:
        name: What records call it.
        description: Where it comes from.
        rows: Those with a label; without those of ``test_rows``.
        skipped: Bad rows left out.
        label_names: The labels in their order, where they are known without the rows.
        notes: What a reader of a result has to know.
        has_stars: The labels were stars of an Amazon file.
        test_rows: The test part that it comes with; ``None`` when it has none.
        unlabelled: Rows without a label.
        columns: The columns that were read: ``text`` (several with commas between them) and ``label``.
    """

    name: str
    description: str
    rows: RowSet
    skipped: int
    label_names: tuple[str, ...] | None
    notes: list[str]
    has_stars: bool
    test_rows: RowSet | None
    unlabelled: RowSet
    columns: dict[str, str]


def read_labelled(
    corpus: str,
    wanted: Wanted,
    skip_bad_rows: bool,
    progress: Progress,
    *,
    for_test: bool = False,
    keep_texts: bool = False,
    announce: bool = True,
    known_labels: Collection[str] | None = None,
) -> LabelledRows:
    """Read all rows of a corpus.

    Args:
        corpus: Its name, path or pattern.
        wanted: Columns and labels the caller has named.
        skip_bad_rows: Leave rows out that cannot be used.
        progress: Told what is being read or fetched, which columns were guessed, and what was found out of the files.
        for_test: It is tested on after training on another one; a starter corpus need not have its columns.
        keep_texts: All texts will be needed: keep them however many there are.
        announce: Tell ``progress`` what was guessed and found out; it is in the notes in any case.
        known_labels: The labels that the caller accepts: once others have turned up and there are rows enough to
            judge the column by, reading ends, because the caller is going to refuse it.

    Returns:
        The rows, not deduplicated. Those of a large corpus are without their texts; see :func:`with_texts`.

    Raises:
        UsageError: There is no such corpus or column, or the column does not hold one class a row.
        SlmbenchError: A row cannot be used, or the corpus cannot be fetched.
    """
    source = check_corpus(corpus)
    if for_test and source.fixed_columns:
        wanted = Wanted(labels=wanted.labels)
    opening = Opening(wanted, skip_bad_rows, progress)
    sides: dict[str, RowCollector] = {}
    unlabelled = RowCollector(keep_all=keep_texts)
    findings: list[str] = []
    first: tuple[OpenPart, Reading] | None = None
    accepted = {spelling_key(label) for label in (NO_LABEL, *(known_labels or ()))}
    strange, seen = False, 0
    all_numbers = True
    with closing(source.parts(corpus, opening)) as parts:  # type: ignore[type-var]
        for place, part in enumerate(parts):
            reading = choose(part.table, part.name, wanted)
            first = first or (part, reading)
            _check_same_columns(*first, part, reading)
            own = [] if source.fixed_columns or not reading.note else [reading.note]
            # What is the same in several files is said once.
            findings += [note for note in (*own, *part.table.notes) if note not in findings]
            dropped: list[str] = []
            rows = sides.setdefault(part.side, RowCollector(keep_all=keep_texts))
            # Where there is a test part, which comes first, only that is tested on.
            judged = known_labels is not None and (part.side == "test" or "test" not in sides)
            for collector in (rows, unlabelled):
                collector.begin(Origin(corpus, place, part.file, reading.text_columns))
            for row in read_rows(part.table, part.name, reading, part.bad_rows, dropped):
                all_numbers = all_numbers and is_number(row.text)
                (rows if row.label != NO_LABEL else unlabelled).add(row)
                seen += 1
                strange = strange or (judged and spelling_key(row.label) not in accepted)
                if strange and seen >= _ROWS_TO_JUDGE_BY:
                    break
            findings += [f"{part.file}: {note}" if part.file else note for note in dropped]
            if strange and seen >= _ROWS_TO_JUDGE_BY:
                break
    if first is None:
        raise UsageError(f"{corpus} has no table")
    name = source.short_name(corpus)
    part, reading = first
    found = {side: collector.rows() for side, collector in sides.items()}
    set_aside = unlabelled.rows()
    labels = sum((rows.label_counts() for rows in found.values()), Counter[str]())
    if labels and "test" in found and not len(found["test"]):
        del found["test"]
        findings.append("its test part has no labels: reviews of the training part are tested on")
    if len(set_aside):
        if not labels:
            raise SlmbenchError(f"no row of {name} has a label: column '{reading.label_column}' is empty")
        findings.append(f"{counted(len(set_aside), 'row')} without a label set aside: unlabelled, not a class")
    if all_numbers and labels.total() > 1:
        raise UsageError(
            f"{name}: column '{','.join(reading.text_columns)}' holds numbers and no texts; name the column of the"
            f" text with --text-column, out of: {few(part.table.columns)}"
        )
    if isinstance(reading.labels, ClassLabels) and reading.labels.names is None:
        if spelled := one_spelling(labels):
            found = {side: rows.relabelled(lambda label: spelled.get(label, label)) for side, rows in found.items()}
            labels = sum((rows.label_counts() for rows in found.values()), Counter[str]())
            counted_as = few([f"'{label}' as '{first}'" for label, first in spelled.items()])
            findings.append(f"labels that differ in case only count as one: {counted_as}")
        if doubtful := maybe_missing(labels):
            findings.append(f"taken as a label: '{few(doubtful)}'; where it means that there is none, leave it empty")
        used = (*reading.text_columns, reading.label_column)
        others = [column for column in part.table.columns if column not in used]
        check_classes(name, reading.label_column, labels.keys(), labels.total(), others)
    for finding in findings if announce else ():
        progress.say(f"{name}: {finding}")
    return LabelledRows(
        name=name,
        description=source.description(corpus),
        rows=found.get("train", RowCollector().rows()),
        skipped=opening.skipped,
        label_names=reading.labels.names,
        notes=[*source.notes(corpus, for_test=for_test), *findings],
        has_stars=reading.are_stars,
        test_rows=found.get("test"),
        unlabelled=set_aside,
        columns={
            "text": ",".join(reading.text_columns),
            "label": reading.label_column,
            **({reading.marks.kind: reading.marks.name} if reading.marks else {}),
        },
    )


def read_unlabelled(
    corpus: str, wanted: Wanted, skip_bad_rows: bool, progress: Progress, *, keep_texts: bool = False
) -> tuple[RowSet, int]:
    """Read the texts of a corpus that need not have labels.

    Args:
        corpus: Its name, path or pattern.
        wanted: The text column and the layout that the caller has named; where there is no such column it is found
            by its name.
        skip_bad_rows: Leave rows out that cannot be used.
        progress: Told what is being read or fetched.
        keep_texts: See :func:`read_labelled`.

    Returns:
        The rows, without labels and not deduplicated; how many bad rows were left out.

    Raises:
        UsageError: There is no such corpus, and no column looks like the text.
        SlmbenchError: A row cannot be used, or the corpus cannot be fetched.
    """
    opening = Opening(replace(wanted, labels=None), skip_bad_rows, progress)
    rows = RowCollector(keep_all=keep_texts)
    with closing(check_corpus(corpus).parts(corpus, opening)) as parts:  # type: ignore[type-var]
        for place, part in enumerate(parts):
            columns = choose_text(part.table, part.name, None, wanted.text_column)
            rows.begin(Origin(corpus, place, part.file, columns))
            for row in read_texts(part.table, columns, part.bad_rows):
                rows.add(row)
    return rows.rows(), opening.skipped


def with_texts(sets: Sequence[RowSet], wanted: Wanted, progress: Progress) -> list[RowSet]:
    """Return sets of rows with their texts, reading again those that were too many to keep.

    Args:
        sets: What was drawn from the rows of :func:`read_labelled` and :func:`read_unlabelled`.
        wanted: How their corpora were read.
        progress: Told what is read.

    Raises:
        SlmbenchError: A corpus has changed since it was read, or cannot be read.
    """
    missing: dict[str, dict[int, set[int]]] = {}
    for rows in sets:
        if rows.texts is None:
            for table, number in zip(rows.tables.tolist(), rows.numbers.tolist(), strict=True):
                origin = rows.origins[table]
                missing.setdefault(origin.corpus, {}).setdefault(origin.part, set()).add(number)
    columns = {(origin.corpus, origin.part): origin.columns for rows in sets for origin in rows.origins}
    texts: dict[tuple[str, int, int], str] = {}
    for corpus, parts in missing.items():
        opening = Opening(wanted, True, progress)
        with closing(check_corpus(corpus).parts(corpus, opening)) as opened:  # type: ignore[type-var]
            for place, part in enumerate(opened):
                numbers = parts.get(place, set())
                for number, values in part.table.cells(columns[corpus, place]) if numbers else ():
                    if number in numbers:
                        texts[corpus, place, number] = without_half_pairs(join_texts(values))
    return [rows if rows.texts is not None else _filled(rows, texts) for rows in sets]


def _filled(rows: RowSet, texts: dict[tuple[str, int, int], str]) -> RowSet:
    found = np.empty(len(rows), dtype=object)
    for place, (table, number) in enumerate(zip(rows.tables.tolist(), rows.numbers.tolist(), strict=True)):
        origin = rows.origins[table]
        text = texts.get((origin.corpus, origin.part, number))
        if text is None or keys_of(text_digest(text)) != tuple(rows.keys[place].tolist()):
            raise SlmbenchError(f"{origin.corpus} was changed while it was read: try again")
        found[place] = text
    return replace(rows, texts=found)


def _check_same_columns(first: OpenPart, first_reading: Reading, part: OpenPart, reading: Reading) -> None:
    """Refuse tables whose columns were guessed differently: their labels would mean different things."""
    both = (first_reading, reading)
    for role, columns in (
        ("text", [",".join(one.text_columns) for one in both]),
        ("label", [one.label_column for one in both]),
    ):
        if columns[0] != columns[1]:
            raise UsageError(
                f"the {role} is in column '{columns[0]}' of {first.name} and in '{columns[1]}' of {part.name}:"
                f" name one with --{role}-column, or leave one of the files out"
            )
