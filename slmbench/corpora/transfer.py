"""A corpus that a finished classifier is scored on: all of it is test rows, in the classifier's labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.formatting import few
from slmbench.common.progress import SILENT, Progress
from slmbench.common.suggestions import did_you_mean
from slmbench.corpora import splitting
from slmbench.corpora.columns import Wanted
from slmbench.corpora.corpus import Corpus, Split
from slmbench.corpora.known_corpora import find_source, location
from slmbench.corpora.labelled import LabelledRows, read_labelled, with_texts
from slmbench.corpora.labels import Stars, joins, label_order, several_in_one_field, spelling_key
from slmbench.corpora.row_sets import RowSet
from slmbench.corpora.sides import Size, settle_size, split_of
from slmbench.corpora.tables import TableFormat


def load_for_testing(
    name_or_path: str,
    label_names: Sequence[str],
    *,
    label_map: Mapping[str, str] | None = None,
    test_size: Size | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    stars: Stars = "drop",
    bins: Sequence[float] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    trained_text: str | None = None,
    skip_bad_rows: bool = False,
    leave_out: Collection[str] = (),
    set_aside: Collection[str] = (),
    progress: Progress = SILENT,
) -> tuple[Corpus, int]:
    """Load a corpus of which nothing is trained on.

    Labels are mapped before copies are dropped, so that a text with two labels that stand for the same one of the
    classifier's is no contradiction.

    Args:
        name_or_path: As for :func:`slmbench.corpora.load_corpus`; of a hub dataset with a test part, that part.
        label_names: The classifier's labels in id order.
        label_map: Which of them a label of the corpus stands for; a label that is not in it stands for itself.
        test_size: Draw a stratified sample of so many, by the content of the reviews; all of them when ``None``.
        text_column: Column with the text; found by its name when ``None``.
        label_column: Column with the label; found by its name when ``None``.
        stars: What three-star reviews of an Amazon file are.
        bins: Where a label column of numbers is cut into classes, ascending.
        delimiter: As for :func:`slmbench.corpora.load_corpus`.
        encoding: Likewise.
        header: Likewise.
        trained_text: The text columns that the classifier was trained on: they are taken where ``text_column`` is not
            given and the corpus has all of them.
        skip_bad_rows: Leave out rows that cannot be used, and count them, instead of raising.
        leave_out: Text hashes (the part of a row id before the colon) of reviews to leave out.
        set_aside: Those of the classifier's confirmation rows, which are left out and noted, not counted.
        progress: Told what is fetched and read.

    Returns:
        The corpus, its training and validation sides empty; and how many reviews were left out.

    Raises:
        UsageError: There is no such corpus or column, a label is mapped to none of the classifier's or to none at
            all, the map names labels that do not occur, or more reviews are wanted than there are.
        SlmbenchError: A row cannot be used, or no review is left.
    """
    label_map = dict(label_map or {})
    if find_source(name_or_path).fixed_columns and (text_column or label_column):
        raise UsageError(f"{name_or_path} has columns of its own: leave --text-column and --label-column out")
    layout = TableFormat(delimiter, encoding, header)
    cut = None if bins is None else tuple(bins)
    wanted = Wanted(text_column, label_column, stars, None, cut, layout, trained_text)
    for own, meant in label_map.items():
        if meant not in label_names:
            hint, known = did_you_mean(meant, label_names), ", ".join(label_names)
            raise UsageError(
                f"--label-map {own}={meant}: the classifier has no label '{meant}'{hint}; it knows: {known}"
            )
    source = read_labelled(
        name_or_path,
        wanted,
        skip_bad_rows,
        progress,
        for_test=True,
        keep_texts=test_size in (None, "all"),
        known_labels=(*label_names, *label_map),
    )
    rows = source.rows if source.test_rows is None else source.test_rows
    if not len(rows):
        raise SlmbenchError(f"{source.name} has no usable review")
    rows = _mapped(rows, label_map, label_names, source)
    different, duplicates, conflicts = splitting.deduplicate(rows)
    allowed = _without(different, set_aside)
    pool = _without(allowed, leave_out)
    left_out = len(allowed) - len(pool)
    if not len(pool) and left_out:
        raise SlmbenchError(f"all {left_out:,} reviews of {source.name} were trained on: there is nothing to test on")
    chosen = splitting.draw(pool, settle_size("all" if test_size is None else test_size, pool, "test", source.name))
    (chosen,) = with_texts((chosen,), wanted, progress)
    notes = [*source.notes, *splitting.left_out_notes(len(rows), duplicates, conflicts)]
    if kept_back := len(different) - len(allowed):
        notes.append(f"{kept_back:,} reviews left out that are set aside for confirmation")
    if source.test_rows is not None:
        notes.append("its own test part")
    corpus = Corpus(
        name=source.name,
        source=source.description,
        label_names=list(label_names),
        train=Split([], [], []),
        validation=Split([], [], []),
        test=split_of(chosen, list(label_names)),
        train_pool=0,
        test_pool=len(pool),
        duplicates_dropped=duplicates,
        conflicting_dropped=conflicts,
        skipped_rows=source.skipped,
        notes=notes,
        options={
            "name_or_path": location(name_or_path),
            "label_names": list(label_names),
            "label_map": label_map,
            "test_size": test_size,
            "text_column": text_column,
            "label_column": label_column,
            "stars": stars,
            "skip_bad_rows": skip_bad_rows,
            **({"bins": list(cut)} if cut else {}),
            **layout.given(),
        },
        columns=source.columns,
    )
    return corpus, left_out


def _without(rows: RowSet, text_ids: Collection[str]) -> RowSet:
    """Return the rows whose text hash is none of some others."""
    known = np.array(sorted(int(text_id, 16) for text_id in text_ids), dtype=np.uint64)
    return rows.take(~np.isin(rows.keys[:, 0], known))


def _mapped(rows: RowSet, label_map: dict[str, str], label_names: Sequence[str], source: LabelledRows) -> RowSet:
    """Return the rows with the classifier's labels; what differs from one in its spelling only is that one."""
    found, name = label_order(rows.label_counts()), source.name
    spelled = {spelling_key(label): label for label in label_names}
    others = [label for label in found if label not in label_map and label not in label_names]
    alike = {label: spelled[key] for label in others if (key := spelling_key(label)) in spelled}
    strange = [label for label in others if label not in alike]
    for label in strange:
        if joins(label, (*label_names, *label_map)):
            raise several_in_one_field(name, source.columns["label"], label)
    if strange:
        raise UsageError(
            f"{name} has reviews labelled '{strange[0][:50]}', which is no label of the classifier"
            f" ({few(label_names)}): say which it stands for with --label-map '{strange[0][:50]}=LABEL'"
        )
    for own, meant in label_map.items():
        if own not in found:
            raise UsageError(
                f"--label-map {own}={meant}: no review of {name} is labelled '{own}'; its labels are: {few(found)}"
            )
    label_map = label_map | alike
    return rows.relabelled(lambda label: label_map.get(label, label))
