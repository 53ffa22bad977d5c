"""Names and texts of strangers in reports and on the terminal: they are shown, and do nothing."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import factories
import pytest
from reports import compare_and_report
from rich.table import Table

from slmbench.cli.console import PlainConsole
from slmbench.common.formatting import printable
from slmbench.common.templates import render_markdown
from slmbench.records import write_record

NAMES = {
    "a script": "<script>alert(1)</script>",
    "an image": "<img src=x onerror=alert(1)>",
    "the end of the data": "</script><script>alert(1)</script>",
    "an attribute": '" onmouseover="alert(1)" x="',
    "a link": "[click](javascript:alert(1))",
    "an image of Markdown": "![x](http://tracker/x.png)",
    "a cell more": "a | b | c",
    "a heading": "a\n# Recommended: mine\n",
    "a template": "{{ 7 * 7 }}{% raw %}",
    "a formula": '=HYPERLINK("http://tracker")',
    "a formula with a plus": "+1+cmd|' /C calc'!A0",
    "a formula with a minus": "-1+1|cmd",
    "a formula with an at": "@SUM(1+1)",
    "a formula after a tab": "\t=1+1",
    "markup of rich": "[bold red]mine[/]",
    "markup that is wrong": "[/red]",
    "an emoji's name": ":smile:",
    "colours": "\x1b[31mred\x1b[0m",
    "a title of the terminal": "\x1b]0;owned\x07",
    "a link of the terminal": "\x1b]8;;http://tracker\x07x\x1b]8;;\x07",
    "a carriage return": "bad\rgood",
    "backspaces": "bad\b\b\bgood",
    "C1 controls": "\x9b31mred\x9d0;owned\x9c",
    "the other direction": "\u202egood\u2066bad",
    "zeros": "a\0b",
    "line separators": "a\u2028b\u2029c",
    "a path": "../../../../etc/passwd",
}
STEERING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Tags(HTMLParser):
    """The tags of a page, and their attributes."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.attributes = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}


def report(folder, name):
    """Compare two profiles of which one has a name of a stranger's; returns the files of the report."""
    folder.mkdir()
    odd = factories.profile_record(name, "int8", p50_ms=5.0, reviews=200, reason=name, warnings=[name])
    odd = odd.model_copy(update={"hardware": {**odd.hardware, "machine": name}})
    write_record(odd, folder / "odd.json")
    usual = factories.profile_record("usual", "fp32", reviews=200)
    write_record(usual.model_copy(update={"hardware": odd.hardware}), folder / "usual.json")
    compare_and_report([folder], folder / "report")
    return {file.name: file.read_text(encoding="utf-8") for file in (folder / "report").glob("*.[hmcj]*")}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The report of the same records with a usual name."""
    return report(tmp_path_factory.mktemp("usual") / "profiles", "minilm")


@pytest.fixture(autouse=True)
def _no_plots(without_matplotlib):
    pass


@pytest.mark.parametrize("attack", NAMES)
def test_a_report_shows_names_and_runs_nothing(usual, tmp_path, attack):
    files = report(tmp_path / "profiles", NAMES[attack])
    page, before = Tags(files["report.html"]), Tags(usual["report.html"])
    assert page.attributes <= before.attributes | {"class"}
    assert page.seen.count("script") == before.seen.count("script")
    assert set(page.seen) <= set(before.seen)
    text = files["report.md"]
    assert not re.search(r"<(script|img|/script)", text)
    assert "](javascript:" not in text
    assert "](http://tracker" not in text
    assert not STEERING.search(text)
    assert text.count("\n# ") == usual["report.md"].count("\n# ")
    cells = [cell for row in csv.reader(io.StringIO(files["rows.csv"])) for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=@\t\r" and cell]
    assert not [cell for cell in cells if cell[:1] in "+-" and cell and not _is_number(cell)]
    json.loads(files["comparison.json"], parse_constant=_refuse)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _refuse(name):
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("attack", NAMES)
def test_the_terminal_shows_names_and_is_not_steered(attack):
    name = NAMES[attack]
    out = io.StringIO()
    console = PlainConsole(out, width=200)
    table = Table("name", "what", title=name)
    table.add_row(name, name)
    console.print(table)
    console.print(f"error: {name}", soft_wrap=True)
    shown = out.getvalue()
    assert not STEERING.search(shown)
    visible = [word for word in re.split(r"[\s\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+", name) if word]
    for word in visible:
        assert word in shown


def test_what_the_console_itself_colours_is_left():
    out = io.StringIO()
    console = PlainConsole(out, width=80)
    console._force_terminal = True
    console._color_system = console._color_system or None
    console.print("plain")
    assert "plain" in out.getvalue()


@pytest.mark.parametrize("text", ["plain", "é ﬁ 好 😀 👨‍👩‍👧", "tab\tand\nline", "שלום"])
def test_texts_of_all_languages_are_left_as_they_are(text):
    assert printable(text) == text


def test_model_cards_are_harmless(tmp_path, monkeypatch):
    import jinja2

    monkeypatch.setattr(jinja2, "PackageLoader", lambda package: jinja2.DictLoader({"x.md": "# {{ name }}\n"}))
    for name in NAMES.values():
        text = render_markdown("any", "x.md", name=name)
        assert not re.search(r"<(script|img|/script)", text)
        assert not STEERING.search(text)
        assert "](javascript" not in text
