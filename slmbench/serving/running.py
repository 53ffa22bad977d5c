"""The server: a socket, uvicorn on it, and an end at which every request in flight is answered."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from slmbench.common.errors import SlmbenchError, require_extra
from slmbench.serving.options import ServeOptions


def serve(
    bundle: str | Path,
    options: ServeOptions | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    started: Callable[[str, dict[str, Any]], None] | None = None,
    **given: Any,
) -> None:
    """Serve a bundle over HTTP until SIGTERM or SIGINT; requests in flight are then answered, new ones refused.

    Args:
        bundle: The bundle's folder. When it holds another bundle, that one is served from then on.
        options: How to serve it, instead of giving it one by one.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        started: Called with the service's URL and what ``/info`` says, before the first request is answered.
        **given: Attributes of :class:`~slmbench.serving.options.ServeOptions`, such as ``form="int8", workers=2``.

    Raises:
        UsageError: There is no such folder, form or key, or an option is out of range.
        SlmbenchError: The bundle is not fit to be served, the address is taken, or the extra is missing.
    """
    for module in ("fastapi", "uvicorn", "prometheus_client"):
        require_extra(module, "serve", "serving a bundle")
    from slmbench.serving.app import create_app
    from slmbench.serving.service import Service

    options = options or ServeOptions(**given)
    options.check()
    service = Service(Path(bundle), options)
    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        if started is not None:
            started(f"http://{shown}:{listener.getsockname()[1]}", service.info)

        def drain() -> None:
            service.draining = True

        _run(create_app(service), listener, options.drain_s, drain)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SlmbenchError(f"{host}:{port} cannot be listened on: {reason}; name another --host or --port") from None


def _run(app: Any, listener: socket.socket, drain_s: float, drain: Callable[[], None]) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        """As uvicorn's, but a signal that asked it to end is not raised again once everything is answered."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            drain()
            super().handle_exit(sig, frame)

    Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,  # longer than the balancers' 60 s, which else reuse a connection that just closed
            timeout_graceful_shutdown=max(1, round(drain_s)),
        )
    ).run(sockets=[listener])
