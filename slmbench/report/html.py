"""``report.html``: the decision and its evidence in one file that asks nothing of any network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slmbench.report.charts import chart_data
from slmbench.report.facts import number_filters, one_of_each_form, report_facts
from slmbench.report.flips import label_flips
from slmbench.report.nearby import nearby_bundles
from slmbench.statistics import row_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slmbench.records import ComparisonRecord, ProfileRecord
    from slmbench.report.facts import Pair


def render_html(record: ComparisonRecord, pairs: Sequence[Pair]) -> str:
    """Render ``report.html``: style, script and numbers inline.

    Texts of reviews and thresholds of cascades are shown where the bundles lie in ``exported/``.

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
    bundles = nearby_bundles([profile for _, profile in pairs])
    forms = one_of_each_form(pairs)
    facts = report_facts(record, pairs)
    return environment.get_template("report.html.j2").render(
        **facts,
        pairs=pairs,
        data=chart_data(record, pairs, bundles, facts["charts"]),
        recommended={row.machine: row for row in record.rows if row.recommended},
        lost={(lost.label, lost.machine): lost.why for lost in record.rejected},
        timed_machines=list(dict.fromkeys(row.machine for row, _ in pairs)),
        confusions=[_confusion(profile) for profile in forms.values()],
        flips=label_flips(list(forms.values()), bundles),
        cascades=[
            (f"{profile.bundle} {profile.form}", bundles[profile.name].cascade)
            for profile in forms.values()
            if profile.name in bundles and bundles[profile.name].cascade
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
