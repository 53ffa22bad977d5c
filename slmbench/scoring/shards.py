"""One shard at a time: claimed, answered, written aside, and committed by its manifest."""

from __future__ import annotations

import json
import time
import warnings
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import sha256_of
from slmbench.corpora.arrow_tables import ArrowTable
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import TableFormat
from slmbench.edge import Classifier, Prediction
from slmbench.records.base import Record
from slmbench.records.documents import READING, parse_document
from slmbench.records.scoring import SCORE_BINS, OutputFormat, ScoringRecord, ShardRecord, Tally
from slmbench.scoring.answers import answer_writer
from slmbench.scoring.inputs import Input
from slmbench.scoring.reading import RowReader, text_of
from slmbench.scoring.stores import Store

#: Folders below that of a scoring.
ANSWERS, MANIFESTS, REJECTS = "answers", "manifests", "rejects"
SUFFIXES: dict[OutputFormat, str] = {"parquet": ".parquet", "jsonl": ".jsonl", "csv": ".csv"}
#: Seconds of work after which it is said how far a shard is.
_SAID_EVERY_S = 0.5
#: Rows between two looks at the clock.
_ROWS_BETWEEN = 64
#: Manifests that are read at the same time.
_READ_TOGETHER = 8

R = TypeVar("R", bound=Record)


def shard_name(number: int) -> str:
    """Return the name of a shard, which sorts as its number up to a million shards."""
    return f"part-{number:06d}"


def _answers_name(number: int, suffix: str) -> str:
    return f"{ANSWERS}/{shard_name(number)}{suffix}"


def _rejects_name(number: int) -> str:
    return f"{REJECTS}/{shard_name(number)}.jsonl"


def manifest_name(number: int) -> str:
    """Return the name of a shard's manifest below the folder of a scoring."""
    return f"{MANIFESTS}/{shard_name(number)}.json"


def read_manifest(store: Store, work: ScoringRecord, number: int) -> ShardRecord | None:
    """Return the manifest of a shard; ``None`` where there is none, or it is damaged or of other work."""
    content = store.read(manifest_name(number))
    found = read_from(ShardRecord, content) if content is not None else None
    return found if found is not None and _is_of(found, work, number) else None


def _is_of(found: ShardRecord, work: ScoringRecord, number: int) -> bool:
    """Say whether a manifest is of a shard of this work, and of all its rows."""
    first, last = work.rows_of(number)
    answers = _answers_name(number, SUFFIXES[work.settings.output_format])
    return (
        (found.key, found.number, found.first_row, found.answers) == (work.key, number, first, answers)
        and found.rejects == (_rejects_name(number) if found.tally.rejected else None)
        and found.tally.fits(last - first, work.bundle.labels, work.reference)
    )


def read_from(kind: type[R], content: bytes) -> R | None:
    """Return the record in a file's content; ``None`` where it is damaged, or another kind or version."""
    try:
        document = parse_document(content)
        found = kind.model_validate(document, context=READING)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None
    return found if document.get("schema") == kind.schema_name() else None


def is_done(store: Store, work: ScoringRecord, number: int) -> bool:
    """Say whether a shard has a manifest, and its answers are there in full length."""
    manifest = read_manifest(store, work, number)
    if manifest is None or store.size(manifest.answers) != manifest.bytes:
        return False
    return manifest.rejects is None or store.size(manifest.rejects) is not None


def read_manifests(store: Store, work: ScoringRecord, numbers: Iterable[int]) -> Iterator[ShardRecord | None]:
    """Yield the manifests of shards, read side by side: those of a remote store take long to come."""
    with ThreadPoolExecutor(_READ_TOGETHER) as pool:
        yield from pool.map(lambda number: read_manifest(store, work, number), numbers)


def missing_shards(store: Store, work: ScoringRecord) -> list[int]:
    """Return the numbers of the shards that are not done."""
    manifests, answers, rejects = (store.sizes(folder) for folder in (MANIFESTS, ANSWERS, REJECTS))
    begun = [number for number in range(work.shards) if f"{shard_name(number)}.json" in manifests]
    done = set()
    for found in read_manifests(store, work, begun):
        if found is None or answers.get(_last(found.answers)) != found.bytes:
            continue
        if found.rejects is None or _last(found.rejects) in rejects:
            done.add(found.number)
    return [number for number in range(work.shards) if number not in done]


def _last(name: str) -> str:
    return name.rpartition("/")[2]


class ShardWriter:
    """Answers shards of a scoring, one after another, with one classifier.

    Args:
        store: Where they go.
        work: The scoring.
        source: Its input.
        stop_on_error: Whether a row that cannot be used stops the work, instead of going to the rejects.
    """

    def __init__(self, store: Store, work: ScoringRecord, source: Input, *, stop_on_error: bool) -> None:
        self._store = store
        self._work = work
        self._stop = stop_on_error
        self._source = source
        settings = work.settings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # said once, by the command
            self._classifier = Classifier(work.bundle.path, form=work.bundle.form, threads=settings.threads)
        self._classifier.check_seal(work.bundle.seal)
        layout = TableFormat(**settings.layout)
        columns = (*settings.text_columns, *settings.keep)
        self._reader = RowReader(source, [file.rows for file in work.input.files], columns, layout)
        self._types, self._as_text = None, False
        if settings.output_format == "parquet":
            self._types, self._as_text = _column_types(source, settings.keep, layout)

    def close(self) -> None:
        """Close the input."""
        self._reader.close()

    def write(self, number: int) -> Iterator[int]:
        """Answer a shard, unless it is done or another process is at it.

        Yields:
            Now and then, the rows that were answered since the last time; -1 where another process is at it.

        Raises:
            SlmbenchError: A row cannot be used and stops the work, or a file cannot be read or written.
        """
        with self._store.claimed(shard_name(number)) as mine:
            if not mine:
                yield -1
            elif not is_done(self._store, self._work, number):
                yield from self._answer(number)

    def _answer(self, number: int) -> Iterator[int]:
        settings = self._work.settings
        first, last = self._work.rows_of(number)
        suffix = SUFFIXES[settings.output_format]
        answers_name = _answers_name(number, suffix)
        shard = _Shard(self._work, self._reader, first, last, stop=self._stop, as_text=self._as_text)
        before, clock = 0, time.monotonic()
        with self._store.writing(answers_name) as answers:
            with answer_writer(
                answers,
                suffix,
                self._work.bundle.labels,
                lambda: settings.keep,
                types=self._types,
                guarded=True,
            ) as write:
                stream = self._classifier.stream(shard.texts())
                while some := list(islice(stream, _ROWS_BETWEEN)):
                    for answer in some:
                        write(shard.answered(answer), answer)
                    if time.monotonic() - clock > _SAID_EVERY_S:
                        yield shard.rows - before
                        before, clock = shard.rows, time.monotonic()
            size, digest = answers.stat().st_size, sha256_of(answers)
        rejects_name = self._write_rejects(number, shard.rejects)
        manifest = ShardRecord(
            name=shard_name(number),
            key=self._work.key,
            number=number,
            first_row=first,
            answers=answers_name,
            bytes=size,
            sha256=digest,
            rejects=rejects_name,
            tally=shard.tally(),
        )
        with self._store.writing(manifest_name(number)) as file:
            file.write_text(manifest.to_json() + "\n", encoding="utf-8")
        yield shard.rows - before

    def _write_rejects(self, number: int, rejects: list[str]) -> str | None:
        if not rejects:
            return None
        name = _rejects_name(number)
        with self._store.writing(name) as file, file.open("w", encoding="utf-8", newline="\n") as lines:
            lines.writelines(rejects)
        return name


class _Shard:
    """The rows of a shard on their way: to the classifier, to the answers or the rejects, and counted.

    ``rejects`` holds lines of JSON; a shard cannot have more of them than rows.
    """

    def __init__(
        self, work: ScoringRecord, reader: RowReader, first: int, last: int, *, stop: bool, as_text: bool
    ) -> None:
        self._work = work
        self._reader = reader
        self._rows = reader.between(first, last)
        self._stop = stop
        self._kept = work.settings.keep
        self._as_text = as_text
        self._texts = len(work.settings.text_columns)
        self._edges = work.reference.word_edges
        self._waiting: deque[Sequence[Any]] = deque()
        self._labels: Counter[str] = Counter()
        self._scores = [0] * SCORE_BINS
        self._words = [0] * (len(self._edges) + 1)
        self.rows = 0
        self.rejects: list[str] = []

    def texts(self) -> Iterator[str]:
        """Yield the texts of the rows that have one."""
        count, edges, words, waiting = self._texts, self._edges, self._words, self._waiting
        for number, values, unread in self._rows:
            self.rows += 1
            text, why = text_of(values[:count]) if unread is None else ("", unread)
            if why is not None:
                self._reject(number, values, why)
                continue
            words[bisect_left(edges, len(text.split()))] += 1
            waiting.append(values[count:])
            yield text

    def answered(self, answer: Prediction) -> Sequence[Any]:
        """Count an answer; returns the kept values of its row."""
        self._labels[answer.label] += 1
        self._scores[min(int(answer.score * SCORE_BINS), SCORE_BINS - 1)] += 1
        values = self._waiting.popleft()
        return [_as_text(value) for value in values] if self._as_text else values

    def tally(self) -> Tally:
        """Return what was counted."""
        return Tally(
            rows=self.rows,
            answered=sum(self._scores),
            rejected=len(self.rejects),
            labels={label: self._labels[label] for label in self._work.bundle.labels},
            scores=self._scores,
            words=self._words,
        )

    def _reject(self, number: int, values: Sequence[Any], why: str) -> None:
        file = self._reader.file
        if self._stop:
            raise SlmbenchError(
                f"{file}: row {number}: {why}; correct it, or pass --on-error reject to set such rows aside"
            )
        kept = dict(zip(self._kept, values[self._texts :], strict=False))
        line = {"file": file, "row": number, "why": why, **({"input": kept} if kept else {})}
        # Bytes that are no UTF-8 were read as lone surrogates, which only ASCII can hold.
        self.rejects.append(json.dumps(line, default=str) + "\n")


def _column_types(source: Input, keep: Sequence[str], layout: TableFormat) -> tuple[list[Any], bool]:
    """Return the types of the kept columns in Parquet, and whether values have to be made texts.

    They are those of the first file; text where its format has no types, so that every shard has the same.
    """
    import pyarrow

    first = source.files[0]
    with source.open(first, layout, BadRows(first.name, skip=True)) as table:
        if not isinstance(table, ArrowTable):
            return [pyarrow.string()] * len(keep), True
        types = [table.schema.types[table.columns.index(name)] for name in keep]
    return [pyarrow.string() if "binary" in str(one) and not one.num_fields else one for one in types], False


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
