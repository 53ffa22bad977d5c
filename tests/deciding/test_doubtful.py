"""Rows that a person should look at: planted wrong labels are found, and texts worth a label are the unsure ones."""

import csv

import numpy as np
from learnable import reviews

from slmbench.deciding.doubtful import suspected_labels, worth_a_label, write_table
from slmbench.deciding.looking import language_sentence


def test_planted_wrong_labels_are_suspected_first():
    rows = reviews(["negative", "positive"], 400)
    labels = [int(label == "positive") for _, label in rows]
    planted = set(range(7, 400, 40))
    given = [1 - label if place in planted else label for place, label in enumerate(labels)]
    found = suspected_labels([text for text, _ in rows], given, 0)
    assert len(planted & {one.row for one in found[: len(planted)]}) >= 0.8 * len(planted)
    for one in found:
        assert one.likelier == 1 - given[one.row]
        assert one.likelier_probability > one.given_probability


def test_too_few_rows_of_a_label_give_no_suspects():
    rows = reviews(["negative", "positive"], 40)
    labels = [0] * 37 + [1] * 3
    assert suspected_labels([text for text, _ in rows], labels, 0) == []


def test_unsure_texts_come_first_and_no_near_duplicate_twice():
    texts = [f"the film number {number} was a long story about {number} people" for number in range(5)]
    texts.append(texts[2] + " ")
    sure = np.array([0.95, 0.6, 0.51, 0.8, 0.7, 0.511])
    taken = worth_a_label(texts, np.stack([sure, 1 - sure], 1), most=3)
    assert taken == [2, 1, 4]


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    file = tmp_path / "new" / "table.csv"
    write_table(file, ("text", "guess"), [("=1+1", "a"), ('two\nlines, "quoted"', "b")])
    with file.open(newline="") as read:
        rows = list(csv.reader(read))
    assert rows[0] == ["text", "guess"]
    assert not rows[1][0].startswith("=")
    assert rows[2] == ['two\nlines, "quoted"', "b"]


def test_languages():
    german = ["Der Film war leider sehr langweilig, und die Handlung ergab überhaupt keinen Sinn."] * 3
    english = ["The film was very boring, and the plot made no sense at all, sadly."] * 3
    assert "'de'" in language_sentence(german)[0]
    assert "--model" in language_sentence(german)[0]
    assert "'en'" in language_sentence(english)[0]
    assert "--model" not in language_sentence(english)[0]
    assert language_sentence([]) == []
