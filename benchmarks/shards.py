"""Many rows scored in shards while processes are killed, and how fast shards are beside plain processes.

    python benchmarks/shards.py kills [--rows 10000000] [--kills 200] [--workers 2] [--folder FOLDER]
    python benchmarks/shards.py throughput [--rows 600000] [--rounds 2] [--workers 2] [--folder FOLDER]

``kills`` generates short rows and scores them twice with a small TF-IDF bundle: undisturbed, and with random SIGKILLs
of the command and of its workers, the command being started again whenever it is gone. It compares the answers byte
by byte, counts the ids that are lost or there twice, and prints the largest memory of a process in each third of the
undisturbed run. ``throughput`` scores rows in turns with the command and with plain processes, which read their share
of the files, answer with one thread and write one file each; rates are without the start of the
processes. The last line of both is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pyarrow
from pyarrow import parquet

FILES = 20
FILLERS = ["the", "a", "movie", "film", "was", "is", "and", "but", "not", "very", "plot", "actor", "story", "scene"]
LABELS = {"positive": ["good", "great", "superb", "loved"], "negative": ["bad", "awful", "boring", "hated"]}
WORDS = [*FILLERS, *LABELS["positive"], *LABELS["negative"]]


def make_rows(folder: Path, rows: int) -> Path:
    """Write rows of 4 to 12 words with ascending ids into Parquet files, in constant memory."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for number, ids in enumerate(np.array_split(np.arange(rows), FILES)):
        file = folder / f"rows-{number:03d}.parquet"
        if file.is_file():
            continue
        schema = pyarrow.schema([("id", pyarrow.int64()), ("text", pyarrow.string())])
        with parquet.ParquetWriter(file.with_suffix(".writing"), schema) as writer:
            for some in np.array_split(ids, max(1, len(ids) // 50_000)):
                lengths = generator.integers(4, 13, len(some))
                words = generator.choice(WORDS, (len(some), 12))
                texts = [" ".join(row[:length]) for row, length in zip(words, lengths, strict=True)]
                writer.write_table(pyarrow.table({"id": some, "text": texts}, schema))
        file.with_suffix(".writing").rename(file)
    return folder


def make_bundle(folder: Path) -> Path:
    """Train and export TF-IDF on a few generated reviews."""
    from slmbench import export, finetune, load_corpus
    from slmbench.methods.training import TrainingOptions

    if not (folder / "bundle").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        chance = random.Random(0)
        reviews = {
            " ".join([*chance.choices(FILLERS, k=12), *chance.choices(own, k=3)]): label
            for _ in range(200)
            for label, own in LABELS.items()
        }
        lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in reviews.items()]
        (folder / "reviews.jsonl").write_text("".join(lines), encoding="utf-8")
        corpus = load_corpus(str(folder / "reviews.jsonl"))
        finetune("tfidf", corpus, TrainingOptions(method="tfidf"), output=folder / "run")
        export(folder / "run", output=folder / "bundle")
    return folder / "bundle"


def command(bundle: Path, rows: Path, output: Path, shard_rows: int, workers: int) -> list[str]:
    """Return the command that scores."""
    words = ["predict", bundle, "--input", rows, "--output", output, "--keep", "id", "--quiet"]
    words += ["--shard-rows", shard_rows, "--workers", workers]
    return [sys.executable, "-m", "slmbench.cli.app", *map(str, words)]


def scored(words: list[str]) -> tuple[float, list[float]]:
    """Run a command; returns its seconds, and the largest memory of one of its processes in each third, in MB."""
    began, seen = time.monotonic(), []
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with suppress(psutil.Error):
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            seen.append(max(one.memory_info().rss for one in family) / 1e6)
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(words)}")
    return time.monotonic() - began, [float(max(part)) for part in np.array_split(seen, 3) if len(part)]


def scored_under_fire(words: list[str], output: Path, kills: int, seconds: float, seed: int) -> dict[str, int]:
    """Run a command again and again until it is done, while it and its workers are killed; returns how often.

    Three of four kills come after the next shard is done, wherever the others are then; the rest at any time, so that
    starts are disturbed as well.
    """
    chance, killed = random.Random(seed), {"command": 0, "worker": 0, "starts": 0}

    def done() -> int:
        return len(list((output / "manifests").glob("*.json")))

    while True:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        killed["starts"] += 1
        while process.poll() is None:
            if killed["command"] + killed["worker"] == kills:
                process.wait()
                break
            before = done() if chance.random() < 0.75 else -1
            while done() <= before and process.poll() is None:
                time.sleep(0.05)
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, 0.6 * seconds / kills))
                break
            with suppress(psutil.Error, ProcessLookupError):
                workers = psutil.Process(process.pid).children(recursive=True)
                what = "worker" if workers and chance.random() < 0.5 else "command"
                os.kill(chance.choice(workers).pid if what == "worker" else process.pid, signal.SIGKILL)
                killed[what] += 1
        if process.wait() == 0:
            return killed


def digests(output: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of answers."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (output / "answers").iterdir()}


def times_there(output: Path, rows: int) -> np.ndarray:
    """Return how often each id has an answer."""
    there = np.zeros(rows, dtype=np.int32)
    for file in (output / "answers").iterdir():
        np.add.at(there, parquet.read_table(file, columns=["id"])["id"].to_numpy(), 1)
    return there


def kills(said: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Score undisturbed and under fire, and compare."""
    bundle, rows = make_bundle(folder), make_rows(folder / f"rows-{said.rows}", said.rows)
    for name in ("whole", "killed"):
        shutil.rmtree(folder / name, ignore_errors=True)
    words = [command(bundle, rows, folder / name, said.shard_rows, said.workers) for name in ("whole", "killed")]
    seconds, thirds = scored(words[0])
    print(f"undisturbed: {said.rows:,} rows in {seconds:.1f} s, {said.rows / seconds:,.0f} rows/s")
    killed = scored_under_fire(words[1], folder / "killed", said.kills, seconds, said.seed)
    there = times_there(folder / "killed", said.rows)
    return {
        "rows": said.rows,
        "killed": killed,
        "equal": digests(folder / "whole") == digests(folder / "killed"),
        "lost": int((there == 0).sum()),
        "twice": int((there > 1).sum()),
        "left": sorted(path.name for path in (folder / "killed").iterdir()),
        "memory_mb": [round(one) for one in thirds],
    }


def score_plainly(bundle: Path, files: list[Path], output: Path) -> float:
    """Score files one after another with one thread, without shards, manifests or locks; returns the seconds."""
    from slmbench.edge import Classifier

    classifier = Classifier(bundle, threads=1)
    rows: dict[str, list] = {"id": [], "predicted_label": [], "predicted_score": []}
    rows |= {f"score_{label}": [] for label in classifier.labels}
    writer, began = None, time.monotonic()
    for file in files:
        for batch in parquet.ParquetFile(file).iter_batches(4096):
            answers = classifier.stream(batch["text"].to_pylist())
            for number, answer in zip(batch["id"].to_pylist(), answers, strict=True):
                values = [
                    number,
                    answer.label,
                    round(answer.score, 6),
                    *(round(one, 6) for one in answer.scores.values()),
                ]
                for column, value in zip(rows.values(), values, strict=True):
                    column.append(value)
            table = pyarrow.table(rows)
            writer = writer or parquet.ParquetWriter(output, table.schema)
            writer.write_table(table)
            for column in rows.values():
                column.clear()
    if writer:
        writer.close()
    return time.monotonic() - began


def steady_rate(output: Path, rows: int, workers: int) -> float:
    """Return the rows a second of each worker from the first manifest of all on."""
    done = sorted(file.stat().st_mtime for file in (output / "manifests").iterdir())
    return rows * (len(done) - workers) / len(done) / (done[-1] - done[workers - 1]) / workers


def throughput(said: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Score in turns with the command and with plain processes, and compare the rates without their starts."""
    bundle, rows = make_bundle(folder), make_rows(folder / f"rows-{said.rows}", said.rows)
    files, found = sorted(rows.iterdir()), {"plain": [], "shards": []}
    for turn in range(said.rounds):
        for what in ("plain", "shards") if turn % 2 == 0 else ("shards", "plain"):
            shutil.rmtree(folder / "whole", ignore_errors=True)
            began = time.monotonic()
            if what == "shards":
                words = command(bundle, rows, folder / "whole", said.shard_rows, said.workers)
                subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
                rate = steady_rate(folder / "whole", said.rows, said.workers)
            else:
                shares = [
                    (bundle, files[at :: said.workers], folder / f"plain-{at}.parquet") for at in range(said.workers)
                ]
                with multiprocessing.get_context("spawn").Pool(said.workers) as pool:
                    rate = said.rows / said.workers / float(np.mean(pool.starmap(score_plainly, shares)))
            found[what].append(round(rate))
            print(f"{what}: {rate:,.0f} rows/s a worker, {time.monotonic() - began:.1f} s in all", flush=True)
    medians = {what: float(np.median(rates)) for what, rates in found.items()}
    return {
        "rows": said.rows,
        "workers": said.workers,
        **found,
        "ratio": round(medians["shards"] / medians["plain"], 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["kills", "throughput"])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="Keep rows and answers there.")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = said.folder or Path(scratch)
        print(json.dumps((kills if said.what == "kills" else throughput)(said, folder)))


if __name__ == "__main__":
    main()
