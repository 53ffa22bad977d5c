"""Fine-tuning: slmbench and the Hugging Face Trainer on the same reviews, in turns: speed, memory and accuracy.

    python benchmarks/finetune_speed.py                                    # speed of minilm-l6, one training each
    python benchmarks/finetune_speed.py --ways slmbench lora frozen        # full, LoRA, and half of the layers frozen
    python benchmarks/finetune_speed.py --model bert-tiny --reviews 1000 --epochs 3 --test 2000 --seeds 20

"trainer" is the Trainer with its CPU defaults (fp32, the model's dropout, padding to the longest of a batch);
"trainer-bf16" has ``bf16=True`` and ``group_by_length=True`` besides; "peft" is that with LoRA. All train the same
model on the same reviews, cut at 256 tokens, in batches of 16 at the same peak rate, and are tested on the same
reviews in fp32. Every training is a process of its own; for each seed they run one after the other. Times are those
of training alone. Memory is the peak of the process while it trains, and how much of that was added since the model
and the tokenised reviews were there. ``--record FILE`` keeps each training's line; what is in it is not done again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from slmbench.common.progress import Silent, Task
from slmbench.instruments.memory import PeakTracker, high_water_mark

MAX_LENGTH, BATCH = 256, 16
#: Peak rate, and the largest difference of accuracies that counts as none.
RATES, MARGINS = {"bert-tiny": 3e-4, "minilm-l6": 1e-4, "mpnet-base": 3e-5}, {"bert-tiny": 0.005}
LORA_RATE = 1e-3


class Memory(Silent):
    """Notes the memory at the beginning and the peak at the end of the training that reports to it."""

    @contextmanager
    def task(self, description: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """Begin a piece of work."""
        training = description.startswith("training")
        if training:
            PeakTracker().end("before")
            self.before = high_water_mark()[0]
        with super().task(description, total, unit) as task:
            yield task
        if training:
            self.peak = high_water_mark()[0]

    @property
    def facts(self) -> dict[str, int]:
        """Bytes at the peak, and how many of them the training added."""
        return {"peak": self.peak, "added": self.peak - self.before}


def trainer(said: argparse.Namespace, seed: int, lora: bool = False, **settings: Any) -> dict[str, float]:
    """Train with the Trainer."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from slmbench import starter
    from slmbench.common.progress import SILENT
    from slmbench.corpora import load_corpus
    from slmbench.methods.training.inference import classifier_logits

    corpus = load_corpus("imdb", train_size=said.reviews, test_size=said.test, validation_fraction=0)
    folder = starter.ensure(said.model, SILENT)
    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    if lora:
        from peft import LoraConfig, TaskType, get_peft_model

        model = get_peft_model(
            model, LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16, target_modules=["query", "value"])
        )
    encoded = tokenizer(corpus.train.texts, truncation=True, max_length=MAX_LENGTH)
    rows = [
        {**{name: column[i] for name, column in encoded.items()}, "labels": label}
        for i, label in enumerate(corpus.train.labels)
    ]
    memory = Memory()
    with tempfile.TemporaryDirectory() as output:
        work = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=output,
                per_device_train_batch_size=BATCH,
                num_train_epochs=said.epochs,
                learning_rate=LORA_RATE if lora else RATES[said.model],
                seed=seed,
                use_cpu=True,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                **settings,
            ),
            train_dataset=rows,
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        with memory.task("training"):
            seconds = work.train().metrics["train_runtime"]
    model = work.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    logits = classifier_logits(model, tokenizer, corpus.test.texts, MAX_LENGTH, SILENT)
    accuracy = float((logits.argmax(1) == corpus.test.labels).mean())
    return {"seconds": seconds, "accuracy": accuracy, **memory.facts}


def ours(said: argparse.Namespace, seed: int, method: str = "full", **given: Any) -> dict[str, float]:
    """Train with slmbench, without validation reviews."""
    from slmbench.corpora import load_corpus
    from slmbench.methods.training import TrainingOptions, finetune

    corpus = load_corpus("imdb", train_size=said.reviews, test_size=said.test, validation_fraction=0)
    memory = Memory()
    given["learning_rate"] = LORA_RATE if method == "lora" else RATES[said.model]
    options = TrainingOptions(method, epochs=said.epochs, seed=seed, batch_size=BATCH, **given)
    with tempfile.TemporaryDirectory() as output:
        record = finetune(said.model, corpus, options, output=Path(output) / "run", progress=memory)
    return {"seconds": record.train.seconds, "accuracy": record.test.accuracy, **memory.facts}


_GROUPED = {"bf16": True, "group_by_length": True}
WAYS = {
    "trainer": trainer,
    "trainer-bf16": partial(trainer, **_GROUPED),
    "peft": partial(trainer, lora=True, **_GROUPED),
    "slmbench": ours,
    "slmbench-fp32": partial(ours, precision="fp32"),
    "dropout": partial(ours, dropout=0.1),
    "lora": partial(ours, method="lora"),
    "frozen": lambda said, seed: ours(said, seed, frozen_layers={"bert-tiny": 1, "minilm-l6": 3}.get(said.model, 6)),
}


def trained(said: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Train with every way and seed, in turns; returns the facts of each way by seed."""
    settings = {"model": said.model, "reviews": said.reviews, "epochs": said.epochs, "test": said.test}
    seeds = [list(range(said.seeds))] if said.together else [[seed] for seed in range(said.seeds)]
    for some in seeds:
        for way in said.ways:
            kept = said.record.read_text().splitlines() if said.record.is_file() else []
            done = [(line["way"], line["seed"]) for line in map(json.loads, kept) if settings.items() <= line.items()]
            if missing := [str(seed) for seed in some if (way, seed) not in done]:
                words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
                words += ["--one", way, "--of", *missing, "--record", str(said.record)]
                subprocess.run([sys.executable, __file__, *words], check=True)
    lines = [
        line for line in map(json.loads, said.record.read_text().splitlines()) if settings.items() <= line.items()
    ]
    by_seed = {(line["way"], line["seed"]): line for line in lines}
    return {way: [by_seed[way, seed] for seed in range(said.seeds)] for way in said.ways}


def train_one(said: argparse.Namespace) -> None:
    """Train with one way and some seeds, and write a line for each."""
    for seed in said.of:
        facts = WAYS[said.one](said, seed)
        names = ("model", "reviews", "epochs", "test")
        line = {"way": said.one, "seed": seed, **{name: getattr(said, name) for name in names}, **facts}
        with said.record.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(
            f"seed {seed}, {said.one:<13} {line['seconds']:7.1f} s, peak {line['peak'] / 1e6:5,.0f} MB,"
            f" accuracy {line['accuracy']:.4f}",
            flush=True,
        )


def summary(said: argparse.Namespace, facts: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """Yield the lines of the table: every way beside the first."""
    from slmbench.statistics.verdicts import MODEL_MARGIN, student_bounds, verdict

    margin = MARGINS.get(said.model, MODEL_MARGIN)
    first = facts[said.ways[0]]
    yield f"{'':<13} {'reviews/s':>9} {'speed':>7} {'peak MB':>8} {'added MB':>8} {'accuracy':>8}"
    for way, lines in facts.items():
        speed = statistics.median(said.reviews * said.epochs / line["seconds"] for line in lines)
        ratio = statistics.median(a["seconds"] / b["seconds"] for a, b in zip(first, lines, strict=True))
        peak, added = (statistics.median(line[name] / 1e6 for line in lines) for name in ("peak", "added"))
        accuracy = statistics.mean(line["accuracy"] for line in lines)
        yield f"{way:<13} {speed:9.1f} {ratio:6.2f}x {peak:8,.0f} {added:8,.0f} {accuracy:8.4f}"
    if said.seeds < 3:
        return
    for way, lines in list(facts.items())[1:]:
        apart = [b["accuracy"] - a["accuracy"] for a, b in zip(first, lines, strict=True)]
        bounds = student_bounds(statistics.mean(apart), [(statistics.variance(apart) / len(apart), len(apart) - 1)])
        low, high = (100 * end for end in bounds.ci90)
        yield (
            f"accuracy of {way} less that of {said.ways[0]}, {said.seeds} seeds: {100 * bounds.value:+.2f} points"
            f" (90 % interval {low:+.2f} to {high:+.2f}; margin {100 * margin:g}): {verdict(bounds, margin)}"
        )


def main() -> None:
    """Run all trainings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="minilm-l6", choices=list(RATES))
    parser.add_argument("--reviews", type=int, default=480)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--ways", nargs="+", default=["trainer", "trainer-bf16", "slmbench"], choices=list(WAYS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--together", action="store_true", help="all seeds in one process, where times do not count")
    parser.add_argument("--one", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--of", type=int, nargs="+", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.one:
        train_one(said)
        return

    from slmbench.instruments.hardware import hardware_fingerprint

    with tempfile.TemporaryDirectory() as temporary:
        said.record = said.record or Path(temporary) / "lines.jsonl"
        facts = trained(said)
    print(
        f"{hardware_fingerprint()['machine']}; {said.model}, {said.reviews} reviews x {said.epochs:g} epochs,"
        f" {said.test} test reviews; speed beside {said.ways[0]}"
    )
    print("\n".join(summary(said, facts)))


if __name__ == "__main__":
    main()
