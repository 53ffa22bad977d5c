"""One way to open what lies on disk: every kind is told, and a wrong path says what is there and what to do."""

import json
from pathlib import Path

import factories
import pytest

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.records import (
    BundleRecord,
    CheckpointRecord,
    ComparisonRecord,
    EvaluationRecord,
    ProfileRecord,
    RunRecord,
    artefacts,
    write_record,
)
from slmbench.records.base import Record
from slmbench.records.sweep import SweepRecord

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def places(tmp_path):
    write_record(factories.run_record(), tmp_path / "runs/one/run.json")
    write_record(factories.bundle_record(), tmp_path / "exported/one/bundle.json")
    write_record(factories.bundle_record(), tmp_path / "exported/second/bundle.json")
    write_record(factories.bundle_record(), tmp_path / "exported/.three.building-x/bundle.json")
    write_record(factories.profile_record(), tmp_path / "profiles/one.json")
    write_record(factories.sweep_record(), tmp_path / "profiles/sweep.json")
    (tmp_path / "profiles/notes.json").write_text("[]")
    return tmp_path


def subclasses(kind):
    return {kind, *(below for child in kind.__subclasses__() for below in subclasses(child))}


def test_every_record_type_can_be_opened_and_says_what_makes_it():
    kinds = subclasses(Record) - {Record}
    assert {kind for kind in kinds if kind.__module__.startswith("slmbench.")} == set(artefacts.KINDS)
    assert len({kind.kind for kind in artefacts.KINDS}) == len(artefacts.KINDS)
    assert all(kind.made_by.startswith("slmbench ") for kind in artefacts.KINDS)


@pytest.mark.parametrize("kind", artefacts.KINDS)
def test_every_record_type_has_a_json_schema(kind):
    schema = kind.model_json_schema(mode="serialization")
    assert {"schema", "name", "created", *kind.model_computed_fields} <= schema["properties"].keys()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("runs/one", RunRecord),
        ("runs/one/run.json", RunRecord),
        ("exported/one", BundleRecord),
        ("profiles/one.json", ProfileRecord),
        ("profiles/sweep.json", SweepRecord),
    ],
)
def test_open_tells_the_kind(places, path, kind):
    assert type(artefacts.open(places / path)) is kind
    assert type(artefacts.open(str(places / path))) is kind


def test_the_reference_artefacts_open():
    assert isinstance(artefacts.open(REPOSITORY / "exported/bert-tiny-imdb"), BundleRecord)
    profiles = artefacts.find([REPOSITORY / "profiles/reference"], ProfileRecord)
    assert len(profiles) == 9
    assert all(isinstance(artefacts.open(path), ProfileRecord) for path in profiles)


def test_a_schema_is_found_wherever_it_stands(places):
    document = json.loads((places / "profiles/one.json").read_text())
    last = {name: document[name] for name in reversed(document)}
    (places / "turned.json").write_text(json.dumps(last, indent=2))
    assert isinstance(artefacts.open(places / "turned.json"), ProfileRecord)


def test_read_takes_any_of_several_kinds(places):
    assert isinstance(artefacts.read(places / "runs/one", RunRecord, BundleRecord), RunRecord)
    assert isinstance(artefacts.read(places / "exported/one", RunRecord, BundleRecord), BundleRecord)


@pytest.mark.parametrize(
    ("path", "kinds", "facts"),
    [
        ("runs/one", [BundleRecord], ["is a run, not a bundle", "slmbench export {path}"]),
        ("exported/one", [RunRecord], ["is a bundle, not a run", "run it was exported from"]),
        ("exported/one", [ProfileRecord], ["is a bundle, not a profile record", "slmbench profile {path}"]),
        ("profiles/one.json", [RunRecord, BundleRecord], ["is a profile record, not a run or bundle"]),
        ("profiles/one.json", [EvaluationRecord], ["not an evaluation", "slmbench evaluate"]),
        ("exported", [BundleRecord], ["holds 2 bundles", "exported/one"]),
        ("exported", [RunRecord], ["holds no run", "run.json", "slmbench finetune"]),
        ("runs/one/run.json", [RunRecord], ["is a file", "{path.parent}"]),
        ("exported/secnd", [BundleRecord], ["no bundle at {path}", "did you mean 'second'"]),
        ("nowhere/one", [BundleRecord, RunRecord], ["no bundle or run at {path}", "slmbench export"]),
        ("profiles/notes.json", [BundleRecord, ProfileRecord], ["is not a bundle or profile record"]),
        ("profiles/notes.json", artefacts.KINDS, ["is not an artefact of slmbench"]),
    ],
)
def test_what_is_not_wanted_is_named_with_what_to_do(places, path, kinds, facts):
    path = places / path
    with pytest.raises(UsageError) as refused:
        artefacts.read(path, *kinds)
    for fact in facts:
        assert fact.format(path=path) in str(refused.value)


def test_a_damaged_record_is_of_its_kind_and_says_what_is_wrong(places):
    path = places / "profiles/one.json"
    path.write_text(path.read_text()[:200])
    assert artefacts.kind_of(path) is ProfileRecord
    with pytest.raises(SlmbenchError, match="not JSON"):
        artefacts.open(path)
    (places / "runs/one/run.json").write_bytes(b"\xff\xfe")
    assert artefacts.kind_of(places / "runs/one") is RunRecord
    with pytest.raises(SlmbenchError, match="not JSON"):
        artefacts.open(places / "runs/one")


def test_another_version_is_of_its_kind_and_refused(places):
    path = places / "profiles/one.json"
    path.write_text(path.read_text().replace("slmbench.profile/1", "slmbench.profile/9"))
    with pytest.raises(SlmbenchError, match="profile/9"):
        artefacts.read(path, ProfileRecord)


def test_find_gives_what_is_named_and_what_is_inside_once(places):
    exported = places / "exported"
    found = artefacts.find([exported / "second", exported], BundleRecord)
    assert found == [exported / "second", exported / "one"]
    assert artefacts.find([places / "profiles"], ProfileRecord) == [places / "profiles/one.json"]
    assert artefacts.find([places / "profiles"], SweepRecord) == [places / "profiles/sweep.json"]


@pytest.mark.parametrize("path", ["runs/one", "nowhere", "profiles"])
def test_find_refuses_a_path_without_any(places, path):
    with pytest.raises(UsageError):
        artefacts.find([places / path], BundleRecord)


@pytest.mark.parametrize("kind", [CheckpointRecord, ComparisonRecord])
def test_a_folder_without_a_record_is_nothing(tmp_path, kind):
    assert artefacts.kind_of(tmp_path) is None
    with pytest.raises(UsageError, match=kind.file):
        artefacts.read(tmp_path, kind)


def test_a_file_that_is_not_json_is_reported(places):
    (places / "profiles/empty.json").write_text("")
    with pytest.raises(SlmbenchError, match=r"empty\.json is not JSON"):
        artefacts.find([places / "profiles"], ProfileRecord)
