"""What was done before is found again: the user's cache folder, and the hash of everything a result depends on."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import platformdirs


def home() -> Path:
    """Return the cache folder: ``SLMBENCH_HOME``, or where this platform keeps caches."""
    chosen = os.environ.get("SLMBENCH_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("slmbench", appauthor=False))


def content_key(**inputs: Any) -> str:
    """Return the SHA-256 of everything a result depends on.

    Args:
        **inputs: JSON-able values, by name; their order does not matter.

    Returns:
        64 hexadecimal digits.
    """
    canonical = json.dumps(inputs, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
