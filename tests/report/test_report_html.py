"""The HTML report as a reader of its source, and as a browser, finds it."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest
from chromium_page import chromium_page
from factories import MACHINE, RASPBERRY, bundle_record, ladder, predictions, profile_record, roofline, sweep_record
from reports import compare_and_report

from slmbench.compare import RegressionGate
from slmbench.records import Row, write_record
from slmbench.records.bundle import Flip
from slmbench.records.cascade import CascadeFacts, CascadeMember, CascadeTiming, Routing, SweepRow
from slmbench.records.energy import Energy, GridFactor
from slmbench.records.sustained import Sustained, TracePoint
from slmbench.statistics import paired_difference

EVIL = '</script><img src=x onerror="alert(1)">{{ 7 * 7 }}'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch, without_matplotlib):
    """No bundle lies at hand unless a test puts it there, and nothing is drawn beside the page."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def reported(tmp_path):
    """Compare profiles; give the record, the page and the numbers inside it."""

    def reported(*profiles, **more):
        folder = tmp_path / "measured"
        shutil.rmtree(folder, ignore_errors=True)
        for number, profile in enumerate(profiles):
            write_record(profile, folder / f"{number}.json")
        record = compare_and_report([folder], report_dir=tmp_path / "report", **more)
        page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
        data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
        return record, page, data

    return reported


def test_the_decision_comes_first_then_the_table_and_all_that_explains_it(reported):
    record, page, _ = reported(*ladder())
    order = [
        'id="decision"',
        "<strong>minilm-l6 int8</strong>",
        'id="rows"',
        'id="plot"',
        'id="lost"',
        'id="latency"',
    ]
    order += ['id="accuracy"', 'id="flips"', 'id="methods"', 'id="hardware"', 'id="caveats"']
    assert sorted(order, key=page.index) == order
    for rejection in record.rejected:
        assert rejection.why.replace("'", "&#39;").replace("<", "&lt;") in page
    for said in (
        *(test.sentence for test in record.baseline_tests),
        *record.caveats,
        "AVX-512 VNNI",
        "onnxruntime 1.20.1",
    ):
        assert said.replace("'", "&#39;").replace("<", "&lt;") in page


def test_every_number_drawn_is_that_of_the_profiles(reported):
    profiles = ladder()
    record, _, data = reported(*profiles)
    by_label = {f"{profile.bundle} {profile.form}": profile for profile in profiles}
    assert [row["label"] for row in data["rows"]] == [row.label for row in record.rows]
    for row in data["rows"]:
        profile = by_label[row["label"]]
        assert row["values"]["accuracy"] == pytest.approx(profile.accuracy * 100)
        assert row["values"]["p50"] == profile.latency.p50_ms
        assert row["values"]["size"] == profile.size_bytes / 1e6
        assert row["processes"] == profile.latency.process_p50_ms
        assert row["quantiles"][100] == pytest.approx(profile.latency.p50_ms, abs=1e-4)
        assert (row["quantiles"][0], row["quantiles"][-1]) == pytest.approx(
            (min(profile.latency.samples_ms), max(profile.latency.samples_ms)), abs=1e-4
        )
    for curve in data["roc"]:
        false_positive, true_positive = np.array(curve["points"]).T
        # Leaving out what lies on a straight stretch changes no area.
        area = by_label[curve["label"]].evaluation.roc_auc
        assert np.trapezoid(true_positive, false_positive) == pytest.approx(area, abs=1e-4)
        assert curve["area"] == round(area, 4)


def test_only_known_axes_are_offered_and_the_front_asked_for_comes_first(reported):
    _, _, data = reported(*ladder())
    offered = [axis["name"] for axis in data["axes"]]
    assert offered[0] == "accuracy" and {"macro-f1", "p50", "p95", "memory", "size", "cold-start"} <= set(offered)
    assert "energy" not in offered and "top-2-accuracy" not in offered
    assert data["start"] == ["p95", "accuracy"]
    assert reported(*ladder(), pareto=["size", "macro-f1"])[2]["start"] == ["size", "macro-f1"]
    measured = {"joules_per_review": 0.25, "source": "RAPL", "quality": "measured"}
    _, page, data = reported(profile_record(energy=measured))
    assert "energy" in [axis["name"] for axis in data["axes"]] and data["rows"][0]["values"]["energy"] == 250
    assert "J per 1,000" in page and "measured" in page
    guessed = {**measured, "quality": "estimated"}
    _, _, data = reported(profile_record(energy=measured), profile_record("guess", energy=guessed))
    values = {row["label"]: row["values"] for row in data["rows"]}
    # No axis has both.
    assert "energy" not in values["guess fp32"] and "estimated-energy" not in values["minilm-l6 fp32"]


def test_changed_labels_are_counted_by_review_and_shown_with_the_texts_at_hand(reported, tmp_path):
    fp32, int8 = (profile for profile in ladder() if profile.bundle == "minilm-l6")
    changed = np.flatnonzero(fp32.predictions.predicted() != int8.predictions.predicted())
    _, page, _ = reported(fp32, int8)
    assert f"{len(changed)} of 1,000 labels changed" in page
    assert fp32.predictions.row_ids[changed[0]] in page and "texts are shown when" in page

    name = "minilm-folder"
    profiles = [one.model_copy(update={"name": f"{name}.{one.form}.rest"}) for one in (fp32, int8)]
    bundle = bundle_record()
    text = "A film with a twist <b>nobody</b> saw."
    row_id = int8.predictions.row_ids[changed[0]]
    flip = Flip(row_id=row_id, truth="positive", reference="positive", label="negative", reference_score=0.6,
                score=0.7, text=text)  # fmt: skip
    forms = {
        "fp32": bundle.forms["fp32"].model_copy(update={"predictions": fp32.predictions}),
        "int8": bundle.forms["int8"].model_copy(update={"predictions": int8.predictions, "flips": [flip]}),
    }
    write_record(bundle.model_copy(update={"forms": forms}), tmp_path / f"exported/{name}/bundle.json")
    assert "A film with a twist &lt;b&gt;nobody&lt;/b&gt; saw." in reported(*profiles)[1]
    # One that was exported again has other answers.
    forms["int8"] = forms["int8"].model_copy(update={"predictions": predictions(0.8)})
    write_record(bundle.model_copy(update={"forms": forms}), tmp_path / f"exported/{name}/bundle.json")
    assert "A film with a twist" not in reported(*profiles)[1]


def traced(celsius=None):
    points = [(second, 1.0 if second < 300 else 1.2) for second in range(600)]
    return Sustained(
        seconds=600.0,
        trace=[
            TracePoint(at_s=at, reviews=50, relative=relative, clock_mhz=3000.0, temperature_c=celsius)
            for at, relative in points
        ],
        no_temperature=None if celsius else "no sensor is shown",
    )


def test_uninterrupted_work_is_shown_over_time(reported, tmp_path):
    _, page, data = reported(profile_record("cool"), profile_record("hot", sustained=traced()))
    assert 'href="#sustained"' in page and "no sensor is shown" in page
    assert [trace["title"] for trace in data["traces"]] == ["time of a review", "throughput", "clock"]
    relative, rate, clock = (trace["series"][0]["points"] for trace in data["traces"])
    assert [series["label"] for trace in data["traces"] for series in trace["series"]] == ["hot fp32"] * 3
    assert len(relative) == 300 and relative[0][1] == 1 and relative[-1] == pytest.approx([598.5 / 60, 1.2], rel=1e-3)
    assert {value for _, value in rate} == {50} and {value for _, value in clock} == {3000}
    assert "1.20× as long" in (tmp_path / "report/report.md").read_text(encoding="utf-8")
    _, _, data = reported(profile_record("hot", sustained=traced(celsius=81.0)))
    assert [trace["title"] for trace in data["traces"]][-1] == "temperature"
    assert reported(profile_record("cool"))[2]["traces"] == []


def cascade_facts(small, large):
    """A cascade of two models whose predictions are given."""
    sizes = {"total_parameters": 4_400_000, "bytes": 5_000_000, "sha256": "0" * 64}
    members = [
        CascadeMember(folder=name, name=name, form="int8", runtime="onnx", model=name, method="full", **sizes,
                      predictions=said)
        for name, said in (("bert-tiny", small), ("minilm-l6", large))
    ]  # fmt: skip
    routing = Routing(
        row_ids=small.row_ids, confidence=[max(row) for row in small.probabilities],
        small_right=small.right().tolist(), large_right=large.right().tolist(),
    )  # fmt: skip
    sweep = [
        SweepRow(threshold=at, validation_accuracy=None, validation_routed=None,
                 accuracy=float(routing.right(at).mean()), routed=float(routing.routed(at).mean()),
                 ms=2 + 12 * float(routing.routed(at).mean()))
        for at in (0.5, 0.7, 0.9, 0.99)
    ]  # fmt: skip
    difference = paired_difference(small.right(), large.right())
    return CascadeFacts(
        threshold=0.9, chosen="Chosen on 100 unseen reviews.", small=members[0], large=members[1], validation=None,
        test=routing, small_ms=2.0, large_ms=12.0, sweep=sweep, ms=8.0,
        timing=CascadeTiming(threads=2, small_ms=[[2.0]], large_ms=[[12.0]], cascade_ms=[[8.0]], routed=[True]),
        break_even=0.8333, against_small=difference,
        against_large=difference, notes=[],
    )  # fmt: skip


@pytest.fixture
def cascade_reported(reported, tmp_path):
    """A report in which a row is a cascade."""
    small, large = predictions(0.82, who="bert-tiny"), predictions(0.87, who="minilm-l6")
    facts = cascade_facts(small, large)
    profile = profile_record("routed", "cascade", method="cascade", predictions=large, cascade=facts.for_profile())
    return facts, reported(profile, *ladder())


def test_a_cascade_shows_what_each_threshold_gives_and_where_it_breaks_even(cascade_reported):
    facts, (_, page, data) = cascade_reported
    assert "with 83.3 % of the reviews routed" in page and f"it routes {facts.routed * 100:.1f} %" in page
    assert data["cascades"][0]["threshold"] == 0.9
    assert [step["accuracy"] for step in data["cascades"][0]["sweep"]] == [row.accuracy for row in facts.sweep]


def test_nothing_in_a_record_becomes_markup(reported):
    _, page, data = reported(
        profile_record(EVIL, warnings=[EVIL], reason=EVIL),
        failures=[Row(name=EVIL, form="fp32", failure=EVIL)],
        notes=[EVIL],
    )
    assert page.count("</script>") == 2 and "<img" not in page and "49" not in page.split("<main>")[1][:2000]
    assert data["rows"][0]["label"] == f"{EVIL} fp32"


def test_a_report_of_failures_only_says_so(tmp_path):
    compare_and_report([], failures=[Row(name="mpnet-base", failure="out of memory")], report_dir=tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert "nothing was measured" in page and "failed: out of memory" in page and 'id="plot"' not in page


def test_the_page_asks_for_nothing_outside_itself(reported):
    _, page, _ = reported(*ladder())
    assert "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\"'\s<]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"<link|<img|@import|url\(|\ssrc=", page)


def test_the_baseline_is_in_both_reports(reported, tmp_path):
    _, page, _ = reported(*ladder(), baseline=RegressionGate("minilm-l6 int8", fail_if_worse=0.01))
    text = (tmp_path / "report/report.md").read_text(encoding="utf-8")
    for report in (page, text):
        assert "bert-tiny fp32 is 4.9 points less accurate" in report
        assert "the limit is 1 points" in report


def test_rows_are_in_a_csv_unrounded(reported, tmp_path):
    record, _, _ = reported(*ladder(), failures=[Row(name="mpnet-base", failure="out of memory")])
    with (tmp_path / "report/rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [row.name for row in record.rows]
    assert float(rows[0]["p50_ms"]) == record.rows[0].p50_ms
    assert float(rows[0]["accuracy_ci95_low"]) == record.rows[0].accuracy_ci95[0]
    assert rows[-1]["p50_ms"] == "" and rows[-1]["failure"] == "out of memory"


# ---- in a browser ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser, and the address of a report of two machines, with curves."""
    if shutil.which("chromium") is None or shutil.which("bash") is None:
        pytest.skip("chromium and bash are needed to open the report")
    folder = tmp_path_factory.mktemp("two-machines")
    for number, profile in enumerate([*ladder(), *ladder(RASPBERRY, 4.0)]):
        write_record(profile, folder / f"profiles/{number}.json")
    budgets = {0: 9.0, **{2**power: 9 - power / 4 for power in range(8, 15)}}
    for machine in (MACHINE, RASPBERRY):
        for form in ("fp32", "int8"):
            for axis, ms in (("threads", None), ("length", {8: 1.0, 64: 3.5, 256: 14.0}), ("batch", budgets)):
                curve = sweep_record(form=form, axis=axis, ms=ms, machine=machine)
                write_record(curve, folder / f"profiles/sweeps/{curve.name}.json")
    failure = Row(name="mpnet-base", failure="out of memory")
    compare_and_report([folder / "profiles"], failures=[failure], report_dir=folder / "report")
    with chromium_page(tmp_path_factory.mktemp("chromium")) as page:
        yield page, (folder / "report/report.html").as_uri()


@pytest.fixture
def opened(browser):
    """The report opened as a file; complaints and requests are counted from the first byte on."""
    page, address = browser
    page.open("about:blank")
    page.resize(1280)
    page.prefer()
    page.complaints.clear()
    page.requests.clear()
    page.open(address)
    yield page
    page.run("localStorage.clear()")


def test_a_cascade_is_drawn(browser, cascade_reported, tmp_path):
    page, _ = browser
    page.complaints.clear()
    page.open((tmp_path / "report/report.html").as_uri())
    assert page.run("document.querySelectorAll('figure[data-chart=cascade] > svg path').length") == 2
    assert page.complaints == []


def test_a_trace_is_drawn(browser, reported, tmp_path):
    page, _ = browser
    reported(profile_record("hot", sustained=traced(celsius=81.0)))
    page.complaints.clear()
    page.open((tmp_path / "report/report.html").as_uri())
    assert page.run("document.querySelectorAll('figure[data-chart=trace] > svg path').length") == 4
    assert page.complaints == []


def test_curves_are_drawn_with_their_bands_and_best_settings(opened):
    figure = "figure[data-chart=sweep]"
    assert opened.run(f"document.querySelectorAll('{figure} > svg').length") == 6
    assert opened.run(f"document.querySelectorAll('{figure} > svg path.band').length") == 12
    assert opened.run(f"document.querySelectorAll('{figure} > svg circle').length") == 2 * 2 * (3 + 3 + 8)
    # Of two axes a setting is chosen, of lengths none is.
    stars = f"[...document.querySelectorAll('{figure} > svg')].map(s => s.textContent.split('★').length - 1)"
    assert opened.run(stars) == [0, 0, 2, 2, 2, 2]
    label = opened.run(f"document.querySelector('{figure} > svg').getAttribute('aria-label')")
    assert label.startswith("By length: Intel") and label.endswith("median time of a review")
    ticks = f"[...document.querySelectorAll('{figure} > svg')][2].querySelectorAll('.tick text')"
    assert "alone" in opened.run(f"[...{ticks}].map(t => t.textContent)")
    assert opened.complaints == []


def test_a_point_of_a_curve_tells_its_numbers(opened):
    point = "document.querySelectorAll('figure[data-chart=sweep] > svg')[4].querySelector('circle')"
    opened.run(f"{point}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    x, y = opened.run(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({point}.getBoundingClientRect())")
    opened.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    said = opened.run("document.getElementById('tip').textContent")
    assert "1 thread, 14.0 ms (" in said and said.startswith("minilm-l6")


MARKS = (
    "[...document.querySelectorAll('figure[data-chart=pareto] circle')]"
    ".map(c => [c.getAttribute('cx'), c.getAttribute('cy')].join())"
)
CHOOSE = "(s => {{ s.value = '{1}'; s.dispatchEvent(new Event('change')) }})(document.getElementById('{0}'))"


def test_the_page_draws_without_complaint_and_asks_nobody(opened):
    assert len(opened.run(MARKS)) == 14
    for chart in ("ecdf", "processes", "roc"):
        assert (
            opened.run(f"document.querySelectorAll('figure[data-chart={chart}] svg :is(path, circle)').length") >= 7
        )
    assert opened.run("performance.getEntriesByType('resource').length") == 0
    assert opened.complaints == []
    assert {address.split(":")[0] for address in opened.requests} == {"file"} and len(opened.requests) == 1


def test_choosing_another_axis_draws_anew(opened):
    before = opened.run(MARKS)
    opened.run(CHOOSE.format("axis-x", "size"))
    across = opened.run(MARKS)
    assert [mark.split(",")[0] for mark in across] != [mark.split(",")[0] for mark in before]
    assert [mark.split(",")[1] for mark in across] == [mark.split(",")[1] for mark in before]
    opened.run(CHOOSE.format("axis-y", "throughput"))
    assert [mark.split(",")[1] for mark in opened.run(MARKS)] != [mark.split(",")[1] for mark in before]
    assert "throughput, reviews/s" in opened.run("document.querySelector('figure[data-chart=pareto]').textContent")
    for x in ("accuracy", "memory", "cold-start", "p50"):  # any two, the same one twice included
        for y in ("accuracy", "size", "p50"):
            opened.run(CHOOSE.format("axis-x", x))
            opened.run(CHOOSE.format("axis-y", y))
    assert "NaN" not in opened.run("document.querySelector('main').innerHTML")
    assert opened.complaints == []


def test_a_mark_tells_its_numbers_to_the_keyboard(opened):
    opened.run("document.querySelector('figure[data-chart=pareto] g[role=img]').focus()")
    assert opened.run("document.getElementById('tip').hidden") is False
    said = opened.run("document.getElementById('tip').textContent")
    assert said.startswith("tfidf fp32") and "accuracy: 83.9 %" in said


def test_the_table_sorts_both_ways_with_failures_last(opened):
    names = "[...document.querySelectorAll('#rows tbody tr')].map(r => r.querySelector('th').textContent)"
    size = "[...document.querySelectorAll('#rows thead button')].find(b => b.textContent.startsWith('size')).click()"
    opened.run(size)
    up = opened.run(names)
    opened.run(size)
    down = opened.run(names)
    assert (up[0], down[0]) == ("tfidf", "minilm-l6")
    assert up[-1] == down[-1] == "mpnet-base"


def test_a_series_can_be_hidden(opened):
    lines = "document.querySelectorAll('figure[data-chart=roc] > svg path').length"
    before = opened.run(lines)
    opened.run("document.querySelector('figure[data-chart=roc] .legend button').click()")
    assert opened.run(lines) == before - 1


def test_nothing_is_wider_than_a_phone(opened):
    for width in (390, 320):
        opened.resize(width)
        assert opened.run("document.documentElement.scrollWidth") <= width
        drawn = opened.run("[...document.querySelectorAll('figure > svg')].map(s => s.viewBox.baseVal.width)")
        assert drawn and max(drawn) <= width
    assert opened.complaints == []


def test_nothing_is_cut_on_a_screen_of_1280_pixels(browser, reported, tmp_path):
    """Every column there can be, long names, variants and two machines."""
    page, _ = browser
    known = Energy(
        joules_per_review=0.25, source="package counter (RAPL)", quality="estimated", seconds=3.0, reviews=90,
        grid=GridFactor(gco2e_per_kwh=360.0, source="360 gCO2e/kWh, as given"),
    )  # fmt: skip
    name = "a-classifier-of-which-the-name-is-long"
    rows = [
        profile_record(name, "int8-portable", threads=threads, energy=known, roofline=roofline(), machine=machine)
        for machine in (MACHINE, RASPBERRY)
        for threads in (1, 2)
    ]
    reported(*rows, *ladder())
    page.open((tmp_path / "report/report.html").as_uri())
    page.resize(1280)
    page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    cut = "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth + 1)"
    assert page.run(f"{cut}.map(one => one.getAttribute('aria-label') + ' ' + one.scrollWidth)") == []
    assert page.run("document.querySelectorAll('#rows thead th').length") >= 18


#: Contrast (WCAG 2.1, 1.4.3) of every element that has text of its own against the first opaque ground behind it.
CONTRASTS = """(() => {
  const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    if (![...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim())) continue;
    if (node.closest('script, style, noscript, option')) continue;
    const style = getComputedStyle(node);
    let ground = null;
    for (let at = node; at && !ground; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) ground = colour;
    }
    const star = node.textContent === '★' && node.closest('svg');
    if (star || !ground) continue;
    const [a, b] = [light(rgba(node.closest('svg') ? style.fill : style.color)), light(ground)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), node.tagName, node.textContent.slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_colour_schemes(opened, scheme):
    opened.prefer(prefers_color_scheme=scheme)
    ground = opened.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(20, 23, 28)") is (scheme == "dark")
    contrasts = opened.run(CONTRASTS)
    assert len(contrasts) > 200
    assert contrasts[0][0] >= 4.5, contrasts[:5]


def test_the_button_overrides_the_readers_scheme_and_paper_is_white(opened):
    opened.prefer(prefers_color_scheme="dark")
    opened.run("document.getElementById('theme').click()")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert opened.run(ground) == "rgb(246, 247, 249)"
    opened.run("document.getElementById('theme').click()")
    assert opened.run(ground) == "rgb(20, 23, 28)"
    opened.prefer(media="print")
    assert opened.run(ground) == "rgb(255, 255, 255)"
    assert opened.run("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_without_scripts_the_decision_and_the_tables_are_there(opened):
    opened.call("Emulation.setScriptExecutionDisabled", value=True)
    opened.reload()
    opened.call("Emulation.setScriptExecutionDisabled", value=False)
    shown = opened.run("document.body.innerText")
    assert "Ship minilm-l6 int8" in shown and "minilm-l6-3layers" in shown and "Why the others lost" in shown
