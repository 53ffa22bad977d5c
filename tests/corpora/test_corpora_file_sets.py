"""Several files as one corpus: a pattern, or a folder."""

import gzip

import pytest
from corpora_helpers import reviews, texts_of, write_csv, write_jsonl

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import corpus_available, load_again, load_corpus


def all_texts(corpus):
    return texts_of(corpus.train) | texts_of(corpus.validation) | texts_of(corpus.test)


@pytest.fixture
def parts(tmp_path):
    """A folder ``data`` with the reviews of three products, each in a file of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number, product in enumerate(("books", "dvd", "kitchen")):
        rows = [{**row, "category": product} for row in reviews(60, start=100 * number)]
        write_jsonl(folder / f"shop_{product}.jsonl", rows)
    return folder


@pytest.mark.parametrize("name", ["data/shop_*.jsonl", "data", "data/", "data/shop_[bdk]*.jsonl", "d?ta/*.jsonl"])
def test_files_of_one_format_are_one_corpus(parts, monkeypatch, name):
    monkeypatch.chdir(parts.parent)
    corpus = load_corpus(name)
    assert len(all_texts(corpus)) == 180
    assert corpus.label_names == ["negative", "positive"]
    assert not set("*?[]/") & set(corpus.name)
    assert corpus.source.startswith("3 files ")


def test_the_column_of_labels_decides_the_task(parts):
    pattern = str(parts / "shop_*.jsonl")
    assert load_corpus(pattern).label_names == ["negative", "positive"]
    categories = load_corpus(pattern, label_column="category")
    assert categories.label_names == ["books", "dvd", "kitchen"]
    assert categories.name == "shop"


def test_it_is_found_again_from_anywhere(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(parts)
    corpus = load_corpus("*.jsonl", label_column="category")
    assert corpus.name == "data"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    test_hash = corpus.identity().test_hash
    assert corpus_available(corpus.options)
    assert load_again(corpus.options, test_hash).test == corpus.test
    write_jsonl(parts / "shop_toys.jsonl", [{**row, "category": "dvd"} for row in reviews(60, start=500)])
    with pytest.raises(SlmbenchError, match="the data has changed"):
        load_again(corpus.options, test_hash)
    for file in parts.iterdir():
        file.unlink()
    assert not corpus_available(corpus.options)


def test_the_order_and_number_of_files_do_not_matter(parts, tmp_path):
    single = tmp_path / "all.jsonl"
    single.write_text("".join(file.read_text() for file in sorted(parts.iterdir(), reverse=True)))
    one, several = load_corpus(str(single)), load_corpus(str(parts))
    assert one.test == several.test
    assert one.identity().train_hash == several.identity().train_hash


def test_copies_in_different_files_are_dropped(parts):
    copies = [{**row, "category": "books"} for row in reviews(10)]
    contradicting = [{**row, "category": "books", "label": "positive"} for row in reviews(4, ("x",), start=50)]
    write_jsonl(parts / "shop_more.jsonl", copies + contradicting)
    corpus = load_corpus(str(parts))
    # Rows 50 and 52 were negative, rows 51 and 53 positive.
    assert (corpus.duplicates_dropped, corpus.conflicting_dropped) == (12, 4)


def test_a_bad_row_is_named_with_its_file(parts):
    lines = (parts / "shop_dvd.jsonl").read_text().splitlines()
    lines[16] = '{"text": "", "label": "negative"}'
    (parts / "shop_dvd.jsonl").write_text("\n".join(lines))
    with pytest.raises(SlmbenchError, match=r"^shop_dvd\.jsonl: row 17: the text is empty"):
        load_corpus(str(parts))
    assert load_corpus(str(parts), skip_bad_rows=True).skipped_rows == 1


def test_rows_in_training_and_test_are_named_with_their_file(parts, tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    write_jsonl(tests / "a.jsonl", reviews(20, start=900))
    write_jsonl(tests / "b.jsonl", [*reviews(20, start=950), *reviews(2)])
    with pytest.raises(SlmbenchError, match=r"2 reviews of data .*test rows b\.jsonl:21, b\.jsonl:22\)"):
        load_corpus(str(parts), test_corpus=str(tests / "*.jsonl"))
    write_jsonl(tests / "b.jsonl", reviews(20, ("strange",), start=950))
    with pytest.raises(SlmbenchError, match=r"b\.jsonl: row 1: unknown label 'strange'"):
        load_corpus(str(parts), test_corpus=str(tests))


def test_files_of_the_same_name_are_told_apart(tmp_path):
    for number, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        write_jsonl(tmp_path / folder / "r.jsonl", reviews(50, start=100 * number))
    assert len(all_texts(load_corpus(str(tmp_path / "*" / "r.jsonl")))) == 100
    (tmp_path / "two" / "r.jsonl").write_text("{}\n")
    with pytest.raises(SlmbenchError, match=r"two.r\.jsonl: no column looks like"):
        load_corpus(str(tmp_path / "*" / "r.jsonl"))


def test_compressed_files_are_of_the_same_format_and_hidden_ones_are_none(parts):
    packed = parts / "shop_zoo.jsonl.gz"
    plain = write_jsonl(parts / "plain", reviews(60, start=700))
    packed.write_bytes(gzip.compress((parts / "plain").read_bytes()))
    (parts / "plain").unlink()
    (parts / "._shop_books.jsonl").write_bytes(b"\x00\x05\x16\x07")
    assert plain
    assert len(all_texts(load_corpus(str(parts)))) == 240
    assert len(all_texts(load_corpus(str(parts / "*.jsonl*")))) == 240


def test_dropped_stars_are_counted_a_file(tmp_path):
    for name in "ab":
        rows = [{"overall": 1 + number % 5, "reviewText": f"{name} body {number}"} for number in range(100)]
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    *notes, about_size = load_corpus(str(tmp_path)).notes
    assert "--test-share" in about_size
    assert notes[-2:] == ["a.jsonl: 20 three-star reviews dropped", "b.jsonl: 20 three-star reviews dropped"]
    assert len(notes) == 3  # and which columns were guessed, once


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("data/none_*.csv", r"^no file matches data/none_\*\.csv$"),
        ("empty", r"^empty is a folder without files$"),
        ("mixed", r"^mixed is a folder; give the file .* 'mixed.\*\.jsonl': .*several formats \(\.csv, \.jsonl\)$"),
        ("mixed/*", r"^mixed/\* is not a corpus: its files are of several formats \(\.csv, \.jsonl\)"),
        (
            "unlike",
            r"^the label is in column 'label' of a\.jsonl and in 'category' of b\.jsonl: name one with --label",
        ),
    ],
)
def test_what_is_no_corpus_is_said_in_a_sentence(parts, tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "mixed", "unlike"):
        (tmp_path / folder).mkdir()
    write_jsonl(tmp_path / "mixed/a.jsonl", reviews(20))
    write_csv(tmp_path / "mixed/b.csv", reviews(20))
    write_jsonl(tmp_path / "unlike/a.jsonl", reviews(20))
    write_jsonl(tmp_path / "unlike/b.jsonl", [{"text": row["text"], "category": "x"} for row in reviews(20)])
    with pytest.raises(UsageError, match=says):
        load_corpus(name)
