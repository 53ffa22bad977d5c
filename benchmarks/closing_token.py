"""Effect of truncating long reviews without the special token at their end, as transformers.js 4.3.1 does.

Run from the repository's root after fetching the starter reviews: ``python benchmarks/closing_token.py [BUNDLE]``
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from slmbench.corpora import load_again

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("bundle", type=Path, nargs="?", default=Path("exported/bert-tiny-imdb"))
bundle = parser.parse_args().bundle
record = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
reviews = load_again(record["corpus"]["options"], record["corpus"]["test_hash"]).test
trained = Tokenizer.from_file(str(bundle / "tokenizer.json"))
trained.no_padding()
uncut = Tokenizer.from_str(trained.to_str())
uncut.no_truncation()
longest = record["max_length"]
form = min(record["forms"].values(), key=lambda form: form["bytes"])
session = onnxruntime.InferenceSession(str(bundle / form["file"]))
inputs = {node.name for node in session.get_inputs()}


def probabilities(ids: list[int]) -> np.ndarray:
    """Return the probabilities of one row of token ids."""
    row = np.array([ids], dtype=np.int64)
    feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
    logits = session.run(["logits"], {name: feed[name] for name in inputs})[0][0]
    shifted = np.exp(logits - logits.max())
    return shifted / shifted.sum()


cut = [(trained.encode(text).ids, ids) for text in reviews.texts if len(ids := uncut.encode(text).ids) > longest]
closed = np.array([probabilities(ids) for ids, _ in cut])
open_ended = np.array([probabilities(ids[:longest]) for _, ids in cut])
moved = np.abs(closed - open_ended).max(1)
changed = int((closed.argmax(1) != open_ended.argmax(1)).sum())
print(
    f"{len(cut)} of {len(reviews.texts)} reviews are truncated; without the closing token {changed} labels change, "
    f"scores move by up to {moved.max():.2f} (median {np.median(moved):.4f}, p95 {np.quantile(moved, 0.95):.3f})"
)
