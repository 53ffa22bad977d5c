"""``slmbench predict``: texts from anywhere in, a JSON line each out, in input order."""

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
from cli_helpers import json_lines, run, run_apart
from sealing import reseal

from slmbench.edge import Classifier

TEXTS = [
    "the worst film ever, awful and dull",
    "superb",
    "we loved this wonderful movie, the best",
    "",
    "terrible script, boring plot",
    'a "fine", (dull) one; and two',
]


@pytest.fixture
def expected(tiny_bundle):
    return [prediction.label for prediction in Classifier(tiny_bundle).predict(TEXTS)]


def labels(result):
    return [line["label"] for line in json_lines(result)]


def test_texts_as_arguments(tiny_bundle, expected):
    result = run("predict", tiny_bundle, *TEXTS)

    assert labels(result) == expected
    # The tiny model has learned something, so that an order lost would show.
    assert set(expected) == {"negative", "positive"}
    for line in json_lines(result):
        assert list(line) == ["label", "score", "scores"]
        assert set(line["scores"]) == {"negative", "positive"}
        assert sum(line["scores"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_texts_from_stdin(tiny_bundle, expected, newline):
    assert labels(run("predict", tiny_bundle, stdin=newline.join(TEXTS))) == expected


def test_no_texts_on_stdin(tiny_bundle):
    result = run("predict", tiny_bundle, stdin="")

    assert (result.exit_code, result.stdout) == (0, "")


def test_texts_from_a_text_file(tiny_bundle, expected, here):
    (here / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")

    assert labels(run("predict", tiny_bundle, "--input", "texts.txt")) == expected


def test_texts_from_a_column(tiny_bundle, expected, here):
    quoted = [text.replace('"', '""') for text in TEXTS]
    rows = "".join(f'{number},"{text}"\n' for number, text in enumerate(quoted))
    (here / "texts.csv").write_text("id,body\n" + rows, encoding="utf-8")

    assert labels(run("predict", tiny_bundle, "--input", "texts.csv", "--text-column", "body")) == expected


@pytest.mark.parametrize(
    ("begin", "header", "delimiter", "noted"),
    [
        ("", ["Text", "id"], ";", "semicolons"),
        ("sep=,\n", ["TEXT", "id"], ",", "sep="),
        ("", ["comment"], ",", "comment"),
    ],
)
def test_the_columns_are_found_as_in_training(tiny_bundle, expected, here, begin, header, delimiter, noted):
    with (here / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        file.write(begin)
        csv.writer(file, delimiter=delimiter).writerows([header, *([text, "7"][: len(header)] for text in TEXTS)])

    result = run("predict", tiny_bundle, "--input", "texts.csv")

    assert labels(result) == expected
    assert noted in result.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_text_file_in_another_encoding(tiny_bundle, expected, here, encoding):
    (here / "texts.txt").write_bytes("\n".join([*TEXTS, "café"]).encode(encoding))

    result = run("predict", tiny_bundle, "--input", "texts.txt")

    assert labels(result)[:-1] == expected
    assert encoding.upper().replace("CP", "cp") in result.stderr


def test_title_and_body_are_kept_through_predict(here):
    rows = [f"title {n},{'good' if n % 2 else 'bad'} body {n},{'yes' if n % 2 else 'no'}" for n in range(60)]
    (here / "r.csv").write_text("\n".join(["title,body,label", *rows]), encoding="utf-8")
    assert (
        run(
            *("finetune", "--method", "tfidf", "--corpus", "r.csv", "--text-column", "title,body", "--output", "run")
        ).exit_code
        == 0
    )
    assert run("export", "run", "--output", "bundle").exit_code == 0

    result = run("predict", "bundle", "--input", "r.csv")

    assert "title and body" in result.stderr
    assert labels(result) == ["yes" if n % 2 else "no" for n in range(60)]


def test_texts_from_compressed_json_lines_with_the_usual_column_name(tiny_bundle, expected, here):
    with gzip.open(here / "texts.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"stars": 3, "review": text}) + "\n" for text in TEXTS)

    assert labels(run("predict", tiny_bundle, "--input", "texts.jsonl.gz")) == expected


@pytest.mark.parametrize("name", ["texts.xlsx", "texts.txt", "texts.csv", "texts"])
def test_a_workbook_is_not_read_as_texts(tiny_bundle, here, name):
    (here / name).write_bytes(b"PK\x03\x04" + bytes(200))
    result = run("predict", tiny_bundle, "--input", name)
    assert result.exit_code == 1 and "Excel" in result.stderr and not result.stdout


def test_what_a_json_row_holds_instead_of_a_whole_text(tiny_bundle, here):
    (here / "texts.jsonl").write_text('{"text": "cut \\ud83d"}\n{"text": ["a", "list"]}\n', encoding="utf-8")
    result = run("predict", tiny_bundle, "--input", "texts.jsonl")
    assert result.exit_code == 1 and "row 2" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_a_missing_text_counts_as_an_empty_one(tiny_bundle, here):
    (here / "texts.jsonl").write_text('{"text": null}\n{"text": ""}\n', encoding="utf-8")

    first, second = json_lines(run("predict", tiny_bundle, "--input", "texts.jsonl"))

    assert first == second


def test_a_file_instead_of_stdout(tiny_bundle, here):
    plain = run("predict", tiny_bundle, *TEXTS)

    result = run("predict", tiny_bundle, *TEXTS, "--output", "labels.jsonl")

    assert (result.exit_code, result.stdout) == (0, "")
    assert (here / "labels.jsonl").read_text(encoding="utf-8") == plain.stdout
    assert [entry.name for entry in here.iterdir()] == ["labels.jsonl"]


def test_a_failure_half_way_leaves_the_file_of_before(tiny_bundle, here):
    (here / "labels.jsonl").write_text("before\n", encoding="utf-8")
    (here / "texts.txt").write_bytes(b"good\nbad \xff\xfe\n")

    result = run("predict", tiny_bundle, "--input", "texts.txt", "--output", "labels.jsonl")

    assert result.exit_code == 1
    assert "error: texts.txt: line 2 is not in UTF-8" in result.stderr
    assert (here / "labels.jsonl").read_text(encoding="utf-8") == "before\n"
    assert len(list(here.iterdir())) == 2


def test_forms_are_chosen_by_name(tiny_bundle):
    said = {form: run("predict", tiny_bundle, "superb", "--form", form).stdout for form in ("fp32", "int8")}

    assert said["fp32"] != said["int8"]
    assert run("predict", tiny_bundle, "superb", "--threads", "1").stdout == said["int8"]


def test_the_floor_predicts_like_any_bundle(floor_bundle):
    result = run("predict", floor_bundle, "an awful, boring plot", "superb, the best")

    assert labels(result) == ["negative", "positive"]


def test_any_script_in_any_locale(tiny_bundle, here):
    """JSON is UTF-8 whatever the console's encoding; so are the texts."""
    bundle = here / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    reseal(bundle, lambda record: record.update(labels=["négatif", "正面 🎬"]))
    texts = ["ein schöner Film", "素晴らしい映画 🎬", "نعم"]

    result = run_apart("predict", bundle, stdin="\n".join(texts), cwd=here, PYTHONIOENCODING="ascii")

    lines = json_lines(result)
    assert len(lines) == 3
    assert all(set(line["scores"]) == {"négatif", "正面 🎬"} for line in lines)


@pytest.mark.skipif(os.name == "nt", reason="there, arguments are Unicode")
def test_an_argument_of_broken_characters_is_explained(tiny_bundle):
    done = subprocess.run(
        [sys.executable, "-m", "slmbench.cli.app", "predict", str(tiny_bundle), "superb", b"\xff\xfe"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "UTF-8" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("row", [b'"\xff\xfe"', b"caf\xe9 \xc3\xa9"])
def test_a_row_of_broken_characters_is_named(tiny_bundle, here, row):
    (here / "texts.csv").write_bytes(b"text\nsuperb\n" + row + b"\n")

    result = run("predict", tiny_bundle, "--input", "texts.csv")

    assert result.exit_code == 1
    assert "error: texts.csv: row 2" in result.stderr and "UTF-8" in result.stderr


def _predict_into_a_pipe(bundle, texts):
    # Python's own buffering is part of what is tested.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    child = subprocess.Popen(
        [sys.executable, "-m", "slmbench.cli.app", "predict", str(bundle)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )

    def feed():
        try:
            child.stdin.write(("superb\n" * texts).encode())
            child.stdin.close()
        except BrokenPipeError:
            pass

    feeder = threading.Thread(target=feed)
    feeder.start()
    return child, feeder


@pytest.mark.parametrize("texts", [1, 20_000])
def test_a_reader_that_goes_away_is_no_error(tiny_bundle, texts):
    child, feeder = _predict_into_a_pipe(tiny_bundle, texts)
    child.stdout.close()

    said = child.stderr.read().decode()

    assert child.wait(timeout=60) == 0
    assert said == ""
    feeder.join()
