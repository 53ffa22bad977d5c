"""``predict --output``: tables with the columns of the input, Parquet, and names that say no format."""

import csv
import json

import pytest
from typer.testing import CliRunner

from slmbench.cli.app import app

ROWS = [("7", "a superb film", "2001-02-03", "x"), ("8", 'dull, "noisy"\nand awful', "", "y"), ("9", "", "z", "ü;")]
ANSWERS = ["predicted_label", "predicted_score", "score_negative", "score_positive"]


@pytest.fixture
def predict(floor_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "text", "date", "label"), *ROWS])

    def run(*arguments):
        return CliRunner().invoke(app, ["predict", str(floor_bundle), *map(str, arguments)])

    return run


def rows_of(path, delimiter=","):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=delimiter))


@pytest.mark.parametrize(("name", "delimiter"), [("out.csv", ","), ("OUT.CSV", ","), ("out.tsv", "\t")])
def test_a_table_has_the_columns_of_the_input_and_the_answers(predict, name, delimiter):
    assert predict("--input", "in.csv", "--output", name).exit_code == 0
    head, *rows = rows_of(name, delimiter)
    assert head == ["id", "text", "date", "label", *ANSWERS]
    assert [tuple(row[:4]) for row in rows] == ROWS
    lines = [json.loads(line) for line in predict("--input", "in.csv").stdout.splitlines()]
    for row, line in zip(rows, lines, strict=True):
        assert row[4] == line["label"]
        assert [float(value) for value in row[5:]] == [line["score"], *line["scores"].values()]


def test_only_the_columns_that_are_wanted(predict):
    assert predict("--input", "in.csv", "--keep", "date, id", "--output", "out.csv").exit_code == 0
    head, first, *_ = rows_of("out.csv")
    assert head == ["date", "id", *ANSWERS]
    assert first[:2] == ["2001-02-03", "7"]
    refused = predict("--input", "in.csv", "--keep", "id,nothing", "--output", "no.csv")
    assert refused.exit_code == 2
    assert "nothing" in refused.stderr
    assert "date" in refused.stderr


def test_json_lines_keep_what_is_named(predict):
    (first, *_) = predict("--input", "in.csv", "--keep", "id").stdout.splitlines()
    assert json.loads(first)["input"] == {"id": "7"}
    assert predict("--input", "in.csv", "--keep", "all", "--output", "out.jsonl").exit_code == 0
    with open("out.jsonl", encoding="utf-8") as file:
        assert [tuple(json.loads(line)["input"].values()) for line in file] == ROWS
    (line,) = predict("a superb film").stdout.splitlines()
    assert set(json.loads(line)) == {"label", "score", "scores"}


def test_texts_that_are_in_no_table(predict):
    assert predict("a superb film", "dull", "--output", "out.csv").exit_code == 0
    head, *rows = rows_of("out.csv")
    assert head == ["text", *ANSWERS]
    assert [row[0] for row in rows] == ["a superb film", "dull"]


def test_parquet(predict):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert predict("--input", "in.csv", "--output", "out.parquet").exit_code == 0
    table = parquet.read_table("out.parquet")
    assert table.column_names == ["id", "text", "date", "label", *ANSWERS]
    assert [tuple(row.values())[:4] for row in table.to_pylist()] == ROWS
    assert all(0 <= score <= 1 for score in table["predicted_score"].to_pylist())


@pytest.mark.parametrize("name", ["out.xlsx", "out.json", "out.txt", "out"])
def test_a_name_that_says_no_format(predict, tmp_path, name):
    result = predict("--input", "in.csv", "--output", name)
    assert result.exit_code == 2
    assert ".parquet" in result.stderr
    assert not (tmp_path / name).exists()


def test_a_column_of_the_input_that_is_called_like_an_answer(predict, tmp_path):
    (tmp_path / "twice.csv").write_text("text,predicted_label\na,b\n", encoding="utf-8")
    assert predict("--input", "twice.csv", "--output", "out.csv").exit_code == 2
    assert not (tmp_path / "out.csv").exists()
    assert predict("--input", "twice.csv", "--keep", "text", "--output", "out.csv").exit_code == 0
