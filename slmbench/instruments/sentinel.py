"""The sentinel: a small fixed workload that shows how fast this machine is at the moment, and what it was before.

It runs between the measurements of a session. It does three kinds of work that inference consists of: products of
matrices (all cores), copies of memory larger than most caches, and splitting text into tokens. It needs the base
install only. Its times say nothing of any classifier; how they differ between sessions says how much a machine, and
with it every time measured on it, does. The last sessions of this machine are kept in the user's cache.
"""

from __future__ import annotations

import importlib.metadata
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from slmbench.common.files import write_atomically
from slmbench.common.places import home
from slmbench.edge.runtime import MAX_RECORD_BYTES, read_json
from slmbench.instruments.hardware import hardware_fingerprint
from slmbench.records.sessions import SentinelSession, SentinelTimes
from slmbench.statistics.sessions import SessionSpread, session_spread

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Rounds, after untimed ones when it is made; the median of each kind of work counts: one interruption does not.
ROUNDS = 5
_UNTIMED = 2
#: About 5 ms of each kind of work on a server's core of 2023.
_SIDE, _PRODUCTS = 256, 6
_COPIED_BYTES = 24 << 20
_WORDS = 2000
#: Sessions kept: a year of one a day.
MAX_STORED = 365
#: Libraries whose version changes the times.
_LIBRARIES = ("numpy", "tokenizers")


class Sentinel:
    """The workload, ready to be run again and again."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self._matrix = generator.standard_normal((_SIDE, _SIDE), dtype=np.float32)
        self._source = np.ones(_COPIED_BYTES, dtype=np.uint8)
        self._target = np.empty_like(self._source)
        self._tokenizer = _tokenizer()
        self._text = " ".join(f"word{number}" for number in generator.integers(0, 10_000, _WORDS))
        for _ in range(_UNTIMED):
            self._round()

    def run(self) -> SentinelTimes:
        """Do the work, in a tenth of a second, and return how long each kind took."""
        gemm, copy, text = np.median([self._round() for _ in range(ROUNDS)], axis=0).tolist()
        return SentinelTimes(gemm_ms=gemm, copy_ms=copy, text_ms=text)

    def _round(self) -> tuple[float, float, float]:
        return _ms(self._multiply), _ms(self._copy), _ms(self._tokenize)

    def _multiply(self) -> None:
        for _ in range(_PRODUCTS):
            self._matrix @ self._matrix

    def _copy(self) -> None:
        np.copyto(self._target, self._source)

    def _tokenize(self) -> None:
        self._tokenizer.encode(self._text)


def stored_sessions() -> list[SentinelSession]:
    """Return earlier sessions of this machine with the same versions of the libraries, the oldest first.

    A file that cannot be read counts as none: it is written again by the next session.
    """
    try:
        entries = read_json(_place(), MAX_RECORD_BYTES)
        found = [SentinelSession.model_validate(entry) for entry in entries]
    except (OSError, ValueError, TypeError, ValidationError):
        return []
    libraries = library_versions()
    return [session for session in found if session.libraries == libraries]


def spread_here() -> SessionSpread:
    """Return how much the stored sessions of this machine differ; that of the reference profiles with too few."""
    stored = stored_sessions()
    began = [datetime.fromisoformat(one.began).timestamp() for one in stored]
    return session_spread(began, [one.as_list for one in stored])


def store_session(identity: str, began: str, times: Sequence[SentinelTimes]) -> None:
    """Add a session to those of this machine; the oldest are dropped.

    Args:
        identity: Its id.
        began: When it began, ISO 8601.
        times: The runs of the sentinel, at least one; the median of each kind of work is kept.

    Raises:
        OSError: The cache folder cannot be written to.
    """
    gemm, copy, text = np.median([one.as_list for one in times], axis=0).tolist()
    session = SentinelSession(
        id=identity, began=began, gemm_ms=gemm, copy_ms=copy, text_ms=text, libraries=library_versions()
    )
    kept = [*stored_sessions(), session][-MAX_STORED:]
    write_atomically(_place(), json.dumps([one.model_dump(mode="json") for one in kept]) + "\n")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries whose work is timed."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def _place() -> Path:
    return home() / "sentinel" / f"{hardware_fingerprint()['fingerprint']}.json"


def _ms(work: Callable[[], None]) -> float:
    began = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - began) / 1e6


def _tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import Whitespace

    pieces = ["[UNK]", "word", "w", "o", "r", "d", *(f"##{number}" for number in range(100))]
    tokenizer = Tokenizer(WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer
