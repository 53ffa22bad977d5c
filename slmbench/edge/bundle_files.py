"""What is in a bundle's folder, and whether it is whole enough to load."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.errors import SlmbenchError, UsageError

SCHEMA = "slmbench.bundle/1"


@dataclass(frozen=True)
class BundleFiles:
    """A bundle's folder and what its ``bundle.json`` says: of each form ``file``, ``bytes`` and ``accepted``."""

    folder: Path
    runtime: str
    labels: list[str]
    forms: dict[str, dict[str, Any]]

    @classmethod
    def open(cls, path: str | Path) -> BundleFiles:
        """Read a bundle's description.

        Raises:
            SlmbenchError: The folder or its ``bundle.json`` is missing, damaged or of another version.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise UsageError(f"there is no bundle folder {folder}")
        try:
            document = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
            if document["schema"] != SCHEMA:
                raise SlmbenchError(
                    f"{folder} was written as {document['schema']}, this version reads {SCHEMA}: export it again"
                )
            forms = {
                name: {key: facts[key] for key in ("file", "bytes", "accepted")}
                for name, facts in document["forms"].items()
            }
            return cls(folder, document["runtime"], list(document["labels"]), forms)
        except FileNotFoundError:
            raise SlmbenchError(f"{folder} is not a bundle: it has no bundle.json (see `slmbench export`)") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SlmbenchError(f"{folder}/bundle.json is damaged: export the bundle again") from None

    def choose_form(self, form: str | None) -> str:
        """Return the form asked for, or the smallest accepted one.

        Raises:
            SlmbenchError: The bundle does not have that form, or has no accepted form.
        """
        if form is not None:
            if form not in self.forms:
                raise UsageError(f"{self.folder} has no form {form!r}; it has: {', '.join(self.forms)}")
            return form
        accepted = [name for name, facts in self.forms.items() if facts["accepted"]]
        if not accepted:
            raise SlmbenchError(f"{self.folder} has no accepted form; name one to use it all the same")
        return min(accepted, key=lambda name: self.forms[name]["bytes"])

    def form_path(self, form: str) -> Path:
        """Return the file of a form.

        Raises:
            SlmbenchError: The file is missing or not as long as the bundle says.
        """
        path = self.folder / self.forms[form]["file"]
        wanted = self.forms[form]["bytes"]
        if not path.is_file():
            raise SlmbenchError(f"{path} is missing: copy the bundle again")
        if path.stat().st_size != wanted:
            raise SlmbenchError(
                f"{path} has {path.stat().st_size:,} bytes instead of {wanted:,}: copy the bundle again"
            )
        return path
