"""Workers: threads that answer texts of many requests, each text an input of its own.

A text's answer is that of the text alone, to the bit: int8 forms answer otherwise in padded batches, and on a CPU
padding costs more than a batch saves. What a batch saves is handing over: a worker that is free takes what is
waiting, text by text, and hands the answers back together once nothing waits or the batch's budget is used up. No
text waits for a batch to fill, and no worker sits idle beside a waiting text. Models of microseconds gain, slower
ones hand back each answer at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from slmbench.common.errors import SlmbenchError
from slmbench.edge.runtime import Classifier, softmax
from slmbench.serving.metrics import Metrics
from slmbench.serving.refusals import Refused, overloaded, too_large


class Answers(NamedTuple):
    """What a request gets.

    Attributes:
        rows: Of each text logits or probabilities, in the order of ``labels``.
        labels: Of the bundle that answered.
        queue_s: How long its first text waited for a worker.
        inference_s: Work on all its texts.
    """

    rows: list[list[float]]
    labels: list[str]
    queue_s: float
    inference_s: float


class _Asked:
    """A request's texts, and what has been answered of them."""

    def __init__(
        self, classifier: Classifier, texts: Sequence[str], future: asyncio.Future[None], raw: bool, whole: bool
    ) -> None:
        self.classifier, self.texts, self.future, self.raw, self.whole = classifier, texts, future, raw, whole
        self.rows: list[list[float]] = [[]] * len(texts)
        self.left = len(texts)
        self.since = time.perf_counter()
        self.waited: list[float] = []
        self.worked = 0.0
        self.failure: Exception | None = None

    def answer(self, number: int) -> None:
        """Answer one text; what goes wrong is the request's answer."""
        began = time.perf_counter()
        self.waited.append(began - self.since)
        if self.failure is None and not self.future.done():  # given up when the service could not wait any longer
            try:
                self.rows[number] = self._row(self.texts[number])
            except Exception as error:  # noqa: BLE001 - a worker goes on whatever a text does to a library
                self.failure = error
        self.worked += time.perf_counter() - began

    def _row(self, text: str) -> list[float]:
        if self.whole and self.classifier.truncates(text):
            raise too_large("a text is longer than the model reads, and `truncate` is false")
        logits = self.classifier.predict_logits([text])
        row: np.ndarray = (logits if self.raw else softmax(logits))[0]
        return row.tolist()


class Workers:
    """The workers of a bundle, beside an event loop.

    Args:
        classifier: The bundle, loaded for as many workers, with one thread each, as it has.
        batch_s: How long a worker may keep the first answer of a batch (s).
        most: Texts that may wait or be in work at once.
        metrics: Told what happens.
    """

    def __init__(self, classifier: Classifier, batch_s: float, most: int, metrics: Metrics) -> None:
        self.classifier = classifier
        self._batch_s, self._most, self._metrics = batch_s, most, metrics
        self._waiting: deque[tuple[_Asked, int]] = deque()
        self._come = threading.Condition()
        self._over = False
        self._texts = 0
        self._loop = asyncio.get_running_loop()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(classifier.workers)]
        for thread in self._threads:
            thread.start()

    async def answer(self, texts: Sequence[str], *, raw: bool, whole: bool) -> Answers:
        """Answer the texts of a request.

        Args:
            texts: The texts; at least one.
            raw: Whether logits are wanted instead of probabilities.
            whole: Whether a text that the model does not read to its end is refused.

        Raises:
            Refused: There is no room for them, a text is too long, or the model fails.
        """
        if self._texts + len(texts) > self._most:
            raise overloaded(f"{self._texts} texts are in the service, which takes {self._most}: ask again later")
        labels = self.classifier.labels
        asked = _Asked(self.classifier, texts, self._loop.create_future(), raw, whole)
        self._count(len(texts))
        with self._come:
            self._waiting.extend((asked, number) for number in range(len(texts)))
            self._come.notify(len(texts))
        await asked.future
        if isinstance(asked.failure, Refused):
            raise asked.failure
        if asked.failure is not None:
            said = str(asked.failure) if isinstance(asked.failure, SlmbenchError) else "the model fails on a text"
            raise Refused(424, "Backend", said) from asked.failure
        for row in asked.rows:
            self._metrics.answers.labels(labels[int(np.argmax(row))]).inc()
        return Answers(asked.rows, labels, asked.waited[0], asked.worked)

    def close(self) -> None:
        """End the threads once nothing waits; what waits is answered."""
        with self._come:
            self._over = True
            self._come.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (entry := self._take(patient=True)) is not None:
            done, until = [], time.perf_counter() + self._batch_s
            while entry is not None:
                asked, number = entry
                asked.answer(number)
                done.append(asked)
                entry = self._take(patient=False) if time.perf_counter() < until else None
            with suppress(RuntimeError):  # the loop was closed: nobody waits for the answers any more
                self._loop.call_soon_threadsafe(self._hand_back, done)

    def _take(self, *, patient: bool) -> tuple[_Asked, int] | None:
        with self._come:
            while patient and not self._waiting and not self._over:
                self._come.wait()
            return self._waiting.popleft() if self._waiting else None

    def _hand_back(self, done: Sequence[_Asked]) -> None:
        self._count(-len(done))
        self._metrics.batch.observe(len(done))
        for asked in done:
            asked.left -= 1
            if not asked.left:
                for waited in asked.waited:
                    self._metrics.queue_s.observe(waited)
                self._metrics.inference_s.observe(asked.worked / len(asked.texts))
                if not asked.future.done():
                    asked.future.set_result(None)

    def _count(self, texts: int) -> None:
        self._texts += texts
        self._metrics.queue.inc(texts)
