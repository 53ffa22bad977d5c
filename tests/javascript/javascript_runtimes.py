"""Runs bundles in JavaScript: transformers.js under Node, and in a page that headless Chromium opens.

``npm ci --ignore-scripts`` in this folder brings the packages; a page fetches them, the bundles and its jobs from a
server in this process, and its content security policy lets it ask nobody else.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
#: Seconds that a process may take; all jobs together take about five.
PATIENCE = 120
DTYPES = {"fp32": "fp32", "int8": "q8", "int8-portable": "int8"}
#: Chromium runs neither modules nor WebAssembly under another type, and not every system knows theirs.
TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm"}
#: What the page may ask for and run: the import map is inline, and everything else comes from its own server.
POLICY = "default-src 'self'; img-src data:; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Job(NamedTuple):
    """Texts for one form of a bundle."""

    bundle: Path
    form: str
    texts: list[str]

    def document(self, place: str) -> dict:
        """Return what JavaScript needs to know, the bundle's folder being below a place (path or address)."""
        return {"place": place, "name": self.bundle.name, "dtype": DTYPES[self.form], "texts": self.texts}


def missing(chromium: bool = False) -> str | None:
    """Return why no JavaScript can run here, or ``None``."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (HERE / "node_modules/@huggingface/transformers").is_dir():
        return "transformers.js is not installed: npm ci --ignore-scripts --prefix tests/javascript"
    if chromium and shutil.which("chromium") is None:
        return "chromium is not installed"
    return None


def node_answers(jobs: list[Job]) -> list[dict]:
    """Answer jobs with transformers.js under Node."""
    asked = json.dumps([job.document(f"{job.bundle.parent}/") for job in jobs])
    done = subprocess.run(
        ["node", "classify.mjs"], input=asked, capture_output=True, text=True, cwd=HERE, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def page_outcome(jobs: list[Job], profile: Path) -> dict:
    """Answer jobs in a page: ``answers`` or ``error``, and ``blocked``, what it asked of others than its own server.

    Args:
        jobs: The jobs.
        profile: An empty folder for Chromium.
    """
    with _Server(jobs) as server, _chromium(f"http://127.0.0.1:{server.server_port}/page/index.html", profile) as log:
        assert server.answered.wait(PATIENCE), f"the page does not answer:\n{log.read_text(errors='replace')}"
        return server.outcome


@contextmanager
def _chromium(address: str, profile: Path):
    log = profile / "stderr.txt"
    with log.open("w") as errors:
        # A session of its own: what Chromium starts ends with it.
        process = subprocess.Popen(
            ["chromium", *FLAGS, f"--user-data-dir={profile}", address],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            yield log
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class _Server(ThreadingHTTPServer):
    """Serves this folder, the jobs and their bundles on localhost, and keeps what the page posts."""

    def __init__(self, jobs: list[Job]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bundles = {f"/bundles/{number}/{job.bundle.name}": job.bundle for number, job in enumerate(jobs)}
        self.jobs = json.dumps([job.document(f"/bundles/{number}/") for number, job in enumerate(jobs)]).encode()
        self.outcome: dict = {}
        self.answered = threading.Event()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *reason):
        self.shutdown()
        self.server_close()


class _Handler(SimpleHTTPRequestHandler):
    server: _Server

    def guess_type(self, path):
        return TYPES.get(Path(path).suffix) or super().guess_type(path)

    def translate_path(self, path):
        for prefix, folder in self.server.bundles.items():
            if path.startswith(f"{prefix}/"):
                return str(folder / path.removeprefix(f"{prefix}/"))
        return str(HERE / path.lstrip("/"))

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def do_GET(self):
        if self.path != "/jobs.json":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.jobs)))
        self.end_headers()
        self.wfile.write(self.server.jobs)

    def do_POST(self):
        self.server.outcome.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *arguments):
        """Say nothing; what a page lacks is in its outcome."""
