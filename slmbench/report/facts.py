"""What the reports say beside the rows themselves: methods, corpora, software; one wording for Markdown and HTML."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from slmbench.common.formatting import (
    bare_megabytes,
    counted,
    half_width,
    listing,
    parameters,
    percent,
    three_digits,
)
from slmbench.compare.axes import front_phrase
from slmbench.compare.constraints import limits_phrase
from slmbench.compare.curves import charts_of
from slmbench.compare.sentences import measured_on
from slmbench.report.columns import known_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slmbench.records import ComparisonRecord, ProfileRecord, Row

#: What a latency is where it is not that of one review at a time.
_SCENARIOS = {
    "offline": "in the offline scenario it is that of one batch",
    "server": "in the server scenario it runs from a review's arrival, waiting included",
}
#: A measured row with the profile that it was made from.
Pair = tuple["Row", "ProfileRecord"]


class Method(NamedTuple):
    """How one quantity was measured or one thing decided."""

    term: str
    text: str


def number_filters() -> dict[str, Callable[[Any], str]]:
    """Return how templates write numbers; what is not known is a dash."""
    return {
        "ms": _or_dash(three_digits),
        "mb": _or_dash(bare_megabytes),
        "rate": _or_dash(three_digits),
        "count": _or_dash(parameters),
        "percent": _or_dash(percent),
        "share": _or_dash(lambda value: f"{value * 100:.1f}"),
        "half_width": _or_dash(lambda interval: f"{half_width(interval) * 100:.1f}"),
    }


def report_facts(record: ComparisonRecord, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Collect what templates speak of.

    Args:
        record: The comparison.
        pairs: Each measured row with its profile.

    Returns:
        Values by the names that the templates use.
    """
    profiles = [profile for _, profile in pairs]
    measured = [row for row in record.rows if row.failure is None]
    phrases = dict.fromkeys(front_phrase(decision.front_axes) for decision in record.decisions)
    tags = record.machine_tags
    return {
        "record": record,
        "tags": tags,
        "limits": limits_phrase(record.constraints),
        "front": "; or ".join(phrases),
        "measured_on": measured_on(measured) if measured else None,
        "extra_columns": known_columns(measured),
        "charts": charts_of(record.curves, tags),
        "methods": _methods(record, pairs),
        "workloads": _workloads(profiles),
        "corpora": _corpora(profiles),
        "software": _software(profiles),
        "caveats": [caveat for caveat in record.caveats if caveat not in record.floor],
    }


def one_of_each_form(pairs: Sequence[Pair]) -> dict[tuple[str, str], ProfileRecord]:
    """Return one profile a bundle and form, the forms of a bundle together.

    A form timed in several ways or on several machines classifies the same way: one curve is enough.
    """
    bundles = list(dict.fromkeys(row.name for row, _ in pairs))
    forms: dict[tuple[str, str], ProfileRecord] = {}
    for _, profile in sorted(pairs, key=lambda pair: (bundles.index(pair[0].name), pair[0].form or "")):
        forms.setdefault((profile.bundle, profile.form), profile)
    return forms


def _or_dash(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "–" if value is None else write(value)


def _methods(record: ComparisonRecord, pairs: Sequence[Pair]) -> list[Method]:
    regimes = listing(list(dict.fromkeys(profile.regime for _, profile in pairs)))
    in_torch = any(profile.backend == "torch" for _, profile in pairs)
    between = _between_processes(pairs)
    meanings = [_SCENARIOS[name] for name in _SCENARIOS if any(row.scenario == name for row, _ in pairs)]
    other_scenarios = "".join(f"; {meaning}" for meaning in meanings)
    tags = record.machine_tags
    methods = [
        Method(
            "Accuracy",
            "is that of the very form that was timed, on the test reviews below, with a bootstrap 95 % interval over"
            f" reviews{f' ({regimes})' if regimes else ''}. It is copied from the bundle, not measured again by each"
            f" profile{'; of forms in torch, which are in no bundle, each profile measured it' if in_torch else ''}.",
        ),
        Method(
            "Latency",
            "is the time of one review at a time, text in, label out"
            f"{other_scenarios}. The interval of p50 is its 95 % interval, as wide as processes differ"
            f"{f'; the medians of single processes lie {between}' if between else ''}.",
        ),
        Method(
            "p95",
            "is given only from 130 samples on: fewer cannot support it with 99 % confidence when one outlier is"
            " allowed.",
        ),
    ]
    for decision in record.decisions:
        lacking = decision.front_axes == ["accuracy", "p50"] and any(row.p95_ms is None for row, _ in pairs)
        methods.append(
            Method(
                f"The Pareto front{_on(tags.get(decision.machine))}",
                f"is over {listing(decision.front_axes)}"
                f"{' (the samples of some rows do not support p95)' if lacking else ''}; rows refused at export take"
                " no part.",
            )
        )
    methods += [
        Method(
            "Equal accuracy",
            "means that the exact McNemar test on the same reviews finds no difference from the most accurate"
            " candidate (p ≥ 0.05) and the two are within one point. Of those, the lowest p50 wins; among rows whose"
            " intervals of p50 overlap with it, the smallest. The p-values are not corrected for the number of"
            " candidates.",
        ),
        Method(
            "Memory",
            "is the kernel's high-water mark of the whole process; MB are 10⁶ bytes.",
        ),
        Method("Cold start", "runs from starting a fresh process to its first label."),
        *_energy_methods(pairs),
        *_work_methods(pairs, tags),
    ]
    if record.baseline is not None:
        methods.append(
            Method(
                "The baseline",
                "is compared by the ratio of the medians, with a 95 % interval made of those of the two medians, and"
                " by the paired difference of the accuracies on the same reviews (bootstrap interval, exact McNemar"
                " test). Slower means over the limit with an interval above 1, worse means over the limit.",
            )
        )
    return methods


def _on(tag: str | None) -> str:
    return f" on {tag}" if tag else ""


def _energy_methods(pairs: Sequence[Pair]) -> list[Method]:
    """Say where energy and carbon come from, where some row has them."""
    known = [profile.energy for _, profile in pairs if profile.energy.joules_per_review is not None]
    sources = [f"{energy.quality}: {energy.source}" for energy in known]
    grids = [energy.grid.source for energy in known if energy.grid]
    methods = []
    if sources:
        idle = ", less what the idle machine draws" if any(energy.idle_watts is not None for energy in known) else ""
        text = f"is what 1,000 reviews take{idle} ({'; '.join(dict.fromkeys(sources))})."
        methods.append(Method("Energy", text))
    if grids:
        methods.append(Method("Carbon", f"is that energy at {listing(list(dict.fromkeys(grids)))}."))
    return methods


def _work_methods(pairs: Sequence[Pair], tags: Mapping[str, str]) -> list[Method]:
    """Say what operations and the ceiling are, where some row has them."""
    found = [(row, profile.roofline) for row, profile in pairs if profile.roofline]
    if not found:
        return []
    met: dict[tuple[str, str], list[float]] = {}
    for row, roofline in found:
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
    tokens = listing(list(dict.fromkeys(f"{roofline.tokens:,.0f}" for _, roofline in found)))
    methods = [
        Method(
            "GMACs",
            f"are 10⁹ multiply-accumulate operations of a review of median length ({tokens} tokens), counted in the"
            " form's graph; a FLOP count is twice that. Linear-only leaves out products of two activations.",
        )
    ]
    if ceilings:
        methods.append(
            Method(
                "Of GEMM ceiling",
                "is how much of what this machine multiplies at the most the median latency reaches, tokenizing and"
                " everything else included. This machine's GEMM ceilings: "
                f"{listing(ceilings)}.",
            )
        )
    return methods


def _corpora(profiles: Sequence[ProfileRecord]) -> list[dict[str, Any]]:
    """Describe each set of test reviews once, with what was trained for it."""
    found: dict[str, dict[str, Any]] = {}
    for profile in profiles:
        identity = profile.trained_on
        entry = found.setdefault(
            profile.predictions.rows_hash(),
            {
                "identity": identity,
                "reviews": len(profile.predictions.row_ids),
                "baseline": profile.evaluation.majority_baseline,
                "trained": [],
            },
        )
        if identity.train_reviews not in entry["trained"]:
            entry["trained"].append(identity.train_reviews)
    for entry in found.values():
        entry["trained"] = listing([f"{reviews:,}" for reviews in sorted(entry["trained"])])
    return [{"hash": digest, **entry} for digest, entry in found.items()]


def _workloads(profiles: Sequence[ProfileRecord]) -> list[str]:
    """Describe what was fed in while latency was measured."""
    found = []
    for profile in profiles:
        fed = profile.corpus
        kind = "reviews" if fed.inputs == "reviews" else "texts of words matched to the lengths"
        found.append(
            f"Latency was measured on {fed.reviews:,} {kind} of {fed.name} ({fed.test_hash[:16]}), median"
            f" {fed.tokens_p50:.0f} tokens, longest {fed.tokens_max}."
        )
    return list(dict.fromkeys(found))


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


def _software(profiles: Sequence[ProfileRecord]) -> dict[str, str]:
    """Return each library with the versions met, the commonest first."""
    versions: dict[str, Counter[str]] = {}
    for profile in profiles:
        for library, version in profile.software.items():
            versions.setdefault(library, Counter())[version] += 1
    return {library: ", ".join(version for version, _ in met.most_common()) for library, met in versions.items()}
