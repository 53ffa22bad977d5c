"""The routes, as https://huggingface.github.io/text-embeddings-inference has them.

Beside what stands there a flat list of texts is a batch: there ``["a", "b"]`` is one input of two texts, which no
bundle takes. Whatever is refused has its status and one sentence (:mod:`slmbench.serving.refusals`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException as PlainHTTPException

from slmbench.common.version import __version__
from slmbench.serving.gate import TEXTS, Gate
from slmbench.serving.refusals import Refused, too_large
from slmbench.serving.service import Service
from slmbench.serving.workers import Answers


class PredictRequest(BaseModel):
    """What is asked: a text, or several, each a string or a list of one string."""

    inputs: str | list[str] | list[list[str]]
    #: Logits instead of probabilities.
    raw_scores: bool = False
    #: ``False`` refuses a text that the model does not read to its end; else it is truncated as in training.
    truncate: bool | None = None
    truncation_direction: Literal["Right", "right"] = "Right"


def create_app(service: Service) -> FastAPI:
    """Return the ASGI application of a service; its lifespan starts and ends the workers."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.begin()
        yield
        await service.end()

    app = FastAPI(
        title="slmbench",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # their pages load code from elsewhere
        redoc_url=None,
    )
    app.add_middleware(Gate, service=service)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(PlainHTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)

    @app.post("/", include_in_schema=False)
    @app.post("/predict")
    async def predict(asked: PredictRequest, request: Request) -> Response:
        texts, single = texts_of(asked.inputs, service)
        request.scope[TEXTS] = len(texts)
        answers = await service.workers.answer(texts, raw=asked.raw_scores, whole=asked.truncate is False)
        shown = [_predictions(row, answers.labels) for row in answers.rows]
        body = json.dumps(shown[0] if single else shown, ensure_ascii=False)
        return Response(body, media_type="application/json", headers={"server-timing": _timing(answers)})

    @app.get("/health")
    async def health() -> Response:
        if service.draining:
            raise Refused(503, "Unhealthy", "unhealthy")
        return Response()

    @app.get("/info")
    async def info() -> dict[str, object]:
        return service.info

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return app


def texts_of(inputs: str | Sequence[str] | Sequence[Sequence[str]], service: Service) -> tuple[list[str], bool]:
    """Return the texts of a request, and whether it is a single one, whose answer is no list of answers.

    Raises:
        Refused: There are none or too many, one is too long, or two are given as one input.
    """
    limits = service.options
    given = [inputs] if isinstance(inputs, str) else inputs
    if not given:
        raise Refused(422, "Validation", "`inputs` holds no text")
    if len(given) > limits.max_inputs:
        raise too_large(f"`inputs` holds {len(given)} texts, and a request may have {limits.max_inputs}")
    if any(len(one) != 1 for one in given if not isinstance(one, str)):
        raise Refused(422, "Validation", "an input is one text: this classifier takes no pairs of texts")
    texts = [one if isinstance(one, str) else one[0] for one in given]
    if any(len(text) > limits.max_characters for text in texts):
        raise too_large(f"a text has more than {limits.max_characters:,} characters")
    return texts, isinstance(inputs, str)


def _predictions(row: Sequence[float], labels: Sequence[str]) -> list[dict[str, object]]:
    """Return the labels of a text, the likeliest first."""
    order = sorted(range(len(row)), key=lambda number: -row[number])
    return [{"score": row[number], "label": labels[number]} for number in order]


def _timing(answers: Answers) -> str:
    """Return the value of ``Server-Timing`` (https://www.w3.org/TR/server-timing/), in milliseconds."""
    return f"queue;dur={answers.queue_s * 1e3:.3f}, inference;dur={answers.inference_s * 1e3:.3f}"


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - what it is registered for
    return error.response()


async def _malformed(_: Request, error: Exception) -> Response:
    """Say what is wrong with a body, without repeating what was in it."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return Refused(400, "Validation", "the body is not JSON").response()
    names = {str(one["loc"][1]) for one in found if len(one["loc"]) > 1}
    known = sorted(names & set(PredictRequest.model_fields))
    if not known:
        sentence = "the body has to be a JSON object with `inputs`, sent as application/json"
    elif "inputs" in known:
        sentence = "`inputs` has to be a text, or a list of texts or of lists of one text"
    else:
        sentence = f"`{known[0]}` has a value that it cannot have"
    return Refused(422, "Validation", sentence).response()


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, PlainHTTPException)  # noqa: S101 - what it is registered for
    return Refused(error.status_code, "Validation", str(error.detail)).response()


async def _failed(_: Request, __: Exception) -> Response:
    return Refused(500, "Backend", "the service failed on this request").response()
