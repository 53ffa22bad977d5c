"""Recorded sessions of measurement: what is in ``benchmarks/sessions``, and which of it measures the same.

A file, ``TIME-MACHINE.json``, has the keys:

- ``schema``: :data:`SCHEMA`; ``recorded``: UTC; ``slmbench``: its version;
- ``machine``: what identifies the kind of machine, some keys of the hardware fingerprint;
- ``sentinel_ms``: times of a fixed workload by kind of work, one object a turn; empty where none was measured;
- ``cells``: by ``BUNDLE FORM`` an object with ``form_sha256`` (or null), ``reviews``, the hash of those timed, and
  ``processes_ms``: one list a process, of each of the first reviews, in one order, the median of its times in ms.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

SESSIONS = Path(__file__).parent / "sessions"
SCHEMA = "slmbench.benchmark-session/1"
#: Reviews kept of each process.
REVIEWS = 100
#: What is kept of the hardware fingerprint.
MACHINE_KEYS = ("fingerprint", "cpu_model", "cores_available", "memory_bytes", "virtualised", "hypervisor")


@dataclass(frozen=True)
class SessionOfCell:
    """One cell in one session.

    Attributes:
        recorded: When the session began.
        processes_ms: Of each process the times of the same reviews (ms), shape (processes, reviews).
        sentinel_ms: Times of the fixed workload in that session by kind of work, one dictionary a turn.
    """

    recorded: datetime
    processes_ms: list[list[float]]
    sentinel_ms: list[dict[str, float]]


def write_session(session: dict[str, Any], folder: Path) -> Path:
    """Write a session and return its file."""
    when = session["recorded"].replace("-", "").replace(":", "")[:15]
    file = folder / f"{when}-{session['machine']['fingerprint'][:8]}.json"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"schema": SCHEMA, **session}, separators=(",", ":"))
    file.write_text(text.replace('"cells":', '\n"cells":').replace("],[", "],\n[") + "\n", encoding="utf-8")
    return file


def read_sessions(folders: Sequence[Path] = (SESSIONS,)) -> dict[tuple[str, ...], list[SessionOfCell]]:
    """Read all sessions and return those that measure the same, in the order of time.

    The same is: a form of the same bytes, the same reviews, the same kind of machine by its fingerprint.

    Args:
        folders: Where the files are.

    Returns:
        Sessions by processor, fingerprint, bundle and form; only what was measured in two or more.
    """
    found: dict[tuple[Any, ...], list[SessionOfCell]] = defaultdict(list)
    for file in sorted(file for folder in folders for file in folder.glob("*.json")):
        session = json.loads(file.read_text(encoding="utf-8"))
        recorded = datetime.fromisoformat(session["recorded"])
        for name, cell in session["cells"].items():
            machine = session["machine"]["cpu_model"], session["machine"]["fingerprint"]
            key = *machine, name, str(cell["form_sha256"]), cell["reviews"]
            found[key].append(SessionOfCell(recorded, cell["processes_ms"], session["sentinel_ms"]))
    return {
        key: sorted(sessions, key=lambda session: session.recorded)
        for key, sessions in found.items()
        if len(sessions) > 1
    }
