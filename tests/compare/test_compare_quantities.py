"""The one table of quantities: what tables, limits, the command line, the schema and the docs have of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from factories import profile_record
from typer.main import get_command

from slmbench.cli.app import app
from slmbench.common.errors import UsageError
from slmbench.compare import Constraints
from slmbench.compare.cells import Cell
from slmbench.compare.quantities import LIMITS, known_quantity, quantities, row_schema
from slmbench.records import Row
from slmbench.statistics import METRICS

DOCS = Path(__file__).parents[2] / "docs/report.md"


def test_each_is_a_field_of_a_row_or_a_metric():
    for name, quantity in quantities().items():
        assert quantity.name == name
        assert quantity.field in Row.model_fields or quantity.field in METRICS or hasattr(Row, quantity.field)


def test_values_are_in_the_unit_and_written_once():
    row = Cell(profile_record(accuracy=0.86, p50_ms=30, size_mb=90.9)).row
    shown = {name: (quantity.shown(row), quantity.unit) for name, quantity in quantities().items()}
    assert (shown["accuracy"], shown["size"], shown["macro-f1"][1]) == (("86.0", "%"), ("90.9", "MB"), "")
    assert shown["p50"] == ("30.0", "ms") and shown["energy"][0] == "–"
    assert known_quantity("accuracy").spread(row).startswith("±")


@pytest.mark.parametrize("limit", LIMITS.values(), ids=lambda limit: limit.name)
def test_each_limit_is_an_option_and_can_be_set(limit):
    options = {option for one in get_command(app).commands["compare"].params for option in one.opts}
    assert limit.option in options
    assert Constraints(**{limit.name: 0.5}).as_dict() == {limit.name: 0.5}


def test_names_that_nothing_has_get_a_suggestion():
    with pytest.raises(UsageError, match="max_p95_ms"):
        Constraints(max_p95=20)
    with pytest.raises(UsageError, match="throughput"):
        known_quantity("troughput")


def test_the_schema_of_a_row_has_titles_and_units():
    properties = row_schema()["properties"]
    assert properties["p95_ms"]["title"] == "p95 latency" and "less is better" in properties["p95_ms"]["description"]
    assert "MB" in properties["size_bytes"]["description"]


def test_the_docs_list_them():
    listed = re.findall(
        r"^\| `([\w-]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", DOCS.read_text(encoding="utf-8"), re.M
    )
    assert listed == [
        (
            quantity.name,
            quantity.description or quantity.title,
            quantity.unit or "–",
            f"`{quantity.limit.option}`" if quantity.limit else "–",
        )
        for quantity in quantities().values()
    ]
