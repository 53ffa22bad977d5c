"""Records changed by strangers: each is refused on reading, in one sentence that names the file and the field."""

import json
import os

import factories
import pytest

from slmbench.common.errors import SlmbenchError
from slmbench.records import BundleRecord, ProfileRecord, RunRecord, artefacts, read_record, write_record
from slmbench.records.sealed_answers import open_answers, seal_answers

MAKE = {
    "profile": (ProfileRecord, factories.profile_record),
    "bundle": (BundleRecord, factories.bundle_record),
    "run": (RunRecord, factories.run_record),
}
LONG = "x" * 2_000_000


class Raw(str):
    """A value as it stands in the JSON text."""


@pytest.fixture(scope="module")
def documents():
    """One sound record of each kind, as JSON."""
    return {
        kind: make(reviews=40).to_json() if kind != "bundle" else make().to_json() for kind, (_, make) in MAKE.items()
    }


def changed(text, dotted, value):
    """Return a document's text with another value at a place; ``Raw`` values are put in as they are."""
    document = json.loads(text)
    *parents, last = dotted.split("/")
    place = document
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place[parent]
    last = int(last) if isinstance(place, list) else last
    place[last] = value(place.get(last) if isinstance(place, dict) else place[last]) if callable(value) else value
    if isinstance(value, Raw):
        place[last] = "@@raw@@"
        return json.dumps(document).replace('"@@raw@@"', value)
    return json.dumps(document)


def first(value):
    return lambda own: [value, *own[1:]]


def first_row(value):
    return lambda own: [value, *own[1:]]


NUMBERS = {
    "NaN": Raw("NaN"),
    "infinity": Raw("Infinity"),
    "infinity below": Raw("-Infinity"),
    "beyond every float": Raw("1e999"),
    "beyond every integer": Raw("9" * 30),
    "a million digits": Raw("9" * 1_000_000),
}
#: Of a kind of record: a field, a value, and what the sentence names.
FIELDS = [
    *[("profile", "size_bytes", value, "") for value in NUMBERS.values()],
    *[("profile", "latency/processes_ms", Raw(f"[[{value}]]"), "") for value in NUMBERS.values()],
    ("profile", "size_bytes", -1, "size_bytes"),
    ("profile", "size_bytes", 1.5, "size_bytes"),
    ("profile", "size_bytes", "large", "size_bytes"),
    ("profile", "size_bytes", None, "size_bytes"),
    ("profile", "size_bytes", {"a": 1}, "size_bytes"),
    ("profile", "threads", -2, "threads"),
    ("profile", "total_parameters", -5, "total_parameters"),
    ("profile", "memory/peak_bytes", -1, "memory.peak_bytes"),
    ("profile", "latency/processes_ms", [], "latency.processes_ms"),
    ("profile", "latency/processes_ms", [[]], "latency.processes_ms"),
    ("profile", "latency/processes_ms", [[1.0], []], "latency.processes_ms"),
    ("profile", "latency/processes_ms", [[0.0, 1.0]], "latency.processes_ms"),
    ("profile", "latency/processes_ms", [[-1.0, 1.0]], "latency.processes_ms"),
    ("profile", "latency/processes_ms", [["soon"]], "latency.processes_ms"),
    ("profile", "latency/processes_ms", [1.0, 2.0], "latency.processes_ms"),
    ("profile", "latency/processes_ms", [[[1.0]]], "latency.processes_ms"),
    ("profile", "latency/processes_ms", {"0": [1.0]}, "latency.processes_ms"),
    ("profile", "latency/processes_ms", "fast", "latency.processes_ms"),
    ("profile", "latency/reviews", 0, "latency.reviews"),
    ("profile", "latency/sessions", [0], "sessions"),
    ("profile", "throughput/passes_s", [], "throughput.passes_s"),
    ("profile", "throughput/passes_s", [0.0], "throughput.passes_s"),
    ("profile", "throughput/passes_s", [-1.0], "throughput.passes_s"),
    ("profile", "throughput/reviews", 0, "throughput.reviews"),
    ("profile", "cold/processes_ms", [], "cold.processes_ms"),
    ("profile", "cold/processes_ms", [0], "cold.processes_ms"),
    ("profile", "name", LONG, "name"),
    ("profile", "form", "\ud800", "form"),
    ("profile", "bundle", ["a"], "bundle"),
    ("profile", "verdict", "excellent", "verdict"),
    ("profile", "hardware", [], "hardware"),
    ("profile", "warnings", "many", "warnings"),
    ("profile", "latency", None, "latency"),
    ("profile", "predictions", [], "predictions"),
    ("profile", "predictions/labels", ["positive"], "labels"),
    ("profile", "predictions/labels", ["positive", "positive"], "labels"),
    ("profile", "predictions/labels", ["positive", ""], "labels"),
    ("profile", "predictions/labels", ["a", "b", "c"], "probabilities"),
    ("profile", "predictions/row_ids", [], "row_ids"),
    ("profile", "predictions/row_ids", lambda own: [own[1], *own[1:]], "row_ids"),
    ("profile", "predictions/row_ids", lambda own: own[:-1], "one for each"),
    ("profile", "predictions/row_ids", lambda own: [*own, "another"], "one for each"),
    ("profile", "predictions/row_ids", first(5), "row_ids"),
    ("profile", "predictions/truth", first(2), "truth"),
    ("profile", "predictions/truth", first(-1), "truth"),
    ("profile", "predictions/truth", first("positive"), "truth"),
    ("profile", "predictions/truth", first(0.5), "truth"),
    ("profile", "predictions/truth", lambda own: own[:-1], "truth"),
    ("profile", "predictions/truth", [], "truth"),
    ("profile", "predictions/probabilities", first_row([1.0]), "probabilities"),
    ("profile", "predictions/probabilities", first_row([]), "probabilities"),
    ("profile", "predictions/probabilities", first_row([0.5, 0.5, 0.0]), "probabilities"),
    ("profile", "predictions/probabilities", first_row([0.9, 0.9]), "probabilities"),
    ("profile", "predictions/probabilities", first_row([0.0, 0.0]), "probabilities"),
    ("profile", "predictions/probabilities", first_row([1.5, -0.5]), "probabilities"),
    ("profile", "predictions/probabilities", first_row([1e300, 1e300]), "probabilities"),
    ("profile", "predictions/probabilities", first_row("sure"), "probabilities"),
    ("profile", "predictions/probabilities", first_row(None), "probabilities"),
    ("profile", "predictions/probabilities", lambda own: own[:-1], "probabilities"),
    ("profile", "predictions/abstained", [40], "abstained"),
    ("profile", "predictions/abstained", [-1], "abstained"),
    ("profile", "predictions/abstained", [1, 1], "abstained"),
    ("profile", "predictions/abstained", [10**18], "abstained"),
    ("bundle", "forms", {}, "forms"),
    ("bundle", "forms", [], "forms"),
    ("bundle", "forms", lambda own: {"../../owned": own["fp32"]}, "forms"),
    ("bundle", "forms", lambda own: {"": own["fp32"]}, "forms"),
    ("bundle", "forms", lambda own: {LONG: own["fp32"]}, "forms"),
    ("bundle", "forms/fp32/file", "../model.onnx", "forms.fp32.file"),
    ("bundle", "forms/fp32/file", "/etc/passwd", "forms.fp32.file"),
    ("bundle", "forms/fp32/file", "", "forms.fp32.file"),
    ("bundle", "forms/fp32/bytes", -1, "forms.fp32.bytes"),
    ("bundle", "forms/fp32/parity/reviews", -1, "forms.fp32.parity.reviews"),
    ("bundle", "forms/fp32/accepted", "perhaps", "forms.fp32.accepted"),
    ("bundle", "forms/fp32/verdict", "grand", "forms.fp32.verdict"),
    ("bundle", "forms/fp32/gain", {"verdict": 5}, "bundle.json"),
    ("bundle", "forms/fp32/gain", {"verdict": None}, "bundle.json"),
    ("bundle", "forms/fp32/predictions/labels", ["a", "b"], "forms.fp32.predictions.labels"),
    ("bundle", "forms/fp32/confirmation", {"file": "../x"}, "forms.fp32.confirmation"),
    ("bundle", "labels", ["a", "b"], "labels"),
    ("bundle", "labels", [], "labels"),
    ("bundle", "runtime", "python", "runtime"),
    ("bundle", "manifest/files", {"../x": {"bytes": 1, "sha256": ""}}, "manifest.files"),
    ("bundle", "manifest/files", {"x": {"bytes": -1, "sha256": ""}}, "manifest.files.x.bytes"),
    ("bundle", "manifest/logits", {"fp32": [[0.1]]}, "logits"),
    ("bundle", "lengths/tokens", [], "lengths.tokens"),
    ("bundle", "lengths/tokens", [10**12], "lengths.tokens"),
    ("bundle", "lengths/tokens", [-5], "lengths.tokens"),
    ("bundle", "hardware", {}, "hardware.machine"),
    ("bundle", "corpus/options", "imdb", "corpus.options"),
    ("run", "name", "../../owned", "name"),
    ("run", "name", "/etc/cron.d/owned", "name"),
    ("run", "name", "a/b", "name"),
    ("run", "name", "a\nb", "name"),
    ("run", "name", "", "name"),
    ("run", "name", 5, "name"),
    ("run", "seed", "lucky", "seed"),
    ("run", "train/seconds", -1.0, "train.seconds"),
    ("run", "train/history", {"epoch": 1}, "train.history"),
    ("run", "total_parameters", -1, "total_parameters"),
    ("run", "predictions/truth", first(7), "truth"),
    ("run", "hyperparameters", [], "hyperparameters"),
    ("run", "hyperparameters", {LONG: 1}, "hyperparameters"),
    ("run", "notes", ["\udcff"], "notes"),
    ("run", "details", Raw('{"a": ' * 60 + "1" + "}" * 60), "nested too deep"),
    ("run", "details", Raw("[" * 100_000 + "]" * 100_000), "nested too deep"),
]


def ids(case):
    kind, field, value, _ = case
    return f"{kind}-{field}-{str(getattr(value, '__name__', value))[:30]!a}"


@pytest.mark.parametrize("case", FIELDS, ids=ids)
def test_a_value_that_cannot_be(documents, tmp_path, case):
    kind, field, value, fact = case
    path = tmp_path / f"{kind}.json"
    path.write_text(changed(documents[kind], field, value))
    with pytest.raises(SlmbenchError) as raised:
        read_record(MAKE[kind][0], path)
    said = str(raised.value)
    assert str(path) in said
    assert fact in said
    assert "\n" not in said
    assert len(said) < 1500


@pytest.mark.parametrize("kind", MAKE)
def test_sound_records_are_read(documents, tmp_path, kind):
    (tmp_path / "record.json").write_text(documents[kind])
    assert json.loads(read_record(MAKE[kind][0], tmp_path / "record.json").to_json()) == json.loads(documents[kind])


@pytest.mark.parametrize("kind", MAKE)
def test_unknown_keys_do_not_travel_on(documents, tmp_path, kind):
    (tmp_path / "record.json").write_text(json.dumps({**json.loads(documents[kind]), "__class__": "evil", "own": 1}))
    again = json.loads(read_record(MAKE[kind][0], tmp_path / "record.json").to_json())
    assert not {"__class__", "own"} & again.keys()


CONTENTS = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a terabyte": lambda path: path.touch() or os.truncate(path, 1 << 40),
    "deep nesting": lambda path: path.write_text('{"schema": "slmbench.profile/1", "a": ' + "[" * 200_000),
    "UTF-16": lambda path: path.write_bytes('{"schema": "slmbench.profile/1"}'.encode("utf-16")),
    "zeros": lambda path: path.write_bytes(b"\0" * 1000),
    "a schema of 2 MB": lambda path: path.write_text(json.dumps({"schema": LONG})),
    "a schema that is a list": lambda path: path.write_text('{"schema": ["slmbench.profile/1"]}'),
    "another's key twice": lambda path: path.write_text('{"schema": "slmbench.profile/1", "schema": 5}'),
}


@pytest.mark.parametrize("content", CONTENTS)
def test_a_file_that_is_no_record(tmp_path, content):
    CONTENTS[content](tmp_path / "profile.json")
    with pytest.raises(SlmbenchError) as raised:
        read_record(ProfileRecord, tmp_path / "profile.json")
    assert "profile.json" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1500
    with pytest.raises(SlmbenchError):
        artefacts.open(tmp_path / "profile.json")


def test_a_folder_of_odd_files_holds_the_sound_ones(documents, tmp_path):
    (tmp_path / "good.json").write_text(documents["profile"])
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "large.json").touch()
    os.truncate(tmp_path / "large.json", 1 << 40)
    assert artefacts.find([tmp_path], ProfileRecord) == [tmp_path / "good.json"]


def test_what_is_made_is_not_checked_twice(tmp_path):
    """Checks are of files: what a program puts together for a moment may be incomplete, and is refused when read."""
    record = factories.profile_record(reviews=10)
    short = record.predictions.model_copy(update={"truth": [0]})
    write_record(record.model_copy(update={"predictions": record.predictions}), tmp_path / "whole.json")
    assert read_record(ProfileRecord, tmp_path / "whole.json") == record
    with pytest.raises(ValueError, match="one for each"):
        short.check()


@pytest.mark.parametrize(
    "content",
    [b"", b"x", seal_answers(factories.predictions(reviews=10))[:-5], b"\x78\x9c\x03\x00"],
    ids=["nothing", "a letter", "cut off", "cut short"],
)
def test_sealed_answers_that_are_damaged(content):
    with pytest.raises(SlmbenchError, match="sealed answers"):
        open_answers(content)


def test_sealed_answers_that_unpack_without_end():
    import zlib

    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(b" " * (1 << 24)) for _ in range(17)) + packer.flush()
    assert len(bomb) < 1 << 20
    with pytest.raises(SlmbenchError, match="without end"):
        open_answers(bomb)
