"""Where a tuning is kept and how it is read back.

It lies in the user's cache folder, not in the bundle: it holds for one machine, and a bundle's manifest lists every
file. Its name is made of the machine's fingerprint and the bundle's seal, so that a bundle that was exported again,
or was copied to another machine, is not tuned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slmbench.errors import SlmbenchError
from slmbench.hardware import hardware_fingerprint
from slmbench.records import BundleRecord, read_record
from slmbench.records.tuning import TuningRecord
from slmbench.starter.store import home

if TYPE_CHECKING:
    from pathlib import Path


class Tuned(NamedTuple):
    """How a bundle runs fastest here; the names are those of ``slmbench.edge.Classifier`` and its ``predict``."""

    form: str
    provider: str
    threads: int
    batch_tokens: int | None


def tuning_path(seal: str) -> Path:
    """Return where the tuning of a bundle lies on this machine, whether or not there is one."""
    return home() / "tuned" / f"{hardware_fingerprint()['fingerprint']}-{seal[:16]}.json"


def tuned_settings(bundle: Path) -> Tuned | None:
    """Return how a bundle runs fastest on this machine, or ``None`` when it was not tuned here.

    A tuning that is damaged, or of another version of slmbench, counts as none.

    Args:
        bundle: The bundle's folder.

    Raises:
        SlmbenchError: The folder is not a bundle.
    """
    seal = read_record(BundleRecord, bundle / "bundle.json").seal
    try:
        record = read_record(TuningRecord, tuning_path(seal or ""))
    except SlmbenchError:
        return None
    if record.seal != seal:
        return None
    return Tuned(record.chosen.form, record.chosen.provider, record.chosen.threads, record.batch_tokens)
