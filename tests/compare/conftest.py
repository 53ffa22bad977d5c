"""What tests of reports share."""

import importlib.util

import pytest


@pytest.fixture
def without_matplotlib(monkeypatch):
    """Let matplotlib be missing, as in the base install: no time is spent on plots that are not looked at."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "matplotlib" else find(name, *rest)
    )
