"""Fine-tuning speed: slmbench and the plain Hugging Face Trainer with its CPU defaults, alternating.

    python benchmarks/finetune_speed.py [--seeds 3] [--reviews 1000] [--epochs 2]

Both train minilm-l6 on the same IMDb reviews (max length 256, batch 16, peak rate 1e-4) and are tested on the same
1,000 held-out reviews in fp32. Every training runs in a separate process; for each seed the two run one after the
other, in the same state of the machine. The time is that of training alone, as the Trainer reports it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL, MAX_LENGTH, RATE, TEST = "minilm-l6", 256, 1e-4, 1000


def plain(reviews: int, epochs: float, seed: int) -> dict[str, float]:
    """Train with the Trainer's defaults: fp32, dropout, dynamic padding, no length grouping."""
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

    corpus = load_corpus("imdb", train_size=reviews, test_size=TEST, validation_fraction=0)
    folder = starter.ensure(MODEL, SILENT)
    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    encoded = tokenizer(corpus.train.texts, truncation=True, max_length=MAX_LENGTH)
    rows = [
        {**{name: column[i] for name, column in encoded.items()}, "labels": label}
        for i, label in enumerate(corpus.train.labels)
    ]
    with tempfile.TemporaryDirectory() as output:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=output,
                per_device_train_batch_size=16,
                num_train_epochs=epochs,
                learning_rate=RATE,
                seed=seed,
                use_cpu=True,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=rows,
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        seconds = trainer.train().metrics["train_runtime"]
    logits = classifier_logits(model, tokenizer, corpus.test.texts, MAX_LENGTH, SILENT)
    return {"seconds": seconds, "accuracy": float((logits.argmax(1) == corpus.test.labels).mean())}


def ours(reviews: int, epochs: float, seed: int) -> dict[str, float]:
    """Train with slmbench's defaults on the same rows, without a validation part."""
    from slmbench.corpora import load_corpus
    from slmbench.methods.training import TrainingOptions, finetune

    corpus = load_corpus("imdb", train_size=reviews, test_size=TEST, validation_fraction=0)
    with tempfile.TemporaryDirectory() as output:
        record = finetune(MODEL, corpus, TrainingOptions(epochs=epochs, seed=seed), output=Path(output) / "run")
    return {"seconds": record.train.seconds, "accuracy": record.test.accuracy}


def main() -> None:
    """Run all trainings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--reviews", type=int, default=1000)
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--one", choices=["plain", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        train = {"plain": plain, "ours": ours}[arguments.one]
        print(json.dumps(train(arguments.reviews, arguments.epochs, arguments.seed)))
        return

    from slmbench.instruments.hardware import hardware_fingerprint

    print(f"{hardware_fingerprint()['machine']}; {arguments.reviews} reviews x {arguments.epochs:g} epochs")
    print(f"{'seed':>4} {'plain s':>9} {'ours s':>8} {'ratio':>6} {'plain acc':>10} {'ours acc':>9}", flush=True)
    lines = []
    for seed in range(arguments.seeds):
        pair = {}
        for one in ("plain", "ours"):
            words = [sys.executable, __file__, "--one", one, "--seed", str(seed)]
            words += ["--reviews", str(arguments.reviews), "--epochs", str(arguments.epochs)]
            answer = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            pair[one] = json.loads(answer.strip().splitlines()[-1])
        p, o = pair["plain"], pair["ours"]
        lines.append((p, o))
        ratio = p["seconds"] / o["seconds"]
        print(
            f"{seed:>4} {p['seconds']:>9.1f} {o['seconds']:>8.1f} {ratio:>6.2f}"
            f" {p['accuracy']:>10.3f} {o['accuracy']:>9.3f}",
            flush=True,
        )
    ratios = [p["seconds"] / o["seconds"] for p, o in lines]
    means = [statistics.mean(pair[side]["accuracy"] for pair in lines) for side in (0, 1)]
    print(f"median ratio {statistics.median(ratios):.2f}x; mean accuracy {means[0]:.4f} plain, {means[1]:.4f} ours")


if __name__ == "__main__":
    main()
