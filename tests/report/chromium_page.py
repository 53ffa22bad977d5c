"""A page in headless Chromium, driven over the DevTools protocol on a pipe: what it logs, asks for and looks like."""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import time
from contextlib import contextmanager

from javascript.javascript_runtimes import FLAGS, PATIENCE


class Page:
    """One open page.

    Attributes:
        complaints: Uncaught errors, and what was written to the console as an error or a warning.
        requests: Every address that was asked for.
    """

    def __init__(self, writing: int, reading: int) -> None:
        self._writing, self._reading = writing, reading
        self._buffer, self._number, self._session = b"", 0, None
        self._loads = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters):
        """Give Chromium an order and return its answer."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._writing, json.dumps(order).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]

    def open(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + PATIENCE
        while self.run("document.readyState + location.href") != f"complete{address}":
            assert time.monotonic() < deadline, f"{address} does not load"
            time.sleep(0.02)

    def reload(self) -> None:
        """Load the page again and wait until that is done; no script of the page, or of ours, is needed for it."""
        before = self._loads
        self.call("Page.reload")
        while self._loads == before:
            self._next()

    def run(self, expression: str):
        """Evaluate JavaScript in the page and return its value."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def resize(self, width: int, height: int = 800) -> None:
        """Make the window as wide as a device is, and wait until the page has been laid out and drawn again."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def prefer(self, **features: str) -> None:
        """Emulate the reader's preferences or, as ``media``, the medium."""
        medium = features.pop("media", "")
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=medium, features=named)

    def screenshot(self) -> bytes:
        """Return the whole page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def _next(self) -> dict:
        while b"\0" not in self._buffer:
            assert select.select([self._reading], [], [], PATIENCE)[0], "Chromium does not answer"
            received = os.read(self._reading, 1 << 20)
            assert received, "Chromium has ended"
            self._buffer += received
        raw, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(raw)
        method, told = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(str([argument.get("value") for argument in told["args"]]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])
        elif method == "Page.loadEventFired":
            self._loads += 1
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        return message


@contextmanager
def chromium_page(profile):
    """Start Chromium with an empty profile folder and give its page; all it started ends with the block."""
    to_read, writing = os.pipe()
    reading, to_write = os.pipe()
    flags = [*FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
    with (profile / "stderr.txt").open("w") as errors:
        # Chromium listens on descriptor 3 and answers on 4, which only a shell can promise; a session of its own.
        process = subprocess.Popen(
            ["bash", "-c", f'exec chromium "$@" 3<&{to_read} 4>&{to_write}', "chromium", *flags],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(to_read, to_write),
            start_new_session=True,
        )
        os.close(to_read)
        os.close(to_write)
        try:
            page = Page(writing, reading)
            page.attach()
            yield page
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(writing)
            os.close(reading)
