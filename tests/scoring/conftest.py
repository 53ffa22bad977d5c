"""A folder to work in, and rows to score in it."""

import csv
import json

import pytest
from learnable import reviews
from typer.testing import CliRunner

from slmbench.cli.app import app


@pytest.fixture
def rows(here):
    """Write 250 rows, ``id`` and ``text``, into files of 100 rows each of a format; returns the texts."""

    def write(kind="jsonl"):
        texts = [text for text, _ in reviews(["negative", "positive"], 250, seed=5)]
        (here / "in").mkdir()
        for begin in range(0, 250, 100):
            table = [{"id": begin + place, "text": text} for place, text in enumerate(texts[begin : begin + 100])]
            file = here / f"in/{begin:03d}.{kind}"
            if kind == "parquet":
                import pyarrow
                from pyarrow import parquet

                parquet.write_table(pyarrow.Table.from_pylist(table), file, row_group_size=30)
            elif kind == "jsonl":
                file.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
            else:
                with file.open("w", newline="", encoding="utf-8") as lines:
                    writer = csv.DictWriter(lines, ["id", "text"])
                    writer.writeheader()
                    writer.writerows(table)
        return texts

    return write


@pytest.fixture
def predict(floor_bundle):
    """Run ``slmbench predict`` with a TF-IDF bundle; what is neither success nor an exit status is raised."""

    def run(*words, bundle=floor_bundle):
        result = CliRunner().invoke(app, ["predict", str(bundle), *map(str, words)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
