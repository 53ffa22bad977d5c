"""A process that answers shards: the parent says which one, and is told how many rows are done.

A request is ``{"work", "stop_on_error"}`` first, then ``{"shard"}`` until its answer says that the shard is over:
``{"rows", "over", "busy"}``, or ``{"error"}`` with a sentence for people.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slmbench.common.errors import SlmbenchError
from slmbench.instruments.pipe import RequestPipe
from slmbench.records.scoring import ScoringRecord
from slmbench.scoring.inputs import Input
from slmbench.scoring.shards import ShardWriter
from slmbench.scoring.stores import store_at


class Worker:
    """Answers requests about shards; the same in this process and in one of its own.

    Args:
        work: The scoring.
        source: Its input.
        stop_on_error: See :class:`slmbench.scoring.shards.ShardWriter`.
    """

    def __init__(self, work: ScoringRecord, source: Input, *, stop_on_error: bool) -> None:
        self._writer = ShardWriter(store_at(work.path), work, source, stop_on_error=stop_on_error)
        self._number: int | None = None
        self._shard: Iterator[int] = iter(())

    def ask(self, number: int) -> dict[str, Any]:
        """Go on with a shard for a while; returns the rows done since the last time and whether it is over.

        Raises:
            SlmbenchError: A row cannot be used and stops the work, or a file cannot be read or written.
        """
        if number != self._number:
            self._number, self._shard = number, self._writer.write(number)
        rows = next(self._shard, None)
        if rows is None:
            self._number = None
        return {"rows": max(rows or 0, 0), "over": rows is None, "busy": rows == -1}

    def close(self) -> None:
        """Leave the shard that is not over, and close the input."""
        self._shard = iter(())
        self._writer.close()


def main() -> None:
    """Answer the parent until it closes the pipe."""
    requests = RequestPipe()
    worker: Worker | None = None
    for request in requests:
        try:
            if worker is None:
                work = ScoringRecord.model_validate(request["work"])
                worker = Worker(
                    work, Input(work.input.location, work.input.files), stop_on_error=request["stop_on_error"]
                )
                requests.answer({})
            else:
                requests.answer(worker.ask(request["shard"]))
        except SlmbenchError as error:
            requests.answer({"error": str(error)})


if __name__ == "__main__":
    main()
