"""Score all rows of many files into a folder of shards; a rerun does what is missing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import Literal

from slmbench.common.errors import SlmbenchError, require_extra
from slmbench.common.progress import SILENT, Progress
from slmbench.corpora.tables import TableFormat
from slmbench.edge.runtime import usable_cores
from slmbench.instruments.engines import Engine, installed_engine
from slmbench.records import BundleRecord, artefacts
from slmbench.records.scoring import OutputFormat, ScoringRecord
from slmbench.scoring.crew import Crew
from slmbench.scoring.inputs import Input
from slmbench.scoring.planning import check_same_input, check_same_work, plan, settle_bundle, settle_settings
from slmbench.scoring.shards import missing_shards, read_from
from slmbench.scoring.stores import Store, is_url, store_at
from slmbench.scoring.summary import summarise

#: Rows of a shard when nothing is said: seconds of work with TF-IDF, half an hour with a transformer.
SHARD_ROWS = 100_000

_RECORD = ScoringRecord.file

OnError = Literal["reject", "stop"]


def predict_files(
    bundle: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    form: str | None = None,
    text_column: str | None = None,
    keep: Sequence[str] | None = None,
    output_format: OutputFormat | None = None,
    shard_rows: int = SHARD_ROWS,
    on_error: OnError = "stop",
    workers: int | None = None,
    threads: int = 1,
    engine: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> ScoringRecord:
    """Classify all rows of files into numbered shards, each with a manifest; a rerun does what is missing.

    An answer is there once: a shard is written beside its place and renamed, and counts when its manifest is there,
    which is written last. Several commands may work on one output. Memory does not grow with the rows.

    Args:
        bundle: The bundle's folder.
        source: A file, a folder, a pattern such as ``reviews/*.parquet``, or a URL that fsspec opens. What lies in
            the output's folder is none of it.
        output: The folder of the shards, or a URL.
        form: Form to run; by default the one the bundle chooses.
        text_column: Column of the text, or several with commas between them.
        keep: Columns of the input to write beside the answers, ``["all"]`` for all; by default all in tables and none
            in JSON lines.
        output_format: ``parquet``, ``jsonl`` or ``csv``; by default as the input.
        shard_rows: Rows of a shard.
        on_error: Whether a row that cannot be used is set aside with its reason, or stops the work.
        workers: Processes; by default as many as there are cores for their threads, with an engine on all machines.
        threads: Threads inside one inference.
        engine: What starts the processes on other machines, such as ``ray``; they reach the same files by the same
            paths. Without one they are on this machine.
        delimiter: As for :func:`slmbench.corpora.load_corpus`.
        encoding: Likewise.
        header: Likewise.
        command: What was typed, for the record.
        progress: Told how far the work is.

    Returns:
        The record with its summary, which also lies in the output as ``scoring.json``.

    Raises:
        UsageError: There is no such input, column or engine, or the output has answers of another bundle, input or
            settings.
        SlmbenchError: A row stops the work, a file cannot be read or written, or an extra is missing.
    """
    runs_on = installed_engine(engine)
    bundle, store = Path(bundle), store_at(str(output))
    files = Input(str(source), without=None if is_url(store.location) else Path(store.location))
    record = artefacts.read(bundle, BundleRecord)
    answering = settle_bundle(bundle, record, form, progress)
    settings = settle_settings(
        files,
        answering.labels,
        text_column=text_column,
        trained_text=record.corpus.columns.get("text"),
        keep=keep,
        output_format=output_format,
        shard_rows=shard_rows,
        threads=threads,
        layout=TableFormat(delimiter, encoding, header),
    )
    if settings.output_format == "parquet":
        require_extra("pyarrow", "parquet", "writing Parquet")
    with store.alone(progress):
        store.check_place(_RECORD)  # another command that begins there has written its record by now
        there = _read(store)
        if there is not None:
            check_same_work(there, answering, settings)
        work = plan(
            files,
            answering,
            settings,
            record,
            there,
            name=PurePosixPath(Path(store.location).as_posix()).name,
            path=store.location,
            command=command,
            progress=progress,
        )
        if there is None:
            _write(store, work)
        else:
            check_same_input(there, work)
            # The same work, wherever its bundle and files lie now.
            work = work.model_copy(update={"summary": there.summary, "drift": there.drift})
    missing = missing_shards(store, work)
    if not missing:
        progress.say(f"all {work.input.rows:,} rows are done already")
    else:
        _answer(store, work, missing, runs_on, workers, on_error, progress)
    with store.alone(progress):
        if missing or work.summary is None:
            work = summarise(store, work)
            _write(store, work)
        store.tidy()
    if on_error == "stop" and work.summary is not None and work.summary.rejected:
        raise SlmbenchError(
            f"{work.summary.rejected:,} rows were rejected by an earlier run: see {store.location}/rejects, or pass"
            " --on-error reject"
        )
    return work


def _answer(
    store: Store,
    work: ScoringRecord,
    missing: Sequence[int],
    engine: Engine | None,
    workers: int | None,
    on_error: OnError,
    progress: Progress,
) -> None:
    """Answer the shards that are missing."""
    source = Input(work.input.location, work.input.files)
    rows, threads = work.input.rows, work.settings.threads
    left = sum(last - first for first, last in map(work.rows_of, missing))
    if left < rows:
        progress.say(f"{rows - left:,} of {rows:,} rows are done already")
    with (
        engine.open() if engine else nullcontext() as cluster,
        progress.task(f"classifying {work.name}", total=left, unit="rows") as task,
    ):
        cores = [machine.cores for machine in cluster.machines()] if cluster else [usable_cores()]
        if cluster and max(cores, default=0) < threads:
            raise SlmbenchError(
                f"no machine of the cluster has {threads} cores to give: pass fewer --threads, or add machines"
            )
        crew = Crew(
            store,
            work,
            source,
            workers=min(workers or max(1, sum(each // threads for each in cores)), len(missing)),
            stop_on_error=on_error == "stop",
            task=task,
            cluster=cluster,
        )
        began = time.monotonic()
        crew.answer(missing)
        seconds = time.monotonic() - began
    progress.say(f"{left:,} rows in {seconds:,.1f} s: {left / seconds:,.0f} rows/s")


def _read(store: Store) -> ScoringRecord | None:
    """Return the record of an earlier run.

    Raises:
        SlmbenchError: It is damaged.
    """
    content = store.read(_RECORD)
    if content is None:
        return None
    record = read_from(ScoringRecord, content)
    if record is None:
        raise SlmbenchError(
            f"{store.location}/{_RECORD} is damaged or of another version: name a new folder for the output"
        )
    return record


def _write(store: Store, work: ScoringRecord) -> None:
    with store.writing(_RECORD) as file:
        file.write_text(work.to_json() + "\n", encoding="utf-8")
