"""Where things are kept: what the stages make, below the working folder, and the user's cache."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import platformdirs

from slmbench.common.errors import UsageError

RUNS = Path("runs")
BUNDLES = Path("exported")
PROFILES = Path("profiles")
EVALUATIONS = Path("evaluations")
COMPARISONS = Path("comparisons")


def home() -> Path:
    """Return the cache folder: ``SLMBENCH_HOME``, or where this platform keeps caches."""
    chosen = os.environ.get("SLMBENCH_HOME")
    if chosen:
        return named_path(chosen).absolute()
    return Path(platformdirs.user_cache_dir("slmbench", appauthor=False))


def named_path(name: str | Path) -> Path:
    """Return the path that somebody names, whose ``~`` is a user's folder where there is such a user.

    Raises:
        UsageError: No file can have that name: it is too long, or has characters that the system does not take.
    """
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # ~ of nobody
        path = Path(name)
    why = None
    try:
        str(path).encode()  # records and cards hold the names
        path.stat()
    except OSError as error:  # there is nothing of that name, for the most part
        why = error.strerror if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ) else None
    except UnicodeEncodeError:
        why = "it is not UTF-8, rename it"
    except ValueError:
        why = "it has a zero byte"
    if why:
        raise UsageError(f"{str(name)[:100]!r} cannot be the name of a file: {why}")
    return path
