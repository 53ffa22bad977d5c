"""Training only those rows of the embedding table that the texts use.

Half of a small encoder is its table, and the optimizer works through all of it in every step. A row that no text uses
has no gradient: it would only shrink by the weight decay. Here it stays what it was, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Largest share of rows in use for which it is worth while.
_MOST = 0.9


@contextmanager
def used_rows_only(model: PreTrainedModel, inputs: Iterable[list[int]]) -> Iterator[None]:
    """Within the block, the table of token embeddings of a model on the CPU has only the rows that inputs use.

    Args:
        model: A model; afterwards its table is whole again, with the rows that were trained.
        inputs: Token ids of all inputs that the model gets within the block.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    table = model.get_input_embeddings()
    weight = table.weight
    ids = {table.padding_idx} if table.padding_idx is not None else set()
    used = np.unique(np.concatenate([np.array(sorted(ids), dtype=np.int64), *map(np.asarray, inputs)]))
    if not weight.requires_grad or type(table) is not nn.Embedding or len(used) > _MOST * len(weight):
        yield
        return
    places = torch.zeros(len(weight), dtype=torch.int64)
    places[used] = torch.arange(len(used))
    padding = None if table.padding_idx is None else int(places[table.padding_idx])

    class UsedRows(nn.Embedding):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return functional.embedding(places[ids], self.weight, self.padding_idx)

    rows = UsedRows(len(used), weight.shape[1], padding, _weight=weight.detach()[used].clone())
    model.set_input_embeddings(rows)
    try:
        yield
    finally:
        with torch.no_grad():
            weight[used] = rows.weight.to(weight.device)
        model.set_input_embeddings(table)
