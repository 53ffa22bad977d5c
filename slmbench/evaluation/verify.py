"""Does a bundle give the same answers here? Its files by their hashes, then its fixed texts through every form.

What was found is kept in the user's cache, where the edge runtime looks when it chooses a form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.common.files import write_atomically
from slmbench.common.progress import SILENT, Progress
from slmbench.edge.runtime import (
    NUMPY_BACKENDS,
    Backend,
    BundleFiles,
    load_backend,
    not_finite,
    verified_file,
    verified_forms,
)
from slmbench.instruments.hardware import hardware_fingerprint, runs_natively, software_versions
from slmbench.records import BundleRecord, FormRecord, FormVerification, VerificationRecord, artefacts
from slmbench.records.bundle import Manifest

#: Logits of float forms may differ by this much between CPUs, which add fp32 products in different orders.
FLOAT_TOLERANCE = 1e-3
#: Libraries that the answers depend on.
_LIBRARIES = ("onnxruntime", "tokenizers", "numpy")


def verify(
    bundle: str | Path,
    *,
    forms: Sequence[str] | None = None,
    public_key: str | Path | None = None,
    command: Sequence[str] = (),
    progress: Progress = SILENT,
) -> VerificationRecord:
    """Check a bundle's files and run the fixed texts of its manifest on this machine.

    From then on :class:`slmbench.edge.Classifier` chooses here among the forms that agree.

    A form agrees when the token ids of every text are those of the manifest, every label is the same, and no logit
    differs by more than the tolerance: 0.001 for forms that compute in float, and for quantized ones the largest
    change that quantization itself made on the test reviews. Texts whose two best labels are closer than the
    tolerance may change their label.

    Args:
        bundle: The bundle's folder.
        forms: Forms to check; all when not given.
        public_key: PEM file of the public key with whose private one the bundle has to be signed; signatures are not
            looked at without it. That of a cascade covers its members.
        command: The command line, for the record.
        progress: Where progress is reported.

    Returns:
        The record; forms that do not agree are in it and raise nothing.

    Raises:
        UsageError: There is no such folder, form or key.
        SlmbenchError: ``bundle.json`` is damaged or was changed, or the bundle is not signed with that key.
    """
    bundle = Path(bundle)
    files = BundleFiles.open(bundle, public_key)
    record = artefacts.read(bundle, BundleRecord)
    for form in forms or ():
        if form not in record.forms:
            raise UsageError(f"{bundle} has no form {form!r}; it has: {', '.join(record.forms)}")
    with progress.task("checking files"):
        damaged = files.damaged()
    checked: dict[str, FormVerification] = {}
    if record.cascade is not None:
        # Members are compared with their own manifests. Of the whole only labels count: a text near the threshold may
        # be answered by the other member here, whose logits differ.
        for member in (record.cascade.small, record.cascade.large):
            if BundleFiles.open(bundle / member.folder).runtime == "cascade":
                raise SlmbenchError(f"{bundle / member.folder} is a cascade, which cannot be a member of {bundle}")
            inside = verify(bundle / member.folder, forms=[member.form], progress=progress)
            damaged += inside.damaged
            checked |= {f"{member.folder} {form}": answer for form, answer in inside.forms.items()}
    wanted = [form for form in record.forms if not forms or form in forms]
    with progress.task("running the fixed texts", total=len(wanted), unit="forms") as task:
        for form in wanted:
            checked[form] = _check_form(files, record, form)
            task.advance()
    if record.runtime not in NUMPY_BACKENDS:
        _keep(files.seal, {form: checked[form] for form in wanted})
    here = software_versions()
    versions = {
        name: (record.software.get(name), here.get(name))
        for name in _LIBRARIES
        if record.software.get(name) != here.get(name)
    }
    return VerificationRecord(
        name=record.name,
        path=str(bundle),
        command=list(command),
        bundle_key=record.key,
        seal=record.seal,
        signed_with=None if public_key is None else str(public_key),
        damaged=damaged,
        forms=checked,
        other_versions=versions,
        exported_on=record.hardware["machine"],
        hardware=hardware_fingerprint(),
        software=here,
    )


def _keep(seal: str, checked: Mapping[str, FormVerification]) -> None:
    """Keep which forms answer alike, for the edge runtime; forms that did not run are left out.

    Apps and read-only machines do without.
    """
    import onnxruntime

    file = verified_file(seal)
    found = {form: one.agrees for form, one in checked.items() if one.texts}
    before = {form: alike for form, alike in verified_forms(seal).items() if form not in checked}
    document = {"seal": seal, "onnxruntime": onnxruntime.__version__, "forms": before | found}
    with suppress(OSError):
        if file is not None:
            write_atomically(file, json.dumps(document))


def _check_form(files: BundleFiles, record: BundleRecord, form: str) -> FormVerification:
    facts, manifest = record.forms[form], record.manifest
    tolerance = None if record.cascade is not None else _tolerance(facts)
    has_isa = None if facts.isa is None else runs_natively(facts.isa)
    common: dict[str, Any] = {"tolerance": tolerance, "isa": facts.isa, "has_isa": has_isa}
    nothing: dict[str, Any] = {"other_ids": [], "other_labels": [], "max_abs_logit_diff": None, "agrees": False}
    if form not in manifest.logits:
        return FormVerification(**common, **nothing, texts=0, sentence=f"refused at export: {facts.reason}")
    try:
        backend = load_backend(files, form, None)
    except SlmbenchError as error:
        return FormVerification(**common, **nothing, texts=0, sentence=str(error))
    other_ids = _other_ids(backend, manifest)
    wanted = np.array(manifest.logits[form])
    found = np.stack([backend.logits(backend.encode([entry.text]))[0] for entry in manifest.texts])
    if len(wrong := not_finite(found)):
        names = ", ".join(manifest.texts[row].name for row in wrong)
        sentence = f"NaN or infinity instead of logits for: {names}"
        return FormVerification(**common, **nothing, texts=len(manifest.texts), sentence=sentence)
    tie = FLOAT_TOLERANCE if tolerance is None else tolerance
    other_labels = [
        entry.name
        for entry, before, after in zip(manifest.texts, wanted, found, strict=True)
        if before.argmax() != after.argmax() and np.ptp(np.sort(before)[-2:]) > tie
    ]
    largest = float(np.abs(wanted - found).max())
    too_far = tolerance is not None and largest > tolerance
    return FormVerification(
        **common,
        texts=len(manifest.texts),
        other_ids=other_ids,
        other_labels=other_labels,
        max_abs_logit_diff=largest,
        agrees=not (other_ids or other_labels or too_far),
        sentence=_sentence(other_ids, other_labels, largest, tolerance, facts.isa if has_isa is False else None),
    )


def _tolerance(facts: FormRecord) -> float:
    """Return how much a form's logits may differ here."""
    quantized = facts.graph is not None and facts.graph.quantized_products > 0
    return max(FLOAT_TOLERANCE, facts.parity.max_abs_logit_diff or 0.0) if quantized else FLOAT_TOLERANCE


def _other_ids(backend: Backend, manifest: Manifest) -> list[str]:
    if any(entry.ids is None for entry in manifest.texts):
        return []
    items = backend.encode([entry.text for entry in manifest.texts])
    return [
        entry.name
        for entry, item in zip(manifest.texts, items, strict=True)
        if list(item.ids) != entry.ids  # type: ignore[attr-defined]
    ]


def _sentence(
    other_ids: list[str], other_labels: list[str], largest: float, tolerance: float | None, missing_isa: str | None
) -> str:
    if other_ids:
        return f"the tokenizer here gives other token ids for: {', '.join(other_ids)}"
    made_for = f"; it was made for {missing_isa}, which this CPU lacks" if missing_isa else ""
    if other_labels:
        return f"another label for: {', '.join(other_labels)}; logits differ by up to {largest:.2g}{made_for}"
    if tolerance is None:
        return f"the same labels{made_for}"
    if largest > tolerance:
        return f"the same labels, but logits differ by up to {largest:.2g}, more than {tolerance:.2g}{made_for}"
    return f"the same answers{made_for}"
