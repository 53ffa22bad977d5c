"""A place with what commands work on, and a process that they are forked from."""

import os
import pickle
import shutil

import pytest
from faults_helpers import Server
from starter_helpers import tiny_catalogue

RECIPE = """
name = "small"

[corpus]
name = "reviews.csv"
train_size = 80
test_size = 24

[[rungs]]
name = "baseline"
method = "tfidf"

[[rungs]]
name = "tiny"
model = "./base"
epochs = 2
batch_size = 8
learning_rate = 5e-3
max_length = 16
precision = "fp32"
device = "cpu"

[export]
forms = ["fp32", "int8"]
max_accuracy_drop = 0.9

[profile]
processes = 1
time_limit_s = 0.2
"""


@pytest.fixture(scope="session")
def server():
    """The process that commands are forked from."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    started = Server()
    yield started
    started.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory, small_corpus_file, tiny_base, tiny_run, tiny_bundle):
    """A place to copy: ``work`` with reviews, a model, a run, a bundle and a recipe, and ``home``, the cache."""
    place = tmp_path_factory.mktemp("template")
    shutil.copytree(os.environ["SLMBENCH_HOME"], place / "home")
    work = place / "work"
    work.mkdir()
    shutil.copy(small_corpus_file, work / "reviews.csv")
    for source, name in ((tiny_base, "base"), (tiny_run, "run"), (tiny_bundle, "bundle")):
        shutil.copytree(source, work / name)
    (work / "small.toml").write_text(RECIPE, encoding="utf-8")
    return place


@pytest.fixture
def stocked(place):
    """The place with wheels to fetch from and the catalogue that they belong to."""
    (place / "shelf").mkdir()
    (place / "items.pickle").write_bytes(pickle.dumps(tiny_catalogue(place / "shelf")))
    return place


@pytest.fixture
def place(template, tmp_path):
    """A place of its own."""
    return shutil.copytree(template, tmp_path / "place")
