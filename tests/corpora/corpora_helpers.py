"""Reviews made up for tests, and files of them."""

import csv
import json


def reviews(count, labels=("negative", "positive"), start=0):
    """Different reviews, their labels in turn."""
    return [
        {"text": f"review {number} is {'very ' * (number % 7)}long", "label": labels[number % len(labels)]}
        for number in range(start, start + count)
    ]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def write_csv(path, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def texts_of(split):
    return set(split.texts)
