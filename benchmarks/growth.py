"""Growth: what training and answering cost against the number of reviews, their length and the size of the model.

    python benchmarks/growth.py --axis corpus --record growth.jsonl
    python benchmarks/growth.py --axis length --record growth.jsonl
    python benchmarks/growth.py --axis size --record growth.jsonl
    python benchmarks/growth.py --record growth.jsonl --plot growth.png    # table, exponents, plot

Every point is a process of its own, and is kept in the record, so that an interrupted run goes on where it was. All
run on one thread, and times are those of the processor, so that a machine that does something else too hardly counts.

- corpus: bert-tiny learns 1,000 to 20,000 IMDb reviews in one epoch (256 tokens), and the bundle in ``exported/``
  answers as many, one at a time.
- length: long reviews cut at 32 to 512 tokens; minilm-l6 learns them, and its architecture with random
  weights answers inputs of exactly so many tokens in fp32 through torch.
- size: BERT of six sizes with random weights, 256 tokens; only time and memory mean anything there.

Lines are fitted to the logarithms by least squares. The exponent says by how much the cost grows: 1 is in proportion,
2 with the square; with its 95 % interval, which is that of the fit to these points.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from slmbench.instruments.children import THREAD_VARIABLES
from slmbench.instruments.memory import high_water_mark

AXES = {
    "corpus": [1000, 4000, 20_000],
    "length": [32, 64, 128, 256, 512],
    # Layers of the model; SIZES has the rest.
    "size": [1, 2, 4, 6, 8, 12],
}
#: Width by layers: from a tenth of a million parameters beside the embeddings to BERT-base.
SIZES = {1: 96, 2: 128, 4: 256, 6: 384, 8: 512, 12: 768}
TITLES = {"corpus": "reviews", "length": "tokens of a text", "size": "parameters without embeddings"}
#: Costs, with what a unit of them is called.
COSTS = {
    "corpus": {"training_s": "training", "answering_s": "answering"},
    "length": {"training_ms": "training", "one_ms": "one at a time", "batch_ms": "16 at a time"},
    "size": {"training_ms": "training", "one_ms": "one at a time", "batch_ms": "16 at a time"},
}
MEMORY = {"training_mb": "training", "answering_mb": "answering"}
BUNDLE = Path(__file__).parents[1] / "exported" / "bert-tiny-imdb"
#: Tokens that a training reads at each length and size, so that all take a few seconds.
TOKENS = 32_768


def long_reviews(count: int, words: int) -> Any:
    """Return a corpus whose training reviews have at least so many words."""
    from slmbench.corpora import Split, load_corpus

    corpus = load_corpus("imdb", train_size=20_000, test_size=100, validation_fraction=0)
    rows = [row for row, text in enumerate(corpus.train.texts) if len(text.split()) >= words][:count]
    columns = (
        [column[row] for row in rows] for column in (corpus.train.texts, corpus.train.labels, corpus.train.row_ids)
    )
    return replace(corpus, train=Split(*columns))


def trained(model: str, corpus: Any, length: int) -> dict[str, float]:
    """Train for one epoch; returns seconds of the processor and the peak memory of this process in MB."""
    from slmbench.common.progress import Silent
    from slmbench.methods.training import TrainingOptions, finetune

    seconds = []

    class Clock(Silent):
        @contextmanager
        def task(self, description: str, *given: Any, **named: Any) -> Iterator[Any]:
            began = time.process_time()
            with super().task(description) as task:
                yield task
            if description.startswith("training"):
                seconds.append(time.process_time() - began)

    with tempfile.TemporaryDirectory() as folder:
        options = TrainingOptions(epochs=1, max_length=length)
        record = finetune(model, corpus, options, output=Path(folder) / "run", progress=Clock())
    memory = record.train.peak_rss_bytes / 1e6
    return {"training_s": seconds[0], "training_ms": 1e3 * seconds[0] / len(corpus.train), "training_mb": memory}


def by_corpus(reviews: int, part: str) -> dict[str, float]:
    """Learn or answer so many reviews."""
    from slmbench.corpora import load_corpus

    corpus = load_corpus("imdb", train_size=reviews, test_size=100, validation_fraction=0)
    if part == "training":
        return trained("bert-tiny", corpus, 256)
    from slmbench.edge import Classifier

    classifier = Classifier(BUNDLE, threads=1, workers=1)
    classifier.predict(corpus.train.texts[:64])
    began = time.process_time()
    for _ in classifier.stream(corpus.train.texts):
        pass
    return {"answering_s": time.process_time() - began, "answering_mb": high_water_mark()[0] / 1e6}


def by_length(tokens: int, part: str) -> dict[str, float]:
    """Learn or answer texts of so many tokens with minilm-l6."""
    if part == "training":
        return trained("minilm-l6", long_reviews(TOKENS // tokens, 450), tokens)
    return answered(bert(6), tokens)


def by_size(layers: int, part: str) -> dict[str, float]:
    """Learn or answer texts of 256 tokens with a model of random weights."""
    model = bert(layers)
    if part == "answering":
        return answered(model, 256)
    from transformers import AutoTokenizer

    from slmbench import starter
    from slmbench.common.progress import SILENT
    from slmbench.models import count_parameters

    counts = count_parameters(model)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(starter.ensure("bert-tiny", SILENT)).save_pretrained(folder)
        found = trained(folder, long_reviews(TOKENS // 256, 250), 256)
    return found | {"parameters": counts.without_embeddings, "all_parameters": counts.total}


def bert(layers: int) -> Any:
    """Return BERT with random weights; that of 6 layers is of minilm-l6's shape."""
    from transformers import AutoModelForSequenceClassification, BertConfig

    width = SIZES[layers]
    config = BertConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=12 if width == 384 else max(2, width // 64),
        intermediate_size=4 * width,
    )
    return AutoModelForSequenceClassification.from_config(config).eval()


def answered(model: Any, tokens: int) -> dict[str, float]:
    """Return the median time of a review, one at a time and 16 at a time, and the peak memory."""
    import torch

    found = {}
    for name, batch in {"one_ms": 1, "batch_ms": 16}.items():
        ids = torch.randint(1000, 20_000, (batch, tokens))
        times = []
        with torch.inference_mode():
            for _ in range(7):
                began = time.process_time()
                model(ids)
                times.append(1e3 * (time.process_time() - began) / batch)
        found[name] = statistics.median(times[2:])
    return found | {"answering_mb": high_water_mark()[0] / 1e6}


POINTS = {"corpus": by_corpus, "length": by_length, "size": by_size}


def measure(axis: str, record: Path) -> None:
    """Measure the points of an axis that the record does not have."""
    for value in AXES[axis]:
        for part in ("training", "answering"):
            wanted = {"axis": axis, "value": value, "part": part}
            if any(wanted.items() <= line.items() for line in lines_of(record)):
                continue
            words = [sys.executable, __file__, "--one", json.dumps(wanted)]
            threads = dict.fromkeys(THREAD_VARIABLES, "1")
            answer = subprocess.run(
                words, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **threads}
            ).stdout
            line = wanted | json.loads(answer.strip().splitlines()[-1])
            with record.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)


def lines_of(record: Path) -> list[dict[str, Any]]:
    """Return what was measured."""
    return [json.loads(line) for line in record.read_text().splitlines()] if record.is_file() else []


def points_of(record: Path, axis: str) -> dict[float, dict[str, float]]:
    """Return all costs of an axis by the value on it."""
    found: dict[int, dict[str, float]] = {}
    for line in lines_of(record):
        if line["axis"] == axis:
            found.setdefault(line["value"], {}).update(line)
    named = "parameters" if axis == "size" else "value"
    return {float(point[named]): point for _, point in sorted(found.items()) if named in point}


def exponent(xs: list[float], ys: list[float]) -> tuple[float, float, float, float]:
    """Fit a power law; returns the exponent, half of its 95 % interval, and the line's values at both ends."""
    from scipy.stats import linregress, t

    fit = linregress(np.log(xs), np.log(ys))
    half = float(t.isf(0.025, len(xs) - 2) * fit.stderr)
    ends = (float(np.exp(fit.intercept + fit.slope * np.log(x))) for x in (xs[0], xs[-1]))
    return float(fit.slope), half, *ends


def table(points: dict[float, dict[str, float]], costs: dict[str, str], axis: str) -> Iterator[str]:
    """Yield a table in Markdown with the exponents below."""
    yield (
        f"| {TITLES[axis]} | "
        + " | ".join(f"{word}, {name.split('_')[1].replace('mb', 'MB')}" for name, word in costs.items())
        + " |"
    )
    yield "|---:|" + "---:|" * len(costs)
    for value, point in points.items():
        shown = (f"{point[name]:,.3g}" if point[name] < 1000 else f"{point[name]:,.0f}" for name in costs)
        yield f"| {value:,.0f} | " + " | ".join(shown) + " |"
    fits = {name: exponent(list(points), [point[name] for point in points.values()]) for name in costs}
    yield "| exponent | " + " | ".join(f"{slope:.2f} ± {half:.2f}" for slope, half, *_ in fits.values()) + " |"


def draw(record: Path, path: Path) -> None:
    """Plot the costs of all axes, time above memory."""
    from slmbench.common.plotting import PALETTE, new_figure, plain_axes, save

    figure = new_figure(11, 6)
    panels = figure.subplots(2, len(AXES), sharex="col")
    for column, axis in enumerate(AXES):
        points = points_of(record, axis)
        for row, costs in enumerate((COSTS[axis], MEMORY)):
            panel = panels[row][column]
            plain_axes(panel)
            for number, (name, word) in enumerate(costs.items()):
                xs, ys = list(points), [point[name] for point in points.values()]
                slope, half, *ends = exponent(xs, ys)
                colour = PALETTE[number]
                panel.plot(xs, ys, "o", color=colour, markersize=4, label=f"{word}: {slope:.2f} ± {half:.2f}")
                panel.plot([xs[0], xs[-1]], ends, color=colour, linewidth=1)
            panel.set_xscale("log")
            panel.set_yscale("log")
            if axis != "size":
                panel.set_xticks(list(points), [f"{value:,.0f}" for value in points], minor=False)
                panel.minorticks_off()
            unit = "MB at the peak" if row else "s in all" if axis == "corpus" else "ms a review"
            panel.set_ylabel(unit, fontsize=8)
            panel.legend(fontsize=7, frameon=False, title="exponent", title_fontsize=7)
        panels[1][column].set_xlabel(TITLES[axis], fontsize=9)
    save(figure, path)


def main() -> None:
    """Measure, or print and draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axis", choices=list(AXES))
    parser.add_argument("--record", type=Path, default=Path("growth.jsonl"))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.one:
        point = json.loads(said.one)
        print(json.dumps(POINTS[point["axis"]](point["value"], point["part"])))
        return
    if said.axis:
        measure(said.axis, said.record)
    if said.plot:
        from slmbench.instruments.hardware import hardware_fingerprint

        print(hardware_fingerprint()["machine"])
        for axis in AXES:
            print("\n" + "\n".join(table(points_of(said.record, axis), COSTS[axis] | MEMORY, axis)))
        draw(said.record, said.plot)


if __name__ == "__main__":
    main()
