"""Folders that artefacts may and may not replace."""

import pytest
from factories import run_record

from slmbench.common.errors import UsageError
from slmbench.common.files import build_aside, check_place
from slmbench.common.progress import Silent
from slmbench.records import RunRecord, artefacts, write_record


def test_nothing_but_an_artefact_of_its_kind_is_replaced(tmp_path):
    check_place(tmp_path / "new", "run.json")
    check_place(tmp_path, "run.json")  # empty
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds other files, which would be lost"):
        check_place(tmp_path, "run.json")
    with pytest.raises(UsageError, match=r"thesis\.txt is a file"):
        check_place(tmp_path / "thesis.txt", "run.json")
    (tmp_path / "run.json").write_text("{}")
    check_place(tmp_path, "run.json")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    place = tmp_path / "deep" / "place"
    with pytest.raises(FileNotFoundError), build_aside(place) as building:
        (building / "half").write_text((building / "missing").read_text())
    assert list(tmp_path.iterdir()) == []
    for content in ("first", "second"):
        with build_aside(place) as building:
            (building / content).write_text(content)
    assert [file.name for file in place.iterdir()] == ["second"]
    assert list(place.parent.iterdir()) == [place]


@pytest.fixture
def listener():
    progress = Silent()
    progress.said = []
    progress.say = progress.said.append
    return progress


def test_an_artefact_of_other_inputs_keeps_its_default_place(tmp_path, listener):
    usual = tmp_path / "minilm-full-reviews"
    assert artefacts.settle_place(usual, None, RunRecord, "a" * 64, listener) == usual
    write_record(run_record(key="a" * 64), usual / "run.json")
    assert artefacts.settle_place(usual, None, RunRecord, "a" * 64, listener) == usual
    assert listener.said == []

    own = artefacts.settle_place(usual, None, RunRecord, "b" * 64, listener)
    assert own == tmp_path / "minilm-full-reviews-bbbbbbbb"
    assert str(usual) in listener.said[0] and str(own) in listener.said[0]
    # What is asked for by name is replaced, and that is said too.
    assert artefacts.settle_place(usual, usual, RunRecord, "b" * 64, listener) == usual
    assert "replaced" in listener.said[1]

    (usual / "run.json").write_text("{", encoding="utf-8")  # useless: made again in its place
    assert artefacts.settle_place(usual, None, RunRecord, "b" * 64, listener) == usual
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError):
        artefacts.settle_place(tmp_path / "notes", None, RunRecord, "b" * 64, listener)
