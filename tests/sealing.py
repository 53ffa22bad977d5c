"""Changes to a bundle that stay honest: what a test changes on purpose is listed and sealed again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from slmbench.edge.runtime import sealed, sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any


def edit_record(bundle: Path, edit: Callable[[dict[str, Any]], object] = lambda document: None) -> None:
    """Change ``bundle.json`` without sealing it."""
    document = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    edit(document)
    (bundle / "bundle.json").write_text(json.dumps(document), encoding="utf-8")


def reseal(bundle: Path, edit: Callable[[dict[str, Any]], object] = lambda document: None) -> None:
    """Change ``bundle.json``, list the files as they are now, and seal it; members of a cascade come first."""
    for member in ("small", "large"):
        if (bundle / member / "bundle.json").is_file():
            reseal(bundle / member)

    def seal(document: dict[str, Any]) -> None:
        edit(document)
        document["manifest"]["files"] = {
            path.relative_to(bundle).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
            for path in sorted(bundle.rglob("*"))
            if path.is_file() and path != bundle / "bundle.json"
        }

    edit_record(bundle, seal)
    seal_again(bundle)


def seal_again(bundle: Path) -> None:
    """Seal ``bundle.json`` as it is."""
    path = bundle / "bundle.json"
    path.write_text(sealed(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8", newline="\n")


def spoil(path: Path) -> None:
    """Turn bytes in the middle of a file round, leaving its length."""
    content = bytearray(path.read_bytes())
    middle = slice(len(content) // 4, 3 * len(content) // 4)
    content[middle] = bytes(byte ^ 255 for byte in content[middle])
    path.write_bytes(content)
