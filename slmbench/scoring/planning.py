"""What is to be scored, how, and by what: settled before the first row, and the same at every rerun."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import content_key
from slmbench.common.progress import Progress
from slmbench.corpora.columns import choose_text
from slmbench.corpora.formats import format_of
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import TableFormat
from slmbench.edge.runtime import BundleFiles
from slmbench.records import BundleRecord
from slmbench.records.scoring import (
    SCORE_BINS,
    DriftReference,
    OutputFormat,
    ScoredFile,
    ScoredInput,
    ScoringBundle,
    ScoringRecord,
    ScoringSettings,
)
from slmbench.scoring.answers import header
from slmbench.scoring.inputs import Input, InputFile
from slmbench.scoring.reading import count_rows

#: Format of the answers by that of the input; JSON lines for all others.
_SAME: dict[str, OutputFormat] = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv"}
#: Shards whose names sort as their numbers; what a damaged Parquet file says of its rows may be any number.
MAX_SHARDS = 1_000_000
#: Files of a remote store that are looked at side by side: each answer takes long and is short.
_LOOKED_AT = 16
#: Shares of the reviews between the quantiles of lengths that a bundle has: below p5, to p50, to p95, above.
_LENGTH_SHARES = (0.05, 0.45, 0.45, 0.05)


def settle_bundle(path: Path, record: BundleRecord, form: str | None, progress: Progress) -> ScoringBundle:
    """Return what answers: the bundle by its seal, and the form that runs.

    Args:
        path: The bundle's folder.
        record: Its record.
        form: The form that was asked for; ``None`` for the one that the bundle chooses on this machine.
        progress: Told where a form may not answer on this processor as where it was exported.
    """
    files = BundleFiles.open(path)
    chosen = files.choose_form(form)
    if notice := files.notice(chosen, chosen=form is None):
        progress.say(notice)
    return ScoringBundle(
        name=record.name,
        path=str(path.absolute()),
        seal=files.seal,
        form=chosen,
        labels=files.labels,
    )


def settle_settings(
    source: Input,
    labels: Sequence[str],
    *,
    text_column: str | None,
    trained_text: str | None,
    keep: Sequence[str] | None,
    output_format: OutputFormat | None,
    shard_rows: int,
    threads: int,
    layout: TableFormat,
) -> ScoringSettings:
    """Settle how answers are made and written, by the columns of the first file.

    Args:
        source: The files.
        labels: Of the bundle.
        text_column: Column of the text, or several with commas between them; found by its name when ``None``.
        trained_text: Those that the classifier was trained on.
        keep: Columns that are written beside the answers; all when ``None``, but none in JSON lines.
        output_format: As the input's when ``None``.
        shard_rows: Rows of a shard.
        threads: Threads inside one inference.
        layout: What was said of the layout of CSV and TSV files.

    Raises:
        UsageError: A column is not there, or has the name of one of the answers.
    """
    first = source.files[0]
    chosen = output_format or _SAME.get(format_of(Path(first.name)), "jsonl")
    with source.open(first, layout, BadRows(first.name, skip=True)) as table:
        text_columns = choose_text(table, first.name, text_column, trained_text)
        if keep is None:
            kept = [] if chosen == "jsonl" else list(table.columns)
        else:
            kept = list(table.columns) if list(keep) == ["all"] else list(keep)
        if missing := [name for name in kept if name not in table.columns]:
            raise UsageError(f"--keep {','.join(missing)}: {first.name} has the columns {', '.join(table.columns)}")
    header(labels, kept)
    return ScoringSettings(
        shard_rows=shard_rows,
        output_format=chosen,
        text_columns=list(text_columns),
        keep=kept,
        threads=threads,
        layout=layout.given(),
    )


def plan(
    source: Input,
    bundle: ScoringBundle,
    settings: ScoringSettings,
    record: BundleRecord,
    known: ScoringRecord | None,
    *,
    name: str,
    path: str,
    command: Sequence[str],
    progress: Progress,
) -> ScoringRecord:
    """Count the rows of every file and settle the key that each shard carries.

    Memory is that of the list of files: rows are counted, not kept.

    Args:
        source: The files.
        bundle: What answers.
        settings: How.
        record: The bundle's record.
        known: The record of an earlier run: files that were not changed since are not read again.
        name: Of the output.
        path: Its location.
        command: What was typed.
        progress: Told how many files were looked at.

    Raises:
        UsageError: There would be more than :data:`MAX_SHARDS` shards.
        SlmbenchError: A file cannot be read, or there are no rows.
    """
    before = {file.name: file for file in known.input.files} if known else {}

    def looked_at(listed: InputFile) -> ScoredFile:
        file = source.now(listed)
        then = before.get(file.name)
        if then is not None and (then.bytes, then.modified) == (file.bytes, file.modified):
            return then
        rows = count_rows(source, file, (*settings.text_columns, *settings.keep), TableFormat(**settings.layout))
        return ScoredFile(
            name=file.name, bytes=file.bytes, rows=rows, digest=source.digest(file), modified=file.modified
        )

    files = []
    with (
        progress.task("counting rows", total=sum(file.bytes for file in source.files), unit="bytes") as task,
        ThreadPoolExecutor(_LOOKED_AT if source.is_remote else 1) as pool,
    ):
        for file in pool.map(looked_at, source.files):
            files.append(file)
            task.advance(file.bytes)
    scored = ScoredInput(location=source.location, files=files)
    if not scored.rows:
        raise SlmbenchError(f"{source.location} has no rows to classify")
    shards = -(-scored.rows // settings.shard_rows)
    if shards > MAX_SHARDS:
        raise UsageError(
            f"{scored.rows:,} rows would be {shards:,} shards, more than {MAX_SHARDS:,}: give more --shard-rows"
        )
    key = content_key(
        seal=bundle.seal, form=bundle.form, settings=settings.model_dump(), input=scored.digest, version=1
    )
    return ScoringRecord(
        name=name,
        path=path,
        command=list(command),
        key=key,
        bundle=bundle,
        input=scored,
        settings=settings,
        reference=_reference(record, bundle.form),
        shards=shards,
    )


def check_same_work(there: ScoringRecord, bundle: ScoringBundle, settings: ScoringSettings) -> None:
    """Check that what lies in the output is of the same bundle and settings, before any row is counted.

    Raises:
        UsageError: It is not; the sentence says what differs.
    """
    if there.bundle.seal != bundle.seal:
        raise _other(there, f"another bundle ({there.bundle.name}, not {bundle.name}, or exported at another time)")
    if there.bundle.form != bundle.form:
        raise _other(there, f"the form {there.bundle.form}, not {bundle.form}")
    now, then = settings.model_dump(), there.settings.model_dump()
    for name, value in now.items():
        if then[name] != value:
            raise _other(
                there, f"other settings ({name.replace('_', ' ')} was {_shown(then[name])}, is {_shown(value)})"
            )


def check_same_input(there: ScoringRecord, now: ScoringRecord) -> None:
    """Check that the input is what it was.

    Raises:
        UsageError: It is not; the sentence names the first file that differs.
    """
    if there.key == now.key:
        return
    was, new = there.input.files, now.input.files
    differs = next((one for one, other in zip(new, was, strict=False) if one.digest != other.digest), None)
    if len(was) != len(new):
        raise _other(
            there, f"another input ({len(was):,} files with {there.input.rows:,} rows, now {len(new):,} files)"
        )
    raise _other(there, f"another input ({differs.name if differs else now.input.location} was changed)")


def _other(there: ScoringRecord, what: str) -> UsageError:
    return UsageError(f"{there.path} has answers of {what}: name a new folder for the output")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return (
        ", ".join(f"{key} {one}" for key, one in value.items()) or "none" if isinstance(value, dict) else str(value)
    )


def _reference(record: BundleRecord, form: str) -> DriftReference:
    """Return how the bundle answered its test reviews, and how long the reviews of its corpus are."""
    predictions = record.forms[form].predictions
    predicted = predictions.predicted()
    best = np.asarray(predictions.probabilities, dtype=float).max(1)[predicted >= 0]
    corpus = record.corpus
    words = corpus.words
    reviews = corpus.train_reviews + corpus.validation_reviews + corpus.test_reviews
    edges, shares = _different(words.p5, words.p50, words.p95)
    return DriftReference(
        labels={label: int((predicted == number).sum()) for number, label in enumerate(predictions.labels)},
        scores=np.bincount(np.minimum(best * SCORE_BINS, SCORE_BINS - 1).astype(int), minlength=SCORE_BINS).tolist(),
        word_edges=edges,
        words=[share * reviews for share in shares],
    )


def _different(*quantiles: float) -> tuple[list[float], list[float]]:
    """Return the quantiles that differ, and the shares between them."""
    edges, shares = [quantiles[0]], [_LENGTH_SHARES[0]]
    for quantile, share in zip(quantiles[1:], _LENGTH_SHARES[1:], strict=False):
        if quantile > edges[-1]:
            edges.append(quantile)
            shares.append(share)
        else:
            shares[-1] += share
    return edges, [*shares, _LENGTH_SHARES[-1]]
