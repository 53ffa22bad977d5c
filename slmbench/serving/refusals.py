"""What is answered to a request that cannot be served: one sentence in text-embeddings-inference's shape.

Its ``error_type`` is one of ``Unhealthy``, ``Backend``, ``Overloaded``, ``Validation`` and ``Tokenizer``
(``ErrorType`` in its ``docs/openapi.json``), and so are the statuses of the first four.
"""

from __future__ import annotations

from fastapi.responses import JSONResponse


class Refused(Exception):  # noqa: N818 - an answer, not a failure of the service
    """A request that is not answered with labels.

    Args:
        status: Of HTTP.
        kind: ``error_type``.
        sentence: ``error``.
    """

    def __init__(self, status: int, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.kind, self.sentence = status, kind, sentence

    def response(self) -> JSONResponse:
        """Return the answer."""
        headers = {"retry-after": "1"} if self.status in (429, 503) else None
        return JSONResponse({"error": self.sentence, "error_type": self.kind}, self.status, headers)


def too_large(sentence: str) -> Refused:
    """Refuse a request that is beyond a limit."""
    return Refused(413, "Validation", sentence)


def overloaded(sentence: str) -> Refused:
    """Refuse a request for which there is no room now."""
    return Refused(429, "Overloaded", sentence)
