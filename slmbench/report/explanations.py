"""How the numbers of a report were measured and how the decision was made, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slmbench.common.formatting import counted, listing, percent, three_digits
from slmbench.records import ComparisonRecord, ProfileRecord, Row

#: A measured row with the profile that it was made from.
Pair = tuple["Row", "ProfileRecord"]
#: What a latency is where it is not that of one review at a time.
_SCENARIOS = {
    "offline": "in the offline scenario it is that of one batch",
    "server": "in the server scenario it runs from a review's arrival, waiting included",
}


class Explanation(NamedTuple):
    """How one quantity was measured or one thing decided: a term, and what the term means here."""

    term: str
    text: str


def explanations(record: ComparisonRecord, pairs: Sequence[Pair]) -> list[Explanation]:
    """Explain what a comparison shows.

    Args:
        record: The comparison.
        pairs: Each measured row with its profile.

    Returns:
        One explanation a quantity that some row has, and one for each rule of the decision.
    """
    regimes = listing(list(dict.fromkeys(profile.regime for _, profile in pairs)))
    in_torch = any(profile.backend == "torch" for _, profile in pairs)
    between = _between_processes(pairs)
    meanings = [_SCENARIOS[name] for name in _SCENARIOS if any(row.scenario == name for row, _ in pairs)]
    other_scenarios = "".join(f"; {meaning}" for meaning in meanings)
    tags = record.machine_tags
    found = [
        Explanation(
            "Accuracy",
            "is measured with the form that was timed, on the test reviews below, with a bootstrap 95 % interval over"
            f" reviews{f' ({regimes})' if regimes else ''}. It is copied from the bundle, not measured again by each"
            f" profile{'; of forms in torch, which are in no bundle, each profile measured it' if in_torch else ''}.",
        ),
        Explanation(
            "Latency",
            "is the time of one review at a time, text in, label out"
            f"{other_scenarios}. The intervals of p50 and p95 are 95 % intervals for other reviews of this kind and"
            f" other processes{f'; the medians of single processes are {between}' if between else ''}. Verdicts use"
            " narrower ones: rows that timed the same reviews do not differ by their lengths.",
        ),
        Explanation(
            "p95",
            "is given only from 130 different reviews on: fewer cannot support it with 99 % confidence when one"
            " outlier is allowed, however often each is timed. A p99 takes 662, which only fast rows are timed on.",
        ),
    ]
    for decision in record.decisions:
        lacking = decision.front_axes == ["accuracy", "p50"] and any(row.p95_ms is None for row, _ in pairs)
        found.append(
            Explanation(
                f"The Pareto front{_on(tags.get(decision.machine))}",
                f"is over {listing(decision.front_axes)}"
                f"{' (the samples of some rows do not support p95)' if lacking else ''}; rows refused at export are"
                " excluded.",
            )
        )
    found += [
        Explanation(
            "Verdicts",
            "are better, equivalent within a margin, worse or undecided. As accurate as the most accurate candidate"
            " is what is shown to lose less than the margin on the same reviews (one-sided 95 % bound, Tango's score"
            " interval); of those, the lowest p50 wins, and among rows shown to be as fast within the margin (90 %"
            " interval of the ratio) the smallest. Worse is what stays so after Holm's correction for all pairs of"
            " candidates. What is neither is undecided, and is not shipped.",
        ),
        *_rule(record),
        Explanation("Memory", "is the kernel's high-water mark of the whole process; MB are 10⁶ bytes."),
        Explanation(
            "Cold start",
            "is the time from starting a fresh process to its first label, with the model's files in the system's"
            " cache; before a cold-cache start they were dropped from it.",
        ),
        *_energy(pairs),
        *_work(pairs, tags),
    ]
    if record.baseline is not None:
        found.append(
            Explanation(
                "The baseline",
                "is compared by the ratio of the medians, with a 95 % interval made of those of the two medians, and"
                " by the paired difference of the accuracies on the same reviews (Tango's score interval, exact"
                " McNemar test). A limit is kept when the loss is below it with 95 % confidence, and failed when it"
                " is above it with that confidence; between the two it is inconclusive.",
            )
        )
    return found


def _rule(record: ComparisonRecord) -> list[Explanation]:
    """Say which margins and which metric decided; nothing of older records."""
    rule = record.rule
    if not rule:
        return []
    metric = "" if rule["metric"] == "accuracy" else f"The metric that decides is {rule['metric']}. "
    return [
        Explanation(
            "Margins",
            f"are {rule['model_margin'] * 100:g} points between models, {rule['form_margin'] * 100:g} points between"
            f" a form and fp32 of its bundle, and {rule['time_margin']:.0%} in time. {metric}A form of which it is"
            f" undecided whether it is as accurate as fp32 is {'' if rule['accept_undecided'] else 'not '}accepted.",
        )
    ]


def _on(tag: str | None) -> str:
    return f" on {tag}" if tag else ""


def _energy(pairs: Sequence[Pair]) -> list[Explanation]:
    """Say where energy and carbon come from, where some row has them."""
    known = [profile.energy for _, profile in pairs if profile.energy.joules_per_review is not None]
    sources = [f"{energy.quality}: {energy.source}" for energy in known]
    grids = [energy.grid.source for energy in known if energy.grid]
    found = []
    if sources:
        idle = ", less what the idle machine draws" if any(energy.idle_watts is not None for energy in known) else ""
        text = f"is what 1,000 reviews take{idle} ({'; '.join(dict.fromkeys(sources))})."
        found.append(Explanation("Energy", text))
    if grids:
        found.append(Explanation("Carbon", f"is that energy at {listing(list(dict.fromkeys(grids)))}."))
    return found


def _work(pairs: Sequence[Pair], tags: Mapping[str, str]) -> list[Explanation]:
    """Say what operations and the ceiling are, where some row has them."""
    known = [(row, profile.roofline) for row, profile in pairs if profile.roofline]
    if not known:
        return []
    met: dict[tuple[str, str], list[float]] = {}
    for row, roofline in known:
        for precision, timing in roofline.ceilings.items():
            how = (
                f"({timing.library} {timing.version}, {timing.size:,} × {timing.size:,},"
                f" {counted(row.threads or 0, 'thread')}{_on(tags.get(row.machine or ''))})"
            )
            met.setdefault((precision, how), []).append(timing.flops_per_second / 1e9)
    ceilings = [
        f"{precision} {'–'.join(dict.fromkeys(map(three_digits, (min(rates), max(rates)))))} GFLOP/s {how}"
        for (precision, how), rates in met.items()
    ]
    disturbed = dict.fromkeys(note for _, roofline in known if (note := roofline.ceiling_note))
    tokens = listing(list(dict.fromkeys(f"{roofline.tokens:,.0f}" for _, roofline in known)))
    found = [
        Explanation(
            "Work",
            f"is counted in GMACs, 10⁹ multiply-accumulate operations of a review of median length ({tokens} tokens),"
            " in the form's graph; a FLOP count is twice that. Linear-only leaves out products of two activations.",
        )
    ]
    if ceilings:
        found.append(
            Explanation(
                "Of GEMM ceiling",
                "is the share of this machine's fastest matrix multiplication that the median latency reaches,"
                f" tokenizing and everything else included. This machine's GEMM ceilings: {listing(ceilings)}."
                f"{''.join(f' Caution: {note}.' for note in disturbed)}",
            )
        )
    return found


def _between_processes(pairs: Sequence[Pair]) -> str | None:
    """Say which row's processes disagree most about its median."""
    spreads = [
        (max(medians) / min(medians) - 1, row.label, len(medians))
        for row, profile in pairs
        if len(medians := profile.latency.process_p50_ms) > 1 and min(medians) > 0
    ]
    if not spreads:
        return None
    spread, label, processes = max(spreads)
    return f"at most {percent(spread)} apart ({label}, {processes} processes)"
