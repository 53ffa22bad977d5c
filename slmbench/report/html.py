"""``report.html``: the decision and its evidence in one file that makes no network request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slmbench.records import ComparisonRecord, ProfileRecord
from slmbench.report.charts import chart_data
from slmbench.report.explanations import Pair
from slmbench.report.facts import number_filters, one_of_each_form, report_facts
from slmbench.report.flips import label_flips
from slmbench.statistics import row_shares


def render_html(record: ComparisonRecord, pairs: Sequence[Pair]) -> str:
    """Render ``report.html``: style, script and numbers inline.

    Texts of reviews are shown where the bundles are in ``exported/``.

    Args:
        record: The comparison.
        pairs: Each measured row with its profile.

    Returns:
        HTML; everything that comes from a record is escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("slmbench.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters |= number_filters()
    forms = one_of_each_form(pairs)
    facts = report_facts(record, pairs)
    return environment.get_template("report.html.j2").render(
        **facts,
        pairs=pairs,
        data=chart_data(record, pairs, facts["charts"]),
        recommended={row.machine: row for row in record.rows if row.recommended},
        timed_machines=list(dict.fromkeys(row.machine for row, _ in pairs)),
        confusions=[_confusion(profile) for profile in forms.values()],
        flips=label_flips(list(forms.values())),
        cascades=[
            (f"{profile.bundle} {profile.form}", profile.cascade) for profile in forms.values() if profile.cascade
        ],
    )


def _confusion(profile: ProfileRecord) -> dict[str, Any]:
    evaluation = profile.evaluation
    return {
        "name": f"{profile.bundle} {profile.form}",
        "accuracy": evaluation.accuracy,
        "labels": evaluation.labels,
        "cells": [
            [(count, round(float(share), 3)) for count, share in zip(*line, strict=True)]
            for line in zip(evaluation.confusion, row_shares(evaluation.confusion), strict=True)
        ],
    }
