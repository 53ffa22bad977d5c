"""The files of a static classifier, ``static.json`` and ``static.npz``, which ``slmbench.edge`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from slmbench.methods.static.features import StaticFeatures
    from slmbench.methods.static.fitting import Table


def save(folder: Path, features: StaticFeatures, table: Table) -> None:
    """Write ``static.json`` and ``static.npz`` into a folder.

    Args:
        folder: Where; it is made if it is not there.
        features: What the rows are of.
        table: The classifier.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "model_type": "static",
        "longest_ngram": features.longest,
        "buckets": features.buckets,
        "words": features.words,
    }
    (folder / "static.json").write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
    np.savez_compressed(
        folder / "static.npz",
        table=table.rows,
        scale=np.ones(table.rows.shape[1], dtype=np.float32),
        head=table.head,
        bias=table.bias,
    )


def to_int8(source: Path, target: Path) -> None:
    """Write a table in int8 beside one in fp32: each column in steps of its largest value over 127.

    Args:
        source: A ``static.npz`` in fp32.
        target: The file to write.
    """
    with np.load(source, allow_pickle=False) as arrays:
        table, head, bias = arrays["table"], arrays["head"], arrays["bias"]
    scale = np.abs(table).max(0) / 127
    scale[scale == 0] = 1
    np.savez_compressed(
        target, table=np.rint(table / scale).astype(np.int8), scale=scale.astype(np.float32), head=head, bias=bias
    )
