"""What the reports say beside the rows: corpora, software, workloads; one wording for Markdown and HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from slmbench.common.formatting import UNKNOWN, listing, percent, three_digits
from slmbench.compare.constraints import limits_phrase
from slmbench.compare.curves import charts_of
from slmbench.compare.front import front_phrase
from slmbench.compare.quantities import table_quantities
from slmbench.records import ComparisonRecord, ProfileRecord
from slmbench.report.explanations import Pair, explanations


def number_filters() -> dict[str, Callable[[Any], str]]:
    """Return how templates write numbers that are no quantity of a row; what is not known is a dash."""
    return {
        "ms": _or_dash(three_digits),
        "percent": _or_dash(percent),
        "share": _or_dash(lambda value: f"{value * 100:.1f}"),
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
        "workloads": _workloads(profiles),
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


def _software(profiles: Sequence[ProfileRecord]) -> dict[str, str]:
    """Return each library with the versions met, the most frequent first."""
    versions: dict[str, Counter[str]] = {}
    for profile in profiles:
        for library, version in profile.software.items():
            versions.setdefault(library, Counter())[version] += 1
    return {library: ", ".join(version for version, _ in met.most_common()) for library, met in versions.items()}
