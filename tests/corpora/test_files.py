import csv
import gzip
import json
import tracemalloc

import pytest
from corpora_helpers import reviews, texts_of, write_csv, write_jsonl

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus


def all_texts(corpus):
    return texts_of(corpus.train) | texts_of(corpus.validation) | texts_of(corpus.test)


def counts(corpus):
    sides = (corpus.train, corpus.validation, corpus.test)
    return {name: sum(side.labels.count(n) for side in sides) for n, name in enumerate(corpus.label_names)}


ROWS = [{"text": f'"{row["text"]}", she said,\n\ttwice', "label": row["label"]} for row in reviews(120)]


def _write(kind, folder):
    path = folder / f"reviews{kind}"
    plain = folder / "plain"
    if kind.startswith(".csv"):
        write_csv(plain, ROWS)
    elif kind.startswith(".tsv"):
        write_csv(plain, ROWS, delimiter="\t")
    elif kind == ".json":
        plain.write_text(json.dumps(ROWS))
    elif kind == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        pyarrow = pytest.importorskip("pyarrow")
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), plain)
    else:
        write_jsonl(plain, ROWS)
    content = plain.read_bytes()
    path.write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)
    return path


@pytest.mark.parametrize(
    "kind",
    [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".json", ".json.gz", ".parquet"],
)
def test_every_format_gives_the_same_rows(tmp_path, kind):
    corpus = load_corpus(str(_write(kind, tmp_path)))
    assert all_texts(corpus) == {row["text"] for row in ROWS}
    assert counts(corpus) == {"negative": 60, "positive": 60}


def test_byte_order_mark_and_upper_case_columns(tmp_path):
    path = tmp_path / "r.csv"
    write_csv(path, [{"Review": row["text"], "Sentiment": row["label"]} for row in reviews(80)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(all_texts(load_corpus(str(path)))) == 80


def test_named_columns(tmp_path):
    path = write_csv(tmp_path / "r.csv", [{"a": row["label"], "text": "x", "b": row["text"]} for row in reviews(80)])
    assert len(all_texts(load_corpus(path, text_column="b", label_column="a"))) == 80
    with pytest.raises(UsageError, match=r"no column 'c'; its columns are: a, text, b"):
        load_corpus(path, text_column="c", label_column="a")
    with pytest.raises(
        UsageError, match=r"no column looks like the label; name one with --label-column, out of: a, "
    ):
        load_corpus(path)
    with pytest.raises(UsageError, match="both the text and the label"):
        load_corpus(path, text_column="a", label_column="a")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ((1, 0), ["0", "1"]),
        ((10, 9, 2), ["2", "9", "10"]),
        ((1.0, 0.0), ["0", "1"]),
        ((True, False), ["false", "true"]),
        (("pos", "neg", "mid"), ["mid", "neg", "pos"]),
    ],
)
def test_order_of_labels(tmp_path, labels, names):
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", reviews(200, labels)))
    assert corpus.label_names == names


def test_labels_given(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", reviews(200))
    assert load_corpus(path, labels=["positive", "negative"]).label_names == ["positive", "negative"]
    with pytest.raises(SlmbenchError, match=r"r.jsonl: row 1: unknown label 'negative'; the labels are: a, positive"):
        load_corpus(path, labels=["a", "positive"])
    with pytest.raises(SlmbenchError, match=r"no review of r.jsonl is labelled 'mixed'"):
        load_corpus(path, labels=["positive", "negative", "mixed"])
    with pytest.raises(UsageError):
        load_corpus(path, labels=["positive", "positive"])


BAD_LINES = [
    ('{"text": "", "label": "a"}', "the text is empty"),
    ('{"text": " \\n ", "label": "a"}', "the text is empty"),
    ('{"text": null, "label": "a"}', "there is no text"),
    ('{"text": NaN, "label": "a"}', "there is no text"),
    ('{"label": "a"}', "there is no text"),
    ('{"text": 7, "label": "a"}', "not a string"),
    ('{"text": "x", "label": ["a"]}', "not a word or a number"),
    ('{"text": "x", "label": ', "not JSON"),
    ('["x", "a"]', "not a JSON object"),
    (b'{"text": "broken \xff", "label": "a"}', "not in UTF-8"),
]


@pytest.mark.parametrize(("line", "words"), BAD_LINES)
def test_bad_line_is_named_or_skipped(tmp_path, line, words):
    path = tmp_path / "r.jsonl"
    lines = [json.dumps(row).encode() for row in reviews(100)]
    lines[16] = line if isinstance(line, bytes) else line.encode()
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(SlmbenchError, match=rf"r.jsonl: row 17: .*{words}.*--skip-bad-rows") as caught:
        load_corpus(str(path))
    assert "\n" not in str(caught.value)
    corpus = load_corpus(str(path), skip_bad_rows=True)
    assert corpus.skipped_rows == 1
    assert len(all_texts(corpus)) == 99


BAD_CSV_ROWS = [
    (b"only one column", "it has 1 fields where the header has 2"),
    (b"a comma, unquoted,negative", "it has 3 fields where the header has 2"),
    (b",negative", "the text is empty"),
    (b"NaN,negative", "the text is NaN"),
    # In a file that is in UTF-8 elsewhere; one that is in UTF-8 nowhere is of another encoding.
    (b"caf\xe9 \xc3\xa9,negative", "not in UTF-8"),
    (b'"half "quoted,negative', "it cannot be read"),
]


@pytest.mark.parametrize(("line", "words"), BAD_CSV_ROWS)
def test_bad_csv_row_is_named_or_skipped(tmp_path, line, words):
    path = tmp_path / "r.csv"
    lines = [b"text,label"] + [f"{row['text']},{row['label']}".encode() for row in reviews(100)]
    lines[17] = line
    path.write_bytes(b"\r\n".join(lines))
    with pytest.raises(SlmbenchError, match=rf"r.csv: row 17: .*{words}"):
        load_corpus(str(path))
    corpus = load_corpus(str(path), skip_bad_rows=True)
    assert corpus.skipped_rows == 1
    assert len(all_texts(corpus)) == 99
    assert csv.field_size_limit() < 1_000_000


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_endless_line_is_refused_without_holding_it(tmp_path, kind):
    path = tmp_path / f"r.{kind}"
    rows = reviews(100)
    (write_csv if kind == "csv" else write_jsonl)(path, rows)
    lines = path.read_bytes().splitlines(keepends=True)
    with path.open("wb") as file:
        file.writelines(lines[:5])
        for _ in range(60):
            file.write(b"x" * 1_000_000)
        file.write(b"\n")
        file.writelines(lines[5:])
    number = 5 if kind == "csv" else 6
    tracemalloc.start()
    with pytest.raises(SlmbenchError, match=f"row {number}: it is longer than 10 MB; is this one review a line"):
        load_corpus(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000
    assert load_corpus(str(path), skip_bad_rows=True).skipped_rows == 1


def test_quote_that_never_closes(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in reviews(50)) + '"open,negative\n')
    with pytest.raises(SlmbenchError, match="row 51: it cannot be read"):
        load_corpus(str(path))


def test_one_class_only(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", reviews(50, ("same",)))
    with pytest.raises(SlmbenchError, match=r"all 50 reviews of r.jsonl are labelled 'same'"):
        load_corpus(path)


def test_label_with_one_review(tmp_path):
    rows = [*reviews(200), {"text": "odd one", "label": "rare"}]
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows))
    assert "odd one" in corpus.train.texts
    assert any("single training review is labelled 'rare'" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.csv", b"", "is empty"),
        ("r.csv", b"text,label\n", "has no usable review"),
        ("r.jsonl", b"\n\n", "no column looks like the label"),
        # gzip writes the time into its header, and test ids must be the same in every process that collects them.
        ("r.csv.gz", gzip.compress(b"text,label\n" * 50, mtime=0)[:20], "cannot be decompressed"),
        ("r.json", b'[{"text": "x"', "is not JSON"),
        ("r.parquet", b"PAR1 no", "is not a Parquet file"),
        ("r.txt", b"text", r"format .*\.jsonl"),
    ],
)
def test_unusable_files(tmp_path, name, content, words):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SlmbenchError, match=words):
        load_corpus(str(path))


def test_folder_and_missing_file(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        load_corpus(str(tmp_path))
    for name in ("none.csv", "./none", "a/b/c", str(tmp_path / "none.jsonl")):
        with pytest.raises(UsageError, match="there is no file"):
            load_corpus(name)
