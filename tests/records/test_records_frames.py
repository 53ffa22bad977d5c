"""Records as tables: the JSON keys as columns, a row per form, candidate or setting, and escaped HTML."""

import importlib.util
import json
import re
from pathlib import Path

import factories
import pytest

from slmbench.common.errors import SlmbenchError
from slmbench.compare import compare
from slmbench.records import artefacts, write_record

RECORDS = {
    "run": (factories.run_record, 1),
    "bundle": (factories.bundle_record, 2),
    "profile": (factories.profile_record, 1),
    "sweep": (factories.sweep_record, None),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_the_columns_are_the_json_keys(kind):
    make, count = RECORDS[kind]
    record = make()
    rows = record.to_rows()
    assert count is None or len(rows) == count
    document = json.loads(record.to_json())
    for key, value in rows[0].items():
        assert not isinstance(value, (list, dict))
        if record.rows_in is None:
            found = document
            for part in key.removesuffix(".low").removesuffix(".high").split("."):
                found = found[part]
            assert found == value or value in found


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_is_a_data_frame(kind):
    pandas = pytest.importorskip("pandas")
    record = RECORDS[kind][0]()
    frame = record.to_frame()
    assert len(frame) == len(record.to_rows())
    assert len(pandas.concat([frame, frame])) == 2 * len(frame)


def test_a_row_per_form_of_a_bundle():
    bundle = factories.bundle_record()
    rows = {row["form"]: row for row in bundle.to_rows()}
    assert set(rows) == set(bundle.forms)
    for form, record in bundle.forms.items():
        assert rows[form]["accuracy"] == record.accuracy
        assert rows[form]["parity.label_flips"] == record.parity.label_flips
        assert rows[form]["name"] == bundle.name


def test_a_row_per_candidate_of_a_comparison(tmp_path):
    for number, profile in enumerate(factories.ladder()):
        write_record(profile, tmp_path / f"{number}.json")
    record = compare(tmp_path)
    rows = record.to_rows()
    assert [row["name"] for row in rows] == [row.name for row in record.rows]
    assert [row["recommended"] for row in rows].count(True) == 1
    assert rows[0]["accuracy_ci95.low"] == record.rows[0].accuracy_ci95[0]


@pytest.mark.parametrize("kind", artefacts.KINDS)
def test_every_kind_of_record_names_what_a_notebook_shows(kind):
    assert kind.shown
    assert kind.rows_in is None or kind.rows_in in kind.model_fields


@pytest.mark.parametrize("kind", RECORDS)
def test_a_notebook_shows_every_column_named_that_has_a_value(kind):
    record = RECORDS[kind][0]()
    shown = re.findall("<th>(.*?)</th>", record._repr_html_())
    filled = {key for row in record.to_rows() for key, value in row.items() if value is not None}
    assert shown == [key for key in record.shown.split() if key in filled]
    assert len(shown) > 4


def test_html_is_escaped():
    record = factories.run_record(name="<script>alert(1)</script>", model="a & b")
    html = record._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; b" in html


def test_without_pandas_the_extra_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pandas" else found(name))
    with pytest.raises(SlmbenchError, match=r"slmbench\[notebook\]"):
        factories.run_record().to_frame()


def test_the_reference_records_are_tables():
    folder = Path(__file__).parents[2]
    assert len(artefacts.open(folder / "exported/bert-tiny-imdb").to_rows()) == 1
    for path in sorted((folder / "profiles/reference").glob("*.json")):
        (row,) = artefacts.open(path).to_rows()
        assert row["latency.p50_ms"] > 0
