"""The path on the real starter weights and reviews, and the bundle that comes with the repository."""

import json
from pathlib import Path

import pytest
from starter_helpers import fetch_or_skip

from slmbench.common.files import sha256_of
from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune
from slmbench.profiling import ProfileOptions, profile

SHIPPED = Path(__file__).parent.parent / "exported/bert-tiny-imdb"
PRAISE = "A superb film: wonderful actors, a moving story, and the best ending I have seen in years. I loved it."
BLAME = "Terrible. Two boring hours of awful acting and a stupid plot; the worst movie of the year, a waste of time."


@pytest.fixture
def starter_items():
    """The starter weights and reviews, fetched into the user's cache where they are missing."""
    fetch_or_skip("bert-tiny", "imdb")


@pytest.mark.slow
def test_bert_tiny_learns_imdb(starter_items, tmp_path):
    corpus = load_corpus("imdb", train_size=200, test_size=200)
    options = TrainingOptions(epochs=2, max_length=128)

    run = finetune("bert-tiny", corpus, options, output=tmp_path / "run")
    bundle = export(tmp_path / "run", max_accuracy_drop=0.05, output=tmp_path / "bundle")
    (measured,) = profile(
        [tmp_path / "bundle"],
        ProfileOptions(forms=("int8",), processes=1, time_limit_s=2.0),
        output=tmp_path / "profiles",
    )

    assert run.base_license == "Apache-2.0"
    assert run.corpus.test_reviews == 200
    assert run.test.accuracy > run.test.majority_baseline
    parity = bundle.forms["fp32"].parity
    assert (parity.reviews, parity.label_flips) == (200, 0)
    assert parity.max_abs_logit_diff < 1e-4
    assert bundle.forms["int8"].accepted, bundle.forms["int8"].reason
    # Weights in 8 bits: a quarter of the file.
    assert bundle.forms["int8"].bytes < 0.3 * bundle.forms["fp32"].bytes
    assert measured.corpus.inputs == "reviews"
    assert measured.corpus.test_hash == run.corpus.test_hash
    assert measured.accuracy == bundle.forms["int8"].accuracy
    # What is recorded is what the runtime says: the same reviews again give the same labels.
    said = Classifier(tmp_path / "bundle", form="int8").predict(corpus.test.texts)
    recorded = bundle.forms["int8"].predictions.predicted()
    assert [prediction.label for prediction in said] == [bundle.labels[number] for number in recorded]


@pytest.mark.slow
def test_the_shipped_bundle_was_tested_on_reviews_it_has_not_seen(starter_items):
    if not SHIPPED.is_dir():
        pytest.skip("exported/bert-tiny-imdb is not in this checkout")
    record = json.loads((SHIPPED / "bundle.json").read_text(encoding="utf-8"))
    corpus = load_corpus(**record["corpus"]["options"])

    assert corpus.identity().test_hash == record["corpus"]["test_hash"]
    assert not set(corpus.test.row_ids) & set(corpus.train.row_ids)
    predicted = Classifier(SHIPPED, form="int8-portable").predict(corpus.test.texts)
    truth = [corpus.label_names[number] for number in corpus.test.labels]
    hits = [said.label == label for said, label in zip(predicted, truth, strict=True)]
    # Another CPU rounds int8 otherwise: a few reviews may fall to the other side.
    assert sum(hits) / len(hits) == pytest.approx(record["forms"]["int8-portable"]["accuracy"], abs=0.01)


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="exported/bert-tiny-imdb is not in this checkout")
class TestShippedBundle:
    """What needs nothing but the files of the repository."""

    def test_its_files_are_whole(self):
        record = json.loads((SHIPPED / "bundle.json").read_text(encoding="utf-8"))

        # 7-bit weights: the same answers with and without VNNI.
        assert [form["isa"] for form in record["forms"].values()] == [None]
        for form in record["forms"].values():
            assert form["accepted"]
            assert (SHIPPED / form["file"]).stat().st_size == form["bytes"]
            assert sha256_of(SHIPPED / form["file"]) == form["sha256"]

    def test_it_is_small_and_says_what_it_is(self):
        assert sum(file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file()) <= 6e6
        assert "license: apache-2.0" in (SHIPPED / "README.md").read_text(encoding="utf-8").lower()

    def test_it_tells_praise_from_blame(self):
        praise, blame = Classifier(SHIPPED).predict([PRAISE, BLAME])

        assert (praise.label, blame.label) == ("positive", "negative")
        assert min(praise.score, blame.score) > 0.6
