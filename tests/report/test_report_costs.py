"""Energy, carbon, operations and the GEMM ceiling: columns that are there when some row has them."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from factories import profile_record, roofline
from reports import compare_and_report
from rich.console import Console

from slmbench.cli.views.decision import decision_table
from slmbench.compare import Constraints, compare
from slmbench.records import Row, write_record
from slmbench.records.energy import Energy, GridFactor

MEASURED = Energy(
    joules_per_review=0.25, source="package counter (RAPL)", quality="measured", idle_watts=11.0, seconds=3.0,
    reviews=90, grid=GridFactor(gco2e_per_kwh=360.0, source="360 gCO2e/kWh, as given"),
)  # fmt: skip
ESTIMATED = Energy(joules_per_review=0.5, source="TDP of the processor", quality="estimated")
DARK = Energy(reason="the hypervisor hides the counters")


@pytest.fixture
def reported(tmp_path, without_matplotlib):
    """Compare profiles; give the record and the reports by name."""

    def reported(*profiles, **more):
        for number, profile in enumerate(profiles):
            write_record(profile, tmp_path / f"measured/{number}.json")
        record = compare_and_report([tmp_path / "measured"], report_dir=tmp_path / "report", **more)
        files = ("report.html", "report.md", "rows.csv")
        return record, *((tmp_path / "report" / name).read_text(encoding="utf-8") for name in files)

    return reported


def test_energy_is_told_with_how_it_is_known(reported):
    record, page, text, table = reported(
        profile_record("meter", energy=MEASURED), profile_record("guess", energy=ESTIMATED), profile_record("dark")
    )
    assert 'data-value="250.0">250</td>' in page and 'data-value="500.0">500</td>' in page
    # Two quantities: a design power is not a measurement.
    assert "| energy J per 1,000 reviews | estimated energy J per 1,000 reviews |" in text
    assert "| carbon g CO₂e per 1,000 reviews |\n" in text
    lines = [line.replace("*", " ") for line in text.splitlines() if line.startswith("|")]
    meter, guess, dark = (next(line for line in lines if f" {name} " in line) for name in ("meter", "guess", "dark"))
    assert "| 250 | – |" in meter and meter.endswith("| 0.0250 |")
    assert "| – | 500 |" in guess and guess.endswith("| – |")
    assert dark.count(" – ") >= 3
    rows = {row["name"]: row for row in csv.DictReader(table.splitlines())}
    assert (rows["meter"]["joules_per_review"], rows["meter"]["energy_quality"]) == ("0.25", "measured")
    assert float(rows["meter"]["gco2e_per_review"]) == pytest.approx(0.25 / 3.6e6 * 360)
    assert (rows["dark"]["joules_per_review"], rows["dark"]["gco2e_per_review"]) == ("", "")
    for report in (page, text):
        assert "less what the idle machine draws (" in report
        assert "measured: package counter (RAPL)" in report and "estimated: TDP of the processor" in report
        assert "360 gCO2e/kWh, as given" in report
    assert "energy is estimated, not measured: guess fp32" in record.caveats


def printed(record, width):
    page = io.StringIO()
    Console(file=page, width=width, color_system=None).print(decision_table(record))
    return page.getvalue()


def test_the_table_of_a_terminal_has_energy_where_it_is_known(reported):
    record, *_ = reported(profile_record("meter", energy=MEASURED), profile_record("dark"))
    wide, narrow = printed(record, 160), printed(record, 56)

    assert "J per" in wide
    (meter,) = [line for line in wide.splitlines() if " meter " in line]
    (dark,) = [line for line in wide.splitlines() if " dark " in line]
    assert "250" in meter.split() and "–" in dark.split()
    assert "J per 1,000" in " ".join(narrow.split("not shown in this width:")[1].split())


def test_the_table_of_a_terminal_says_nothing_of_energy_that_nobody_knows(reported):
    record, *_ = reported(profile_record("dark"))

    assert "J per" not in printed(record, 160) + printed(record, 64)


def test_energy_can_be_limited_and_what_is_not_known_does_not_keep_the_limit(reported):
    record, *_ = reported(
        profile_record("meter", energy=MEASURED), profile_record("guess", energy=ESTIMATED), profile_record("dark"),
        constraints=Constraints(max_joules=300),
    )  # fmt: skip
    why = {rejection.name: rejection.why for rejection in record.rejected}

    assert record.recommended.name == "meter"
    assert record.constraints == {"max_joules": 300}
    assert why["guess"].startswith("energy is not known (it is estimated") and "300 J" in why["guess"]
    assert why["dark"].startswith("energy is not known") and "300 J" in why["dark"]


def test_how_near_the_rows_come_to_a_limit_of_energy(reported):
    record, *_ = reported(profile_record("meter", energy=MEASURED), constraints=Constraints(max_joules=100))

    sentence = record.decisions[0].sentence
    assert "energy ≤ 100 J per 1,000 reviews" in sentence
    assert "the lowest energy is 250 J per 1,000 reviews (meter fp32)" in sentence


def test_why_energy_is_not_known_is_a_caveat_and_the_column_is_left_out(reported):
    record, page, text, _ = reported(profile_record(energy=DARK))
    assert "energy is not known: all rows: the hypervisor hides the counters" in record.caveats
    assert "J per 1,000" not in page and "J per 1,000" not in text
    assert "the hypervisor hides the counters" in page and "the hypervisor hides the counters" in text


def test_without_any_of_it_nothing_is_shown(reported):
    record, page, text, _ = reported(profile_record())
    for report in (page, text):
        assert not any(word in report for word in ("GMACs", "GEMM", "J per 1,000", "CO₂e"))
    assert not any("energy" in caveat for caveat in record.caveats)


def test_what_a_row_reached_of_the_ceiling_stands_beside_its_operations(reported):
    reached = roofline(2.4, 0.03, 400.0)
    record, page, text, table = reported(profile_record(roofline=reached), profile_record("other", p50_ms=99))
    assert record.rows[0].ceiling_reached == pytest.approx(2 * 2.4e9 / 0.03 / 400e9)
    assert ">40.0</td>" in page and ">2.40</td>" in page and ">2.16</td>" in page
    assert re.search(r"<dt>share of GEMM ceiling</dt><dd>40.0 <small>\s*%</small>", page)
    assert "| of GEMM ceiling % | work GMACs | linear-only GMACs |\n" in text and "| 40.0 | 2.40 | 2.16 |\n" in text
    for report in (page, text):
        assert "This machine's GEMM ceilings: fp32 400 GFLOP/s (onnxruntime 1.20.1, 1,024 × 1,024, 2 threads)" in (
            report.replace("&#39;", "'")
        )
        assert "of median length (221 tokens)" in report
    (row,) = [row for row in csv.DictReader(table.splitlines()) if row["name"] == "minilm-l6"]
    assert (float(row["macs"]), float(row["macs_linear"])) == (2.4e9, pytest.approx(2.16e9))


def test_operations_without_a_ceiling_are_shown_alone(reported):
    counted = roofline().model_copy(update={"ceilings": {}})
    _, page, text, _ = reported(profile_record(roofline=counted))
    assert "GMACs" in page and "GEMM" not in page and "GEMM" not in text


def test_a_failed_row_is_as_wide_as_the_table(reported):
    _, page, text, _ = reported(
        profile_record(energy=MEASURED, roofline=roofline()), failures=[Row(name="big", failure="out of memory")]
    )
    assert 'colspan="14"' in page and page.count("</th>\n<th scope") >= 12
    header = next(line for line in text.splitlines() if "| model |" in line)
    failed = next(line for line in text.splitlines() if "failed: out" in line)
    assert header.count("|") == failed.count("|")


def test_a_front_over_energy(tmp_path):
    little = MEASURED.model_copy(update={"joules_per_review": 0.3})
    for name, energy, p50_ms in (
        ("slow", MEASURED, 30),
        ("quick", little, 3),
        ("guess", ESTIMATED, 2),
        ("dark", DARK, 1),
    ):
        write_record(profile_record(name, energy=energy, p50_ms=p50_ms), tmp_path / f"{name}.json")
    record = compare([tmp_path], pareto=["p50", "energy"])
    assert sorted(record.pareto) == ["quick fp32", "slow fp32"]
    (caveat,) = (caveat for caveat in record.caveats if "not considered for the Pareto front" in caveat)
    assert all(name in caveat for name in ("because energy is not known", "dark fp32", "guess fp32"))
    estimated = compare([tmp_path], pareto=["p50", "estimated-energy"])
    assert estimated.pareto == ["guess fp32"]


def test_the_record_says_what_a_thousand_reviews_take():
    document = json.loads(profile_record(energy=MEASURED).to_json())["energy"]
    assert document["joules_per_1000"] == 250 and document["gco2e_per_1000"] == pytest.approx(0.025)
    assert DARK.joules_per_1000 is None and ESTIMATED.gco2e_per_1000 is None
