"""A service as it is measured from outside: requests that arrive when they are due, however many wait.

The client runs in a process of its own, in the place of a loaded form (:class:`slmbench.profiling.worker.Worker`).
It has a thread and a connection for each request in flight, of the standard library: it needs no extra on a device.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge.runtime import Prediction, parse_json

#: Requests in flight at most; the client lets others wait, and their wait counts.
CONNECTIONS = 64
#: Time after which a request counts as failed (s).
LIMIT_S = 60.0
#: What a request costs that has no text: the same route, refused where texts are looked for.
EMPTY = b'{"inputs": []}'
#: The wait for a worker and the work, of the header ``Server-Timing``.
_TIMING = re.compile(r"\b(queue|inference);dur=([0-9.]+)")


def connect(folder: Path, *, form: str, threads: int | None, device: str, url: str) -> ServiceClient:
    """Return the client in place of a loaded form; all but the URL is what the service has."""
    return ServiceClient(url)


class ServiceClient:
    """Asks a service as a :class:`slmbench.edge.Classifier` is asked, and lets requests arrive at it.

    Args:
        url: Of the service, without a route.

    Attributes:
        info: What its ``/info`` says.
        labels: Label names, in the order of the logits.

    Raises:
        UsageError: It is no URL.
        SlmbenchError: No service of classifiers answers there.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"--url {url}: a service's URL begins with http:// or https://")
        self._url, self._path = url, parts.path.rstrip("/")
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._place = (parts.hostname, parts.port)
        self._own = threading.local()
        try:
            body = self.ask("GET", "/info", None)[1]
            self.info: dict[str, Any] = parse_json(body)
            names = self.info["model_type"]["classifier"]["id2label"]
            self.labels = [str(names[str(number)]) for number in range(len(names))]
        except (OSError, http.client.HTTPException) as error:
            raise SlmbenchError(f"nothing answers at {url}: {error}: start it with `slmbench serve`") from None
        except (ValueError, KeyError, TypeError):
            raise SlmbenchError(f"{url} is no service of a classifier: its /info says otherwise") from None

    def check_seal(self, seal: str | None) -> None:
        """Check which bundle is served.

        Raises:
            SlmbenchError: It is another one.
        """
        if seal not in (None, self.info.get("model_sha")):
            raise SlmbenchError(f"{self._url} serves another bundle than before: measure it again")

    def predict(self, texts: str | Sequence[str]) -> list[Prediction]:
        """Classify texts, one request after the other.

        Raises:
            SlmbenchError: One is refused.
        """
        found = []
        for text in [texts] if isinstance(texts, str) else texts:
            status, body, _ = self.ask("POST", "/predict", json.dumps({"inputs": text}).encode())
            if status != 200:
                raise SlmbenchError(f"{self._url} answers {status}: {body.decode(errors='replace')[:300]}")
            scores = {one["label"]: one["score"] for one in parse_json(body)}
            best = max(scores, key=scores.__getitem__)
            found.append(Prediction(best, scores[best], {label: scores[label] for label in self.labels}))
        return found

    def serve(
        self,
        texts: Sequence[str],
        arrivals_s: Sequence[float],
        limit_s: float | None = None,
        *,
        empty: bool = False,
    ) -> dict[str, Any]:
        """Let requests arrive; each is sent when it is due, whether or not those before it are answered.

        Args:
            texts: Request ``i`` is of text ``i % len(texts)``.
            arrivals_s: When each is due (s).
            limit_s: When no more are sent (s).
            empty: Whether the requests have no text.

        Returns:
            Of requests that were answered ``ms`` from when each was due, ``wait_ms`` of it for a worker, and
            ``work_ms`` of a worker, which the service tells; of all ``statuses``, how many had each; ``s`` until the
            last answer; the service's ``workers``.
        """
        bodies = [EMPTY] if empty else [json.dumps({"inputs": text}).encode() for text in texts]
        done: list[tuple[int, float, dict[str, float]] | None] = [None] * len(arrivals_s)
        began = time.perf_counter()

        def let_in(row: int, due: float) -> None:
            try:
                status, _, timing = self.ask("POST", "/predict", bodies[row % len(bodies)])
            except (OSError, http.client.HTTPException):
                status, timing = 0, ""
            taken = (time.perf_counter() - began - due) * 1e3
            done[row] = status, taken, {name: float(ms) for name, ms in _TIMING.findall(timing)}

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for row, due in enumerate(arrivals_s):
                idle = began + due - time.perf_counter()
                if idle > 0:
                    time.sleep(idle)
                if limit_s is not None and time.perf_counter() - began > limit_s:
                    break
                pool.submit(let_in, row, due)
        sent = [one for one in done if one is not None]
        wanted = [one for one in sent if empty or one[0] == 200]
        return {
            "ms": [taken for _, taken, _ in wanted],
            "wait_ms": [told.get("queue", 0.0) for _, _, told in wanted],
            "work_ms": [told.get("inference", 0.0) for _, _, told in wanted],
            "statuses": dict(Counter(str(status) for status, _, _ in sent)),
            "s": time.perf_counter() - began,
            "workers": self.info.get("tokenization_workers", 1),
        }

    def ask(self, method: str, route: str, body: bytes | None) -> tuple[int, bytes, str]:
        """Ask over this thread's connection; once more where the service had closed it meanwhile.

        Args:
            method: Of HTTP.
            route: Such as ``/predict``.
            body: JSON, or ``None``.

        Returns:
            Status, body, and the header ``Server-Timing``.

        Raises:
            OSError: Nothing answers.
            http.client.HTTPException: Something else than HTTP answers.
        """
        known = getattr(self._own, "connection", None)
        connection = known or self._kind(*self._place, timeout=LIMIT_S)
        self._own.connection = connection
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            connection.request(method, self._path + route, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("server-timing", "")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._own.connection = None
            if known is None or not isinstance(error, (ConnectionError, http.client.HTTPException)):
                raise
        return self.ask(method, route, body)
