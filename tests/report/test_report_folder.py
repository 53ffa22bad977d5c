"""The report folder and the table on the terminal."""

from __future__ import annotations

import io
import json
import struct

import pytest
from factories import RASPBERRY, bundle_record, ladder, latency_samples, profile_record
from reports import compare_and_report
from rich.console import Console

from slmbench.cli.views.decision import decision_table, decision_view
from slmbench.common.errors import UsageError
from slmbench.common.progress import Silent
from slmbench.compare import Constraints, Measurements, compare
from slmbench.records import Latency, ProfileRecord, Row, Truncation, read_record, write_record
from slmbench.report import write_report

PLOTS = ("accuracy_latency.png", "confusion.png", "roc.png")
FAILURE = Row(name="mpnet-base", form="fp32", failure="the worker ran | out of memory")


@pytest.fixture
def measured(tmp_path):
    for profile in ladder():
        write_record(profile, tmp_path / "profiles" / f"{profile.name}.json")
    return tmp_path / "profiles"


def printed(record, width, encoding="utf-8"):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=width, color_system=None).print(decision_table(record))
    file.flush()
    return raw.getvalue().decode(encoding)


def row_of(text, *words):
    return next(line for line in text.splitlines() if all(word in line.split() for word in words))


def png_size(path):
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", data[16:24])


def test_a_report_holds_the_record_the_decision_and_three_plots(measured, tmp_path):
    pytest.importorskip("matplotlib")
    report = tmp_path / "report"
    record = compare_and_report([measured], failures=[FAILURE], report_dir=report)
    assert sorted(path.name for path in report.iterdir()) == [
        *PLOTS[:1],
        "comparison.json",
        PLOTS[1],
        "report.html",
        "report.md",
        PLOTS[2],
        "rows.csv",
    ]
    text = (report / "report.md").read_text(encoding="utf-8")
    assert text.index("Ship minilm-l6 int8") < text.index("| model |") < text.index("## Why the others lost")
    assert "| **minilm-l6** | **int8** | 87.1 ±2.1 | 0.871 | 13.9 |" in text
    assert "failed: the worker ran \\| out of memory" in text
    for plot in PLOTS:
        assert f"]({plot})" in text
        width, height = png_size(report / plot)
        assert 600 < width < 3000 and 400 < height < 3000
    for said in (
        "beats the TF-IDF baseline",
        "AVX-512 VNNI",
        "onnxruntime 1.20.1",
        record.rows[0].test_hash[:16],
    ):
        assert said in text
    assert json.loads((report / "comparison.json").read_text())["recommended"]["name"] == "minilm-l6"


def test_without_matplotlib_the_report_is_written_and_says_so(measured, tmp_path, without_matplotlib):
    compare_and_report([measured], report_dir=tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        *("comparison.json", "report.html", "report.md", "rows.csv")
    ]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "Ship <strong>minilm-l6 int8</strong>" in page and "slmbench[report]" not in page
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "Ship minilm-l6 int8" in text
    assert "The plots were left out" in text and "slmbench[report]" in text
    assert ".png" not in text


def test_a_report_of_failures_only_is_written(tmp_path):
    compare_and_report([], failures=[FAILURE], report_dir=tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "nothing was measured" in text and "out of memory" in text


def test_many_labels_and_two_machines_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    stars = ["1", "2", "3", "4", "5"]
    for machine in (RASPBERRY, ladder()[0].hardware):
        profile = profile_record(accuracy=0.6, labels=stars, machine=machine)
        write_record(profile, tmp_path / "profiles" / f"{profile.name}.json")
    compare_and_report([tmp_path / "profiles"], report_dir=tmp_path / "report")
    assert all(png_size(tmp_path / "report" / plot) for plot in PLOTS)
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert text.count("Ship minilm-l6 fp32") == 2
    assert "A = " in text and "B = " in text


def test_an_earlier_report_is_replaced_whole_but_nothing_else_is(measured, tmp_path):
    report = tmp_path / "report"
    report.mkdir()
    (report / "roc.png").write_bytes(b"old")
    compare_and_report([measured / f"{ladder()[0].name}.json"], report_dir=report)
    (report / "thesis.tex").write_text("mine")
    before = (report / "report.md").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=r"other files \(thesis\.tex\)"):
        compare_and_report([measured], report_dir=report)
    assert (report / "thesis.tex").read_text() == "mine"
    assert (report / "report.md").read_text(encoding="utf-8") == before


def test_a_report_cannot_take_the_place_of_a_file(measured, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        compare_and_report([measured], report_dir=tmp_path / "file")


def test_the_table_shows_every_column_at_100_and_120(measured):
    record = compare([measured], failures=[FAILURE])
    for width in (100, 120):
        text = printed(record, width)
        assert max(len(line) for line in text.splitlines()) <= width
        best = row_of(text, "minilm-l6", "int8")
        assert best.split() == [
            "★◆",
            "minilm-l6",
            "int8",
            "87.1",
            "±2.1",
            "0.871",
            "13.9",
            "19.4",
            "87.2",
            "23.6",
            "173",
            "352",
            "22.7M",
        ]
        assert row_of(text, "mpnet-base", "fp32").split() == ["✗", "mpnet-base", "fp32", "failed"]
        assert "failed: mpnet-base fp32: the worker ran | out of memory" in text
        assert "always the most frequent label: 50.0 %" in text


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_table_leaves_columns_out_and_wraps_no_number(measured, width):
    text = printed(compare([measured]), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "cold" not in text.split("recommended")[0]
    best = row_of(text, "minilm-l6", "int8").split()
    assert best[:3] == ["★◆", "minilm-l6", "int8"] and {"87.1", "±2.1", "13.9", "19.4"} <= set(best)
    assert "not shown in this width" in text


def test_long_names_fold_instead_of_pushing_numbers_out(tmp_path):
    long = "a-company-name-with-a-long-product/" * 3
    write_record(profile_record(long), tmp_path / "one.json")
    text = printed(compare([tmp_path]), 60)
    assert max(len(line) for line in text.splitlines()) <= 60
    assert "86.0 ±" in text and "30.0" in text


def test_a_console_without_unicode_gets_plain_signs(measured):
    record = compare([measured], constraints=Constraints(max_size_mb=90))
    text = printed(record, 120, encoding="ascii")
    best = next(line for line in text.splitlines() if "minilm-l6 " in line and "int8" in line)
    assert "*+" in best and "87.1 +-2.1" in best
    assert "+ Pareto front" in text and "size <= 90 MB" in text


def test_names_in_the_plot_are_clear_of_one_another_and_the_same_each_time(measured):
    pytest.importorskip("adjustText")
    from slmbench.common.plotting import new_figure
    from slmbench.report.plots.names import place_names, point

    rows = compare([measured]).rows

    def placed():
        figure = new_figure(8.6, 5.2)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.scatter(*zip(*map(point, rows), strict=True))
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        place_names(axes, rows, 90_000_000)
        return axes, [text.get_window_extent(figure.canvas.get_renderer()) for text in axes.texts]

    axes, boxes = placed()
    assert len(boxes) == len(rows)
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)
    inside = axes.get_window_extent()
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes)
    assert [box.bounds for box in boxes] == [box.bounds for box in placed()[1]]


def test_a_report_of_other_rows_is_named_when_it_is_replaced(measured, tmp_path, without_matplotlib):
    said = []
    progress = Silent()
    progress.say = said.append
    files = sorted(measured.glob("*.json"))
    for some in (files[:2], files, files[1:]):
        compare_and_report(some, report_dir=tmp_path / "report", progress=progress)
    (line,) = [line for line in said if "is replaced" in line]  # only the last lacks rows of the one before
    lost = read_record(ProfileRecord, files[0])
    assert str(tmp_path / "report") in line and f"{lost.bundle} {lost.form}" in line


def test_what_was_fed_in_and_learned_from_is_said_of_the_rows_it_is_true_of(tmp_path, without_matplotlib):
    cut = Truncation(max_length=128, reviews=1000, cut_reviews=453, tokens=300_000, cut_tokens=100_000)
    few = Latency(processes_ms=latency_samples(30.0, count=80), reviews=200)
    all_of_them = Latency(processes_ms=latency_samples(1.0, count=200), reviews=200)
    rows = [
        profile_record("tfidf", method="tfidf", accuracy=0.8, latency=all_of_them),
        profile_record("slow", latency=few, truncation=cut),
    ]
    record = compare(Measurements(rows))
    write_report(record, rows, tmp_path)
    for text in ((tmp_path / "report.md").read_text("utf-8"), (tmp_path / "report.html").read_text("utf-8")):
        assert "Latency of slow fp32 was measured on the first 80 of 200 reviews of imdb" in text
        assert "Latency of tfidf fp32 was measured on 200 reviews of imdb" in text
        # TF-IDF picks no epoch: it learns from the validation reviews too.
        assert "1,000 (slow) and 1,100 (tfidf) reviews" in text
        assert "slow fp32: 45.3 % of the test reviews are longer than 128 tokens" in text


def test_several_undecided_rows_are_one_sentence_and_so_are_those_that_do_not_beat_tfidf(tmp_path):
    close = [profile_record(f"m{number}", accuracy=0.85, p50_ms=10.0 * number, reviews=300) for number in (1, 2, 3)]
    best = profile_record("best", accuracy=0.87, p50_ms=90.0, reviews=300)
    record = compare(
        Measurements([*close, best, profile_record("tfidf", method="tfidf", accuracy=0.85, reviews=300)])
    )
    decision = record.decisions[0]
    against_best = [pair for pair in decision.undecided if pair.first == "best fp32" and pair.of == "accuracy"]
    assert len(against_best) >= 3
    (sentence,) = [one for one in decision.undecided_sentences if "against best fp32" in one]
    assert all(pair.second in sentence and f"{pair.reviews_needed:,}" in sentence for pair in against_best)
    (weak,) = [one for one in record.baseline_sentences if "m1 fp32" in one]
    assert "m2 fp32" in weak and "m3 fp32" in weak


def test_where_the_bundles_of_a_ladder_lie_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bundle = bundle_record("m", path="exported/quick-m")
    (tmp_path / "exported/quick-m").mkdir(parents=True)
    write_record(bundle, tmp_path / "exported/quick-m/bundle.json")
    row = profile_record("m", form="fp32", name="quick-m.fp32.onnxruntime-cpu-2t.0", source_key=bundle.key)
    record = compare(Measurements([row]))
    assert record.recommended.path == "exported/quick-m"
    Console(width=120).print(*decision_view(record, tmp_path))
    shown = capsys.readouterr().out
    assert "m fp32 is in exported/quick-m" in shown and "exported/quick-MODEL" in shown
    # Elsewhere nothing is claimed.
    assert compare(Measurements([profile_record("m", form="fp32")])).recommended.path is None
