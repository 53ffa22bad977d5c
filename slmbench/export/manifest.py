"""The parity manifest of a bundle: hashes of its files, and what it answers to fixed texts where it was made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from slmbench.common.files import sha256_of, write_atomically
from slmbench.edge.runtime import sealed
from slmbench.export.manifest_texts import MANIFEST_TEXTS
from slmbench.records.bundle import Manifest, ManifestFile, ManifestText

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from slmbench.edge.runtime import Backend
    from slmbench.records import BundleRecord

RECORD = "bundle.json"
_TOKENIZER = "tokenizer.json"


def manifest_of(backends: Mapping[str, Backend], *, token_ids: bool) -> Manifest:
    """Ask every form the fixed texts, each alone.

    Args:
        backends: The loaded forms, by name; at least one.
        token_ids: Whether its items are token ids (``ids``), which every runtime has to find too.

    Returns:
        A manifest without files, which :func:`write_bundle` fills in.
    """
    texts = [entry.text for entry in MANIFEST_TEXTS]
    first = next(iter(backends.values()))
    ids = [list(item.ids) for item in first.encode(texts)] if token_ids else [None] * len(texts)  # type: ignore[attr-defined]
    logits = {
        form: [[float(value) for value in backend.logits(backend.encode([text]))[0]] for text in texts]
        for form, backend in backends.items()
    }
    return Manifest(
        files={},
        tokenizer_sha256=None,
        texts=[
            ManifestText(name=entry.name, text=entry.text, ids=own)
            for entry, own in zip(MANIFEST_TEXTS, ids, strict=True)
        ],
        logits=logits,
    )


def write_bundle(record: BundleRecord, folder: Path) -> BundleRecord:
    """Write ``bundle.json`` as the last file of a bundle: hashes of all others, and a seal on itself.

    Args:
        record: The record; answers in its manifest to forms that it does not have are left out.
        folder: The folder it describes.

    Returns:
        The record as it was written.
    """
    files = {
        path.relative_to(folder).as_posix(): ManifestFile(bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / RECORD
    }
    manifest = record.manifest.model_copy(
        update={
            "files": files,
            "tokenizer_sha256": files[_TOKENIZER].sha256 if _TOKENIZER in files else None,
            "logits": {form: rows for form, rows in record.manifest.logits.items() if form in record.forms},
        }
    )
    record = record.model_copy(update={"manifest": manifest, "seal": None})
    text = sealed(json.loads(record.to_json()))
    write_atomically(folder / RECORD, text)
    return record.model_copy(update={"seal": json.loads(text)["seal"]})
