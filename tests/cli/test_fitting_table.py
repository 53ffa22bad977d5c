"""Tables on a terminal: what leaves when it is narrow, and what is never cut."""

import io

import pytest
from rich.console import Console

from slmbench.cli.views.fitting_table import FittingTable, number, text

ROWS = [
    ("sentence-transformers/all-MiniLM-L6-v2", "int8", "87.1 [84.9–89.2]", "12.3", "1,234", "–"),
    ("bert-tiny", "fp32", "81.0 [78.4–83.4]", "0.912", "15,678", "–"),
]


def made():
    table = FittingTable(
        [
            text("model"),
            text("form"),
            number("accuracy\n%"),
            number("p50\nms", leaves=2),
            number("reviews\n/s", leaves=1),
            number("J per\n1,000", optional=True),
        ],
        title="bundles [exported]",
        notes=["measured here"],
    )
    for row in ROWS:
        table.add_row(*row)
    return table


def printed(table, width, encoding="utf-8"):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=width, color_system=None).print(table)
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", range(34, 120, 3))
def test_it_fits_and_no_number_is_cut(width):
    shown = printed(made(), width)
    assert max(map(len, shown.splitlines())) <= width
    left_out = " ".join(shown.partition("not shown in this width: ")[2].split())
    for column, header in ((2, "accuracy"), (3, "p50 ms"), (4, "reviews /s")):
        if header not in left_out:
            assert all(ROWS[row][column] in shown for row in (0, 1)), shown
    assert "…" not in shown


def test_columns_leave_in_their_order_and_are_named():
    widest = printed(made(), 120)
    assert "not shown" not in widest
    seen = [printed(made(), width).partition("not shown in this width: ")[2] for width in range(120, 29, -1)]
    assert list(dict.fromkeys(" ".join(names.split()) for names in seen)) == ["", "reviews /s", "p50 ms, reviews /s"]


def test_a_name_folds_before_a_column_leaves_and_loses_no_character():
    shown = printed(made(), 76)
    assert "not shown" not in shown
    lines = shown.splitlines()
    (at,) = [place for place, line in enumerate(lines) if " int8 " in line]
    assert "".join(line.split()[0] for line in lines[at : at + 2]) == ROWS[0][0]


def test_a_usual_name_stays_whole_while_a_column_can_leave():
    table = made()
    table.add_row("my-bert-tiny-full-reviews", *ROWS[1][1:])
    for width in range(60, 120, 5):
        assert "my-bert-tiny-full-reviews" in printed(table, width)


def test_where_nothing_more_can_leave_numbers_fold():
    shown = printed(made(), 24)
    assert max(map(len, shown.splitlines())) <= 24
    assert {"87.1", "81.0"} <= set(shown.split())
    assert "…" not in shown


def test_a_column_without_a_value_in_any_row_is_not_shown():
    assert "J per" not in printed(made(), 120)
    table = made()
    table.add_row("x", "fp32", "80.0 [70.0–90.0]", "1.00", "10", "3.21")
    assert "J per" in printed(table, 120)


def test_square_brackets_are_no_markup_and_sections_stand_apart():
    table = made()
    table.end_section()
    table.add_row("[red]x", "fp32", "80.0 [70.0–90.0]", "1.00", "10", "–")
    shown = printed(table, 120)
    assert "bundles [exported]" in shown
    lines = shown.splitlines()
    (at,) = [place for place, line in enumerate(lines) if "[red]x" in line]
    assert not lines[at - 1].strip(" ─")


def test_a_console_of_ascii_characters_shows_substitutes():
    table = FittingTable([text("form"), number("accuracy")], notes=["≤ 5"])
    table.add_row("★ int8", "80.0 ±1.2")
    shown = printed(table, 60, encoding="ascii")
    assert "* int8" in shown and "80.0 +-1.2" in shown and "<= 5" in shown


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="5 cells for 6 columns"):
        made().add_row(*ROWS[0][:5])
