"""A classifier in other processes: pickled, spawned, used after a fork; and what it leaves of memory and cores."""

import copy
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from sealing import reseal
from typer.testing import CliRunner

from slmbench.cascade import CascadeOptions, cascade
from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError
from slmbench.edge import Classifier, runtime
from slmbench.evaluation.verify import verify
from slmbench.export import export

TEXTS = ["a superb film", "dull and noisy", ""]
NOT_SO_LONG_S = 60


def answer_of(classifier):
    """Answer in another process."""
    return classifier.predict_proba(TEXTS)


@pytest.fixture(scope="module")
def bundles(tiny_bundle, floor_bundle, tmp_path_factory):
    both = tmp_path_factory.mktemp("cascade") / "both"
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.99, large_form="fp32"), output=both)
    return {"onnx": tiny_bundle, "tfidf": floor_bundle, "cascade": both}


@pytest.mark.parametrize("kind", ["onnx", "tfidf", "cascade"])
def test_a_pickled_classifier_opens_its_bundle_again(bundles, kind, monkeypatch, tmp_path):
    monkeypatch.chdir(bundles[kind].parent)
    classifier = Classifier(bundles[kind].name, threads=1, batch_tokens=64, spin_between=False)
    monkeypatch.chdir(tmp_path)

    for other in (pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier)):
        assert (other.form, other.labels, other.batch_tokens) == (classifier.form, classifier.labels, 64)
        np.testing.assert_array_equal(other.predict_proba(TEXTS), classifier.predict_proba(TEXTS))
    assert len(pickle.dumps(classifier)) < 2000


def test_a_classifier_is_sent_to_a_spawned_process(tiny_bundle):
    classifier = Classifier(tiny_bundle, threads=1)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(answer_of, classifier).result(timeout=NOT_SO_LONG_S)

    np.testing.assert_array_equal(found, classifier.predict_proba(TEXTS))


def test_a_bundle_that_is_gone_cannot_be_unpickled(tiny_bundle, tmp_path):
    own = shutil.copytree(tiny_bundle, tmp_path / "own")
    pickled = pickle.dumps(Classifier(own))
    shutil.rmtree(own)

    with pytest.raises(SlmbenchError, match="own"):
        pickle.loads(pickled)


AFTER_A_FORK = """
import os, sys
from slmbench.edge import Classifier
classifier = Classifier(sys.argv[1], threads=2)
texts = ["a superb film", "dull and noisy"]
before = classifier.predict(texts)
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        # Not os._exit: a server's worker ends as any other program does, and frees what it has.
        sys.exit(0 if classifier.predict(texts) == before == classifier.predict(texts) else 3)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert classifier.predict(texts) == before
sys.exit(max(codes))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("kind", ["onnx", "tfidf", "cascade"])
def test_children_of_a_fork_answer_and_end(bundles, kind):
    ended = subprocess.run(
        [sys.executable, "-c", AFTER_A_FORK, str(bundles[kind])],
        timeout=NOT_SO_LONG_S,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


def test_a_bundle_that_was_exported_again_is_not_mixed_after_a_fork(tiny_bundle, tmp_path, monkeypatch):
    own = shutil.copytree(tiny_bundle, tmp_path / "own")
    classifier = Classifier(own)
    reseal(own, lambda document: document.update(created="2001-01-01T00:00:00+00:00"))
    monkeypatch.setattr(runtime.os, "getpid", lambda: -1)

    with pytest.raises(SlmbenchError, match="exported again"):
        classifier.predict("a superb film")


def processor(monkeypatch, *instructions):
    monkeypatch.setattr(runtime, "cpu_instructions", lambda: instructions)


@pytest.fixture
def full_range(tiny_bundle, tmp_path):
    """A bundle with fp32 and an int8 whose weights use all of int8."""
    own = shutil.copytree(tiny_bundle, tmp_path / "own")
    reseal(own, lambda document: document["forms"]["int8"].update(isa="avx512_vnni"))
    return own


@pytest.mark.parametrize("instructions", [("avx2", "avx512_vnni"), ("avx2",), ()])
def test_int8_runs_on_processors_that_it_was_not_made_for(full_range, monkeypatch, instructions):
    """Its weights are converted there (:mod:`test_edge_workers`)."""
    processor(monkeypatch, *instructions)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier = Classifier(full_range)
    assert (classifier.form, classifier.notice) == ("int8", None)


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def otherwise(full_range):
    """A bundle whose int8 answers otherwise than its manifest says."""

    def shift(document):
        for row in document["manifest"]["logits"]["int8"]:
            row[0] += 10

    reseal(full_range, shift)
    return full_range


def test_a_form_that_verify_found_to_answer_otherwise_is_not_chosen(otherwise, own_home, monkeypatch):
    own = otherwise
    processor(monkeypatch, "avx2")
    assert Classifier(own).form == "int8"
    assert not verify(own, forms=["int8"]).agrees
    assert verify(own, forms=["fp32"]).agrees  # what was found of int8 stays
    with pytest.warns(RuntimeWarning, match="int8 answers otherwise.*fp32 runs") as said:
        classifier = Classifier(own)
    assert (classifier.form, classifier.notice, len(said)) == ("fp32", str(said[0].message), 1)
    with pytest.warns(RuntimeWarning, match="int8 answers otherwise"):
        assert Classifier(own, form="int8").form == "int8"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Classifier(own, form="fp32").notice is None
        # Found on another processor, with another onnxruntime, or not readable, it counts for nothing.
        (kept,) = (own_home / "verified").iterdir()
        for other in (kept.read_text().replace('"onnxruntime": "', '"onnxruntime": "0.'), "{", "[]"):
            kept.write_text(other)
            assert Classifier(own).form == "int8"
        verify(own)
        processor(monkeypatch, "avx2", "fma")
        assert Classifier(own).form == "int8"


def test_where_there_is_no_other_form_it_runs_and_it_is_said(otherwise, own_home):
    reseal(otherwise, lambda document: document["forms"]["fp32"].update(accepted=False))
    assert not verify(otherwise, forms=["int8"]).agrees
    with pytest.warns(RuntimeWarning, match="int8 answers otherwise"):
        assert Classifier(otherwise).form == "int8"


def test_what_verify_found_of_a_cascade_counts_too(bundles, tmp_path, own_home):
    own = shutil.copytree(bundles["cascade"], tmp_path / "own")

    def reverse(document):
        for rows in document["manifest"]["logits"].values():
            for row in rows:
                row.reverse()

    reseal(own, reverse)
    assert not verify(own).agrees
    with pytest.warns(RuntimeWarning, match="answers otherwise"):
        Classifier(own)


def test_a_form_that_could_not_be_loaded_is_not_held_against_the_bundle_later(tiny_bundle, tmp_path, own_home):
    own = shutil.copytree(tiny_bundle, tmp_path / "own")
    (own / "onnx" / "model_quantized.onnx").rename(own / "gone")
    assert not verify(own).agrees
    (own / "gone").rename(own / "onnx" / "model_quantized.onnx")
    assert Classifier(own).form == "int8"


def test_predict_says_it_once(otherwise, own_home):
    verify(otherwise)
    result = CliRunner().invoke(app, ["predict", str(otherwise), "a superb film"])

    assert result.exit_code == 0
    assert result.stderr.count("answers otherwise") == 1
    assert "answers otherwise" not in result.stdout


def test_the_portable_int8_is_chosen_where_the_other_is_converted(tiny_run, tmp_path, monkeypatch):
    import onnx
    from onnx import numpy_helper

    folder = tmp_path / "bundle"
    record = export(tiny_run, forms=["int8", "int8-portable"], max_accuracy_drop=1, output=folder)
    assert record.forms["int8-portable"].isa is None
    graph = onnx.load(folder / record.forms["int8-portable"].file).graph
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]
    weights = {each.name: numpy_helper.to_array(each).astype(int) for each in graph.initializer}
    used = [weights[node.input[1]] for node in products if node.input[1] in weights]
    assert used
    # 2 x 255 x 64 fits into 16 bits.
    assert max(np.abs(array).max() for array in used) <= 64

    def made_for_vnni(document):
        document["forms"]["int8"].update(isa="avx512_vnni")
        for form in document["forms"].values():
            form["gain"] = None  # of a few kilobytes it is chance

    reseal(folder, made_for_vnni)
    for instructions, chosen in {("avx2",): "int8-portable", ("avx2", "avx_vnni"): "int8", (): "int8"}.items():
        processor(monkeypatch, *instructions)
        assert Classifier(folder).form == chosen


def test_apps_and_profiles_have_the_same_threads(tiny_bundle, monkeypatch):
    import onnxruntime

    seen = []
    original = onnxruntime.InferenceSession

    def watching(model, options, **more):
        seen.append(options.intra_op_num_threads)
        return original(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watching)
    monkeypatch.setattr(runtime, "usable_cores", lambda: 3)
    Classifier(tiny_bundle)
    Classifier(tiny_bundle, threads=1)
    assert seen == [3, 1]


MEMORY = """
import sys
import psutil
from slmbench.edge import Classifier
classifier = Classifier(sys.argv[1], form="fp32", threads=1)
resident = lambda: psutil.Process().memory_info().rss
classifier.predict_proba(["a superb film"] * 2, batch_tokens=64)
before = resident()
classifier.predict_proba(["a superb film and a dull plot " * 8] * 20000, batch_tokens=10**6)
print(int((resident() - before) / 1e6))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory that is given back is seen at once on Linux")
def test_a_large_batch_does_not_keep_its_memory(tiny_bundle):
    kept = int(subprocess.check_output([sys.executable, "-c", MEMORY, str(tiny_bundle)], timeout=120))
    assert kept < 300


@pytest.mark.parametrize("kind", ["onnx", "tfidf", "cascade"])
def test_an_empty_text_has_the_same_answer_however_it_is_asked(bundles, kind, tmp_path):
    classifier = Classifier(bundles[kind])
    (alone,) = classifier.predict("")
    np.testing.assert_array_equal(classifier.predict_proba([""])[0], list(alone.scores.values()))
    assert next(classifier.stream(["", "  ", "a superb film"])) == alone
    (in_a_batch,) = classifier.predict([""], batch_tokens=64)
    assert in_a_batch.label == alone.label
    table = tmp_path / "texts.csv"
    table.write_text('text\n""\na superb film\n', encoding="utf-8")
    result = CliRunner().invoke(app, ["predict", str(bundles[kind]), "--input", str(table)])
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["label"] == alone.label
    assert json.loads(lines[0])["score"] == pytest.approx(alone.score, abs=1e-6)
