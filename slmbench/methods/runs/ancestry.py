"""The reviews that shaped a run: gathered when it is made, recalled when something is made from it or tested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.formatting import listing
from slmbench.common.places import named_path
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora import Corpus, corpus_available, load_again, sample_texts
from slmbench.methods.known_methods import METHODS
from slmbench.methods.method import Method
from slmbench.methods.options import MethodOptions
from slmbench.records import BundleRecord, CheckpointRecord, RunRecord, artefacts
from slmbench.records.ancestors import FILE, Ancestry, overlap_sentence, unknown_owners


def ancestry_of(
    name: str, method: Method, model: str, corpus: Corpus, options: MethodOptions, progress: Progress
) -> Ancestry:
    """Gather the reviews that shape a run.

    Args:
        name: The run's name.
        method: Its method.
        model: Folder, run, starter item or hub name.
        corpus: Its reviews; the test rows are those that may be in no ancestor.
        options: Its options; those that name a run (``names_run``) name ancestors.
        progress: Told what is read.

    Raises:
        SlmbenchError: Test rows are among them, or an ancestor's record is damaged.
    """
    found = Ancestry.of("training", name, corpus.train.row_ids).joined(
        Ancestry.of("validation", name, corpus.validation.row_ids),
        Ancestry.of("unlabelled", name, corpus.unlabelled_ids),
    )
    if method.takes_model:
        found = found.joined(ancestry_of_model(model, progress))
    for option in method.options:
        named = options.given.get(option.name, ()) if option.names_run else ()
        for other in named if option.repeated else filter(None, [named]):
            record = artefacts.read(other, RunRecord, CheckpointRecord)
            found = found.joined(recall(Path(other), record, progress).through(option.name.replace("_", " ")))
    remedy = f"test on others (--test-corpus), or make those again with the split of {corpus.name}"
    return checked(found, corpus.test.row_ids, name, remedy)


def ancestry_of_model(model: str, progress: Progress) -> Ancestry:
    """Return the reviews that shaped the weights to start from.

    Args:
        model: Folder, run, adapted language model, starter item or hub name.
        progress: Told what is read.
    """
    folder = named_path(model)
    for place in (folder, folder.parent) if folder.name == "model" else (folder,):
        if artefacts.kind_of(place) in (RunRecord, CheckpointRecord):
            try:
                record = artefacts.read(place, RunRecord, CheckpointRecord)
            except SlmbenchError:  # a damaged record says nothing; its weights may be sound
                break
            return recall(place, record, progress).through("base")
    return Ancestry.of("training", model, None).through("base")


def unknown_sentence(ancestry: Ancestry) -> str | None:
    """Return a sentence about a teacher whose own training reviews are unknown, so that they were not checked."""
    owners = unknown_owners(fact for fact in ancestry.facts if fact.through and fact.through[-1] != "base")
    if not owners:
        return None
    return (
        f"the training reviews of {listing(owners)} are unknown (an older run whose corpus is gone or has changed):"
        " test reviews may be among them"
    )


def checked(ancestry: Ancestry, tested: Sequence[str], name: str, remedy: str) -> Ancestry:
    """Return an ancestry with its counts of test rows, after checking that there are none.

    Args:
        ancestry: What shaped a classifier.
        tested: Row ids of all rows that it is, or will be, tested on.
        name: What the classifier is called.
        remedy: What to do; the end of a sentence.

    Raises:
        SlmbenchError: Some test rows are among them; the message says how many, and of what.
    """
    counted = ancestry.tested_on(tested)
    if overlap := overlap_sentence(counted.facts):
        raise SlmbenchError(f"{name} cannot be tested on these {len(tested):,} reviews: {overlap}; {remedy}")
    return counted


def recall(
    folder: Path, record: RunRecord | BundleRecord | CheckpointRecord, progress: Progress = SILENT
) -> Ancestry:
    """Return what shaped a finished run, bundle or checkpoint.

    Of one that was made before ancestors were kept, the own rows are read again where its corpus is still there and
    unchanged; what it was made from is unknown.

    Args:
        folder: Its folder.
        record: Its record.
        progress: Told what is read.

    Raises:
        SlmbenchError: Its file of ancestors is damaged.
    """
    if record.ancestors is not None and (folder / FILE).is_file():
        return Ancestry.load(folder, record.ancestors)
    if isinstance(record, CheckpointRecord):
        own = Ancestry.of("adaptation", record.name, _adaptation_rows(record, progress))
    else:
        own = _own_rows(record, progress)
    if record.method in METHODS and not METHODS[record.method].takes_model:
        return own
    return own.joined(Ancestry.of("training", record.model, None).through("base"))


def _own_rows(record: RunRecord | BundleRecord, progress: Progress) -> Ancestry:
    unknown = Ancestry.of("training", record.name, None)
    if not corpus_available(record.corpus.options):
        return unknown
    try:
        corpus = load_again(record.corpus.options, progress=progress)
    except SlmbenchError:
        return unknown
    if corpus.identity().train_hash != record.corpus.train_hash:
        return unknown
    return Ancestry.of("training", record.name, corpus.train.row_ids).joined(
        Ancestry.of("validation", record.name, corpus.validation.row_ids),
        Ancestry.of("unlabelled", record.name, corpus.unlabelled_ids),
    )


def _adaptation_rows(record: CheckpointRecord, progress: Progress) -> list[str] | None:
    if not corpus_available(record.corpus.options):
        return None
    try:
        sample = sample_texts(**record.corpus.options, size=record.corpus.reviews, progress=progress)
        return sample.text_ids() if sample.texts_hash() == record.corpus.texts_hash else None
    except SlmbenchError:
        return None
