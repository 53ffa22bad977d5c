"""The record of a verification: does a bundle answer on this machine as it did where it was exported?"""

from __future__ import annotations

from typing import Any

from pydantic import Field, computed_field

from slmbench.records.base import Part, Record


class FormVerification(Part):
    """One form's answers to the manifest's texts, compared with those of the machine that exported it."""

    texts: int
    #: Names of texts with other token ids; empty too where a form has no token ids.
    other_ids: list[str]
    #: Names of texts with another label.
    other_labels: list[str]
    max_abs_logit_diff: float | None
    #: Its limit (see ``slmbench.evaluation.verify``); ``None`` where only labels count.
    tolerance: float | None
    #: Instruction set the form was made for, and whether this CPU has it; ``None`` where it needs none.
    isa: str | None
    has_isa: bool | None
    agrees: bool
    sentence: str


class VerificationRecord(Record):
    """A bundle's files and forms, checked on one machine."""

    kind = "verification"
    made_by = "slmbench verify --json"
    rows_in = "forms"
    shown = "form texts max_abs_logit_diff tolerance agrees sentence"

    path: str
    bundle_key: str | None
    seal: str | None
    #: The public key that its signature was checked with; ``None`` where none was asked for.
    signed_with: str | None = None
    #: A sentence for each file that is missing, was changed, or is not in the manifest.
    damaged: list[str]
    forms: dict[str, FormVerification]
    #: Libraries whose version differs from that of the exporting machine: name -> [there, here].
    other_versions: dict[str, tuple[str | None, str | None]] = Field(default_factory=dict)
    exported_on: str
    hardware: dict[str, Any]
    software: dict[str, str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def agrees(self) -> bool:
        """Whether every file is the exported one and every form answers as it did."""
        return not self.damaged and all(form.agrees for form in self.forms.values())
