"""Which reviews shaped a classifier: its own, and those of the base, the teacher or the members it was made from.

The record says how many there are of each kind; the file :data:`FILE` beside it holds them, 8 bytes a review: the
first 8 of the hash of its text, which is the part of a row id before the colon. So 25,000 reviews take 200 kB.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from slmbench.common.errors import SlmbenchError
from slmbench.common.formatting import counted, listing
from slmbench.edge.runtime import path_inside, read_arrays
from slmbench.records.base import Part

#: What reviews were used for.
Use = Literal["training", "validation", "unlabelled", "adaptation", "calibration", "threshold"]
#: In the folder of a run, checkpoint or bundle.
FILE = "ancestors.npz"


class Ancestor(Part):
    """Reviews of one kind that shaped a classifier.

    Attributes:
        what: What they were used for.
        of: The run, checkpoint, bundle or published model that they were used for.
        through: How the classifier descends from it, the nearest relation first; empty for the classifier itself.
        rows: How many; ``None`` where they are unknown, as those of published weights are.
        tested: How many of them the classifier is tested on.
    """

    what: Use
    of: str
    through: list[str] = Field(default_factory=list)
    rows: int | None
    tested: int = 0

    @property
    def owner(self) -> str:
        """Whose rows they are, such as ``the base of its teacher bert-tiny``."""
        if not self.through:
            return self.of
        nearest, *further = self.through
        return "".join(f"the {relation} of " for relation in reversed(further)) + f"its {nearest} {self.of}"


@dataclass(frozen=True)
class Ancestry:
    """All reviews that shaped a classifier.

    Attributes:
        facts: What the record says of them.
        ids: First 8 bytes of their hashes, a sorted uint64 array for each of ``facts``; ``None`` where unknown.
    """

    facts: tuple[Ancestor, ...] = ()
    ids: tuple[np.ndarray | None, ...] = ()

    @classmethod
    def of(
        cls,
        what: Use,
        name: str,
        row_ids: Iterable[str] | None,
    ) -> Ancestry:
        """Return reviews of one kind.

        Args:
            what: What they were used for.
            name: Of the run, checkpoint, bundle or published model.
            row_ids: Row ids, or the part before the colon; ``None`` where they are unknown.
        """
        if row_ids is None:
            return cls((Ancestor(what=what, of=name, rows=None),), (None,))
        ids = as_numbers(row_ids)
        return cls((Ancestor(what=what, of=name, rows=len(ids)),), (ids,)) if len(ids) else cls()

    def joined(self, *others: Ancestry) -> Ancestry:
        """Return the reviews of all."""
        every = (self, *others)
        return Ancestry(
            tuple(fact for one in every for fact in one.facts), tuple(ids for one in every for ids in one.ids)
        )

    def through(self, relation: str) -> Ancestry:
        """Return the same for a classifier that has this one as its base, teacher or member."""
        facts = (fact.model_copy(update={"through": [relation, *fact.through]}) for fact in self.facts)
        return Ancestry(tuple(facts), self.ids)

    def tested_on(self, row_ids: Iterable[str]) -> Ancestry:
        """Return the same with counts of those that a classifier is tested on."""
        tested = as_numbers(row_ids)
        facts = (
            fact.model_copy(update={"tested": 0 if ids is None else int(np.isin(ids, tested).sum())})
            for fact, ids in zip(self.facts, self.ids, strict=True)
        )
        return Ancestry(tuple(facts), self.ids)

    def all_ids(self) -> np.ndarray:
        """Return all that are known, each once, sorted."""
        known = [ids for ids in self.ids if ids is not None]
        return np.unique(np.concatenate(known)) if known else np.empty(0, dtype=np.uint64)

    def text_ids(self) -> set[str]:
        """Return all that are known as the part of a row id before the colon."""
        return {f"{one:016x}" for one in self.all_ids().tolist()}

    def save(self, folder: Path) -> None:
        """Write :data:`FILE` into a folder."""
        arrays = {str(place): ids for place, ids in enumerate(self.ids) if ids is not None}
        np.savez(folder / FILE, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path, facts: Sequence[Ancestor]) -> Ancestry:
        """Read :data:`FILE` of a folder.

        Args:
            folder: Of a run, checkpoint or bundle.
            facts: Of its record.

        Raises:
            SlmbenchError: The file is damaged or does not belong to the record.
        """
        try:
            types = {str(place): ("uint64",) for place, fact in enumerate(facts) if fact.rows is not None}
            found = iter(read_arrays(path_inside(folder, FILE), types) if types else [])
        except (OSError, ValueError) as error:
            raise SlmbenchError(f"{folder / FILE} is damaged ({error}): make {folder} again") from None
        ids = tuple(None if fact.rows is None else next(found) for fact in facts)
        if any(one is not None and one.shape != (fact.rows,) for one, fact in zip(ids, facts, strict=True)):
            raise SlmbenchError(f"{folder / FILE} does not belong to the record beside it: make {folder} again")
        return cls(tuple(facts), ids)


def as_numbers(row_ids: Iterable[str]) -> np.ndarray:
    """Return the hashes of row ids, each once, as a sorted uint64 array."""
    return np.unique(np.array([int(row_id.partition(":")[0], 16) for row_id in row_ids], dtype=np.uint64))


def overlap_sentence(facts: Iterable[Ancestor]) -> str | None:
    """Say which ancestors have test reviews among their rows; ``None`` where none has."""
    found = [f"{fact.tested:,} of the {fact.what} rows of {fact.owner}" for fact in facts if fact.tested]
    return f"test reviews are among what shaped it: {listing(found)}" if found else None


def unknown_owners(facts: Iterable[Ancestor]) -> list[str]:
    """Return whose rows are unknown, each once."""
    return list(dict.fromkeys(fact.of for fact in facts if fact.rows is None))


def ancestry_phrase(facts: Sequence[Ancestor]) -> str:
    """Describe what a classifier was made from, beside its own rows; empty where there is nothing."""
    others = [fact for fact in facts if fact.through and fact.rows is not None]
    return listing([f"{counted(fact.rows or 0, f'{fact.what} row')} of {fact.owner}" for fact in others])
