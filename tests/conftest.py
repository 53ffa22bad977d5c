"""What most tests stand on: a home of their own, a small learnable corpus, and a run and a bundle made from it.

The runs and bundles are made once a session; a test that changes files of one copies it first.
"""

from __future__ import annotations

import gc
import os
import signal

import numpy as np
import pytest
from ceilings import keep_made_up_ceilings
from learnable import write_reviews
from sealing import reseal
from tiny import SMALL_STATIC, model_folder

from slmbench.corpora import load_corpus
from slmbench.export import export
from slmbench.instruments import sentinel
from slmbench.instruments.hardware import usable_cores
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.records import predictions, timed

# Before any library reads it: a test that asks the model hub has forgotten to say what the hub answers.
os.environ["HF_HUB_OFFLINE"] = "1"
# Models of a few kilobytes gain nothing from threads, and on a busy machine lose tenfold waiting for one another.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def _session_home(tmp_path_factory):
    """Point SLMBENCH_HOME at an empty folder, so that nothing reads or fills the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        before = os.environ.get("SLMBENCH_HOME")
        patch.setenv("SLMBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        keep_made_up_ceilings()
        yield before


@pytest.fixture(autouse=True)
def _home_of_slow_tests(request, monkeypatch, _session_home):
    """Give slow tests the user's own cache and all cores: they run on the real starter weights."""
    if request.node.get_closest_marker("slow") is None:
        yield
        return
    import torch

    monkeypatch.delenv("OMP_NUM_THREADS")
    torch.set_num_threads(usable_cores())
    if _session_home is None:
        monkeypatch.delenv("SLMBENCH_HOME")
    else:
        monkeypatch.setenv("SLMBENCH_HOME", _session_home)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _short_sentinel():
    """Let the sentinel run one round: it is run before each block of each measurement."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentinel, "ROUNDS", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def _the_same_samples_are_resampled_once():
    """Remember the intervals of profiles: the same made-up ones are written and read hundreds of times.

    The functions are pure, and tested by themselves where nothing is remembered.
    """
    known = {}

    def remembering(compute):
        def once(*given):
            key = (compute, repr([one.tolist() if isinstance(one, np.ndarray) else one for one in given]))
            if key not in known:
                known[key] = compute(*given)
            return known[key]

        return once

    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (timed, "clustered_median_interval"),
            (timed, "timing_interval"),
            (timed, "crossed_percentile_interval"),
            (predictions, "evaluate"),
        ):
            patch.setattr(module, name, remembering(getattr(module, name)))
        yield


@pytest.fixture(scope="session")
def small_corpus_file(tmp_path_factory):
    """A CSV of 240 different reviews (text,label: negative or positive) whose labels can be learned."""
    return write_reviews(tmp_path_factory.mktemp("corpus") / "reviews.csv", ["negative", "positive"], 240)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """The folder of a tiny random BERT."""
    return model_folder(tmp_path_factory.mktemp("base") / "tiny-bert", "bert")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, small_corpus_file, tiny_base):
    """The folder of a run: the tiny BERT trained on the small corpus, well above chance."""
    folder = tmp_path_factory.mktemp("runs") / "tiny-bert-full"
    options = TrainingOptions(
        epochs=2, batch_size=8, learning_rate=5e-3, max_length=32, precision="fp32", device="cpu"
    )
    finetune(str(tiny_base), load_corpus(str(small_corpus_file)), options, output=folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory, tiny_run):
    """The folder of the run's bundle, with fp32 and an accepted int8."""
    folder = tmp_path_factory.mktemp("exported") / "tiny-bert-full"
    # Of 36 test reviews a single changed answer is three points.
    export(tiny_run, max_accuracy_drop=0.2, output=folder)
    # Which form of a few kilobytes is faster is chance, and the default form follows from it.
    reseal(folder, lambda document: document["forms"]["int8"].update(gain=None))
    return folder


@pytest.fixture(scope="session")
def floor_run(tmp_path_factory, small_corpus_file):
    """The folder of a TF-IDF run on the small corpus."""
    folder = tmp_path_factory.mktemp("runs") / "tfidf"
    finetune("tfidf", load_corpus(str(small_corpus_file)), TrainingOptions(method="tfidf"), output=folder)
    return folder


@pytest.fixture(scope="session")
def floor_bundle(tmp_path_factory, floor_run):
    """The folder of the TF-IDF run's bundle."""
    folder = tmp_path_factory.mktemp("exported") / "tfidf"
    export(floor_run, output=folder)
    return folder


@pytest.fixture(scope="session")
def static_run(tmp_path_factory, small_corpus_file, tiny_base):
    """The folder of a static run on the small corpus, with words from the tiny BERT."""
    folder = tmp_path_factory.mktemp("runs") / "static"
    finetune(str(tiny_base), load_corpus(str(small_corpus_file)), method="static", output=folder, **SMALL_STATIC)
    return folder


@pytest.fixture(scope="session")
def static_bundle(tmp_path_factory, static_run):
    """The folder of the static run's bundle, with fp32 and an accepted int8."""
    folder = tmp_path_factory.mktemp("exported") / "static"
    export(static_run, max_accuracy_drop=0.2, output=folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _what_is_loaded_stays():
    """Take what is loaded out of garbage collection: accelerate collects after each training, and torch is large."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def nothing_hangs():
    """Make it a failure of the test to take long, where the system can tell."""

    def late(*_):
        raise TimeoutError("it hangs")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, beside nothing else."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
