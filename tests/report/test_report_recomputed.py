"""Every figure of the report's table follows from the profiles' raw JSON, by arithmetic of these tests' own."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from factories import ladder, profile_record, roofline, sweep_record
from reports import compare_and_report

from slmbench.records import write_record
from slmbench.records.energy import Energy

REFERENCE = Path(__file__).parents[2] / "profiles/reference"
SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9}


class Tables(HTMLParser):
    """The tables of a page: of each its id or class, and the texts of its cells, line by line."""

    def __init__(self, page):
        super().__init__()
        self.found, self._cell = {}, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        if tag == "table":
            self._lines = self.found.setdefault(known.get("id") or known.get("class") or "", [])
        elif tag == "tr":
            self._lines.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._lines[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)


def recomputed(document):
    """What the columns of the table have to show of a profile's JSON, from raw observations only."""
    samples = np.concatenate([np.asarray(process) for process in document["latency"]["processes_ms"]])
    different = max(map(len, document["latency"]["processes_ms"]))
    said, truth = np.asarray(document["predictions"]["probabilities"]), np.asarray(document["predictions"]["truth"])
    labels = said.argmax(1)
    labels[document["predictions"].get("abstained", [])] = -1
    f1 = []
    for label in range(said.shape[1]):
        hits = ((labels == label) & (truth == label)).sum()
        f1.append(2 * hits / max(1, (labels == label).sum() + (truth == label).sum()))
    energy, reached = document["energy"].get("joules_per_review"), document.get("roofline")
    work = None
    if reached:
        ceiling = {name: 2 * one["size"] ** 3 / one["best_s"] for name, one in reached["ceilings"].items()}
        work = sum(flops / ceiling[name] for name, flops in reached["flops"].items()) / reached["seconds"]
    return {
        "accuracy %": 100 * (labels == truth).mean(),
        "macro-F1": np.mean(f1),
        "p50 ms": np.median(samples),
        "p95 ms": np.percentile(samples, 95) if different >= 130 else None,
        "throughput reviews/s": document["throughput"]["reviews"] / np.median(document["throughput"]["passes_s"]),
        "size MB": document["size_bytes"] / 1e6,
        "peak memory MB": document["memory"]["peak_bytes"] and document["memory"]["peak_bytes"] / 1e6,
        "cold start ms": np.median(document["cold"]["processes_ms"]),
        "parameters": document["total_parameters"],
        "energy J per 1,000 reviews": energy and 1000 * energy,
        "of GEMM ceiling %": work and 100 * work,
        "work GMACs": reached and reached["macs"] / 1e9,
        "linear-only GMACs": reached and reached["macs_linear"] / 1e9,
    }


def agrees(shown, value):
    """Whether a text is a number rounded to the digits that it shows; a dash is what is not known."""
    if value is None or shown == "–":
        return value is None and shown == "–"
    digits, suffix = re.match(r"([\d,]*\.?\d+)([KMB]?)", shown).groups()
    unit = SUFFIXES.get(suffix, 1.0) * 10.0 ** -len(digits.partition(".")[2])
    if "." not in digits and not suffix:
        # Three digits are shown: of 1,230 the last one is rounding.
        unit = 10.0 ** max(0, len(digits.replace(",", "")) - 3)
    return abs(float(digits.replace(",", "")) * SUFFIXES.get(suffix, 1.0) - value) <= unit / 2 * (1 + 1e-9)


def wrong_figures(page, folder):
    """Every figure of the table that does not follow from the profiles in a folder: row, column, what is shown."""
    head, *lines = Tables(page).found["rows"]
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*.json")]
    expected = {(document["bundle"], document["form"]): recomputed(document) for document in documents}
    assert len(lines) == len(expected)
    checked = [name for name in head if name in next(iter(expected.values()))]
    assert len(checked) >= 9
    return [
        (*line[1:3], name, line[head.index(name)])
        for line in lines
        for name in checked
        if not agrees(line[head.index(name)], expected[tuple(line[1:3])][name])
    ]


@pytest.fixture
def page_of(tmp_path, without_matplotlib):
    def page_of(folder):
        compare_and_report([folder], report_dir=tmp_path / "report")
        return (tmp_path / "report/report.html").read_text(encoding="utf-8")

    return page_of


@pytest.fixture
def measured(tmp_path):
    """A ladder, with what only some rows have."""
    energy = Energy(joules_per_review=0.0312, source="counters", quality="measured")
    few = profile_record("few", samples=60, energy=energy, roofline=roofline(), peak_mb=None)
    for profile in [*ladder(), few]:
        write_record(profile, tmp_path / "measured" / f"{profile.name}.json")
    return tmp_path / "measured"


def test_the_reference_profiles_say_what_the_report_says(page_of, here):
    assert wrong_figures(page_of(REFERENCE), REFERENCE) == []


def test_so_do_energy_operations_and_what_is_not_known(page_of, measured):
    page = page_of(measured)
    assert wrong_figures(page, measured) == []
    head, *_ = Tables(page).found["rows"]
    assert {"energy J per 1,000 reviews", "of GEMM ceiling %", "work GMACs", "linear-only GMACs"} <= set(head)


@pytest.mark.parametrize(
    ("column", "true", "false", "told"),
    [
        ("p50 ms", ">13.9<", ">13.8<", "13.8"),
        ("p95 ms", ">19.4<", ">19.5<", "19.5"),
        ("accuracy %", ">87.1 <", ">87.2 <", "87.2 ±2.1"),
        ("size MB", ">23.6<", ">23.7<", "23.7"),
        ("peak memory MB", ">173<", ">174<", "174"),
        ("throughput reviews/s", ">87.2<", ">87.3<", "87.3"),
    ],
)
def test_another_figure_would_be_found(page_of, measured, column, true, false, told):
    page = page_of(measured)
    begin = page.index("minilm-l6</th><td>int8")
    forged = page[:begin] + page[begin:].replace(true, false, 1)
    assert forged != page
    assert wrong_figures(forged, measured) == [("minilm-l6", "int8", column, told)]


def test_the_numbers_of_a_curve_are_those_of_its_samples(page_of, tmp_path):
    write_record(profile_record(), tmp_path / "measured/profile.json")
    sweep = sweep_record(ms={1: 14.0, 2: 8.04, 4: 123.4})
    write_record(sweep, tmp_path / "measured/sweep.json")
    _, *lines = Tables(page_of(tmp_path / "measured")).found["curves"]
    points = json.loads((tmp_path / "measured/sweep.json").read_text(encoding="utf-8"))["points"]
    assert [line[0] for line in lines] == ["1 thread", "2 threads", "4 threads"]
    for line, point in zip(lines, points, strict=True):
        assert agrees(line[1].removeprefix("★ "), np.median(np.concatenate(point["processes_ms"])))
