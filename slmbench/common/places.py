"""Where things are kept: what the stages make, below the working folder, and the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

RUNS = Path("runs")
BUNDLES = Path("exported")
PROFILES = Path("profiles")
EVALUATIONS = Path("evaluations")
COMPARISONS = Path("comparisons")


def home() -> Path:
    """Return the cache folder: ``SLMBENCH_HOME``, or where this platform keeps caches."""
    chosen = os.environ.get("SLMBENCH_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("slmbench", appauthor=False))
