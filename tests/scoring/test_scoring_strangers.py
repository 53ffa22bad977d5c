"""Odd inputs, damaged outputs and other bundles, given to a scoring: one sentence, or every row answered once."""

import json
import os
import shutil
from datetime import date

import pytest

from slmbench.common.errors import SlmbenchError
from slmbench.corpora.rows import BadRows
from slmbench.corpora.tables import ObjectTable
from slmbench.scoring import crew, planning, shards
from slmbench.scoring.predicting import predict_files
from slmbench.scoring.shards import missing_shards
from slmbench.scoring.stores import store_at

pytestmark = pytest.mark.usefixtures("nothing_hangs")

WORDS = ("--input", "in", "--output", "out", "--shard-rows", 60, "--workers", 1)
DEEP = "[" * 100_000


def answers(folder):
    return {file.name: file.read_bytes() for file in sorted((folder / "answers").iterdir())}


def in_one_line(result, status, *facts):
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert (result.exit_code, len(errors)) == (status, 1), result.stderr
    assert all(fact in errors[0] for fact in facts), errors[0]


# --- what lies in the output ---


def text(content):
    return lambda path: path.write_bytes(content)


def edited(edit):
    def change(path):
        document = json.loads(path.read_text(encoding="utf-8"))
        edit(document)
        path.write_text(json.dumps(document), encoding="utf-8")

    return change


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def link_to(target):
    def change(path):
        path.unlink()
        path.symlink_to(target)

    return change


DAMAGED = {
    "nothing": text(b""),
    "no UTF-8": text(b"\xff\xfe\x00"),
    "deep nesting": text(DEEP.encode()),
    "a list": text(b"[]"),
    "a number without end": text(b"9" * 100_000),
    "another kind": edited(lambda one: one.update(schema="slmbench.run/1")),
    "half of a character": edited(lambda one: one.update(name="\ud800")),
    "not a number": edited(lambda one: one.update(created=float("nan"))),
    "a text of 2 MB": edited(lambda one: one.update(name="x" * 2_000_000)),
    "another type": edited(lambda one: one.update(key=["a"])),
}
MANIFESTS = {
    **DAMAGED,
    "fewer rows": edited(lambda one: one["tally"].update(rows=0, answered=0, labels={}, scores=[0] * 20, words=[0])),
    "rows below zero": edited(lambda one: one["tally"].update(rows=-60)),
    "counts that do not add up": edited(lambda one: one["tally"]["scores"].__setitem__(0, 5000)),
    "fewer parts": edited(lambda one: one["tally"].update(scores=[60])),
    "other labels": edited(lambda one: one["tally"].update(labels={"good": 60})),
    "another place": edited(lambda one: one.update(first_row=0)),
    "another shard's answers": edited(lambda one: one.update(answers="answers/part-000000.jsonl")),
    "answers outside": edited(lambda one: one.update(answers="../in/000.jsonl")),
    "rejects that are not there": edited(lambda one: one.update(rejects="rejects/part-000001.jsonl")),
    "a link to nothing": link_to("nowhere"),
}


@pytest.fixture(scope="module")
def answered(floor_bundle, tmp_path_factory):
    """A folder with rows, their answers in five shards, and the record of them."""
    place = tmp_path_factory.mktemp("answered")
    (place / "in").mkdir()
    for begin, many in ((0, 100), (100, 100), (200, 50)):
        lines = [json.dumps({"id": begin + number, "text": f"a good film {number}"}) for number in range(many)]
        (place / f"in/{begin:03d}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place, predict_files(floor_bundle, place / "in", place / "out", shard_rows=60, workers=1)


@pytest.fixture
def done(answered, here):
    """The same in the working folder, to be damaged."""
    for name in ("in", "out"):
        shutil.copytree(answered[0] / name, here / name)
    return here / "out"


@pytest.mark.parametrize("damage", MANIFESTS)
def test_a_shard_with_a_damaged_manifest_is_missing(answered, done, damage):
    assert missing_shards(store_at(str(done)), answered[1]) == []
    MANIFESTS[damage](done / "manifests/part-000001.json")
    assert missing_shards(store_at(str(done)), answered[1]) == [1]


RECORDS = {
    **DAMAGED,
    "fewer parts": edited(lambda one: one["summary"].update(scores=[250])),
    "a summary of fewer rows": edited(
        lambda one: one["summary"].update(
            rows=0, answered=0, labels=dict.fromkeys(one["summary"]["labels"], 0), scores=[0] * 20, words=[0, 0, 0, 0]
        )
    ),
    "shards without end": edited(lambda one: one.update(shards=1 << 60)),
    "shards of no rows": edited(lambda one: one["settings"].update(shard_rows=0)),
    "labels that are one": edited(lambda one: one["bundle"].update(labels=["a"])),
    "files that are a word": edited(lambda one: one["input"].update(files="in")),
}


@pytest.mark.parametrize("damage", RECORDS)
def test_a_damaged_record_is_one_sentence(predict, done, damage):
    before = answers(done)
    RECORDS[damage](done / "scoring.json")
    in_one_line(predict(*WORDS), 1, "out/scoring.json")
    assert answers(done) == before


def test_a_record_with_fewer_rows_is_other_work(predict, rows, here):
    """The rows of a file that was not changed are not counted again."""
    rows()
    assert predict(*WORDS).exit_code == 0

    def edit(one):
        assert one["input"]["files"][2]["rows"] == 50
        one["input"]["files"][2]["rows"] = 10
        one.update(shards=4, summary=None)

    edited(edit)(here / "out/scoring.json")
    in_one_line(predict(*WORDS), 2, "another input")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among files")
@pytest.mark.parametrize("change", [pipe, link_to("/dev/zero"), link_to("part-000001.json")])
@pytest.mark.parametrize(("name", "status"), [("scoring.json", 2), ("manifests/part-000001.json", 1)])
def test_what_is_no_file_is_not_waited_for(predict, done, change, name, status):
    change(done / name)
    in_one_line(predict(*WORDS), status, "out")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among files")
def test_answers_that_are_no_file_are_written_again(predict, done):
    before = answers(done)
    for number, change in enumerate([pipe, link_to("/dev/zero"), link_to("nowhere")]):
        change(done / f"answers/part-{number:06d}.jsonl")
    assert predict(*WORDS).exit_code == 0
    assert answers(done) == before


# --- the input ---


def test_the_output_may_lie_where_the_input_is_looked_for(predict, rows, here):
    rows()
    words = ("--input", "in/**/*.jsonl", "--output", "in/out", *WORDS[4:])
    assert predict(*words).exit_code == 0
    before = answers(here / "in/out")
    (here / "in/out/answers/part-000001.jsonl").unlink()
    assert predict(*words).exit_code == 0
    assert answers(here / "in/out") == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_files_that_are_none_and_names_that_are_odd(predict, rows, here):
    rows()
    os.mkfifo(here / "in/400.jsonl")
    (here / "in/500.jsonl").symlink_to("/dev/zero")
    (here / "in/600.jsonl").symlink_to("nowhere")
    odd = "[red]:smile:\x1b]0;owned\x07\n"
    (here / "in/000.jsonl").rename(here / f"in/{odd}.jsonl")
    result = predict("--input", "in", "--output", f"out{odd}", *WORDS[4:], "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["summary"]["rows"] == 250
    assert "\x1b]0" not in result.stderr
    (here / "in/100.jsonl").rename(here / "in/\udcff.jsonl")
    in_one_line(predict(*WORDS), 2, "UTF-8")
    assert not (here / "out").exists()


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_an_input_that_changes_while_it_is_read(floor_bundle, rows, here, monkeypatch, kind):
    """Also where it has as many rows as before; what was answered until then stays."""
    rows(kind)
    written = []

    class Worker(crew.Worker):
        def ask(self, number):
            answer = super().ask(number)
            if number == 1 and answer["over"]:
                os.utime(here / f"in/100.{kind}", ns=(1, 1))
                written.append(number)
            return answer

    monkeypatch.setattr(crew, "Worker", Worker)
    with pytest.raises(SlmbenchError, match=f"100.{kind} was changed"):
        predict_files(floor_bundle, "in", "out", shard_rows=60, workers=1)
    assert written == [1]
    assert sorted(file.name for file in (here / "out/manifests").iterdir()) == [
        "part-000000.json",
        "part-000001.json",
    ]


def test_an_input_that_changes_within_a_shard(floor_bundle, rows, here, monkeypatch):
    rows()
    file = here / "in/000.jsonl"

    def changing(value):
        if file.stat().st_mtime_ns != 1:
            os.utime(file, ns=(1, 1))
        return value

    text_of = shards.text_of
    monkeypatch.setattr(shards, "text_of", lambda values: changing(text_of(values)))
    with pytest.raises(SlmbenchError, match=r"000.jsonl was changed"):
        predict_files(floor_bundle, "in", "out", shard_rows=60, workers=1)
    assert not (here / "out/manifests").exists()


def test_more_shards_than_their_names_can_count(predict, rows, here, monkeypatch):
    rows()
    monkeypatch.setattr(planning, "MAX_SHARDS", 3)
    in_one_line(predict(*WORDS), 2, "--shard-rows")
    assert not (here / "out").exists()


FORMATS = ("jsonl", "csv", "parquet")
LINES = {
    "halves of characters": b'{"text": "a good film", "x": "\\ud800"}\n{"text": "dull", "x": "\xe9"}\n',
    "numbers that are none": b'{"text": "a good film", "x": NaN}\n{"text": "dull", "x": Infinity}\n',
}


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("lines", LINES)
def test_values_that_no_file_can_hold(predict, here, lines, output):
    (here / "in.jsonl").write_bytes(LINES[lines])
    words = ("--input", "in.jsonl", "--output", "out", "--workers", 1, "--keep", "x", "--output-format", output)
    assert predict(*words).exit_code == 0
    (content,) = answers(here / "out").values()
    if output == "jsonl":
        found = [json.loads(line, parse_constant=pytest.fail)["input"]["x"] for line in content.splitlines()]
        assert found == (["\ufffd", "\ufffd"] if "halves" in lines else [None, None])
    # One file and standard output are written by the same means.
    single = predict("--input", "in.jsonl", "--keep", "x", "--output", f"one.{output}")
    assert single.exit_code == 0
    assert [
        json.loads(line, parse_constant=pytest.fail)
        for line in predict("--input", "in.jsonl", "--keep", "x").stdout.splitlines()
    ]


def parquet_columns():
    import pyarrow as pa

    far = pa.array([1 << 62, 5], pa.int64())
    return {
        "bytes that are no text": (pa.array([b"\xff\xfe", b"ok"]), 0),
        "bytes of one length": (pa.array([b"\xff\xfe", b"ok"], pa.binary(2)), 0),
        "lists of bytes": (pa.array([[b"\xff"], [b"ok"]]), 0),
        "infinity": (pa.array([float("nan"), float("inf")]), 0),
        "objects": (pa.array([{"a": float("nan"), "b": ["\x1b"]}, None]), 0),
        "a map": (pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())), 0),
        "nothing": (pa.nulls(2), 0),
        "categories": (pa.array(["u", "v"]).dictionary_encode(), 0),
        "dates": (pa.array([date(2024, 1, 1), None]), 0),
        "dates of no year": (far.cast(pa.timestamp("us")), 1),
        "times on Mars": (pa.array([1, 2], pa.timestamp("us", tz="Mars/Base")), 1),
    }


@pytest.mark.parametrize(
    ("output", "column"),
    [
        *(("jsonl", name) for name in ("bytes that are no text", "bytes of one length", "lists of bytes", "nothing")),
        *(("jsonl", name) for name in ("infinity", "objects", "a map", "dates", "dates of no year", "times on Mars")),
        *(("parquet", name) for name in ("bytes of one length", "lists of bytes", "categories", "objects", "a map")),
        ("csv", "bytes that are no text"),
    ],
)
def test_columns_of_parquet(predict, here, column, output):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    values, status = parquet_columns()[column]
    parquet.write_table(pa.table({"text": ["a good film", "dull"], "[/x]\x1b": values}), here / "in.parquet")
    words = ("--input", "in.parquet", "--output", "out", "--workers", 1, "--keep", "all")
    result = predict(*words, "--output-format", output)
    if status:
        in_one_line(result, status, "in.parquet")
        return
    assert result.exit_code == 0, result.stderr
    if output == "jsonl":
        (content,) = answers(here / "out").values()
        assert len([json.loads(line, parse_constant=pytest.fail) for line in content.splitlines()]) == 2


TABLES = {
    "an empty file": lambda pa, parquet, path: path.write_bytes(b""),
    "a torn file": lambda pa, parquet, path: path.write_bytes(b"PAR1" + bytes(20) + b"PAR1"),
    "no groups of rows": lambda pa, parquet, path: parquet.ParquetWriter(
        path, pa.schema([("text", pa.string())])
    ).close(),
    "no columns": lambda pa, parquet, path: parquet.write_table(pa.table({}), path),
    "a column twice": lambda pa, parquet, path: parquet.write_table(
        pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), path
    ),
    "texts that are lists": lambda pa, parquet, path: parquet.write_table(pa.table({"text": [["a"], ["b"]]}), path),
}


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_parquet(predict, here, table):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    TABLES[table](pa, parquet, here / "in.parquet")
    result = predict("--input", "in.parquet", "--output", "out", "--workers", 1, "--shard-rows", 5)
    in_one_line(result, 2 if table in ("no columns", "a column twice") else 1, "in.parquet")


def test_a_row_that_is_nested_without_end_is_a_bad_row():
    row = {"text": "a"}
    for _ in range(5_000):
        row = {"text": "a", "more": row}
    bad_rows = BadRows("in", skip=True)
    table = ObjectTable(iter([(1, row), (2, {"text": "b"})]), bad_rows)
    assert list(table.cells(["text"])) == [(2, ["b"])]
    assert bad_rows.skipped == 1
