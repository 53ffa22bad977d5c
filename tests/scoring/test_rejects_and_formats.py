"""Rows without a usable text, and the formats that answers are written in."""

import csv
import json

import pytest

LINES = [
    '{"id": 1, "text": "a superb film"}',
    '{"id": 2, "text": null}',
    "not JSON",
    '{"id": 4, "text": ["a", "list"]}',
    '{"id": 5, "text": "=HYPERLINK(1) dull"}',
]
WORDS = ("--input", "in.jsonl", "--output", "out", "--shard-rows", 2, "--workers", 1, "--keep", "id")


@pytest.fixture
def bad(here):
    (here / "in.jsonl").write_text("\n".join(LINES) + "\n", encoding="utf-8")


def test_bad_rows_are_set_aside_with_their_reasons(predict, bad, here):
    result = predict(*WORDS, "--on-error", "reject", "--json")
    record = json.loads(result.stdout)
    assert {key: record["summary"][key] for key in ("rows", "answered", "rejected")} == {
        "rows": 5,
        "answered": 2,
        "rejected": 3,
    }
    rejects = [json.loads(line) for file in sorted((here / "out/rejects").iterdir()) for line in file.open()]
    assert [(one["row"], one.get("input")) for one in rejects] == [(2, {"id": 2}), (3, None), (4, {"id": 4})]
    assert ["no text" in rejects[0]["why"], "JSON" in rejects[1]["why"], "list" in rejects[2]["why"]] == [True] * 3
    ids = [
        json.loads(line)["input"]["id"] for file in sorted((here / "out/answers").iterdir()) for line in file.open()
    ]
    assert ids == [1, 5]


def test_a_bad_row_stops_the_work_which_goes_on_from_there(predict, bad, here):
    (here / "in.jsonl").write_text("\n".join([LINES[0], LINES[4], *LINES]) + "\n", encoding="utf-8")
    stopped = predict(*WORDS)
    assert stopped.exit_code == 1
    assert "row 4" in stopped.stderr and "--on-error" in stopped.stderr
    assert [file.name for file in (here / "out/manifests").iterdir()] == ["part-000000.json"]
    assert predict(*WORDS, "--on-error", "reject").exit_code == 0
    # What was set aside is not hidden by the default.
    assert predict(*WORDS).exit_code == 1


def test_a_csv_has_no_formulas(predict, bad, here):
    (here / "in.csv").write_text('id,text\n=1+1,"@SUM(1), a superb film"\n-7,dull\n', encoding="utf-8")
    assert predict("--input", "in.csv", "--output", "out", "--workers", 1, "--shard-rows", 9).exit_code == 0
    with (here / "out/answers/part-000000.csv").open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file))
    assert head[:3] == ["id", "text", "predicted_label"]
    assert [row[:2] for row in rows] == [["'=1+1", "'@SUM(1), a superb film"], ["'-7", "dull"]]


def test_parquet_keeps_the_types_of_parquet(predict, rows, here):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows("parquet")
    assert predict("--input", "in", "--output", "out", "--shard-rows", 99, "--workers", 1).exit_code == 0
    table = parquet.read_table(here / "out/answers")
    assert table.schema.field("id").type == pyarrow.int64()
    assert table["id"].to_pylist() == list(range(250))
    assert table.column_names[-4:] == ["predicted_label", "predicted_score", "score_negative", "score_positive"]


def test_parquet_of_rows_without_types_has_the_same_columns_in_every_shard(predict, bad, here):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (here / "in.jsonl").write_text(
        '{"id": 1, "text": "a"}\n{"id": {"x": [2]}, "text": "b"}\n{"id": null, "text": "c"}\n', encoding="utf-8"
    )
    words = ("--shard-rows", 1, "--output-format", "parquet", "--keep", "text")
    assert predict("--input", "in.jsonl", "--output", "out", "--workers", 1, *words).exit_code == 0
    assert parquet.read_table(here / "out/answers")["text"].to_pylist() == ["a", "b", "c"]


def test_files_that_are_not_alike(predict, here):
    (here / "a.csv").write_text("id,text\n1,dull\n", encoding="utf-8")
    (here / "b.csv").write_text("id,review\n1,dull\n", encoding="utf-8")
    result = predict("--input", "*.csv", "--output", "out", "--workers", 1)
    assert result.exit_code == 1
    assert "b.csv" in result.stderr and "'text'" in result.stderr
