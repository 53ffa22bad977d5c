"""Workers of a classifier: they answer exactly as one thread does, in order, in constant memory, at the same time."""

import os
import pickle
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from learnable import reviews
from sealing import reseal

from slmbench.cascade import CascadeOptions, cascade
from slmbench.cli.piped import PipedLines, answers_of
from slmbench.common.errors import UsageError
from slmbench.edge import Classifier, runtime

#: Texts of many lengths, empty ones among them, in no order.
TEXTS = [
    " ".join([text] * (number % 7))[: 1 + 150 * (number % 11)]
    for number, (text, _) in enumerate(reviews(["negative", "positive"], 200, seed=3))
]


@pytest.fixture(scope="module")
def bundles(tiny_bundle, floor_bundle, tmp_path_factory):
    both = tmp_path_factory.mktemp("cascade") / "both"
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.99, large_form="fp32"), output=both)
    return {"onnx": tiny_bundle, "tfidf": floor_bundle, "cascade": both}


@pytest.fixture
def sessions(monkeypatch):
    """The numbers of threads of the sessions that are opened, on a machine that has two cores."""
    import onnxruntime

    opened = []
    original = onnxruntime.InferenceSession

    def watching(model, options, **more):
        opened.append(options.intra_op_num_threads)
        return original(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watching)
    monkeypatch.setattr(runtime, "usable_cores", lambda: 2)
    return opened


@pytest.mark.parametrize("batch_tokens", [None, 64, 4096])
@pytest.mark.parametrize(("kind", "form"), [("onnx", "fp32"), ("onnx", "int8"), ("tfidf", None), ("cascade", None)])
def test_workers_answer_exactly_as_one_thread(bundles, kind, form, batch_tokens):
    one = Classifier(bundles[kind], form=form, threads=1, batch_tokens=batch_tokens)
    wanted, predicted = one.predict_logits(TEXTS), one.predict(TEXTS)

    for workers in (2, 3):
        several = Classifier(bundles[kind], form=form, workers=workers, batch_tokens=batch_tokens)
        np.testing.assert_array_equal(several.predict_logits(TEXTS), wanted)
        assert several.predict(TEXTS) == predicted
        assert list(several.stream(iter(TEXTS))) == predicted
        assert several.predict(TEXTS[:3]) == one.predict(TEXTS[:3])
        assert several.predict([]) == []


def test_one_at_a_time_is_the_answer_of_each_text_alone(tiny_bundle):
    classifier = Classifier(tiny_bundle, form="int8", workers=2)
    assert classifier.predict(TEXTS) == [one for text in TEXTS for one in classifier.predict(text)]


def test_few_texts_use_all_threads_and_many_one_thread_each(tiny_bundle, sessions):
    classifier = Classifier(tiny_bundle, form="int8")
    few = classifier.predict(TEXTS[:63])
    assert sessions == [2]
    many = classifier.predict(TEXTS)
    assert sessions == [2, 1]
    assert many[:63] == few
    assert classifier.predict(TEXTS) == many == list(classifier.stream(iter(TEXTS)))
    assert sessions == [2, 1]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"threads": 2}, [2]),
        ({"threads": 1}, [1]),
        ({"workers": 2}, [1]),
        ({"workers": 1}, [2]),
        ({"workers": 2, "threads": 2}, [2]),
    ],
)
def test_what_is_given_is_loaded_and_nothing_else(tiny_bundle, sessions, given, wanted):
    classifier = Classifier(tiny_bundle, **given)
    classifier.predict(TEXTS)
    assert sessions == wanted


def test_one_core_loads_once(tiny_bundle, sessions, monkeypatch):
    monkeypatch.setattr(runtime, "usable_cores", lambda: 1)
    Classifier(tiny_bundle).predict(TEXTS)
    assert sessions == [1]


def test_workers_are_at_least_one(tiny_bundle):
    with pytest.raises(UsageError, match="workers must be at least 1"):
        Classifier(tiny_bundle, workers=0)


def test_inferences_run_at_the_same_time(tiny_bundle, monkeypatch):
    classifier = Classifier(tiny_bundle, form="fp32", workers=2)
    texts = [f"{number} {'a superb film ' * 100}" for number in range(8)]  # each is a task of its own
    wanted = classifier.predict(texts)
    both = threading.Barrier(2, timeout=60)
    original = runtime.OnnxBackend.logits

    def meeting(self, items):
        both.wait()
        return original(self, items)

    monkeypatch.setattr(runtime.OnnxBackend, "logits", meeting)
    assert classifier.predict(texts) == wanted


@pytest.mark.parametrize(("batch_tokens", "bound"), [(None, 64 + 16 * 2 * 5), (512, 3 * 512)])
def test_a_stream_holds_no_more_rows_however_many_there_are(tiny_bundle, batch_tokens, bound):
    classifier = Classifier(tiny_bundle, form="int8", workers=2)
    most = {}
    for rows in (600, 3000):
        read = answered = most[rows] = 0

        def source(rows=rows):
            nonlocal read
            for number in range(rows):
                read += 1
                yield ("good", "bad plot", "a film")[number % 3]

        for _ in classifier.stream(source(), batch_tokens=batch_tokens):
            answered += 1
            most[rows] = max(most[rows], read - answered)
        assert answered == rows
    assert 0 < most[3000] <= bound
    assert most[600] <= bound


@pytest.mark.parametrize("batch_tokens", [None, 64])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("good", [3, 150])
def test_texts_before_a_failure_are_answered_first(tiny_bundle, good, workers, batch_tokens):
    classifier = Classifier(tiny_bundle, form="fp32", workers=workers, batch_tokens=batch_tokens)

    def failing():
        yield from TEXTS[:good]
        raise OSError("the disk is gone")

    for source, error in ((failing(), OSError), ([*TEXTS[:good], None, "a film"], UsageError)):
        answered = []
        with pytest.raises(error):
            answered.extend(classifier.stream(source))
        stream = classifier.stream(failing() if error is OSError else source)
        assert [next(stream) for _ in range(good)] == classifier.predict(TEXTS[:good], batch_tokens=batch_tokens)
        with pytest.raises(error):
            next(stream)


def test_a_stream_that_is_given_up_leaves_no_thread(tiny_bundle):
    classifier = Classifier(tiny_bundle, form="fp32", workers=2)
    before = set(threading.enumerate())
    stream = classifier.stream(TEXTS)
    next(stream)
    stream.close()
    assert set(threading.enumerate()) <= before


def test_answers_do_not_wait_for_a_pipe(tiny_bundle):
    classifier = Classifier(tiny_bundle, form="fp32", workers=2)
    wanted = classifier.predict(["good", "bad", "", "a film", "ä last one"])
    reading, writing = os.pipe()
    with open(reading, "rb") as source, open(writing, "wb", buffering=0) as sink:
        piped = PipedLines(source)
        answers = answers_of(classifier, (line.decode() for line in piped), piped)
        sink.write(b"good\nba")
        assert next(answers) == wanted[0]
        sink.write(b"d\n\na film\n\xc3")
        assert [next(answers) for _ in range(3)] == wanted[1:4]
        sink.write(b"\xa4 last one")
        sink.close()
        assert list(answers) == wanted[4:]


def test_an_export_while_it_runs_changes_nothing(tiny_bundle, tmp_path, sessions):
    own = shutil.copytree(tiny_bundle, tmp_path / "own")
    classifier = Classifier(own, form="fp32")
    wanted = Classifier(tiny_bundle, form="fp32", threads=1).predict(TEXTS)
    reseal(own, lambda document: document.update(created="2001-01-01T00:00:00+00:00"))
    assert classifier.predict(TEXTS) == wanted
    shutil.rmtree(own)
    assert classifier.predict(TEXTS) == wanted


def test_workers_are_pickled(tiny_bundle, sessions):
    classifier = pickle.loads(pickle.dumps(Classifier(tiny_bundle, workers=2)))
    classifier.predict(TEXTS)
    assert sessions == [1, 1]


AFTER_A_FORK = """
import os, sys
from slmbench.edge import Classifier, runtime
runtime.usable_cores = lambda: 2
classifier = Classifier(sys.argv[1])
texts = [f"a superb film {number}" for number in range(100)]
before = classifier.predict(texts)
half = classifier.stream(texts)
next(half)
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        sys.exit(0 if classifier.predict(texts) == before == classifier.predict(texts) else 3)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert list(half) == before[1:]
sys.exit(max(codes))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("kind", ["onnx", "cascade"])
def test_children_of_a_fork_have_workers_of_their_own(bundles, kind):
    ended = subprocess.run(
        [sys.executable, "-c", AFTER_A_FORK, str(bundles[kind])],
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("instructions", "converted"),
    [(("avx2",), True), ((), True), (("avx2", "avx512_vnni", "amx_int8"), False), (("avx2", "avx_vnni"), False)],
)
def test_weights_are_converted_only_where_sums_may_saturate(tiny_bundle, monkeypatch, instructions, converted):
    import onnxruntime

    seen = []
    original = onnxruntime.InferenceSession

    def watching(model, options, **more):
        try:
            seen.append(options.get_session_config_entry("session.x64quantprecision"))
        except RuntimeError:  # it was not set
            seen.append(None)
        return original(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watching)
    monkeypatch.setattr(runtime, "cpu_instructions", lambda: instructions)
    Classifier(tiny_bundle, form="fp32", threads=1)
    assert seen == ["1" if converted else None]
