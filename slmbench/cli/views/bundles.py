"""How bundles and their verification look to people on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from slmbench.cli.views.fitting_table import FittingTable, number, percent_with_bounds, text, with_bounds

if TYPE_CHECKING:
    from slmbench.records import BundleRecord, FormRecord, VerificationRecord


def bundle_summary(record: BundleRecord) -> list[RenderableType]:
    """Show a bundle's forms and the verdict on each."""
    table = FittingTable(
        [
            text("form"),
            number("file\nMB"),
            number("accuracy\n% [95 %]"),
            number("minus fp32\npoints [95 %]", leaves=4, optional=True),
            number("p", leaves=3, optional=True),
            number("labels\nchanged", leaves=5),
            number("changed\nin batches", leaves=1, optional=True),
            number("speed", leaves=2, optional=True),
            text("verdict"),
        ],
        title=f"bundle {record.path}",
    )
    for name, form in record.forms.items():
        test, loss, gain = form.evaluation, form.difference_to_fp32, form.gain
        table.add_row(
            name,
            f"{form.bytes / 1e6:.1f}",
            percent_with_bounds(test.accuracy, test.accuracy_ci95),
            f"{100 * loss.difference:+.1f} [{100 * loss.ci95[0]:+.1f}, {100 * loss.ci95[1]:+.1f}]" if loss else "",
            f"{loss.p_value:.2g}" if loss else "",
            f"{form.parity.label_flips}/{form.parity.reviews}",
            f"{form.batching.label_flips}/{form.batching.reviews}" if form.batching else "",
            f"{gain.speedup:.2f}×" if gain else "",
            _verdict(form),
            style={"accepted": None, "undecided": "yellow", "refused": "red"}[form.verdict],
        )
    parts: list[RenderableType] = [table]
    parts += [
        Text(f"{name}: {len(form.search.kept)} of {len(form.search.divergence)} products kept in float", style="dim")
        for name, form in record.forms.items()
        if form.search and form.search.kept
    ]
    return parts


def _verdict(form: FormRecord) -> str:
    if form.verdict != "accepted":
        return f"{form.verdict}: {form.reason}"
    if form.gain is None:
        return f"accepted: {form.reason}" if form.difference_to_fp32 is None else "accepted"
    return form.gain.sentence.split(":")[0] if form.gain.verdict != "none" else "no gain on this CPU"


def verification_summary(record: VerificationRecord) -> list[RenderableType]:
    """Show whether a bundle predicts here what it predicted where it was exported."""
    table = FittingTable(
        [
            text("form"),
            number("texts", leaves=1),
            number("maximum logit\ndifference", leaves=3),
            number("allowed", leaves=2),
            text("verdict"),
        ],
        title=f"bundle {record.path}",
    )
    for name, form in record.forms.items():
        table.add_row(
            name,
            str(form.texts),
            with_bounds(form.max_abs_logit_diff, None, ".1e"),
            with_bounds(form.tolerance, None, ".2g"),
            ("agrees: " if form.agrees else "differs: ") + form.sentence,
            style=None if form.agrees else "red",
        )
    here = record.hardware["machine"]
    parts: list[RenderableType] = [table, *(Text(sentence, style="red") for sentence in record.damaged)]
    same = "the same kind of machine" if here == record.exported_on else f"here {here}"
    parts.append(Text(f"exported on {record.exported_on}; {same}", style="dim"))
    if record.signed_with is not None:
        parts.append(Text(f"signed with the key {record.signed_with}", style="dim"))
    parts += [
        Text(f"{library} {before or 'absent'} there, {now or 'absent'} here", style="dim")
        for library, (before, now) in record.other_versions.items()
    ]
    return parts
