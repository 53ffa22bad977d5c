"""Texts from a pipe, whose other end may wait for answers: what is there is answered before more is waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from slmbench.edge import Classifier, Prediction

#: Bytes that are read of a pipe at once, what a pipe of Linux holds.
_PIPE = 1 << 16


class PipedLines:
    """Lines of a pipe, which may wait for the answers to those before: it says which are there without waiting.

    Args:
        pipe: A binary stream with ``read1``, such as that of stdin.
    """

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._lines: deque[bytes] = deque()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines; waits where none is there."""
        begun: list[bytes] = []
        while read := self._pipe.read1(_PIPE):
            *ended, rest = read.split(b"\n")
            if ended:
                self._lines.append(b"".join([*begun, ended[0]]))
                self._lines += ended[1:]
                begun = []
            begun.append(rest)
            while self._lines:
                yield self._lines.popleft()
        if last := b"".join(begun):
            yield last

    def there(self) -> bool:
        """Say whether the next line can be had without waiting."""
        return bool(self._lines)


def answers_of(classifier: Classifier, texts: Iterable[str], piped: PipedLines | None) -> Iterator[Prediction]:
    """Yield the answers to texts, in order.

    Args:
        classifier: The classifier.
        texts: The texts.
        piped: The lines that the texts are, where they come from a pipe: what is there is answered before waiting.
    """
    if piped is None:
        yield from classifier.stream(texts)
        return

    coming = iter(texts)

    def there() -> Iterator[str]:
        while piped.there():
            yield next(coming)

    for text in coming:
        yield from classifier.stream(chain([text], there()))
