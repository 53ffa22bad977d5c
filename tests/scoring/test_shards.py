"""Files answered in shards: every row once, whatever was there before, and refused where it is not the same work."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from sealing import reseal

from slmbench.corpora.tables import TableFormat
from slmbench.edge import Classifier
from slmbench.records import ScoringRecord, ShardRecord, artefacts
from slmbench.scoring.inputs import Input
from slmbench.scoring.reading import count_rows

WORDS = ("--input", "in", "--output", "out", "--shard-rows", 60, "--workers", 1)


def lines_of(folder):
    """All answers in JSON lines, in the order of the shards."""
    files = sorted((folder / "answers").iterdir())
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def contents(folder, kind="answers"):
    return {file.name: file.read_bytes() for file in sorted((folder / kind).iterdir())}


def changed_at(folder):
    return {file.name: file.stat().st_mtime_ns for file in sorted((folder / "answers").iterdir())}


def test_every_row_is_answered_as_by_the_classifier(predict, rows, here, floor_bundle):
    texts = rows("jsonl")
    result = predict(*WORDS, "--keep", "id", "--json")
    record = json.loads(result.stdout)
    answers = lines_of(here / "out")

    assert [line["input"]["id"] for line in answers] == list(range(250))
    plain = Classifier(floor_bundle, threads=1).predict(texts)
    assert [(line["label"], line["score"]) for line in answers] == [(one.label, round(one.score, 6)) for one in plain]
    assert (record["schema"], record["shards"], record["summary"]["answered"]) == ("slmbench.scoring/1", 5, 250)
    assert record["summary"]["labels"] == {
        label: sum(one.label == label for one in plain) for label in ("negative", "positive")
    }
    assert sorted(path.name for path in (here / "out").iterdir()) == ["answers", "manifests", "scoring.json"]


def test_the_records_say_what_is_in_each_shard(predict, rows, here):
    rows("parquet")
    assert predict(*WORDS).exit_code == 0
    whole = artefacts.open(here / "out")
    assert isinstance(whole, ScoringRecord)
    assert [file.rows for file in whole.input.files] == [100, 100, 50]
    shards = [artefacts.open(file) for file in sorted((here / "out/manifests").iterdir())]
    assert all(isinstance(shard, ShardRecord) and shard.key == whole.key for shard in shards)
    assert [(shard.first_row, shard.tally.rows) for shard in shards] == [
        (0, 60),
        (60, 60),
        (120, 60),
        (180, 60),
        (240, 10),
    ]
    assert [(here / "out" / shard.answers).stat().st_size for shard in shards] == [shard.bytes for shard in shards]
    assert sum(whole.summary.words) == sum(whole.summary.scores) == 250


@pytest.mark.parametrize("damage", ["answers gone", "answers cut", "manifest gone", "manifest torn"])
def test_a_rerun_does_only_what_is_missing(predict, rows, here, damage):
    rows("parquet")
    assert predict(*WORDS).exit_code == 0
    before, times = contents(here / "out"), changed_at(here / "out")
    kind, what = damage.split()
    file = (
        here
        / f"out/{kind}{'' if kind == 'answers' else 's'}/part-000002.{'parquet' if kind == 'answers' else 'json'}"
    )
    if what == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-20])

    result = predict(*WORDS)

    assert result.exit_code == 0
    assert contents(here / "out") == before
    after = changed_at(here / "out")
    assert [name for name in after if after[name] != times[name]] == ["part-000002.parquet"]
    assert "190 of 250 rows" in result.stderr


def test_nothing_is_done_twice_and_no_file_read_again(predict, rows, here):
    rows("jsonl")
    assert predict(*WORDS).exit_code == 0
    times = changed_at(here / "out")
    for file in (here / "in").iterdir():
        os.utime(file, ns=(1, 1))  # looked at again, and found to be the same

    assert "250 rows" in predict(*WORDS).stderr
    assert changed_at(here / "out") == times


def refused(result, *facts):
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and all(fact in line for fact in facts), line


def test_other_work_is_refused(predict, rows, here, floor_bundle):
    rows("jsonl")
    assert predict(*WORDS, "--keep", "id").exit_code == 0
    before = contents(here / "out")
    other = shutil.copytree(floor_bundle, here / "other")
    reseal(other, lambda record: record.update(name="other"))

    refused(predict(*WORDS, "--keep", "id", bundle=other), "other", "bundle")
    refused(predict(*WORDS), "keep")
    refused(predict(*WORDS, "--keep", "id", "--shard-rows", 50), "shard rows", "60", "50")
    refused(predict(*WORDS, "--keep", "id", "--output-format", "csv"), "output format")
    file = here / "in/100.jsonl"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"the", b"not", 1))  # as long as before
    refused(predict(*WORDS, "--keep", "id"), "100.jsonl", "changed")
    file.write_bytes(content)
    shutil.copy(file, here / "in/300.jsonl")
    refused(predict(*WORDS, "--keep", "id"), "3 files", "4 files")
    assert contents(here / "out") == before


def test_a_folder_of_something_else_is_left_alone(predict, rows, here):
    rows("jsonl")
    (here / "out").mkdir()
    (here / "out/thesis.txt").write_text("mine")
    refused(predict(*WORDS), "other files")
    assert [file.name for file in (here / "out").iterdir()] == ["thesis.txt"]


def test_several_processes_of_one_command(predict, rows, here):
    rows("parquet")
    assert predict(*WORDS).exit_code == 0
    words = ["several" if word == "out" else word for word in WORDS[:-1]]
    assert predict(*words, 2).exit_code == 0
    assert contents(here / "several") == contents(here / "out")


def test_two_commands_on_one_output(predict, rows, here, floor_bundle):
    rows("parquet")
    assert predict(*WORDS).exit_code == 0
    words = ["shared" if word == "out" else str(word) for word in WORDS]
    command = [sys.executable, "-m", "slmbench.cli.app", "predict", str(floor_bundle), *words]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert contents(here / "shared") == contents(here / "out")
    assert sorted(path.name for path in (here / "shared").iterdir()) == ["answers", "manifests", "scoring.json"]


def test_rows_of_parquet_are_counted_without_reading_them(rows, here):
    rows("parquet")
    file = here / "in/000.parquet"
    content = bytearray(file.read_bytes())
    content[4:1000] = bytes(996)  # of the rows; the end tells how many there are
    file.write_bytes(content)
    source = Input("in")
    assert count_rows(source, source.files[0], ["text"], TableFormat()) == 100


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (("--input", "in"), "--output"),
        (("--input", "in", "--output", "out.csv"), "out.csv"),
        (("--input", "in/*.xlsx", "--output", "out"), "no file"),
        (("--input", "nowhere://bucket/*", "--output", "out"), "nowhere"),
        (("--input", "in", "--output", "out", "--keep", "nothing"), "nothing"),
        (("--shard-rows", 5), "--input"),
    ],
)
def test_wrong_calls_are_explained(predict, rows, words, fact):
    rows("jsonl")
    refused(predict(*words), fact)
