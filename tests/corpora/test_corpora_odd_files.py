"""Files of the kinds that people bring: each is read rightly, or refused in a sentence that says what it is."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from decimal import Decimal

import pytest
from corpora_helpers import reviews, write_csv, write_jsonl

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import load_corpus, local_files
from slmbench.corpora.transfer import load_for_testing

ROWS = reviews(80)
TEXTS = [row["text"] for row in ROWS]
LABELS = [row["label"] for row in ROWS]


def as_csv(rows=ROWS, **how):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n", **how)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def load(tmp_path, name, content, **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_corpus(str(path), **options)


def count(corpus):
    return corpus.train_pool + corpus.test_pool


def noted(corpus, word):
    return [note for note in corpus.notes if word in note]


# Files that are not what they are called


@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "r.csv.bz2", "r.csv.xz"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_what_a_file_begins_with_says_how_it_is_compressed(tmp_path, name, compress):
    assert count(load(tmp_path, name, compress(as_csv().encode()))) == 80


def workbook():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return out.getvalue()


@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.jsonl", "r.json", "r.parquet"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (workbook(), "Excel"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "Excel"),
        (bytes.fromhex("28b52ffd") + bytes(40), "Zstandard"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "HTML"),
    ],
)
def test_a_file_that_is_no_table_is_called_what_it_is(tmp_path, name, content, words):
    with pytest.raises(SlmbenchError, match=words):
        load(tmp_path, name, content)


def test_utf_32_is_named(tmp_path):
    with pytest.raises(SlmbenchError, match="UTF-32"):
        load(tmp_path, "r.csv", as_csv().encode("utf-32"))


@pytest.mark.parametrize("text", ["piękny, żałosny, mały", "żałosny film mały"])
def test_another_encoding_than_cp1252_is_not_taken_for_it(tmp_path, text):
    rows = [{"text": f"{text} {place}", "label": place % 2} for place in range(60)]
    with pytest.raises(SlmbenchError, match="--encoding"):
        load(tmp_path, "r.csv", as_csv(rows).encode("cp1250"))
    assert text in load(tmp_path, "r.csv", as_csv(rows).encode("cp1250"), encoding="cp1250").train.texts[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.csv", "\n\n  \n", "empty"),
        ("r.csv", b"\xef\xbb\xbf", "empty"),
        ("r.csv", "text,label\n", "no usable review"),
        ("r.json", "[]", "no rows"),
        ("r.jsonl", "\n", "no rows"),
    ],
)
def test_nothing_in_a_file(tmp_path, name, content, words):
    with pytest.raises(SlmbenchError, match=words):
        load(tmp_path, name, content)


# CSV and its kin


@pytest.mark.parametrize("begin", ["\n\n", '"sep=,"\n', "sep=,\r\n", " \n"])
def test_lines_before_the_header(tmp_path, begin):
    assert count(load(tmp_path, "r.csv", begin + as_csv())) == 80


@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.tab"])
def test_quotation_marks_escaped_by_backslashes(tmp_path, name):
    delimiter = "," if name == "r.csv" else "\t"
    lines = [
        f'"{text} \\"so\\"{delimiter} he said"{delimiter}{label}' for text, label in zip(TEXTS, LABELS, strict=True)
    ]
    corpus = load(tmp_path, name, "\n".join([f"text{delimiter}label", *lines]))
    assert count(corpus) == 80 and noted(corpus, "backslash")
    assert all(f'"so"{delimiter} he said' in text for text in corpus.train.texts)


def test_quotation_marks_that_are_text(tmp_path):
    lines = [f'"{text} was "great"\t{label}' for text, label in zip(TEXTS, LABELS, strict=True)]
    corpus = load(tmp_path, "r.tsv", "\n".join(["text\tlabel", *lines]))
    assert count(corpus) == 80 and corpus.train.texts[0].startswith('"review') and noted(corpus, "quotation marks")


def test_one_quotation_mark_that_is_never_closed_is_text_between_tabs(tmp_path):
    lines = [f"{chr(34) * (place == 7)}{row['text']}\t{row['label']}" for place, row in enumerate(ROWS[:30])]
    assert count(load(tmp_path, "r.tsv", "\n".join(["text\tlabel", *lines]))) == 30


def test_quoted_line_feeds_are_still_part_of_a_text(tmp_path):
    rows = [{**row, "text": row["text"].replace(" is ", "\n\nis\t")} for row in ROWS]
    for name, delimiter in (("r.csv", ","), ("r.tsv", "\t"), ("s.csv", ";")):
        corpus = load(tmp_path, name, as_csv(rows, delimiter=delimiter))
        assert count(corpus) == 80 and "\n\nis\t" in corpus.train.texts[0]


@pytest.mark.parametrize("name", ["r.csv", "r.tsv"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("text", ["good, indeed {}", "good, {}", "{0} of, {0}, and; {0}", "{}"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_whatever_is_in_the_texts(tmp_path, name, header, text, delimiter):
    rows = [{"text": text.format("x" + place * "y"), "label": LABELS[place]} for place in range(80)]
    content = as_csv(rows, delimiter=delimiter)
    corpus = load(tmp_path, name, content if header else content.partition("\n")[2])
    assert (count(corpus), corpus.label_names) == (80, ["negative", "positive"])


@pytest.mark.parametrize("name", ["r.csv", "r.tsv"])
def test_a_header_that_is_there_again_is_no_row(tmp_path, name):
    content = as_csv(delimiter="," if name == "r.csv" else "\t")
    more = as_csv(reviews(20, start=100), delimiter="," if name == "r.csv" else "\t")
    assert count(load(tmp_path, name, content + more)) == 100


@pytest.mark.parametrize(
    "header", ["\ufefftext,label", "\u200etext,label", "\u00a0text ,\u200blabel", '"\ufefftext","label"']
)
def test_names_of_columns_with_unseen_characters(tmp_path, header):
    content = "\ufeff" + header + "\n" + as_csv().partition("\n")[2]
    assert count(load(tmp_path, "r.csv", content)) == 80


def test_lines_of_blanks_between_rows(tmp_path):
    assert count(load(tmp_path, "r.csv", as_csv().replace("\n", "\n  \n"))) == 80


@pytest.mark.parametrize("first", range(36, 44))
@pytest.mark.parametrize("lines", [2, 4])
def test_a_text_of_several_lines_wherever_it_begins(tmp_path, first, lines):
    texts = [f'"{text}{chr(10) * (lines - 1) if place == first else ""}x"' for place, text in enumerate(TEXTS)]
    rows = [f"{label}\t{text}" for label, text in zip(LABELS, texts, strict=True)]
    corpus = load(tmp_path, "r.tsv", "\n".join(["label\ttext", *rows]))
    assert count(corpus) == 80 and not any('"' in text for text in corpus.train.texts)


def test_a_space_before_quoted_fields(tmp_path):
    lines = [f'{label}, "{text}, really"' for text, label in zip(TEXTS, LABELS, strict=True)]
    corpus = load(tmp_path, "r.csv", "\n".join(["label, text", *lines]))
    assert count(corpus) == 80 and corpus.train.texts[0].endswith(", really")


@pytest.mark.parametrize("named", [{}, {"text_column": "text", "label_column": "label"}])
@pytest.mark.parametrize("twice", ["text", "label"])
def test_a_column_that_is_there_twice_is_not_chosen(tmp_path, twice, named):
    lines = [f"{text},{label},{text if twice == 'text' else 'x'}" for text, label in zip(TEXTS, LABELS, strict=True)]
    with pytest.raises(UsageError, match=f"several columns called '{twice}'"):
        load(tmp_path, "r.csv", "\n".join([f"text,label,{twice}", *lines]), **named)


def test_other_columns_may_be_there_twice_or_have_no_name(tmp_path):
    lines = [f",{text},{label},1,2" for text, label in zip(TEXTS, LABELS, strict=True)]
    corpus = load(tmp_path, "r.csv", "\n".join([",text,label,x,x", *lines]))
    assert count(corpus) == 80 and noted(corpus, "column 1, x, x.1")


@pytest.mark.parametrize("header", ["Review Text,Star Rating", "review-text,LABEL", "REVIEW_TEXT,Class"])
def test_names_of_columns_with_other_signs_between_their_words(tmp_path, header):
    corpus = load(tmp_path, "r.csv", header + "\n" + as_csv().partition("\n")[2])
    assert corpus.columns == dict(zip(("text", "label"), header.split(","), strict=True))


def test_a_name_in_the_usual_case_goes_before_others(tmp_path):
    lines = [f"{text},{label},x" for text, label in zip(TEXTS, LABELS, strict=True)]
    corpus = load(tmp_path, "r.csv", "\n".join(["text,label,Label", *lines]))
    assert corpus.columns["label"] == "label"


@pytest.mark.parametrize("header", ["text^label", "a,b,c"])
def test_options_are_named_where_no_column_fits(tmp_path, header):
    with pytest.raises(UsageError, match="--delimiter"):
        load(tmp_path, "r.csv", header + "\n" + header.replace("text", "good"))


def test_a_message_does_not_list_a_thousand_columns(tmp_path):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, "r.csv", ",".join(f"c{place}" for place in range(1000)) + "\n")
    assert len(str(caught.value)) < 500


# JSON


def test_keys_that_most_rows_lack(tmp_path):
    rows = [
        {"text": row["text"], **({"label": row["label"]} if place > 50 else {})} for place, row in enumerate(ROWS)
    ]
    rows = [{"text": f"without {place}"} for place in range(300)] + rows
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows))
    assert count(corpus) == 29 and noted(corpus, "351 rows without a label")


def test_objects_inside_objects(tmp_path):
    rows = [{"review": {"text": row["text"], "n": 1}, "meta": {"label": row["label"]}} for row in ROWS]
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows))
    assert (count(corpus), corpus.columns) == (80, {"text": "review.text", "label": "meta.label"})
    named = load_corpus(str(tmp_path / "r.jsonl"), text_column="review.text", label_column="meta.label")
    assert named.identity().test_hash == corpus.identity().test_hash


def test_an_object_of_texts_and_their_labels(tmp_path):
    assert count(load(tmp_path, "r.json", json.dumps(dict(zip(TEXTS, LABELS, strict=True))))) == 80


def test_parts_that_are_not_read_are_named(tmp_path):
    corpus = load(tmp_path, "r.json", json.dumps({"train": ROWS[:60], "test": ROWS[60:]}))
    assert count(corpus) == 60 and noted(corpus, "'train'; left out: test")


def test_half_a_surrogate_pair_is_the_replacement_character(tmp_path):
    lines = [f'{{"text": "{text} \\ud83d", "label": "{label}"}}' for text, label in zip(TEXTS, LABELS, strict=True)]
    corpus = load(tmp_path, "r.jsonl", "\n".join(lines))
    assert count(corpus) == 80 and all(text.endswith(" \ufffd") for text in corpus.train.texts)


# Labels


def labelled(tmp_path, values, **options):
    rows = [{"text": text, "label": values[place % len(values)]} for place, text in enumerate(TEXTS)]
    return load_corpus(write_csv(tmp_path / "r.csv", rows), **options)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["0.0", "1.0"], ["0", "1"]),
        (["-1.0", "1.0"], ["-1", "1"]),
        (["1", "1.5", "2.0"], ["1", "1.5", "2"]),
        (["True", "False"], ["false", "true"]),
        (["TRUE", "FALSE"], ["false", "true"]),
        (["neg ", " neg", "pos\u00a0", "pos\u200b", "\u200epos"], ["neg", "pos"]),
        (["n\u00e9g", "ne\u0301g", "pos"], ["n\u00e9g", "pos"]),
        (["1 star", "5 stars"], ["1 star", "5 stars"]),
        (["01", "02"], ["01", "02"]),
    ],
)
def test_a_label_has_one_name(tmp_path, labels, names):
    assert labelled(tmp_path, labels).label_names == names


def test_labels_that_differ_in_case_are_one_and_it_is_said(tmp_path):
    corpus = labelled(tmp_path, ["neg", "pos", "neg", "pos", "Neg", "POS"])
    assert corpus.label_names == ["neg", "pos"] and noted(corpus, "'Neg' as 'neg'")
    assert set(corpus.train.labels) == {0, 1}


def test_given_labels_are_found_in_any_case_and_may_differ_in_it(tmp_path):
    assert labelled(tmp_path, ["NEG", "Pos"], labels=["pos", "neg"]).label_names == ["pos", "neg"]
    assert labelled(tmp_path, ["CO", "Co"], labels=["Co", "CO"]).label_names == ["Co", "CO"]


def test_a_test_corpus_in_another_case(tmp_path):
    train = write_csv(tmp_path / "train.csv", ROWS)
    test = write_csv(tmp_path / "test.csv", [{**row, "label": row["label"].upper()} for row in reviews(20, start=90)])
    assert load_corpus(train, test_corpus=test).test_pool == 20
    corpus, _ = load_for_testing(test, ["positive", "negative"])
    assert len(corpus.test) == 20


@pytest.mark.parametrize("missing", ["N/A", "n/a", "NULL", "null", "<NA>", "#N/A", "nan"])
def test_ways_to_write_that_there_is_no_label(tmp_path, missing):
    corpus = labelled(tmp_path, ["a", "b", missing, "a"])
    assert corpus.label_names == ["a", "b"] and noted(corpus, "20 rows without a label")


@pytest.mark.parametrize("doubtful", ["none", "None", "NA", "-", "?"])
def test_a_label_that_may_mean_that_there_is_none_is_said(tmp_path, doubtful):
    corpus = labelled(tmp_path, ["anger", doubtful])
    assert len(corpus.label_names) == 2 and noted(corpus, f"'{doubtful}'")


def test_many_rows_that_contradict_each_other_are_said(tmp_path):
    twice = [{"text": f"twice {place // 2}", "label": LABELS[place % 2]} for place in range(40)]
    corpus = load_corpus(write_csv(tmp_path / "r.csv", [*ROWS, *twice]))
    assert count(corpus) == 80 and noted(corpus, "40 of 120 rows left out")
    copied = load_corpus(write_csv(tmp_path / "copied.csv", [*ROWS, *ROWS[:20]]))
    assert count(copied) == 80 and noted(copied, "20 of 100 rows left out")
    tested, _ = load_for_testing(str(tmp_path / "r.csv"), ["negative", "positive"])
    assert noted(tested, "40 of 120 rows left out")
    with pytest.raises(SlmbenchError, match="different labels"):
        load_corpus(write_csv(tmp_path / "all.csv", twice))


def test_hundreds_of_labels_are_noted_in_a_line(tmp_path):
    rows = [{"text": f"text {place} of many", "label": f"class {place % 400}"} for place in range(1600)]
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", rows), train_size="all", test_size="all")
    assert len(corpus.label_names) == 400
    assert len(noted(corpus, "moved to the")) <= 2 and all(len(note) < 1000 for note in corpus.notes)


def test_decimal_commas_can_be_cut(tmp_path):
    rows = [{"text": text, "label": f"{place % 5},{place % 7}"} for place, text in enumerate(TEXTS)]
    path = write_csv(tmp_path / "r.csv", rows, delimiter=";")
    with pytest.raises(UsageError, match="--bins"):
        load_corpus(path)
    assert count(load_corpus(path, bins=[2.5])) == 80


def test_a_column_of_numbers_holds_no_texts(tmp_path):
    rows = [{"text": place * 37, "review_body": row["text"], "label": row["label"]} for place, row in enumerate(ROWS)]
    path = write_csv(tmp_path / "r.csv", rows)
    with pytest.raises(UsageError, match="--text-column, out of: text, review_body"):
        load_corpus(path)
    assert count(load_corpus(path, text_column="review_body")) == 80


@pytest.mark.parametrize("text", ["\u200b", " \u200b\ufeff ", "\u00ad\u200d", "\0", "\u2060\n"])
def test_a_text_of_nothing_that_is_seen_is_empty(tmp_path, text):
    path = write_jsonl(tmp_path / "r.jsonl", [*ROWS, {"text": text, "label": "positive"}])
    with pytest.raises(SlmbenchError, match="row 81: the text is empty"):
        load_corpus(path)


@pytest.mark.parametrize("text", ["\U0001f600", "\u200bx", "\U0001f468\u200d\U0001f469"])
def test_emoji_and_texts_with_unseen_characters_are_texts(tmp_path, text):
    assert count(load_corpus(write_jsonl(tmp_path / "r.jsonl", [*ROWS, {"text": text, "label": "positive"}]))) == 81


# Columns of Parquet and Arrow


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow")


def write_parquet(tmp_path, table, name="r.parquet"):
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, tmp_path / name)
    return str(tmp_path / name)


def columns_of(arrow):
    numbers = [place % 2 for place in range(80)]
    return {
        "dictionaries": (arrow.array(TEXTS).dictionary_encode(), arrow.array(LABELS).dictionary_encode()),
        "large strings": (arrow.array(TEXTS, arrow.large_string()), arrow.array(LABELS, arrow.large_string())),
        "bytes": (arrow.array([text.encode() for text in TEXTS]), arrow.array([label.encode() for label in LABELS])),
        "decimals": (arrow.array(TEXTS), arrow.array([Decimal(f"{number}.00") for number in numbers])),
        "small numbers": (arrow.array(TEXTS), arrow.array(numbers, arrow.int8())),
        "floats": (arrow.array(TEXTS), arrow.array(numbers, arrow.float32())),
    }


@pytest.mark.parametrize("kind", ["dictionaries", "large strings", "bytes", "decimals", "small numbers", "floats"])
def test_types_of_columns(tmp_path, arrow, kind):
    texts, labels = columns_of(arrow)[kind]
    corpus = load_corpus(write_parquet(tmp_path, arrow.table({"text": texts, "label": labels})))
    assert count(corpus) == 80
    assert corpus.label_names in (["0", "1"], ["negative", "positive"])


def test_a_column_of_a_parquet_file_that_is_there_twice(tmp_path, arrow):
    def table(*names):
        return arrow.table([arrow.array(TEXTS), arrow.array(LABELS), arrow.array(LABELS[::-1])], names=names)

    with pytest.raises(UsageError, match="several columns called 'label'"):
        load_corpus(write_parquet(tmp_path, table("text", "label", "label")))
    lines = arrow.table(
        [arrow.array(["x"] * 80), arrow.array(TEXTS), arrow.array(["y"] * 80), arrow.array(LABELS)],
        names=["x", "text", "x", "label"],
    )
    assert count(load_corpus(write_parquet(tmp_path, lines))) == 80


@pytest.mark.parametrize(
    ("name", "stream"),
    [("r.arrow", False), ("r.feather", False), ("r.csv", False), ("r.arrow", True), ("r.feather", True)],
)
def test_arrow_files_and_streams(tmp_path, arrow, name, stream):
    table = arrow.table({"text": TEXTS, "label": LABELS})
    make = arrow.ipc.new_stream if stream else arrow.ipc.new_file
    with make(tmp_path / name, table.schema) as file:
        for batch in table.to_batches(max_chunksize=30):
            file.write(batch)
    assert count(load_corpus(str(tmp_path / name))) == 80
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:900])
    with pytest.raises(SlmbenchError):
        load_corpus(str(tmp_path / name))


def test_a_missing_class_label_is_no_class(tmp_path):
    datasets = pytest.importorskip("datasets")
    names = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    labels = [-1 if place % 4 == 0 else place % 2 for place in range(80)]
    made = datasets.Dataset.from_dict({"text": TEXTS, "label": labels}, features=names)
    made.to_parquet(tmp_path / "r.parquet")
    corpus = load_corpus(str(tmp_path / "r.parquet"))
    assert (corpus.label_names, count(corpus)) == (["neg", "pos"], 60)


# Folders


def shards(folder, suffix="csv", parts=4):
    folder.mkdir(parents=True)
    for part in range(parts):
        write_csv(folder / f"part-{part}.{suffix}", ROWS[part * 20 : part * 20 + 20])
    return folder


@pytest.mark.parametrize("extra", ["_SUCCESS", "README.md", ".part-0.csv.crc", "part-9.csv"])
def test_what_stands_beside_the_shards(tmp_path, extra):
    folder = shards(tmp_path / "data")
    (folder / extra).write_text("# text" if extra == "README.md" else "", encoding="utf-8")
    assert count(load_corpus(str(folder))) == 80


def test_a_shard_of_a_header_alone(tmp_path):
    folder = shards(tmp_path / "data")
    (folder / "part-9.csv").write_text("text,label\n", encoding="utf-8")
    assert count(load_corpus(str(folder))) == 80


def test_names_of_files_tell_the_parts_of_a_dataset(tmp_path):
    (tmp_path / "data").mkdir()
    for name, rows in (("train-0-of-2", ROWS[:30]), ("train-1-of-2", ROWS[30:50]), ("test-0-of-1", ROWS[50:70])):
        write_csv(tmp_path / "data" / f"{name}.csv", rows)
    corpus = load_corpus(str(tmp_path / "data"))
    assert (corpus.train_pool, corpus.test_pool) == (50, 20)
    write_csv(tmp_path / "data" / "validation-0-of-1.csv", ROWS[70:])
    corpus = load_corpus(str(tmp_path / "data"))
    assert (corpus.train_pool, corpus.test_pool) == (50, 20) and noted(corpus, "validation-0-of-1.csv")
    (tmp_path / "data" / "test-0-of-1.csv").unlink()
    corpus = load_corpus(str(tmp_path / "data"))
    assert (corpus.train_pool, corpus.test_pool) == (50, 10)
    assert count(load_corpus(str(tmp_path / "data" / "train-*.csv"))) == 50


def test_a_folder_without_tables_says_where_they_are(tmp_path):
    shards(tmp_path / "hub" / "data")
    (tmp_path / "hub" / "README.md").write_text("# data", encoding="utf-8")
    with pytest.raises(UsageError, match=r"give .*hub/data"):
        load_corpus(str(tmp_path / "hub"))
    texts = tmp_path / "aclImdb" / "train" / "pos"
    texts.mkdir(parents=True)
    (texts / "0_9.txt").write_text("a superb film", encoding="utf-8")
    with pytest.raises(UsageError, match="label"):
        load_corpus(str(tmp_path / "aclImdb"))


def test_a_pattern_looks_at_so_many_files_only(tmp_path, monkeypatch):
    for number in range(6):
        (tmp_path / f"{number}.csv").write_text(as_csv(), encoding="utf-8")
    monkeypatch.setattr(local_files, "MAX_PATTERN_LOOKS", 6)
    assert len(local_files.corpus_files(str(tmp_path / "*.csv"))) == 6
    (tmp_path / "6.csv").touch()
    with pytest.raises(UsageError, match="name its folder"):
        local_files.corpus_files(str(tmp_path / "*.csv"))


@pytest.mark.parametrize(
    ("parts", "pools"),
    [
        ({"train": 50, "validation": 20}, (50, 20)),
        ({"train": 50, "validation": 20, "test": 10}, (50, 10)),
        ({"train": 50, "validation": 20, "hidden": 10}, (50, 20)),
        ({"all": 80}, None),
    ],
)
def test_parts_of_a_saved_dataset(tmp_path, parts, pools):
    datasets = pytest.importorskip("datasets")
    names = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    made, start = datasets.DatasetDict(), 0
    for part, size in parts.items():
        texts = TEXTS[start : start + size]
        labels = [-1 if part == "hidden" else place % 2 for place in range(size)]
        made["test" if part == "hidden" else part] = datasets.Dataset.from_dict(
            {"text": texts, "label": labels}, features=names
        )
        start += size
    made.save_to_disk(tmp_path / "saved")
    corpus = load_corpus(str(tmp_path / "saved"))
    if pools is None:
        assert count(corpus) == 80
    else:
        assert (corpus.train_pool, corpus.test_pool) == pools
        assert bool(noted(corpus, "parts left out")) == (len(parts) == 3)
