"""Rows of an embedding table that occur several times are stored once, with the row of every id beside them.

After ``--vocabulary corpus`` all pieces that a corpus never uses share the rows of others
(:mod:`slmbench.methods.training.vocabulary`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto


def store_rows_once(file: Path) -> None:
    """Rewrite an ONNX file whose embedding tables repeat rows; its answers stay the same.

    Args:
        file: An fp32 graph; a file without repeated rows, or with too few to pay for the numbers, is left as it is.
    """
    import onnx

    model = onnx.load(str(file))
    changed = [_store_once(model.graph, name) for name in _tables(model.graph)]
    if any(changed):
        onnx.save(model, str(file))


def _tables(graph: GraphProto) -> list[str]:
    """Return the names of float tables of which nothing but rows is looked up."""
    from onnx import TensorProto

    tables = {one.name for one in graph.initializer if one.data_type == TensorProto.FLOAT and len(one.dims) == 2}
    for node in graph.node:
        by_row = node.op_type == "Gather" and all(one.name != "axis" or one.i == 0 for one in node.attribute)
        tables -= set(node.input[1:] if by_row else node.input)
    return sorted(tables)


def _store_once(graph: GraphProto, name: str) -> bool:
    """Store the rows of one table once; returns whether that makes the file smaller, in int8 as well."""
    from onnx import helper, numpy_helper

    (tensor,) = (one for one in graph.initializer if one.name == name)
    table = np.ascontiguousarray(numpy_helper.to_array(tensor))
    whole_rows = table.view(np.dtype((np.void, table.shape[1] * table.itemsize)))[:, 0]
    _, first, row = np.unique(whole_rows, return_index=True, return_inverse=True)
    numbers = row.astype(np.int32)
    if (len(table) - len(first)) * table.shape[1] <= numbers.nbytes:
        return False
    tensor.CopyFrom(numpy_helper.from_array(table[first], name))
    graph.initializer.append(numpy_helper.from_array(numbers, f"{name}_row_of_id"))
    for place, node in reversed(list(enumerate(graph.node))):
        if node.op_type == "Gather" and node.input[0] == name:
            found = f"{node.name or node.output[0]}_row"
            lookup = helper.make_node("Gather", [f"{name}_row_of_id", node.input[1]], [found], found, axis=0)
            node.input[1] = found
            graph.node.insert(place, lookup)
    return True
