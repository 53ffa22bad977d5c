"""Sweeps that lie with the profiles become curves of the report, and never keep anybody from the decision."""

from __future__ import annotations

import json
import re

import pytest
from factories import MACHINE, RASPBERRY, ladder, profile_record, sweep_record
from reports import compare_and_report

from slmbench.common.errors import SlmbenchError
from slmbench.compare import compare
from slmbench.records import ComparisonRecord, write_record
from slmbench.records.sweep import SweepFailure


@pytest.fixture
def compared(tmp_path, monkeypatch, without_matplotlib):
    """Compare a profile beside sweeps; give the record, both reports and the numbers drawn."""
    monkeypatch.chdir(tmp_path)

    def compared(*sweeps, profiles=None, paths=("measured",)):
        for profile in profiles or [profile_record()]:
            write_record(profile, tmp_path / f"measured/{profile.name}.json")
        for number, sweep in enumerate(sweeps):
            write_record(sweep, tmp_path / f"measured/curves/{number}.json")
        record = compare_and_report([tmp_path / path for path in paths], report_dir=tmp_path / "report")
        page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
        text = (tmp_path / "report/report.md").read_text(encoding="utf-8")
        data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
        return record, page, text, data

    return compared


def test_without_sweeps_there_is_no_section(compared):
    record, page, text, data = compared()
    assert record.curves == [] and data["charts"] == []
    assert 'id="curves"' not in page and "#curves" not in page and "## Curves" not in text


def test_a_sweep_below_the_folder_is_a_curve_with_its_best_setting_and_its_numbers(compared):
    sweep = sweep_record(ms={1: 14.0, 2: 8.0, 4: 9.0})
    record, page, text, data = compared(sweep)
    (curve,) = record.curves
    assert [(point.value, point.setting, point.p50_ms) for point in curve.points] == [
        (point.value, sweep.name_of(point.value), point.p50_ms) for point in sweep.points
    ]
    assert [point.ci95_ms for point in curve.points] == [point.ci95_ms for point in sweep.points]
    assert (curve.best, curve.sentence, curve.label) == (2, sweep.sentence, "minilm-l6 int8")
    for report in (page, text):
        assert sweep.sentence in report and f"By threads: {MACHINE['machine']}, cpu" in report
    assert re.search(r'aria-label="best">★</span> 8\.0\d <small>\(7\.\d\d–8\.\d\d\)', page)
    (chart,) = data["charts"]
    assert chart["ticks"] == ["1", "2", "4"]
    (drawn,) = chart["curves"]
    assert (drawn["best"], drawn["settings"]) == (1, ["1 thread", "2 threads", "4 threads"])
    assert drawn["points"] == [[place, point.p50_ms, *point.ci95_ms] for place, point in enumerate(sweep.points)]
    assert ComparisonRecord.model_validate(json.loads(record.to_json())) == record


def test_forms_of_one_axis_share_a_chart_and_unlike_machines_and_devices_never_do(compared):
    sweeps = [
        sweep_record(form=form, axis=axis, machine=machine)
        for axis in ("threads", "length", "batch")
        for form in ("fp32", "int8")
        for machine in (RASPBERRY, MACHINE)
    ]
    *_, data = compared(*sweeps, sweep_record(axis="batch", device="cuda"))
    found = [(chart["label"].split(",")[0], len(chart["curves"])) for chart in data["charts"]]
    assert found == [
        *(("By length: Intel(R) Xeon(R) Processor (2 cores", 2), ("By length: Raspberry Pi 5 Model B (4 cores", 2)),
        ("By size of a batch: Intel(R) Xeon(R) Processor (2 cores", 2),
        ("By size of a batch: Intel(R) Xeon(R) Processor (2 cores", 1),
        ("By size of a batch: Raspberry Pi 5 Model B (4 cores", 2),
        *(("By threads: Intel(R) Xeon(R) Processor (2 cores", 2), ("By threads: Raspberry Pi 5 Model B (4 cores", 2)),
    ]
    assert [chart["label"].split(", ")[-1].split(":")[0] for chart in data["charts"][2:4]] == ["cpu", "cuda"]
    assert [curve["dash"] for curve in data["charts"][0]["curves"]] == [0, 1]


def test_settings_that_only_some_curves_have_keep_their_places(compared):
    short = sweep_record("small", axis="batch", ms={0: 3.0, 256: 2.0})
    long = sweep_record("large", axis="batch", ms={0: 30.0, 256: 20.0, 512: 15.0})
    _, page, _, data = compared(short, long)
    chart = data["charts"][0]
    assert chart["ticks"] == ["alone", "256", "512"]
    assert [[point[0] for point in curve["points"]] for curve in chart["curves"]] == [[0, 1], [0, 1, 2]]
    row = re.search(r"<tr><th scope=\"row\">512 tokens per batch</th>(.*?)</tr>", page)[1]
    assert row.startswith('<td class="n">–</td><td class="n"><span class="star"')


def test_nobody_chooses_a_length(compared):
    record, page, _, data = compared(sweep_record(axis="length", ms={8: 1.0, 64: 2.0, 256: 5.0}))
    assert record.curves[0].best is None and data["charts"][0]["ticks"] is None
    assert [point[0] for point in data["charts"][0]["curves"][0]["points"]] == [8, 64, 256]
    assert "further token" in page and 'aria-label="best"' not in page


def test_the_newest_curve_counts_and_what_differs_tells_curves_apart(compared):
    old = sweep_record(ms={1: 99.0, 2: 98.0}, created="2025-01-01T00:00:00+00:00")
    record, *_ = compared(sweep_record(), old)
    assert [max(point.p50_ms for point in curve.points) for curve in record.curves] == [pytest.approx(14, rel=0.01)]
    assert "1 older curve measured again left out" in record.caveats
    one, two = (sweep_record(axis="length", threads=threads, name=f"at-{threads}") for threads in (1, 2))
    record, *_ = compared(one, two)
    assert {curve.label for curve in record.curves} == {"minilm-l6 int8 (1 thread)", "minilm-l6 int8 (2 threads)"}


def test_what_was_timed_is_said_once_where_it_is_the_same(compared):
    alike = [sweep_record(form=form) for form in ("fp32", "int8")]
    fed = f"200 reviews of imdb ({alike[0].corpus.test_hash[:8]})"
    _, page, text, _ = compared(*alike)
    assert page.count(fed) == text.count(fed) == 1
    other = alike[1].corpus.model_copy(update={"name": "rotten-tomatoes"})
    _, page, text, _ = compared(alike[0], alike[1].model_copy(update={"corpus": other}))
    for report in (page, text):
        assert report.count(f"({fed})") == 1 and "(200 reviews of rotten-tomatoes (" in report


def test_a_setting_that_failed_is_told(compared):
    _, page, text, _ = compared(sweep_record(failed=[SweepFailure(value=8, reason="it was killed")]))
    assert "8 threads failed: it was killed" in page and "8 threads failed: it was killed" in text


def test_files_named_by_a_shell_are_sorted_into_profiles_and_curves(compared, tmp_path):
    write_record(sweep_record(), tmp_path / "measured/a-curve.json")
    (profile,) = [profile_record()]
    record, *_ = compared(paths=(f"measured/{profile.name}.json", "measured/a-curve.json"))
    assert len(record.rows) == len(record.curves) == 1
    with pytest.raises(SlmbenchError, match="there are no profiles in .*a-curve.json: run `slmbench profile` first"):
        compare([tmp_path / "measured/a-curve.json"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[: len(text) // 2], "it is not JSON"),
        (lambda text: text.replace("slmbench.sweep/1", "slmbench.sweep/9"), "sweep/9"),
        (lambda text: json.dumps({**json.loads(text), "hardware": {}}), "hardware.fingerprint is missing"),
        (lambda text: json.dumps({**json.loads(text), "points": []}), "no settings"),
        (
            lambda text: json.dumps({**json.loads(text), "points": [{"value": 1, "processes_ms": [[]]}]}),
            "points.0.processes_ms",
        ),
    ],
)
def test_a_damaged_sweep_beside_the_profiles_is_a_caveat(compared, tmp_path, damage, said):
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured/torn.json").write_text(damage(sweep_record().to_json()), encoding="utf-8")
    record, page, *_ = compared(profiles=ladder()[:2])
    assert len(record.rows) == 2 and record.curves == []
    (caveat,) = [caveat for caveat in record.caveats if "torn.json" in caveat]
    assert caveat.startswith("left out of the curves: ") and said in caveat
    assert "torn.json" in page


def test_what_merely_mentions_a_sweep_is_none(compared, tmp_path):
    for place in ("notes.json", "deeper/notes.json"):
        (tmp_path / "measured" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "measured" / place).write_text('{"seen": "slmbench.sweep/1"}', encoding="utf-8")
    (tmp_path / "measured/deeper/blob.json").write_bytes(b"\xff\xfe")
    record, *_ = compared()
    assert record.curves == [] and not any("curves" in caveat for caveat in record.caveats)
