"""The records of a corpus that was scored in shards: of the whole, and a manifest of each shard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from slmbench.edge.runtime import are_labels
from slmbench.records.base import Part, Record
from slmbench.records.documents import Count, FileName, is_reading
from slmbench.statistics.drift import Shift

#: Equal parts of the scores from 0 to 1 in which answers are counted.
SCORE_BINS = 20


class ScoredFile(Part):
    """A file of the input as it was when the work was planned."""

    name: str
    bytes: int
    rows: int
    #: SHA-256 of its content; in a remote store what the store says instead (an ETag, a checksum).
    digest: str
    #: When it was changed, as its file system or store has it: while it and the size are the same, it is not read.
    modified: str = ""


class ScoredInput(Part):
    """All files of the input, in the order in which their rows are numbered."""

    location: str
    files: list[ScoredFile]

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def digest(self) -> str:
        """SHA-256 over content and rows of the files in their order, whatever they are called."""
        return digest_of((file.bytes, file.digest, file.rows) for file in self.files)


class ScoringBundle(Part):
    """What answers."""

    name: str
    path: str
    seal: str
    form: str
    labels: list[str]


OutputFormat = Literal["parquet", "jsonl", "csv"]


class ScoringSettings(Part):
    """What decides what is written, besides bundle and input."""

    shard_rows: Count
    output_format: OutputFormat
    #: Columns of the text, and of the input that are written beside the answers.
    text_columns: list[str]
    keep: list[str]
    #: Threads inside one inference: their number can change the last digit of a score.
    threads: Count
    #: What was said of the layout of CSV and TSV files.
    layout: dict[str, Any] = Field(default_factory=dict)


class Tally(Part):
    """What was answered, counted."""

    rows: int
    answered: int
    rejected: int
    #: Answers by label.
    labels: dict[str, int]
    #: Answers by the probability of their label, in :data:`SCORE_BINS` equal parts from 0 to 1.
    scores: list[int]
    #: Texts by their number of words, between the edges of :attr:`DriftReference.word_edges`.
    words: list[int]

    @model_validator(mode="after")
    def _adds_up(self, info: ValidationInfo) -> Self:
        if is_reading(info):
            counted = {sum(self.labels.values()), sum(self.scores), sum(self.words)}
            if self.answered + self.rejected != self.rows or counted != {self.answered}:
                raise ValueError(f"the counts do not add up to {self.rows:,} rows")
            if len(self.scores) != SCORE_BINS:
                raise ValueError(f"scores: {len(self.scores)} parts instead of {SCORE_BINS}")
        return self

    def fits(self, rows: int, labels: Sequence[str], reference: DriftReference) -> bool:
        """Say whether it counts so many rows, by these labels and by the parts of a reference."""
        return (self.rows, [*self.labels], len(self.words)) == (rows, [*labels], len(reference.words))


class DriftReference(Part):
    """The same counts on the reviews that the bundle comes with."""

    #: Test reviews by the label that this form gave them, and by its score.
    labels: dict[str, int]
    scores: list[int]
    #: Words of a text that lie between two parts, and how many reviews of the corpus are in each part.
    word_edges: list[float]
    words: list[float]


class ScoringRecord(Record):
    """A corpus that a bundle scores, shard by shard; ``summary`` is there when every shard is."""

    kind = "scoring"
    made_by = "slmbench predict --input FOLDER --output FOLDER"
    file: ClassVar[str] = "scoring.json"
    shown = "name bundle.name bundle.form shards summary.rows summary.answered summary.rejected"

    path: str
    bundle: ScoringBundle
    input: ScoredInput
    settings: ScoringSettings
    reference: DriftReference
    shards: int
    summary: Tally | None = None
    #: How far the answers, their scores and the lengths of the texts are from those of the bundle's own corpus.
    drift: dict[str, Shift] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _belongs_together(self, info: ValidationInfo) -> Self:
        if is_reading(info):
            if not are_labels(self.bundle.labels):
                raise ValueError(f"bundle.labels: {self.bundle.labels!r:.100} are not two or more different names")
            if self.shards != -(-self.input.rows // self.settings.shard_rows):
                raise ValueError(f"shards: {self.shards:,} of {self.settings.shard_rows:,} rows are not the input")
            if self.summary and not self.summary.fits(self.input.rows, self.bundle.labels, self.reference):
                raise ValueError("summary: it counts other rows, labels or parts than the record has")
        return self

    def rows_of(self, number: int) -> tuple[int, int]:
        """Return the place of a shard's first row in the input, from 0, and the place after its last."""
        first = number * self.settings.shard_rows
        return first, min(first + self.settings.shard_rows, self.input.rows)


class ShardRecord(Record):
    """The manifest of one shard; it is written last, so a shard with a manifest is complete."""

    kind = "shard"
    made_by = "slmbench predict --input FOLDER --output FOLDER"
    shown = "number first_row tally.rows tally.answered tally.rejected bytes"

    number: int
    #: Place of its first row in the input, from 0.
    first_row: int
    #: The answers, below the folder of the scoring.
    answers: FileName
    bytes: int
    sha256: str
    #: Rows without an answer and why; ``None`` where there is none.
    rejects: FileName | None
    tally: Tally


def digest_of(facts: Iterable[object]) -> str:
    """Return a SHA-256 over facts, each as text, in their order."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(f"{fact}\n".encode())
    return digest.hexdigest()
