"""Scoring speed: `Classifier.predict` and Optimum's pipeline over the same ONNX file, in turns; memory of a stream.

    python benchmarks/scoring_speed.py [BUNDLE] [--form int8] [--reviews 400] [--words 180] [--rounds 2]
    python benchmarks/scoring_speed.py [BUNDLE] --memory 1000 100000 1000000

slmbench and the pipeline have processes of their own, loaded once. All ways answer the same 100 reviews one after
the other, each first in turn, then the next 100, and so for several rounds. Reviews are test reviews of the bundle
with at least ``--words`` words, truncated as in training. The script prints reviews per second, accuracy, the share
of labels equal to those of one inference at a time, and medians of paired ratios with 95 % intervals.

With ``--memory`` it prints the peak memory of processes that classify so many short texts from a generator.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

TURN = 100
#: Texts that are answered before anything is timed: enough for workers to be loaded.
WARM_UP = 64
FAST, PLAIN, PEER = "slmbench", "slmbench, one inference at a time", "Optimum's pipeline, batches of"
#: Answers texts with labels.
Answer = Callable[[list[str]], list[str]]


def ours(bundle: Path, form: str, name: str, **given) -> dict[str, Answer]:
    """Return what answers with slmbench, by its name."""
    from slmbench.edge import Classifier

    classifier = Classifier(bundle, form=form, **given)
    return {name: lambda texts: [prediction.label for prediction in classifier.predict(texts)]}


def optimum(bundle: Path, form: str, batches: list[int]) -> dict[str, Answer]:
    """Return what answers with Optimum's pipeline, as its documentation shows it, by batch size."""
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer, pipeline

    from slmbench.records import BundleRecord, artefacts

    record = artefacts.read(bundle, BundleRecord)
    model = ORTModelForSequenceClassification.from_pretrained(
        str(bundle), subfolder="onnx", file_name=Path(record.forms[form].file).name
    )
    classify = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(str(bundle)))

    def answer(texts: list[str], batch: int) -> list[str]:
        found = classify(texts, truncation=True, max_length=record.max_length, batch_size=batch)
        return [one["label"] for one in found]

    return {f"{PEER} {batch}": partial(answer, batch=batch) for batch in batches}


def serve(make: Callable[[], dict[str, Answer]], warm_up: list[str], pipe: Connection) -> None:
    """Answer names of ways and texts with labels and seconds; the names are sent once all ways are warm."""
    answers = make()
    for answer in answers.values():
        answer(warm_up)
    pipe.send(list(answers))
    while request := pipe.recv():
        name, texts = request
        began = time.perf_counter()
        labels = answers[name](texts)
        pipe.send((labels, time.perf_counter() - began))


class Way:
    """One way to answer.

    Args:
        name: What it is called.
        pipe: Of the process that answers.
    """

    def __init__(self, name: str, pipe: Connection) -> None:
        self.name = name
        self.labels: list[str] = []
        #: Of each round the seconds of each turn.
        self.seconds: list[list[float]] = []
        self._pipe = pipe

    def ask(self, texts: list[str], number: int) -> None:
        """Answer texts in a round."""
        self._pipe.send((self.name, texts))
        labels, seconds = self._pipe.recv()
        if len(self.seconds) == number:
            self.seconds.append([])
        self.seconds[number].append(seconds)
        if number == 0:
            self.labels += labels

    def end(self) -> None:
        """End the process."""
        self._pipe.send(None)


def started(makers: list[Callable[[], dict[str, Answer]]], warm_up: list[str]) -> list[Way]:
    """Start a process for each maker, one after the other; returns all ways."""
    context = multiprocessing.get_context("spawn")
    ways = []
    for make in makers:
        pipe, other = context.Pipe()
        context.Process(target=serve, args=(make, warm_up, other), daemon=True).start()
        ways += [Way(name, pipe) for name in pipe.recv()]
    return ways


def compare(said: argparse.Namespace) -> None:
    """Time all ways in turns and print."""
    from slmbench.instruments.hardware import hardware_fingerprint, usable_cores
    from slmbench.profiling.agreement import all_test_reviews
    from slmbench.records import BundleRecord, artefacts
    from slmbench.statistics import paired_ratio

    record = artefacts.read(said.bundle, BundleRecord)
    split = all_test_reviews(record.corpus)
    names = record.forms[said.form].predictions.labels
    rows = [row for row, text in enumerate(split.texts) if len(text.split()) >= said.words][: said.reviews]
    texts = [split.texts[row] for row in rows]
    truth = [names[split.labels[row]] for row in rows]
    make = partial(ours, said.bundle, said.form)
    makers = [
        partial(make, FAST),
        partial(make, PLAIN, threads=usable_cores(), workers=1),
        partial(optimum, said.bundle, said.form, said.batches),
    ]
    ways = started(makers, texts[:WARM_UP])
    for number in range(said.rounds):
        for start in range(0, len(texts), TURN):
            first = (number + start // TURN) % len(ways)
            for way in ways[first:] + ways[:first]:
                way.ask(texts[start : start + TURN], number)
    for way in ways:
        way.end()
    words = sum(len(text.split()) for text in texts) / len(texts)
    print(f"{hardware_fingerprint()['machine']}; {said.bundle} {said.form}")
    print(f"{len(texts)} reviews of {words:.0f} words on average, {said.rounds} rounds in turns of {TURN}")
    by_name = {way.name: way for way in ways}
    speed = {name: said.rounds * len(texts) / np.sum(way.seconds) for name, way in by_name.items()}
    for name, way in by_name.items():
        accuracy, alike = (
            np.mean([label == other for label, other in zip(way.labels, wanted, strict=True)])
            for wanted in (truth, by_name[PLAIN].labels)
        )
        print(f"  {name:36} {speed[name]:6.1f} reviews/s  accuracy {accuracy:.4f}  labels alike {alike:.4f}")
    peer = max((name for name in speed if name.startswith(PEER)), key=lambda name: speed[name])
    for other in (PLAIN, peer):
        ratio = paired_ratio(by_name[other].seconds, by_name[FAST].seconds)
        interval = f"{ratio.ci95[0]:.2f}–{ratio.ci95[1]:.2f}" if ratio.ci95 else "unknown"
        print(f"  {FAST} against {other}: {ratio.value:.2f}× (95 % interval {interval})")


def stream(bundle: Path, form: str | None, rows: int, pipe: Connection) -> None:
    """Classify so many texts from a generator; sends the peak memory after loading and at the end, and seconds."""
    from slmbench.edge import Classifier
    from slmbench.instruments.memory import high_water_mark

    classifier = Classifier(bundle, form=form, workers=2)
    texts = ("a superb film", "two hours I want back", "dull and noisy, but the cast is good")
    for _ in classifier.stream(islice(texts, 3)):
        pass
    loaded, _ = high_water_mark()
    began, answered = time.perf_counter(), 0
    for _ in classifier.stream(texts[number % 3] for number in range(rows)):
        answered += 1
    if answered != rows:
        raise SystemExit(f"{answered} of {rows} texts were answered")
    pipe.send((loaded, high_water_mark()[0], time.perf_counter() - began))


def memory(said: argparse.Namespace) -> None:
    """Print the peak memory of streams."""
    context = multiprocessing.get_context("spawn")
    for rows in said.memory:
        here, there = context.Pipe()
        process = context.Process(target=stream, args=(said.bundle, said.form, rows, there))
        process.start()
        loaded, peak, seconds = here.recv()
        process.join()
        print(f"{rows:>9,} texts: {peak / 1e6:.1f} MB at most, {loaded / 1e6:.1f} MB once loaded ({seconds:.1f} s)")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("exported/quickstart-minilm-l6"))
    parser.add_argument("--form", default="int8")
    parser.add_argument("--reviews", type=int, default=400)
    parser.add_argument("--words", type=int, default=180, help="a review has at least so many words")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16], help="batch sizes of the pipeline")
    parser.add_argument("--memory", type=int, nargs="+", metavar="ROWS", help="print peak memory for so many texts")
    said = parser.parse_args()
    memory(said) if said.memory else compare(said)


if __name__ == "__main__":
    main()
