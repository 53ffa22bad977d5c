"""What share of a rung's time its tokenizer takes, one review at a time on one thread.

    python benchmarks/tokenisation.py BUNDLE... [--reviews 200] [--rounds 5]

Steps of the default form are timed on the same IMDb reviews, bundle after bundle in each round: text to items
(tokens, or words of TF-IDF and static models), items to arrays, and the model. A review's processor time is the
median of the rounds, and the medians over reviews are printed, with the time that the tokenizer may take for a share
of 5 %.

The first line says what a tokenizer with equal ids could take if it looked up whole words and split only those that
it has not seen: the time of a regular expression that finds words and signs, and of a look-up of each.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import numpy as np

from slmbench.corpora import load_corpus
from slmbench.edge.runtime import BundleFiles, OnnxBackend, load_backend
from slmbench.instruments.hardware import hardware_fingerprint

GOAL = 0.05


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--reviews", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts = load_corpus("imdb", train_size=10, test_size=options.reviews).test.texts
    opened = {folder: BundleFiles.open(folder) for folder in options.bundles}
    forms = {folder: files.choose_form(None) for folder, files in opened.items()}
    backends = {folder: load_backend(files, forms[folder], 1) for folder, files in opened.items()}
    times = {folder: np.empty((options.rounds, len(texts), 3)) for folder in backends}
    for number in range(options.rounds):
        for folder, backend in backends.items():
            backend.logits(backend.encode(texts[:1]))
            for row, text in enumerate(texts):
                began = time.process_time()
                items = backend.encode([text])
                encoded = time.process_time()
                if isinstance(backend, OnnxBackend):
                    backend.feed(items)
                fed = time.process_time()
                backend.logits(items)
                times[folder][number, row] = encoded - began, fed - encoded, time.process_time() - fed
    print(f"{hardware_fingerprint()['machine']}; {len(texts)} reviews of {mean_words(texts):.0f} words, one thread")
    print(f"  words and signs, looked up in a dictionary: {1e6 * looked_up(texts, options.rounds):.0f} µs")
    for folder, found in times.items():
        # The logits make the arrays again.
        tokens, arrays, whole = 1e6 * np.median(found, axis=0).T
        model = whole - arrays
        share = tokens / (tokens + whole)
        room = np.median(GOAL / (1 - GOAL) * whole)
        print(
            f"  {folder.name} {forms[folder]}: tokenizer {np.median(tokens):.0f} µs, arrays"
            f" {np.median(arrays):.0f} µs, model {np.median(model):.0f} µs; {np.median(share):.1%} of the time is the"
            f" tokenizer's; {GOAL:.0%} would be {room:.0f} µs"
        )


def looked_up(texts: list[str], rounds: int) -> float:
    """Return the median seconds a review that finding its words and looking them up takes."""
    find = re.compile(r"\w+|[^\w\s]").findall
    known = {word: [number] for number, word in enumerate({word for text in texts for word in find(text.lower())})}
    times = np.empty((rounds, len(texts)))
    for number in range(rounds):
        for row, text in enumerate(texts):
            began = time.process_time()
            ids: list[int] = []
            for word in find(text.lower()):
                ids += known[word]
            times[number, row] = time.process_time() - began
    return float(np.median(np.median(times, axis=0)))


def mean_words(texts: list[str]) -> float:
    """Return the mean number of words of texts."""
    return float(np.mean([len(text.split()) for text in texts]))


if __name__ == "__main__":
    main()
