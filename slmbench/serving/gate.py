"""Around every request: how many at once, limits of a body, metrics, and a log that never holds a text."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from fastapi import HTTPException

from slmbench.serving.refusals import Refused, overloaded
from slmbench.serving.service import Service

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACCESS = logging.getLogger("slmbench.serving.access")
#: Of other paths nothing is kept: a client may put anything there.
PATHS = ("/", "/predict", "/health", "/info", "/metrics", "/openapi.json")
#: Where a route tells the number of its texts.
TEXTS = "slmbench.texts"


class Gate:
    """ASGI middleware.

    Args:
        app: What is inside.
        service: Whose limits hold.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it before its body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        path = scope["path"] if scope["path"] in PATHS else "other"
        scope[TEXTS] = 0

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._let_in(scope, receive, sending)
        finally:
            taken = time.perf_counter() - began
            status = status or 500  # what is answered further out to a failure
            self._service.metrics.requests.labels(path, str(status)).inc()
            self._service.metrics.request_s.observe(taken)
            if self._service.options.access_log and ACCESS.isEnabledFor(logging.INFO):
                client = (scope.get("client") or ("-",))[0]
                told = (client, scope["method"], path, status, scope[TEXTS], taken * 1e3)
                ACCESS.info("%s %s %s %d texts=%d %.2f ms", *told)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":  # health and metrics are told however busy it is
            await self._app(scope, receive, send)
            return
        service, most = self._service, self._service.options.max_queue
        refused = None
        if service.draining:
            refused = Refused(503, "Unhealthy", "the service is ending: ask another one")
        elif self._requests >= most:
            refused = overloaded(f"{self._requests} requests are in the service, which takes {most}: ask again later")
        if refused is not None:
            await refused.response()(scope, receive, send)
            return
        limits, size = service.options, 0
        until = asyncio.get_running_loop().time() + limits.body_s

        async def receiving() -> Message:
            # FastAPI raises again what is raised here, which its own limit answers without a sentence.
            nonlocal size
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body did not arrive within {limits.body_s:g} s") from None
            size += len(message.get("body", b""))
            if size > limits.max_body_bytes:
                raise HTTPException(413, f"the body has more than {limits.max_body_bytes:,} bytes")
            return message

        self._requests += 1
        try:
            await self._app(scope, receiving, send)
        finally:
            self._requests -= 1
