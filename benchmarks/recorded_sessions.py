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


def read_sessions(folder: Path = SESSIONS) -> dict[str, list[SessionOfCell]]:
    """Read all sessions and return those that measure the same, in the order of time.

    The same is: a form of the same bytes, the same reviews, the same processor with as many cores.

    Args:
        folder: Where the files are.

    Returns:
        Sessions by a name for what they measure; only what was measured in two or more.
    """
    found: dict[tuple[Any, ...], list[SessionOfCell]] = defaultdict(list)
    for file in sorted(folder.glob("*.json")):
        session = json.loads(file.read_text(encoding="utf-8"))
        machine, recorded = session["machine"], datetime.fromisoformat(session["recorded"])
        for name, cell in session["cells"].items():
            key = name, machine["cpu_model"], machine["cores_available"], cell["form_sha256"], cell["reviews"]
            found[key].append(SessionOfCell(recorded, cell["processes_ms"], session["sentinel_ms"]))
    return {
        f"{key[0]}, {key[1]}, {key[2]} cores": sorted(sessions, key=lambda session: session.recorded)
        for key, sessions in found.items()
        if len(sessions) > 1
    }
