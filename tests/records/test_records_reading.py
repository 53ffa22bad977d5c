"""Records as files: what is written comes back, and what is not a record is said to be none."""

import json

import factories
import pytest

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import content_key
from slmbench.common.full_disk import DiskFullError
from slmbench.records import BundleRecord, ProfileRecord, RunRecord, read_record, write_record

KINDS = [
    (RunRecord, factories.run_record),
    (BundleRecord, factories.bundle_record),
    (ProfileRecord, factories.profile_record),
]


def change(path, **entries):
    document = json.loads(path.read_text())
    for dotted, value in entries.items():
        *parents, last = dotted.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = value
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(("kind", "make"), KINDS)
def test_a_record_comes_back_as_it_was_written(kind, make, tmp_path):
    record = make(command=["slmbench", "something"])
    write_record(record, tmp_path / "deep" / "record.json")
    back = read_record(kind, tmp_path / "deep" / "record.json")
    assert back == record
    assert back.to_json() == record.to_json()
    assert json.loads(back.to_json())["schema"] == f"slmbench.{kind.kind}/1"
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["record.json"]


def test_statistics_are_recomputed_when_a_record_is_read(tmp_path):
    path = tmp_path / "profile.json"
    record = factories.profile_record(p50_ms=30.0, accuracy=0.86)
    write_record(record, path)
    assert json.loads(path.read_text())["latency"]["p50_ms"] == record.latency.p50_ms
    change(path, latency__p50_ms=1.0, latency__p95_ms=2.0, latency__ci95_ms=[0, 1], accuracy=0.99)
    change(path, evaluation__accuracy=0.99, cold_start_ms=1.0, throughput__reviews_per_second=1e9)
    back = read_record(ProfileRecord, path)
    assert back.to_json() == record.to_json()
    assert back.latency.p50_ms == pytest.approx(30, rel=0.02)
    assert back.accuracy == 0.86


def test_the_accuracy_of_a_run_and_of_a_form_follow_from_their_predictions(tmp_path):
    write_record(factories.run_record(accuracy=0.5), tmp_path / "run.json")
    change(tmp_path / "run.json", test__accuracy=1.0)
    assert read_record(RunRecord, tmp_path / "run.json").test.accuracy == 0.5
    write_record(factories.bundle_record(accuracy=0.5), tmp_path / "bundle.json")
    change(tmp_path / "bundle.json", forms__int8__accuracy=1.0)
    assert read_record(BundleRecord, tmp_path / "bundle.json").forms["int8"].accuracy == 0.5


def test_changed_raw_observations_change_the_statistics(tmp_path):
    path = tmp_path / "profile.json"
    write_record(factories.profile_record(), path)
    change(path, latency__processes_ms=[[5.0] * 700], latency__reviews=700)
    back = read_record(ProfileRecord, path)
    assert back.latency.p50_ms == back.latency.p95_ms == back.latency.p99_ms == 5


def test_a_percentile_without_the_samples_is_null_with_its_reason():
    document = json.loads(factories.profile_record(samples=100).to_json())
    assert document["latency"]["p95_ms"] is None
    assert document["latency"]["unsupported"] == {
        "p95_ms": "p95 needs 130 different reviews, there are 100",
        "p99_ms": "p99 needs 662 different reviews, there are 100",
    }


def test_keys_of_a_later_version_are_passed_over(tmp_path):
    path = tmp_path / "run.json"
    record = factories.run_record()
    write_record(record, path)
    change(path, a_new_key=1, train__another=2)
    assert read_record(RunRecord, path) == record


def test_a_missing_file(tmp_path):
    with pytest.raises(SlmbenchError, match=r"there is no run record at .*nothing\.json"):
        read_record(RunRecord, tmp_path / "nothing.json")


def test_a_folder(tmp_path):
    with pytest.raises(SlmbenchError, match="is a folder, not a run record"):
        read_record(RunRecord, tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": "slmbench.run/1", "na', b"\xff\xfe\x00"])
def test_a_file_that_is_not_json(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(SlmbenchError, match=r"run\.json is not a run record: it is not JSON"):
        read_record(RunRecord, tmp_path / "run.json")


@pytest.mark.parametrize("document", [[], 1, "text", None, {}, {"schema": None}])
def test_json_that_is_no_record(tmp_path, document):
    (tmp_path / "run.json").write_text(json.dumps(document))
    with pytest.raises(SlmbenchError, match=r"its schema is None, 'slmbench\.run/1' is wanted"):
        read_record(RunRecord, tmp_path / "run.json")


def test_another_kind_of_record(tmp_path):
    write_record(factories.bundle_record(), tmp_path / "bundle.json")
    with pytest.raises(SlmbenchError, match=r"its schema is 'slmbench\.bundle/1', 'slmbench\.run/1' is wanted"):
        read_record(RunRecord, tmp_path / "bundle.json")


def test_another_version_of_a_record(tmp_path):
    write_record(factories.run_record(), tmp_path / "run.json")
    change(tmp_path / "run.json", schema="slmbench.run/2")
    with pytest.raises(SlmbenchError, match=r"not a run record this version reads.*'slmbench\.run/2'"):
        read_record(RunRecord, tmp_path / "run.json")


def test_a_record_with_a_damaged_part_names_the_part(tmp_path):
    write_record(factories.run_record(), tmp_path / "run.json")
    change(tmp_path / "run.json", train__seconds="soon")
    with pytest.raises(SlmbenchError, match=r"run\.json is damaged: train\.seconds: "):
        read_record(RunRecord, tmp_path / "run.json")


def test_a_failed_write_leaves_the_old_record(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    write_record(factories.run_record(seed=1), path)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(DiskFullError, match="no space left"):
        write_record(factories.run_record(seed=2), path)
    monkeypatch.undo()
    assert read_record(RunRecord, path).seed == 1
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_key_does_not_depend_on_order():
    assert content_key(a=1, b={"x": [1, 2], "y": None}) == content_key(b={"y": None, "x": [1, 2]}, a=1)
    assert len(content_key(a=1)) == 64


@pytest.mark.parametrize("other", [{"a": 2}, {"b": 1}, {"a": "1"}, {"a": 1, "b": None}, {"a": [1]}])
def test_the_content_key_tells_inputs_apart(other):
    assert content_key(**other) != content_key(a=1)


def test_the_hash_of_test_rows_does_not_depend_on_their_order():
    predictions = factories.predictions(reviews=10)
    turned = predictions.model_copy(update={"row_ids": predictions.row_ids[::-1]})
    assert turned.rows_hash() == predictions.rows_hash()
    fewer = predictions.model_copy(update={"row_ids": predictions.row_ids[1:]})
    assert fewer.rows_hash() != predictions.rows_hash()


def test_a_copy_with_other_predictions_has_metrics_of_its_own():
    record = factories.profile_record(accuracy=0.86)
    assert record.accuracy == pytest.approx(0.86)
    changed = record.model_copy(update={"predictions": factories.predictions(0.5, who="another")})
    assert changed.accuracy == pytest.approx(0.5)
    assert record.accuracy == pytest.approx(0.86)
