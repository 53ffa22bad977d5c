"""A run says when its test reviews are almost training reviews."""

import json

import pytest
from learnable import reviews
from listener import Listener

from slmbench.corpora import load_corpus
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.records import RunRecord, artefacts

pytest.importorskip("datasketch")


def write(path, rows):
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return str(path)


@pytest.mark.parametrize("copied", [0, 30])
def test_a_run_keeps_and_says_them(tmp_path, copied):
    rows = [
        (f"{text} {number} " * 3, label)
        for number, (text, label) in enumerate(reviews(["negative", "positive"], 160, seed=4))
    ]
    almost = [(f"{text} indeed", label) for text, label in rows[:copied]]
    corpus = load_corpus(
        write(tmp_path / "r.jsonl", rows[:120]), test_corpus=write(tmp_path / "t.jsonl", rows[120:] + almost)
    )
    listener = Listener()
    finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=tmp_path / "run", progress=listener)
    record = artefacts.read(tmp_path / "run", RunRecord)
    assert (record.corpus.near_duplicates.found, record.corpus.near_duplicates.test_reviews) == (copied, 40 + copied)
    assert any(f"{copied} of 70" in said for said in listener.said) == bool(copied)
    assert any("--group-column" in note for note in record.corpus.notes) == bool(copied)
