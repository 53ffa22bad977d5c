"""Speed of static classifiers beside other bundles, and where a static one spends its time.

    python benchmarks/static_speed.py exported/static exported/bert-tiny [--reviews 400] [--rounds 5]

All bundles answer the same IMDb reviews one at a time in their default form with one thread, in turns. Of a static
bundle the steps are timed by themselves: words (regular expression), ids (dictionary), rows (hashes of n-grams,
sorted), sum (rows of the table) and head. The times are medians of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from slmbench.corpora import load_corpus
from slmbench.edge import Classifier
from slmbench.edge.runtime import BundleFiles, StaticBackend, static_rows, static_words


def seconds(work: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def steps(folder: Path, form: str, texts: list[str], rounds: int) -> dict[str, float]:
    """Return the median microseconds per review of each step."""
    files = BundleFiles.open(folder)
    backend = StaticBackend(folder, files.form_path(form).name)
    words = [static_words(text) for text in texts]
    ids = backend.encode(texts)
    shape = len(backend.ids), backend.longest, backend.buckets
    arrays = [np.array(own, dtype=np.uint32) for own in ids]
    rows = [static_rows(own, *shape) for own in arrays]
    pooled = [backend.pool(own) for own in rows]
    known = backend.ids.get
    work: dict[str, Callable[[], object]] = {
        "words": lambda: [static_words(text) for text in texts],
        "ids": lambda: [np.array([known(word, 0) for word in own], dtype=np.uint32) for own in words],
        "rows": lambda: [static_rows(own, *shape) for own in arrays],
        "sum": lambda: [backend.pool(own) for own in rows],
        "head": lambda: [backend.head(own) for own in pooled],
        "all": lambda: [backend.logits(backend.encode([text])) for text in texts],
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, one in work.items():
            times[name].append(1e6 * seconds(one) / len(texts))
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--reviews", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts = load_corpus("imdb", train_size=10, test_size=options.reviews).test.texts
    classifiers = {folder: Classifier(folder, threads=1) for folder in options.bundles}
    times: dict[Path, list[float]] = {folder: [] for folder in classifiers}
    for classifier in classifiers.values():
        classifier.predict_logits(texts[:20])
    for _ in range(options.rounds):
        for folder, classifier in classifiers.items():
            times[folder].append(seconds(lambda classifier=classifier: classifier.predict_logits(texts)))
    print(f"{len(texts)} reviews of {np.mean([len(text.split()) for text in texts]):.0f} words, one thread")
    for folder, found in times.items():
        rate = len(texts) / statistics.median(found)
        print(f"{folder.name} {classifiers[folder].form}: {rate:,.0f} reviews/s")
    for folder, classifier in classifiers.items():
        if BundleFiles.open(folder).runtime == "static":
            parts = steps(folder, classifier.form, texts, options.rounds)
            print(f"{folder.name}, µs a review: " + ", ".join(f"{name} {one:.1f}" for name, one in parts.items()))


if __name__ == "__main__":
    main()
