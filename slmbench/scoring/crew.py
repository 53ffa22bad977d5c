"""Several processes, here or on an engine's machines, that answer what is missing; one that dies is replaced."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Protocol

from slmbench.common.errors import SlmbenchError
from slmbench.common.progress import Task
from slmbench.instruments.children import ChildProcess, LostError
from slmbench.instruments.engines import Child, Cluster
from slmbench.records.scoring import ScoringRecord
from slmbench.scoring.inputs import Input
from slmbench.scoring.stores import Store
from slmbench.scoring.worker import Worker

#: Processes that end one after another in one place, without a shard finished anywhere, before the work is given up.
MAX_DEATHS = 3
#: Seconds without an answer after which a process is taken for dead: an answer comes every half second, but loading
#: a large bundle or looking for a row far behind in a compressed file takes long.
_LIMIT_S = 3600.0
#: Seconds between two looks at a shard that a process of another command works on.
_LOOK_EVERY_S = 0.5


class _Asked(Protocol):
    def ask(self, number: int) -> dict[str, Any]: ...

    def close(self) -> None: ...


class _Child:
    """A :class:`Worker` in a process of its own."""

    def __init__(self, process: Child, work: ScoringRecord, *, stop_on_error: bool) -> None:
        self._process = process
        document = work.model_dump(mode="json", by_alias=True)
        self._first: dict[str, Any] | None = {"work": document, "stop_on_error": stop_on_error}

    def ask(self, number: int) -> dict[str, Any]:
        if self._first is not None:
            self._checked(self._first)
            self._first = None
        return self._checked({"shard": number})

    def close(self) -> None:
        self._process.close()

    def _checked(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._process.ask(request, _LIMIT_S)
        if "error" in answer:
            raise SlmbenchError(answer["error"])
        return answer


class _Missing:
    """The shards that are not done, each given out once; thread-safe."""

    def __init__(self, shards: Iterable[int]) -> None:
        self._shards = deque(shards)
        self._again: deque[int] = deque()
        self._lock = threading.Lock()

    @property
    def any_left(self) -> bool:
        """Whether there is a shard to give out."""
        return bool(self._shards or self._again)

    def take(self) -> tuple[int | None, bool]:
        """Return a shard, ``None`` where none is left, and whether it was given out before."""
        with self._lock:
            if self._shards:
                return self._shards.popleft(), False
            return (self._again.popleft(), True) if self._again else (None, False)

    def put_back(self, number: int) -> None:
        with self._lock:
            self._again.append(number)


class Crew:
    """Processes that answer what is missing of a scoring.

    Args:
        store: Where shards go.
        work: The scoring.
        source: Its input.
        workers: How many processes; without a cluster, one works in this process.
        stop_on_error: See :class:`slmbench.scoring.shards.ShardWriter`.
        task: Advanced by the rows that are done.
        cluster: Where the processes are; ``None`` for this machine.
    """

    def __init__(
        self,
        store: Store,
        work: ScoringRecord,
        source: Input,
        *,
        workers: int,
        stop_on_error: bool,
        task: Task,
        cluster: Cluster | None = None,
    ) -> None:
        self._store = store
        self._work = work
        self._source = source
        self._workers = workers
        self._stop_on_error = stop_on_error
        self._task = task
        self._cluster = cluster
        self._over = threading.Event()
        self._finished = 0

    def answer(self, shards: Iterable[int]) -> None:
        """Answer shards; returns when each is done, by these processes or another command's.

        Raises:
            SlmbenchError: A row stops the work, a file cannot be read or written, or processes keep dying.
        """
        missing = _Missing(shards)
        if self._workers == 1 and self._cluster is None:
            worker = Worker(self._work, self._source, stop_on_error=self._stop_on_error)
            try:
                self._take_turns(worker, missing)
            finally:
                worker.close()
            return
        with ThreadPoolExecutor(self._workers, thread_name_prefix="shards") as pool:
            turns = [pool.submit(self._with_children, missing) for _ in range(self._workers)]
            try:
                wait(turns, return_when=FIRST_EXCEPTION)
            finally:
                # After an error or a signal the others leave their shards as they are.
                self._over.set()
        for turn in turns:
            turn.result()

    def _with_children(self, missing: _Missing) -> None:
        """Keep a child at work, and start another where it dies."""
        # Where a machine is lost, all of its processes die at once: each place counts its own.
        deaths = finished = 0
        while not self._over.is_set():
            try:
                child = self._started(missing)
                if child is None:
                    return
                try:
                    self._take_turns(child, missing)
                finally:
                    child.close()
            except LostError as error:
                deaths = 1 if self._finished != finished else deaths + 1
                finished = self._finished
                if deaths >= MAX_DEATHS:
                    raise SlmbenchError(
                        f"{error}, as {MAX_DEATHS} did without a shard finished between them: run the same command"
                        " again, with fewer --workers where memory is short"
                    ) from None
            else:
                return

    def _started(self, missing: _Missing) -> _Child | None:
        """Return a new process; ``None`` where the others began all shards before there was room for it."""
        arguments, what = ("-m", "slmbench.scoring.worker"), "a process that scores"
        threads = self._work.settings.threads
        if self._cluster is None:
            process: Child | None = ChildProcess(arguments, what=what, threads=threads)
        else:
            process = self._cluster.start(
                arguments, what=what, threads=threads, wanted=lambda: missing.any_left and not self._over.is_set()
            )
        return None if process is None else _Child(process, self._work, stop_on_error=self._stop_on_error)

    def _take_turns(self, worker: _Asked, missing: _Missing) -> None:
        while not self._over.is_set():
            number, again = missing.take()
            if number is None:
                return
            finished = False
            try:
                finished = self._finish(worker, number, patient=again)
            finally:
                if not finished:
                    missing.put_back(number)

    def _finish(self, worker: _Asked, number: int, *, patient: bool) -> bool:
        """Have one shard answered; ``False`` where another command's process is at it, or the work is over."""
        told = 0
        try:
            while not self._over.is_set():
                answer = worker.ask(number)
                if answer["busy"]:
                    worker.ask(number)  # which ends it
                    if patient:
                        self._over.wait(_LOOK_EVERY_S)
                    return False
                told += answer["rows"]
                self._task.advance(answer["rows"])
                if answer["over"]:
                    self._finished += 1
                    # What another command has answered is done as well.
                    first, last = self._work.rows_of(number)
                    self._task.advance(last - first - told)
                    return True
        except SlmbenchError:
            self._task.advance(-told)
            raise
        return False
