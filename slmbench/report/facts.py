"""What the reports say beside the rows: corpora, software, workloads; one wording for Markdown and HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from slmbench.common.formatting import UNKNOWN, duration, listing, percent, three_digits
from slmbench.compare.constraints import limits_phrase
from slmbench.compare.curves import charts_of
from slmbench.compare.front import front_phrase
from slmbench.compare.quantities import table_quantities
from slmbench.methods.known_methods import METHODS, picks_epoch
from slmbench.records import ComparisonRecord, ProfileRecord
from slmbench.report.explanations import Pair, explanations

#: So many models are named; of more, the number is.
_FEW = 4


def number_filters() -> dict[str, Callable[[Any], str]]:
    """Return how templates write numbers that are no quantity of a row; what is not known is a dash."""
    return {
        "ms": _or_dash(three_digits),
        "percent": _or_dash(percent),
        "share": _or_dash(lambda value: f"{value * 100:.1f}"),
        "duration": _or_dash(duration),
        "seconds": lambda value: f"{value:.1f}" if value else UNKNOWN,
    }


def report_facts(record: ComparisonRecord, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Collect what templates use.

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
    baseline_tests = [test.sentence for test in record.baseline_tests]
    return {
        "record": record,
        "tags": tags,
        "limits": limits_phrase(record.constraints),
        "front": "; or ".join(phrases),
        "columns": table_quantities(measured),
        "charts": charts_of(record.curves, tags),
        "explanations": explanations(record, pairs),
        "workloads": _workloads(pairs),
        "sustained": [(row, profile.sustained) for row, profile in pairs if profile.sustained],
        "corpora": _corpora(profiles),
        "software": _software(profiles),
        "baseline_tests": baseline_tests,
        "caveats": [caveat for caveat in record.caveats if caveat not in baseline_tests],
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
    return lambda value: UNKNOWN if value is None else write(value)


def _corpora(profiles: Sequence[ProfileRecord]) -> list[dict[str, Any]]:
    """Describe each set of test reviews once, with what was trained for it."""
    found: dict[str, dict[str, Any]] = {}
    for profile in profiles:
        entry = found.setdefault(
            profile.predictions.rows_hash(),
            {
                "identity": profile.trained_on,
                "reviews": len(profile.predictions.row_ids),
                "baseline": profile.evaluation.majority_baseline,
                "learned": {},
            },
        )
        entry["learned"].setdefault(_learned_from(profile), []).append(profile.bundle)
    for entry in found.values():
        learned = sorted(entry.pop("learned").items())
        entry["trained"] = listing(
            [f"{reviews:,}{_named(names) if len(learned) > 1 else ''}" for reviews, names in learned]
        )
    return [{"hash": digest, **entry} for digest, entry in found.items()]


def _learned_from(profile: ProfileRecord) -> int:
    """Return the number of reviews learned from: those that would pick an epoch too, where the method picks none."""
    corpus, method = profile.trained_on, profile.method
    learns_from_all = method in METHODS and not picks_epoch(method)
    return corpus.train_reviews + (corpus.validation_reviews if learns_from_all else 0)


def _named(names: Sequence[str]) -> str:
    different = list(dict.fromkeys(names))
    return f" ({listing(different)})" if len(different) <= _FEW else f" ({len(different)} models)"


def _workloads(pairs: Sequence[Pair]) -> list[str]:
    """Describe what was fed in while latency was measured, and for which rows."""
    found: dict[str, list[str]] = {}
    for row, profile in pairs:
        fed, latency = profile.corpus, profile.latency
        kind = "reviews" if fed.inputs == "reviews" else "texts of words matched to the lengths"
        timed = min(fed.reviews, *map(len, latency.processes_ms)) if latency.reviews else fed.reviews
        some = f"the first {timed:,} of {fed.reviews:,}" if timed < fed.reviews else f"{fed.reviews:,}"
        what = (
            f"on {some} {kind} of {fed.name} ({fed.test_hash[:16]}), median {fed.tokens_p50:.0f} tokens, longest"
            f" {fed.tokens_max}."
        )
        found.setdefault(what, []).append(row.label)
    if len(found) == 1:
        return [f"Latency was measured {next(iter(found))}"]
    return [
        f"Latency of {listing(rows) if len(rows) <= _FEW else f'{len(rows)} rows'} was measured {what}"
        for what, rows in found.items()
    ]


def _software(profiles: Sequence[ProfileRecord]) -> dict[str, str]:
    """Return each library with the versions met, the most frequent first."""
    versions: dict[str, Counter[str]] = {}
    for profile in profiles:
        for library, version in profile.software.items():
            versions.setdefault(library, Counter())[version] += 1
    return {library: ", ".join(version for version, _ in met.most_common()) for library, met in versions.items()}
