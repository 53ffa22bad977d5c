"""A weak and a strong classifier of the same reviews, with labelled reviews left that neither has met."""

import pytest
from learnable import write_reviews

from slmbench.cascade import cascade
from slmbench.corpora import load_corpus
from slmbench.export import export
from slmbench.methods.training import TrainingOptions, finetune


@pytest.fixture(scope="session")
def many_reviews(tmp_path_factory):
    """A CSV of 900 reviews of three labels: some 765 to train on, 135 to test on."""
    labels = ["negative", "neutral", "positive"]
    return write_reviews(tmp_path_factory.mktemp("many") / "reviews.csv", labels, 900, seed=3)


@pytest.fixture(scope="session")
def floors(tmp_path_factory, many_reviews):
    """Folders of the runs of two TF-IDF floors: of 18 reviews, and of 300."""
    folder = tmp_path_factory.mktemp("runs")
    for name, size in (("weak", 18), ("strong", 300)):
        corpus = load_corpus(str(many_reviews), train_size=size)
        finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=folder / name)
    return folder / "weak", folder / "strong"


@pytest.fixture(scope="session")
def bundles(tmp_path_factory, floors):
    """Folders of their bundles."""
    folder = tmp_path_factory.mktemp("exported")
    for run in floors:
        export(run, output=folder / run.name)
    return folder / "weak", folder / "strong"


@pytest.fixture(scope="session")
def both(tmp_path_factory, bundles):
    """The folder of their cascade."""
    folder = tmp_path_factory.mktemp("cascades") / "both"
    cascade(*bundles, output=folder)
    return folder
