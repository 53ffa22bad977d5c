"""Repeated rows of embedding tables are stored once, with the same answers."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from slmbench.export.repeated_rows import store_rows_once


def lookup(file, table, *, also=()):
    """Write a graph that looks rows up; returns its bytes."""
    nodes = [helper.make_node("Gather", ["table", "ids"], ["rows"], "find"), *also]
    kinds = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])]
    found = [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", table.shape[1]])]
    graph = helper.make_graph(nodes, "g", kinds, found, [numpy_helper.from_array(table, "table")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(file))
    return file.read_bytes()


def answers(file, ids):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(["rows"], {"ids": ids})[0]


def table_of(distinct, rows, width=16):
    generator = np.random.default_rng(0)
    return generator.normal(size=(distinct, width)).astype(np.float32)[generator.permutation(rows) % distinct]


def test_each_row_is_stored_once_and_every_id_finds_its_own(tmp_path):
    table = table_of(40, 200)
    before = lookup(tmp_path / "m.onnx", table)
    store_rows_once(tmp_path / "m.onnx")
    assert np.array_equal(answers(tmp_path / "m.onnx", np.arange(200)), table)
    graph = onnx.load(str(tmp_path / "m.onnx")).graph
    assert {one.name: list(one.dims) for one in graph.initializer} == {"table": [40, 16], "table_row_of_id": [200]}
    assert (tmp_path / "m.onnx").stat().st_size < len(before)
    once = (tmp_path / "m.onnx").read_bytes()
    store_rows_once(tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == once


@pytest.mark.parametrize(
    ("distinct", "also"),
    [
        (200, ()),
        # The numbers would take more than the rows.
        (199, ()),
        # The table is used as a whole as well.
        (40, (helper.make_node("Neg", ["table"], ["all"], "other"),)),
    ],
)
def test_other_tables_are_left_as_they_are(tmp_path, distinct, also):
    before = lookup(tmp_path / "m.onnx", table_of(distinct, 200), also=also)
    store_rows_once(tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == before
