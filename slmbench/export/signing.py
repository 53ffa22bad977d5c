"""Signatures of bundles, for those who need to know who made one; none is made or needed otherwise.

Signed are the bytes of ``bundle.json``, whose manifest has the digest of every other file. The signature is the 64
bytes of Ed25519 in ``bundle.sig``, so that other tools check it too::

    openssl pkeyutl -verify -pubin -inkey PUBLIC -rawin -in bundle.json -sigfile bundle.sig
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.common.errors import SlmbenchError, UsageError, require_extra
from slmbench.common.files import write_aside
from slmbench.common.progress import SILENT, Progress
from slmbench.common.sole_writer import sole_writer
from slmbench.edge.runtime import RECORD, SIGNATURE, BundleFiles
from slmbench.records import BundleRecord, artefacts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: Environment variable with the password of a private key that has one.
PASSWORD = "SLMBENCH_KEY_PASSWORD"


def private_key(file: str | Path) -> Ed25519PrivateKey:
    """Read a private key.

    Args:
        file: PEM file of an Ed25519 key; the environment variable ``SLMBENCH_KEY_PASSWORD`` has its password if it
            has one.

    Raises:
        UsageError: There is no such file, it holds no such key, or its password is missing or wrong.
        SlmbenchError: The extra is not installed.
    """
    require_extra("cryptography", "sign", "signing a bundle")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    password = os.environ.get(PASSWORD)
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        make = f": make one with `openssl genpkey -algorithm ed25519 -out {file}`"
        raise UsageError(
            f"the key {file} cannot be read: {error.strerror}{'' if Path(file).exists() else make}"
        ) from None
    has_password = b"ENCRYPTED" in content
    try:
        key = load_pem_private_key(content, password.encode() if password and has_password else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if has_password:
            raise UsageError(f"{file} needs its password: set {PASSWORD} to it") from None
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{file} is not the PEM file of a private Ed25519 key: make one with `openssl genpkey -algorithm ed25519"
            " -out FILE`"
        )
    return key


def write_signature(folder: Path, key: Ed25519PrivateKey) -> None:
    """Sign the ``bundle.json`` of a folder; an older signature is replaced.

    Args:
        folder: The bundle's folder.
        key: The key.
    """
    signature = key.sign((folder / RECORD).read_bytes())
    with write_aside(folder / SIGNATURE) as temporary:
        temporary.write_bytes(signature)


def sign(bundle: str | Path, key: str | Path, *, progress: Progress = SILENT) -> BundleRecord:
    """Sign a bundle, or a cascade with its members, after all its files were checked.

    Args:
        bundle: The bundle's folder; ``bundle.sig`` is written into it.
        key: See :func:`private_key`.
        progress: Where progress is reported.

    Returns:
        The record of the bundle, which is as it was.

    Raises:
        UsageError: There is no such bundle or key.
        SlmbenchError: A file of the bundle is missing, changed or not listed, or the extra is not installed.
    """
    folder, loaded = Path(bundle), private_key(key)
    record = artefacts.read(folder, BundleRecord)
    with sole_writer(folder, progress):
        files = BundleFiles.open(folder)
        with progress.task("checking files"):
            damaged = files.damaged()
        if damaged:
            more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
            raise SlmbenchError(f"{folder} is not signed: {damaged[0]}{more}: export it again")
        write_signature(folder, loaded)
    return record
