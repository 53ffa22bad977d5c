"""Which profiles are read, and what is said about those that cannot be."""

from __future__ import annotations

import json

import pytest
from factories import profile_record, run_record

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.compare import compare
from slmbench.records import ComparisonRecord, write_record


def test_the_default_folder_is_profiles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SlmbenchError, match="run `slmbench profile` first"):
        compare()
    write_record(profile_record(), tmp_path / "profiles" / "one.json")
    assert [row.label for row in compare().rows] == ["minilm-l6 fp32"]


def test_a_folder_gives_its_profiles_and_passes_over_other_records(tmp_path):
    write_record(profile_record(), tmp_path / "one.json")
    write_record(run_record(), tmp_path / "run.json")
    write_record(profile_record("deep"), tmp_path / "deeper" / "two.json")
    (tmp_path / "notes.txt").write_text("not JSON")
    (tmp_path / "list.json").write_text("[1, 2]")
    assert [row.name for row in compare([tmp_path]).rows] == ["minilm-l6"]


def test_files_and_folders_can_be_mixed(tmp_path):
    write_record(profile_record(), tmp_path / "folder" / "one.json")
    write_record(profile_record("other", p50_ms=1), tmp_path / "two.json")
    assert [row.name for row in compare([tmp_path / "folder", tmp_path / "two.json"]).rows] == [
        "other",
        "minilm-l6",
    ]


def test_the_newest_profile_of_a_cell_counts_whatever_the_order(tmp_path):
    new = profile_record(p50_ms=20, created="2026-03-01T00:00:00+00:00")
    old = profile_record(p50_ms=40, created="2026-02-01T00:00:00+00:00")
    for number, profile in enumerate([new, old]):
        write_record(profile, tmp_path / f"{number}.json")
    record = compare([tmp_path])
    assert [round(row.p50_ms) for row in record.rows] == [20]
    assert any("1 older profile" in caveat for caveat in record.caveats)


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="there is no profile or folder at"):
        compare([tmp_path / "nowhere"])


def test_an_empty_folder_says_what_to_run(tmp_path):
    with pytest.raises(SlmbenchError, match="run `slmbench profile` first"):
        compare([tmp_path])


def test_a_file_named_that_is_another_record_is_an_error(tmp_path):
    write_record(run_record(), tmp_path / "run.json")
    with pytest.raises(SlmbenchError, match="is not a profile record"):
        compare([tmp_path / "run.json"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "it is not JSON"),
        (lambda text: text.replace("slmbench.profile/1", "slmbench.profile/9"), "profile/9"),
        (
            lambda text: json.dumps({**json.loads(text), "latency": {"processes_ms": [[]]}}),
            "latency.processes_ms",
        ),
        (lambda text: json.dumps({**json.loads(text), "hardware": {}}), "hardware.fingerprint is missing"),
        (lambda text: json.dumps({**json.loads(text), "size_bytes": "big"}), "size_bytes"),
        (
            lambda text: json.dumps(
                {**json.loads(text), "predictions": {**json.loads(text)["predictions"], "truth": [0, 1]}}
            ),
            "one for each of",
        ),
    ],
)
def test_a_damaged_profile_in_a_folder_is_named(tmp_path, damage, message):
    write_record(profile_record("good"), tmp_path / "good.json")
    (tmp_path / "bad.json").write_text(damage(profile_record(reviews=20).to_json()))
    with pytest.raises(SlmbenchError, match=r"bad\.json") as caught:
        compare([tmp_path])
    assert message in str(caught.value)


def test_a_comparison_survives_the_round_trip_and_has_the_contract_keys(tmp_path):
    write_record(profile_record(), tmp_path / "one.json")
    record = compare([tmp_path], name="mine")
    document = json.loads(record.to_json())
    assert {"rows", "pareto", "recommended", "rejected"} <= set(document)
    assert {"name", "form", "why"} <= set(document["recommended"])
    assert ComparisonRecord.model_validate(document) == record
