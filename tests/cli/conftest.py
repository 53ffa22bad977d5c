"""A folder of its own to run commands in."""

import shutil

import pytest


@pytest.fixture(autouse=True)
def _no_package_index(monkeypatch):
    """Let nothing be downloaded: a test that would fetch has forgotten to say from where."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def workshop(here, small_corpus_file, tiny_base, tiny_run, tiny_bundle):
    """A working folder with reviews.csv, a base model, a run and a bundle, all free to be damaged."""
    shutil.copy(small_corpus_file, here / "reviews.csv")
    for source, name in ((tiny_base, "base"), (tiny_run, "run"), (tiny_bundle, "bundle")):
        shutil.copytree(source, here / name)
    return here
