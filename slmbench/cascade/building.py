"""From two members in a folder to a cascade: a threshold is chosen, all three are timed, the result is judged."""

from __future__ import annotations

from pathlib import Path

from slmbench.cascade.cascade_options import CascadeOptions
from slmbench.cascade.choosing_rows import ENOUGH_REVIEWS, CascadeRows
from slmbench.cascade.member_answers import Answers
from slmbench.cascade.members import FOLDERS, Pair, only_form
from slmbench.cascade.plot import write_plot
from slmbench.cascade.thresholds import (
    break_even,
    cascade_time,
    choose_threshold,
    notable_rows,
    sweep,
    sweep_thresholds,
)
from slmbench.cascade.timing import time_in_turns
from slmbench.common.files import sha256_of, write_atomically
from slmbench.common.formatting import p_value, percent, percent_interval, three_digits
from slmbench.common.progress import Progress
from slmbench.common.templates import render_markdown
from slmbench.edge.runtime import CASCADE_FILE, CascadeBackend
from slmbench.export.manifest import manifest_of
from slmbench.export.parity import compare_logits
from slmbench.export.sealing import with_sealed_answers
from slmbench.instruments.hardware import hardware_fingerprint, software_versions
from slmbench.records import BundleRecord, FormRecord, Parity, Predictions
from slmbench.records.bundle import Manifest
from slmbench.records.cascade import CascadeFacts, CascadeMember, CascadeTiming, ProfiledTimes, ThresholdRows
from slmbench.records.predictions import REGIME
from slmbench.statistics import SIGNIFICANCE, PairedDifference, paired_difference


def build(
    pair: Pair, rows: CascadeRows, options: CascadeOptions, profiled: ProfiledTimes | None, progress: Progress
) -> BundleRecord:
    """Join two members and measure the result.

    Args:
        pair: The members.
        rows: The reviews; without rows to choose on, ``options`` has to name the threshold.
        options: How.
        profiled: The members' latencies from their profiles, where those are to be used.
        progress: Where progress is reported.

    Returns:
        The record of the bundle; everything but the record itself is written.
    """
    small, large = pair.backends()
    answers = Answers.of(rows.test, small, large, None, progress)
    thresholds = sweep_thresholds(len(pair.small.labels))
    if options.threshold is not None:
        thresholds = sorted({*thresholds, options.threshold})
    validation = None
    if rows.validation is not None:
        asked = Answers.of(rows.validation, small, large, thresholds[-1], progress)
        validation = ThresholdRows(kind=rows.kind, routing=asked.routing())
    threshold = options.threshold
    if threshold is None and validation is not None:
        threshold = choose_threshold(validation.routing, thresholds, options.max_routed)
    if threshold is None:
        raise ValueError("neither a threshold nor rows to choose one on")
    file = pair.join(threshold)
    routed = answers.routing().routed(threshold).tolist()
    joined = CascadeBackend(file, pair.small.labels, pair.threads)
    timing, timed = time_in_turns(
        (small.backend, large.backend, joined), rows.test.texts, routed, pair.threads, progress
    )
    parity = compare_logits("its members run one by one", answers.cascade(threshold)[: len(timed)], timed)
    facts = _facts(
        pair, answers, validation, threshold, thresholds, timing, profiled, _how_chosen(validation, options)
    )
    form = with_sealed_answers(
        _form(pair, answers, facts, parity), pair.form, joined, rows.confirmation, pair.place, progress
    )
    record = _record(pair, form, facts, manifest_of({pair.form: joined}, token_ids=False))
    _write_card(record, facts, write_plot(facts, pair.place, progress), pair.place / "README.md")
    return record


def _facts(
    pair: Pair,
    answers: Answers,
    validation: ThresholdRows | None,
    threshold: float,
    thresholds: list[float],
    timing: CascadeTiming,
    profiled: ProfiledTimes | None,
    chosen: str,
) -> CascadeFacts:
    test = answers.routing()
    measured = (timing.mean_ms["small"], timing.mean_ms["large"])
    times = (profiled.small_ms, profiled.large_ms) if profiled else measured
    small, large = (
        _member(folder, member, answers.predictions(pair.small.labels, logits))
        for folder, member, logits in zip(FOLDERS, pair.members, (answers.small, answers.large), strict=True)
    )
    right = test.right(threshold)
    facts = CascadeFacts(
        threshold=threshold,
        chosen=chosen,
        small=small,
        large=large,
        validation=validation,
        test=test,
        timing=timing,
        profiled=profiled,
        small_ms=times[0],
        large_ms=times[1],
        sweep=sweep(thresholds, validation.routing if validation else None, test, *times),
        ms=cascade_time(*times, float(test.routed(threshold).mean())),
        break_even=break_even(*times),
        against_small=paired_difference(small.predictions.right(), right),
        against_large=paired_difference(large.predictions.right(), right),
        notes=[],
    )
    return facts.model_copy(update={"notes": _notes_on(facts)})


def _member(folder: str, member: BundleRecord, predictions: Predictions) -> CascadeMember:
    name, form = only_form(member)
    return CascadeMember(
        folder=folder,
        name=member.name,
        form=name,
        runtime=member.runtime,
        model=member.model,
        method=member.method,
        total_parameters=member.total_parameters,
        bytes=form.bytes + member.shared_bytes,
        sha256=form.sha256,
        predictions=predictions,
    )


def _form(pair: Pair, answers: Answers, facts: CascadeFacts, parity: Parity) -> FormRecord:
    file = pair.place / CASCADE_FILE
    accepted, reason = accept_cascade(facts, parity)
    return FormRecord(
        file=CASCADE_FILE,
        bytes=file.stat().st_size,
        sha256=sha256_of(file),
        parity=parity,
        accepted=accepted,
        verdict="accepted" if accepted else "refused",
        reason=reason,
        predictions=answers.predictions(pair.small.labels, answers.cascade(facts.threshold)),
        regime=REGIME,
        isa=next((only_form(member)[1].isa for member in pair.members if only_form(member)[1].isa), None),
    )


def _record(pair: Pair, form: FormRecord, facts: CascadeFacts, manifest: Manifest) -> BundleRecord:
    models = [member for member in pair.members if member.runtime != "tfidf"]
    licences = [member.base_license for member in models]
    return BundleRecord(
        name=pair.name,
        path=str(pair.folder),
        model="+".join(member.model for member in pair.members),
        method="cascade",
        run="+".join(member.run for member in pair.members),
        run_key=None,
        runtime="cascade",
        architecture="cascade",
        labels=pair.small.labels,
        max_length=pair.small.max_length,
        total_parameters=sum(member.total_parameters for member in pair.members),
        parameters_without_embeddings=sum(member.parameters_without_embeddings for member in pair.members),
        # TF-IDF has no base weights; of any other member the licence has to be known.
        base_license=", ".join(dict.fromkeys(filter(None, licences))) if licences and all(licences) else None,
        corpus=max((member.corpus for member in pair.members), key=lambda corpus: corpus.train_reviews),
        lengths=pair.small.lengths,
        forms={pair.form: form},
        shared_bytes=facts.small.bytes + facts.large.bytes,
        cascade=facts,
        hardware=hardware_fingerprint(),
        software=software_versions(),
        manifest=manifest,
    )


def _write_card(bundle: BundleRecord, facts: CascadeFacts, plot: str | None, path: Path) -> None:
    """Write a cascade's README.md.

    Args:
        bundle: Its record.
        facts: The record's part about the cascade.
        plot: Name of the plot beside it, where there is one.
        path: The file to write.
    """
    form = next(iter(bundle.forms.values()))
    text = render_markdown(
        "slmbench.cascade",
        "card.md",
        {"percent": percent, "interval": percent_interval, "ms": three_digits},
        bundle=bundle,
        facts=facts,
        form=form,
        sweep=notable_rows(facts),
        plot=plot,
        systems=[
            (f"{facts.small.name} {facts.small.form} alone", facts.small.evaluation, facts.timing.mean_ms["small"]),
            (f"{facts.large.name} {facts.large.form} alone", facts.large.evaluation, facts.timing.mean_ms["large"]),
            ("the cascade", form.evaluation, facts.timing.mean_ms["cascade"]),
        ],
    )
    write_atomically(path, text)


def _how_chosen(validation: ThresholdRows | None, options: CascadeOptions) -> str:
    """Describe how the threshold was chosen."""
    if options.threshold is not None or validation is None:
        return "given"
    kind = "that neither member has seen" if validation.kind == "unseen" else "that neither member was trained on"
    limit = "" if options.max_routed is None else f" among those that route at most {percent(options.max_routed)}"
    return (
        f"the least routing within one standard error of the best accuracy{limit}, on"
        f" {len(validation.routing.row_ids):,} reviews {kind}"
    )


def accept_cascade(facts: CascadeFacts, parity: Parity) -> tuple[bool, str]:
    """Return whether a cascade is accepted, and why.

    It is refused when its answers are not those of its two members, and when it never uses the large one.
    """
    if parity.label_flips:
        return False, (
            f"{parity.label_flips} of {parity.reviews} labels differ from {parity.against}: it does not answer as the"
            " two models it was made of"
        )
    if not any(facts.test.routed(facts.threshold)):
        what = "at the threshold given" if facts.chosen == "given" else "no threshold is better than never using it"
        return False, f"{facts.large.name} is never used, {what}: ship {facts.small.name} alone"
    gain = facts.against_small
    better = gain.difference > 0 and gain.p_value < SIGNIFICANCE
    doubt = (
        ""
        if better
        else f"not shown to be more accurate than {facts.small.name} alone, which takes"
        f" {facts.small_ms / facts.ms:.0%} of its time: prefer that; "
    )
    return True, (
        f"{doubt}{percent(facts.routed)} of the test reviews are routed to {facts.large.name}: accuracy"
        f" {_difference(facts.against_small)} against {facts.small.name} and"
        f" {_difference(facts.against_large)} against {facts.large.name}"
    )


def _notes_on(facts: CascadeFacts) -> list[str]:
    """Collect the limits of the numbers."""
    notes = []
    small, large = facts.small, facts.large
    if facts.validation is not None and facts.chosen != "given":
        reviews = len(facts.validation.routing.row_ids)
        if reviews < ENOUGH_REVIEWS:
            notes.append(
                f"the threshold was chosen on only {reviews} reviews, fewer than the recommended {ENOUGH_REVIEWS}: on"
                " other reviews it may be another"
            )
        if facts.validation.kind == "validation":
            notes.append(
                "hardly any labelled review was unseen by both members: the threshold was chosen on validation"
                " reviews, some of which selected the epoch of a member, so it may favour that member slightly"
            )
    gain = paired_difference(small.predictions.right(), large.predictions.right())
    if gain.difference <= 0 or gain.p_value >= SIGNIFICANCE:
        worse = "less" if gain.difference < 0 and gain.p_value < SIGNIFICANCE else "not significantly more"
        notes.append(
            f"{large.name} alone is {worse} accurate than {small.name} alone on the test reviews: {_difference(gain)}"
        )
    if facts.break_even <= 0:
        notes.append(f"{small.name} is not faster than {large.name}: a cascade saves no time")
    elif facts.routed >= facts.break_even:
        notes.append(
            f"it routes {percent(facts.routed)}, more than the {percent(facts.break_even)} at which it takes as long"
            f" as {large.name} alone"
        )
    return notes


def _difference(difference: PairedDifference) -> str:
    low, high = difference.ci95
    return (
        f"{100 * difference.difference:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f},"
        f" McNemar {p_value(difference.p_value)})"
    )
