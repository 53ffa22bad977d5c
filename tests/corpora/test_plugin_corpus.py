"""A corpus of an installed package works by its name, and every built-in kind is documented."""

import sys
from pathlib import Path

import pytest

from slmbench.common.registry import Registry
from slmbench.corpora import CORPORA, corpus_available, known_corpora, load_again, load_corpus, sample_texts

TOY = """
from slmbench.corpora import CorpusSource

class Weather(CorpusSource):
    name = "weather"
    help = "Made-up reports of the weather."

    def rows(self, corpus, progress):
        for number in range(200):
            yield {"text": f"report {number} of the weather", "label": ("rain", "sun")[number % 2]}

WEATHER = Weather()
"""


@pytest.fixture
def weather(tmp_path, monkeypatch):
    """Install a package that adds the corpus "weather"."""
    builtin = list(CORPORA)
    (tmp_path / "toy_corpus.py").write_text(TOY)
    info = tmp_path / "toy_corpus-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-corpus\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[slmbench.corpora]\nweather = toy_corpus:WEATHER\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "toy_corpus", raising=False)
    # The registry remembers the packages it has seen.
    monkeypatch.setattr(known_corpora, "CORPORA", Registry(CORPORA.noun, CORPORA.group, builtin))


@pytest.mark.usefixtures("weather")
def test_a_corpus_of_an_installed_package_is_loaded_by_its_name():
    corpus = load_corpus("weather", train_size=50, test_size=20)
    assert (corpus.name, corpus.label_names) == ("weather", ["rain", "sun"])
    assert corpus.source == "Made-up reports of the weather."
    assert (len(corpus.train) + len(corpus.validation), len(corpus.test)) == (50, 20)
    assert corpus_available(corpus.options)
    assert load_again(corpus.options, corpus.identity().test_hash).test == corpus.test


@pytest.mark.usefixtures("weather")
def test_its_texts_are_read_without_labels():
    assert sample_texts("weather", size=20).name == "weather"


def test_every_kind_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
    assert [name for name in CORPORA.names if f"`{name}`" not in page] == []
    assert all(source.help for source in CORPORA)
