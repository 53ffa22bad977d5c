"""Processes that die while they score, and when the work is given up."""

import pytest

from slmbench.common.errors import SlmbenchError
from slmbench.scoring import crew
from slmbench.scoring.predicting import predict_files


@pytest.fixture
def dying(monkeypatch):
    """Let the children die after so many requests each; they work in this process."""

    def die(after):
        class Child(crew.Worker):
            def __init__(self, work, *, stop_on_error):
                super().__init__(work, crew.Input(work.input.location, work.input.files), stop_on_error=stop_on_error)
                self.left = after

            def ask(self, number):
                if not self.left:
                    raise SlmbenchError("a process that scores was killed by signal 9")
                self.left -= 1
                return super().ask(number)

        monkeypatch.setattr(crew, "_Child", Child)

    return die


def test_a_process_that_dies_is_replaced(floor_bundle, rows, here, dying):
    rows("jsonl")
    alone = predict_files(floor_bundle, "in", "alone", shard_rows=20, workers=1)
    dying(5)
    record = predict_files(floor_bundle, "in", "out", shard_rows=20, workers=2)
    assert record.summary == alone.summary
    for file in (here / "alone/answers").iterdir():
        assert (here / "out/answers" / file.name).read_bytes() == file.read_bytes()


def test_processes_that_only_die_are_not_replaced_for_ever(floor_bundle, rows, here, dying):
    rows("jsonl")
    dying(1)
    with pytest.raises(SlmbenchError, match="killed by signal 9"):
        predict_files(floor_bundle, "in", "out", shard_rows=20, workers=2)
