"""How far the weights of a training in several processes are from those of one, with the same batches.

    python benchmarks/two_processes.py [--model bert-tiny] [--processes 2] [--steps 20] [--folder FOLDER]

The same ``slmbench finetune`` runs as it is, under ``torchrun``, and as it is once more, in fp32 on the CPU on IMDb
reviews, in batches of 16. The script prints the largest difference of any weight from the first run's, and of the
logits of the test reviews. The third run shows what the same training differs by in itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

BATCH = 16
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def trained(folder: Path, start: list[str], model: str, steps: int) -> dict:
    """Run the command and return the run's record."""
    # A tenth of the training rows are validation rows.
    rows = {"--train-size": -(-steps * BATCH * 10 // 9), "--test-size": 200, "--epochs": 1, "--batch-size": BATCH}
    words = ["finetune", "--model", model, "--precision", "fp32", "--device", "cpu", "--output", folder]
    command = [sys.executable, *start, "-m", "slmbench", *words, *(word for pair in rows.items() for word in pair)]
    subprocess.run([str(word) for word in command], check=True, env={"OMP_NUM_THREADS": "1", **os.environ})
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def difference(folder: Path, other: Path) -> tuple[float, str, float]:
    """Return the largest difference of a weight, the name of its tensor, and the largest of a logit."""
    weights, others = (load_file(run / "model" / "model.safetensors") for run in (folder, other))
    by_name = {name: float(np.abs(values - others[name]).max()) for name, values in weights.items()}
    name = max(by_name, key=by_name.__getitem__)
    logits, other_logits = (np.load(run / "test_logits.npy") for run in (folder, other))
    return by_name[name], name, float(np.abs(logits - other_logits).max())


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bert-tiny")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where the runs stay; by default they are removed")
    said = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        place = said.folder or Path(temporary)
        together = [*TORCHRUN, str(said.processes)]
        alone = trained(place / "alone", [], said.model, said.steps)
        both = trained(place / "together", together, said.model, said.steps)
        trained(place / "again", [], said.model, said.steps)
        assert (alone["train"]["processes"], both["train"]["processes"]) == (1, said.processes)
        rows = round(alone["train"]["reviews_per_second"] * alone["train"]["seconds"])
        print(f"\n{said.model}, {rows} IMDb reviews in batches of {BATCH}: {-(-rows // BATCH)} steps, fp32, CPU")
        for name, folder in ((f"{said.processes} processes", "together"), ("one process again", "again")):
            weight, tensor, logit = difference(place / folder, place / "alone")
            print(f"{name:18} differ from one by {weight:.2e} ({tensor}), logits by {logit:.2e}")


if __name__ == "__main__":
    main()
