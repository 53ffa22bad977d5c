"""Folders that artefacts may and may not replace."""

import pytest

from slmbench.common.errors import UsageError
from slmbench.common.files import build_aside, check_place


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
