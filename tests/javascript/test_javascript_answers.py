"""The same bundle in Python, under Node and in a page of a browser: same tokens, same labels, near-equal scores."""

from pathlib import Path

import numpy as np
import pytest
from javascript_runtimes import Job, missing, node_answers, page_outcome
from tokenizers import Tokenizer

from slmbench.edge import Classifier
from slmbench.export.manifest import MANIFEST_TEXTS

SHIPPED = Path(__file__).parents[2] / "exported/bert-tiny-imdb"
#: Those of a manifest, and half a surrogate pair, which a JavaScript string can hold.
TEXTS = [entry.text for entry in MANIFEST_TEXTS] + ["good \ud83d film"]
#: WebAssembly rounds other sums otherwise; before int8 that can move an activation to the next of its 256 steps.
TOLERANCE = {"fp32": 1e-5, "int8": 0.02, "int8-portable": 0.02}


@pytest.fixture(scope="module")
def jobs(tiny_bundle):
    bundles = [(tiny_bundle, "fp32"), (tiny_bundle, "int8"), (SHIPPED, "int8-portable")]
    return [Job(bundle, form, TEXTS) for bundle, form in bundles if bundle.is_dir()]


@pytest.fixture(scope="module")
def outcome(jobs, tmp_path_factory):
    if reason := missing(chromium=True):
        pytest.skip(reason)
    return page_outcome(jobs, tmp_path_factory.mktemp("chromium"))


@pytest.fixture(scope="module", params=["node", "page"])
def answers(request, jobs):
    """What JavaScript answers to each job."""
    if request.param == "page":
        outcome = request.getfixturevalue("outcome")
        assert "error" not in outcome, outcome["error"]
        return outcome["answers"]
    if reason := missing():
        pytest.skip(reason)
    return node_answers(jobs)


@pytest.fixture(scope="module")
def token_ids(jobs):
    """The ids of each job's texts as Python's tokenizers cuts them."""
    found = []
    for job in jobs:
        tokenizer = Tokenizer.from_file(str(job.bundle / "tokenizer.json"))
        tokenizer.no_padding()
        # tokenizers takes no half pairs; the runtime hands it U+FFFD.
        texts = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in job.texts]
        found.append([encoding.ids for encoding in tokenizer.encode_batch(texts)])
    return found


def longest(rows):
    return max(len(ids) for ids in rows)


def test_every_text_has_pythons_tokens(answers, token_ids):
    for ours, theirs in zip(token_ids, answers, strict=True):
        assert [answer["ids"] for answer in theirs["cut"]] == ours


def test_labels_and_scores_are_pythons(jobs, answers):
    for job, theirs in zip(jobs, answers, strict=True):
        classifier = Classifier(job.bundle, form=job.form)
        ours = classifier.predict_proba(job.texts)
        scores = np.array([[answer["scores"][label] for label in classifier.labels] for answer in theirs["cut"]])
        tolerance = TOLERANCE[job.form]
        assert scores == pytest.approx(ours, abs=tolerance)
        sure = np.abs(ours[:, 0] - ours[:, 1]) > 2 * tolerance
        assert sure.sum() > len(job.texts) / 2
        assert (scores.argmax(1) == ours.argmax(1))[sure].all()


def test_the_pipeline_as_it_comes_leaves_the_closing_token_off_where_it_cuts(answers, token_ids):
    """Why ``cutAsTrained`` is there: when this fails, transformers.js needs it no more, and docs/edge.md says so."""
    for ours, theirs in zip(token_ids, answers, strict=True):
        plain = [answer["ids"] for answer in theirs["plain"]]
        others = [ids for ids, own in zip(plain, ours, strict=True) if ids != own]
        assert 0 < len(others) < len(ours) / 2
        closing = ours[0][-1]
        assert all(len(ids) == longest(ours) and ids[-1] != closing for ids in others)


def test_the_page_asks_nobody_but_its_own_server(outcome):
    assert outcome["blocked"] == []
