"""Loads a corpus: reads it, deduplicates it, splits it, draws the samples."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError, first_line
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import splitting
from slmbench.corpora.columns import Wanted
from slmbench.corpora.corpus import Corpus
from slmbench.corpora.division import Division
from slmbench.corpora.known_corpora import is_available, location
from slmbench.corpora.labelled import LabelledRows, read_labelled, read_unlabelled, with_texts
from slmbench.corpora.labels import Stars, label_order
from slmbench.corpora.near_duplicates import without_near_duplicates
from slmbench.corpora.row_sets import RowSet
from slmbench.corpora.sides import (
    Size,
    check_test_labels,
    check_training,
    confirmation_size,
    settle_size,
    settle_unlabelled,
    split_of,
    without_shared,
)
from slmbench.corpora.tables import TableFormat
from slmbench.records.predictions import hash_rows

_READ: ContextVar[dict[str, Corpus] | None] = ContextVar("corpora that are read once", default=None)


@contextmanager
def read_once() -> Iterator[None]:
    """Within the block, :func:`load_again` reads a corpus once and then gives the same one again.

    For a command whose steps each load the corpus of a record: to them, data does not change in between.
    """
    token = _READ.set({} if (known := _READ.get()) is None else known)
    try:
        yield
    finally:
        _READ.reset(token)


def load_corpus(
    name_or_path: str = "imdb",
    *,
    train_size: Size | None = None,
    test_size: Size | None = None,
    validation_fraction: float = 0.1,
    unlabelled_size: Size | None = None,
    unlabelled_corpus: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    stars: Stars = "drop",
    bins: Sequence[float] | None = None,
    labels: Sequence[str] | None = None,
    test_corpus: str | None = None,
    test_share: float | None = None,
    group_column: str | None = None,
    time_column: str | None = None,
    folds: int | None = None,
    fold: int | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    skip_bad_rows: bool = False,
    announce: bool = True,
    progress: Progress = SILENT,
) -> Corpus:
    """Load labelled reviews for training, validation and testing.

    The split is by the content of each review: 15 % are held out for testing, and a review is on the same
    side whatever the sizes asked for (:mod:`slmbench.corpora.division` has other ways). Samples are stratified by
    label and nest: a smaller one is part of a larger one. A dataset that comes with a test part, or a
    ``test_corpus``, is not split; then a review on both sides is an error.

    Held-out reviews beside the test sample are the confirmation rows, in the order in which they are drawn, up to
    :data:`~slmbench.corpora.sides.MAX_CONFIRMATION`. Nothing that chooses may see them.

    Args:
        name_or_path: A starter corpus (imdb, rotten-tomatoes), a local file (CSV, TSV, JSON Lines, JSON,
            Parquet), several of one format (a pattern such as ``data/amazon_*.jsonl``, or their folder), a folder
            that ``datasets`` has saved, a hub dataset, or a corpus of an installed package.
        train_size: Reviews for training and validation together, or ``"all"``; up to 1,000 when ``None``.
        test_size: Reviews for testing, or ``"all"``; up to 1,000 when ``None``.
        validation_fraction: Share of the training reviews that is set aside for validation, in [0, 1).
        unlabelled_size: Further reviews whose labels are not looked at, or ``"all"`` there are, for distillation:
            rows without a label first, then those of ``unlabelled_corpus``, then training reviews beside the sample.
            No held-out review is among them, and of the first two kinds no near-duplicate of one.
            When ``None`` all of ``unlabelled_corpus``, or none without it.
        unlabelled_corpus: Another corpus of which only the texts are read.
        text_column: Column with the text, or several with commas between them, whose texts are joined with line
            feeds; found by its name when ``None``.
        label_column: Column with the label; found by its name when ``None``.
        stars: What three-star reviews of an Amazon file are; one and two stars are negative, four and five
            positive.
        bins: Where a label column of numbers is cut into classes, ascending.
        labels: The labels there may be, in their order; taken from the data when ``None``.
        test_corpus: Another corpus to test on; it must have the same labels, and is read with the same
            options (a starter corpus has its own columns).
        test_share: Share of the reviews (with groups, of the groups) that is held out for testing, in (0, 1); 0.15
            when ``None``.
        group_column: Column whose equal values, such as those of one author, stay on one side of the split.
        time_column: Column of times (ISO dates, years, seconds since 1970): the latest reviews are tested on.
        folds: Number of folds of a cross-validation; ``fold`` of them is tested on, the others are trained on.
        fold: Which one, from 1.
        delimiter: Character between the fields of a CSV or TSV file; found out when ``None``.
        encoding: Of the text files; UTF-8, UTF-16 and cp1252 are found out when ``None``.
        header: Whether the first line of a CSV or TSV file names the columns; found out when ``None``.
        skip_bad_rows: Leave out rows that cannot be used, and training rows that are also test rows, and
            count them, instead of raising.
        announce: Tell ``progress`` what was found out or guessed of the files; it is in the notes in any case.
        progress: Told what is fetched and read.

    Returns:
        The corpus.

    Raises:
        UsageError: There is no such corpus, column or star rating, the label column does not hold one class a row,
            a size is impossible, or more reviews are wanted than there are.
        SlmbenchError: A row cannot be used (the message has its number), there are too few reviews or labels,
            or training and test overlap.
    """
    _check_sizes(train_size, test_size, validation_fraction)
    allowed = _check_labels(labels)
    layout = TableFormat(delimiter, encoding, header)
    division = Division(test_share, group_column, time_column, folds, fold)
    cut = None if bins is None else tuple(bins)
    wanted = Wanted(text_column, label_column, stars, allowed, cut, layout, marks=division.marks)
    keep_texts = "all" in (train_size, unlabelled_size)
    main = read_labelled(name_or_path, wanted, skip_bad_rows, progress, keep_texts=keep_texts, announce=announce)
    rows, duplicates, conflicts = splitting.deduplicate(main.rows)
    label_names = _label_names(main, rows, conflicts)
    read = [main]
    if test_corpus is not None:
        division.refuse_test_part(main.name)
        known = replace(wanted, labels=tuple(label_names))
        read.append(read_labelled(test_corpus, known, skip_bad_rows, progress, for_test=True, announce=announce))
    _check_stars(read, stars)
    skipped = sum(source.skipped for source in read)
    notes = list(dict.fromkeys(note for source in read for note in source.notes))

    about_split: list[str] = []
    test_rows = main.test_rows if test_corpus is None else read[1].rows
    if test_rows is None:
        train_pool, test_pool, about_split = division.divide(rows, main.name)
        about_split += division.advice(len(train_pool), len(test_pool))
    else:
        division.refuse_test_part(main.name)
        check_test_labels(test_rows, label_names, read[-1].name)
        test_pool, more_duplicates, more_conflicts = splitting.deduplicate(test_rows)
        duplicates += more_duplicates
        conflicts += more_conflicts
        train_pool, shared = without_shared(rows, test_pool, main.name, skip_bad_rows)
        skipped += shared
        notes.append(f"test rows are {'its own test part' if test_corpus is None else read[1].description}")
        if shared:
            notes.append(f"{shared} training rows left out because they are also test rows")

    train_size = settle_size(train_size, train_pool, "training", main.name)
    test_size = settle_size(test_size, test_pool, "test", main.name)
    about_split += splitting.left_out_notes(
        sum(len(source.rows) for source in read) + len(main.test_rows or ()), duplicates, conflicts
    )
    sample = splitting.draw(train_pool, train_size)
    count = max(1, round(validation_fraction * len(sample))) if validation_fraction else 0
    training, validation = division.part_for_validation(sample, count)
    about_split += check_training(training, label_names, main.name)
    for note in about_split if announce else ():
        progress.say(f"{main.name}: {note}")
    notes += about_split
    test = splitting.draw(test_pool, test_size)
    confirmation, no_confirmation = _confirmation(test, test_pool, division)
    spare = division.drop_tested(main.unlabelled, test_pool)
    if test_corpus is not None:
        spare = spare.joined(read[1].unlabelled)
    if unlabelled_corpus is not None:
        more, skipped_texts = read_unlabelled(
            unlabelled_corpus, wanted, skip_bad_rows, progress, keep_texts=unlabelled_size in (None, "all")
        )
        spare = spare.joined(more)
        skipped += skipped_texts
    spare = splitting.different(spare, without=(train_pool, test_pool))
    if unlabelled_size is None:
        unlabelled_size = len(spare) if unlabelled_corpus is not None else 0
    unlabelled_size = settle_unlabelled(unlabelled_size, len(spare) + len(train_pool) - train_size, main.name)
    unlabelled = spare.take(np.arange(min(len(spare), unlabelled_size))).joined(
        _beside(sample, train_pool, unlabelled_size - len(spare))
    )
    training, validation, test, confirmation, unlabelled = with_texts(
        (training, validation, test, confirmation, unlabelled), wanted, progress
    )
    unlabelled, left_out = without_near_duplicates(unlabelled, len(spare), (test, confirmation), progress)
    for note in left_out if announce else ():
        progress.say(f"{main.name}: {note}")
    notes += left_out
    corpus = Corpus(
        name=main.name,
        source=main.description,
        label_names=label_names,
        train=split_of(training, label_names),
        validation=split_of(validation, label_names),
        test=split_of(test, label_names),
        train_pool=len(train_pool),
        test_pool=len(test_pool),
        duplicates_dropped=duplicates,
        conflicting_dropped=conflicts,
        skipped_rows=skipped,
        notes=notes,
        unlabelled=[] if unlabelled.texts is None else unlabelled.texts.tolist(),
        unlabelled_ids=unlabelled.text_ids(),
        options={
            "name_or_path": location(name_or_path),
            "train_size": train_size,
            "test_size": test_size,
            "validation_fraction": validation_fraction,
            "unlabelled_size": unlabelled_size,
            "text_column": text_column,
            "label_column": label_column,
            "stars": stars,
            "labels": list(allowed) if allowed else None,
            "test_corpus": location(test_corpus) if test_corpus else None,
            "skip_bad_rows": skip_bad_rows,
            **({"bins": list(cut)} if cut else {}),
            **({"unlabelled_corpus": location(unlabelled_corpus)} if unlabelled_corpus else {}),
            **division.given(),
            **layout.given(),
        },
        columns=main.columns,
        confirmation=split_of(confirmation, label_names),
        no_confirmation=no_confirmation,
    )
    if (kept := _READ.get()) is not None:
        kept[_key(corpus.options)] = corpus
    return corpus


def _key(options: dict[str, Any]) -> str:
    return json.dumps(options, sort_keys=True, default=str)


def _confirmation(test: RowSet, pool: RowSet, division: Division) -> tuple[RowSet, str | None]:
    """Return the confirmation rows of a held-out pool, and why there are none; groups of test rows have none."""
    if division.folds:
        return pool.take(np.arange(0)), "each review is tested on in one of the folds"
    rest = pool.take(~pool.is_in(test))
    if division.group_column and rest.marks is not None and test.marks is not None:
        rest = rest.take(~np.isin(rest.marks, test.marks))
        count, reason = confirmation_size(len(rest))
        return splitting.draw(rest, count), reason
    count, reason = confirmation_size(len(rest))
    return _beside(test, pool, count), reason


def _beside(sample: RowSet, pool: RowSet, count: int) -> RowSet:
    """Return rows of a pool that are none of its sample: samples nest, so a larger one begins with the smaller."""
    larger = splitting.draw(pool, len(sample) + count) if count > 0 else sample
    return larger.take(~larger.is_in(sample))


def load_again(options: dict[str, Any], test_hash: str | None = None, *, progress: Progress = SILENT) -> Corpus:
    """Load a recorded corpus again.

    Args:
        options: ``CorpusIdentity.options`` of the record.
        test_hash: ``CorpusIdentity.test_hash``, to make sure of the test rows.
        progress: Told what is fetched and read.

    Returns:
        The corpus.

    Raises:
        SlmbenchError: The corpus cannot be loaded, or its test rows are others now.
    """
    known = inspect.signature(load_corpus).parameters.keys() - {"announce", "progress"}
    if others := options.keys() - known:
        raise SlmbenchError(f"the corpus of the record has unknown options: {', '.join(sorted(others))[:200]}")
    try:
        corpus = (_READ.get() or {}).get(_key(options)) or load_corpus(**options, announce=False, progress=progress)
    except TypeError as error:
        raise SlmbenchError(f"the corpus of the record has options of another kind: {first_line(error)}") from None
    except UsageError as error:
        # Nobody has asked for anything wrong now: the corpus was there when the record was made.
        raise SlmbenchError(f"the corpus of the record cannot be loaded again: {error}") from None
    if test_hash is not None and hash_rows(corpus.test.row_ids) != test_hash:
        raise SlmbenchError(
            f"the test rows of {options.get('name_or_path', 'the corpus')} are not those of the record any"
            " more: the data has changed; train again, or restore the file"
        )
    return corpus


def corpus_available(options: dict[str, Any]) -> bool:
    """Say whether a recorded corpus can be loaded without a download: its files or starter items are here."""
    names = (options.get("name_or_path", "imdb"), options.get("test_corpus"))
    return all(isinstance(name, str) and is_available(name) for name in names if name is not None)


def _check_sizes(train_size: Size | None, test_size: Size | None, validation_fraction: float) -> None:
    for size, side in ((train_size, "training"), (test_size, "test")):
        if isinstance(size, int) and size < 1:
            raise UsageError(f"the number of {side} reviews has to be at least 1, not {size}")
    if not 0 <= validation_fraction < 1:
        raise UsageError(f"the validation fraction has to be at least 0 and below 1, not {validation_fraction}")


def _check_labels(labels: Sequence[str] | None) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise UsageError(f"at least two different labels are needed, not: {', '.join(labels) or 'none'}")
    return tuple(labels)


def _check_stars(read: list[LabelledRows], stars: Stars) -> None:
    if stars != "drop" and not any(source.has_stars for source in read):
        raise UsageError(
            f"{read[0].name} has no Amazon star ratings as labels, so the policy '{stars}' for three-star"
            " reviews does not apply"
        )


def _label_names(source: LabelledRows, rows: RowSet, conflicts: int) -> list[str]:
    """Return the labels in their order, after checking that each occurs and that there are two."""
    found = set(rows.label_counts())
    if not found:
        why = f": the texts of all {conflicts:,} occur with different labels" if conflicts else ""
        raise SlmbenchError(f"{source.name} has no usable review{why}")
    if len(found) < 2:
        raise SlmbenchError(
            f"all {len(rows)} reviews of {source.name} are labelled '{found.pop()}': a classifier needs two labels"
        )
    names = list(source.label_names) if source.label_names else label_order(found)
    missing = [name for name in names if name not in found]
    if missing:
        raise SlmbenchError(f"no review of {source.name} is labelled '{missing[0]}'")
    return names
