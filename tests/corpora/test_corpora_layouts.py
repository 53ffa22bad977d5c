"""Files as people have them: other delimiters, encodings, line ends, headers and JSON layouts give the same rows."""

import csv
import gzip
import io
import json

import pytest
from corpora_helpers import reviews, texts_of
from listener import Listener

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_again, load_corpus, sample_texts

ROWS = [{"text": f"{row['text']}; says É, l’été", "label": row["label"]} for row in reviews(120)]


def csv_text(rows=ROWS, header=("text", "label"), **how):
    text = io.StringIO()
    csv.writer(text, **how).writerows([*([header] if header else []), *((row["text"], row["label"]) for row in rows)])
    return text.getvalue()


def check(path, rows=ROWS, **options):
    """Load a file, compare its rows, and return what was noted; everything noted was said as well."""
    listener = Listener()
    corpus = load_corpus(str(path), progress=listener, **options)
    assert texts_of(corpus.train) | texts_of(corpus.validation) | texts_of(corpus.test) == {r["text"] for r in rows}
    assert corpus.label_names == ["negative", "positive"]
    assert listener.said == [f"{path.name}: {note}" for note in corpus.notes]
    assert load_again(corpus.options, corpus.identity().test_hash).test == corpus.test
    return " | ".join(corpus.notes)


@pytest.mark.parametrize(
    ("name", "delimiter", "noted"),
    [
        ("r.csv", ";", "semicolons"),
        ("r.csv", "\t", "tabs"),
        ("r.csv", "|", "vertical bars"),
        ("r.tsv", ",", "commas"),
        ("r.csv.gz", ";", "semicolons"),
    ],
)
def test_another_delimiter_is_found_and_said(tmp_path, name, delimiter, noted):
    content = csv_text(delimiter=delimiter).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert noted in check(tmp_path / name)


def test_a_delimiter_can_be_named(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(csv_text(delimiter="^"), encoding="utf-8")
    with pytest.raises(UsageError, match="no column looks like"):
        load_corpus(str(path))
    check(path, delimiter="^")
    path.write_text(csv_text(delimiter="\t"), encoding="utf-8")
    check(path, delimiter="tab")
    with pytest.raises(UsageError, match="--delimiter .* one character"):
        load_corpus(str(path), delimiter="::")


def test_a_delimiter_in_the_texts_is_not_taken_for_one(tmp_path):
    rows = [{"text": f"{row['text']}; one; two; three", "label": row["label"]} for row in reviews(60)]
    path = tmp_path / "r.csv"
    path.write_text(csv_text(rows), encoding="utf-8")
    assert "separated" not in check(path, rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_line_that_names_the_delimiter_for_spreadsheets(tmp_path, delimiter):
    path = tmp_path / "r.csv"
    path.write_text(f"sep={delimiter}\r\n{csv_text(delimiter=delimiter)}", encoding="utf-8-sig")
    assert "sep=" in check(path)


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [("cp1252", "cp1252"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-8-sig", "")],
)
@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n"])
def test_encodings_and_line_ends_are_found_and_said(tmp_path, encoding, noted, ending):
    path = tmp_path / "r.csv"
    path.write_bytes(csv_text(lineterminator=ending).encode(encoding))
    notes = check(path)
    assert noted in notes
    assert ("carriage return alone" in notes) == (ending == "\r")


@pytest.mark.parametrize("encoding", ["cp1251", "mac-roman", "utf-16"])
def test_an_encoding_can_be_named(tmp_path, encoding):
    letters = "превосходное кино о жизни" if encoding == "cp1251" else "café"
    rows = [{"text": f"{letters} {row['text']}", "label": row["label"]} for row in reviews(60)]
    path = tmp_path / "r.csv"
    path.write_bytes(csv_text(rows).encode(encoding))
    if encoding == "cp1251":  # of those not named, the one that does not pass for another
        with pytest.raises(SlmbenchError, match="--encoding"):
            load_corpus(str(path))
    check(path, rows, encoding=encoding)
    with pytest.raises(SlmbenchError, match="is not in ascii .*--encoding"):
        load_corpus(str(path), encoding="ascii")
    with pytest.raises(UsageError, match="no encoding 'klingon'"):
        load_corpus(str(path), encoding="klingon")


def test_broken_rows_of_a_utf_8_file_are_not_taken_for_another_encoding(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(csv_text().encode() + b"caf\xe9,negative\n")
    with pytest.raises(SlmbenchError, match=r"row 121: it is not in UTF-8 .*--encoding"):
        load_corpus(str(path))


@pytest.mark.parametrize("turned", [False, True])
def test_a_file_without_a_header_line(tmp_path, turned):
    path = tmp_path / "r.csv"
    text = io.StringIO()
    rows = [(row["text"], row["label"]) for row in ROWS]
    csv.writer(text).writerows([row[::-1] for row in rows] if turned else rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    notes = check(path)
    assert "no header line" in notes and f"text {2 if turned else 1}" in notes
    check(path, header=False, text_column="2" if turned else "1", label_column="1" if turned else "2")


def test_a_header_of_unusual_names_stays_one(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(csv_text(header=("Meinung", "Urteil")), encoding="utf-8")
    with pytest.raises(UsageError, match="out of: Meinung, Urteil"):
        load_corpus(str(path))
    assert "header" not in check(path, text_column="meinung", label_column="URTEIL")


def test_columns_are_found_in_any_case_and_said(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(csv_text(header=("Text", "LABEL")), encoding="utf-8")
    assert "'Text'" in check(path) and "'LABEL'" in check(path)
    assert "guessed" not in check(path, text_column="Text", label_column="LABEL")
    assert load_corpus(str(path)).identity().columns == {"text": "Text", "label": "LABEL"}


def test_other_columns_that_may_have_been_meant_are_named(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("id,stars,text,label\n" + "".join(f"{n},5,{t}" for n, t in enumerate(_lines())), encoding="utf-8")
    assert "id, stars" in check(path)


def _lines():
    return csv_text(header=None).splitlines(keepends=True)


@pytest.mark.parametrize(
    "layout",
    [
        lambda rows: rows,
        lambda rows: {"data": rows},
        lambda rows: {"version": 1, "rows": rows},
        lambda rows: {"whatever": rows},
        lambda rows: {"features": [], "rows": [{"row_idx": n, "row": row} for n, row in enumerate(rows)]},
        lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
        lambda rows: {name: {str(n): row[name] for n, row in enumerate(rows)} for name in rows[0]},
        lambda rows: {str(n): row for n, row in enumerate(rows)},
        lambda rows: {f"id-{n}": row for n, row in enumerate(rows)},
        lambda rows: {"columns": list(rows[0]), "index": [*range(len(rows))], "data": [[*r.values()] for r in rows]},
        lambda rows: [list(rows[0]), *([*row.values()] for row in rows)],
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["r.json", "r.json.gz"])
def test_json_in_every_usual_layout(tmp_path, layout, indent, name):
    content = json.dumps(layout(ROWS), indent=indent).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    check(tmp_path / name)


@pytest.mark.parametrize(("name", "encoding"), [("r.json", "utf-8"), ("r.jsonl", "utf-8-sig"), ("r.jsonl", "utf-16")])
def test_json_lines_under_any_name(tmp_path, name, encoding):
    (tmp_path / name).write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding=encoding)
    check(tmp_path / name)


@pytest.mark.parametrize("name", ["r.jsonl", "r.ndjson"])
def test_one_json_document_under_the_name_of_json_lines(tmp_path, name):
    for indent in (None, 1):
        (tmp_path / name).write_text(json.dumps(ROWS, indent=indent), encoding="utf-8")
        check(tmp_path / name)


@pytest.mark.parametrize("document", [{"a": 1}, {"a": [1], "b": [1, 2]}, "text", 7])
def test_json_of_another_layout_is_said(tmp_path, document):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    with pytest.raises(SlmbenchError):
        load_corpus(str(path))


@pytest.mark.parametrize("orient", ["records", "columns", "index", "split"])
def test_what_pandas_writes(tmp_path, orient):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "r.json"
    pandas.DataFrame(ROWS).to_json(path, orient=orient)
    check(path)
    pandas.DataFrame(ROWS).to_json(path, orient="records", lines=True)
    check(path)


def test_names_of_classes_in_a_parquet_file(tmp_path):
    datasets = pytest.importorskip("datasets")
    path = tmp_path / "r.parquet"
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["positive", "negative"])}
    )
    rows = [{"text": row["text"], "label": ["positive", "negative"].index(row["label"])} for row in ROWS]
    datasets.Dataset.from_list(rows, features=features).to_parquet(path)
    corpus = load_corpus(str(path))
    assert corpus.label_names == ["positive", "negative"]
    named = {row["text"]: row["label"] for row in ROWS}
    assert all(
        corpus.label_names[label] == named[text]
        for text, label in zip(corpus.train.texts, corpus.train.labels, strict=True)
    )


def test_texts_of_a_table_of_one_column_are_read_without_labels(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("comment\n" + "".join(f"{row['text'].split(';')[0]}\n" for row in ROWS), encoding="utf-8")
    assert len(sample_texts(str(path), size=20)) == 20
    with pytest.raises(UsageError, match="no column looks like the label.*comment"):
        load_corpus(str(path))
