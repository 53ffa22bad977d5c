"""Matrix products in an ONNX graph: which nodes multiply, how much, with weights or not, in which number format."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from slmbench.records.roofline import Precision

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


Shape = tuple[int, ...]


class NotCountableError(Exception):
    """A graph whose operations cannot be counted; the message says why, as a phrase."""


@dataclass(frozen=True)
class Work:
    """MACs of one kind in one node.

    Attributes:
        macs: Multiply-accumulate operations.
        weighted: Whether one of the factors is a constant matrix.
        precision: Number format in which they are computed.
    """

    macs: int
    weighted: bool
    precision: Precision


#: Which two inputs operators multiply that multiply as ``MatMul`` does.
_TWO_FACTORS = {
    "MatMul": (0, 1),
    "Gemm": (0, 1),
    "FusedMatMul": (0, 1),
    "FusedGemm": (0, 1),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1),
    "DynamicQuantizeMatMul": (0, 1),
    "QLinearMatMul": (0, 3),
    "QGemm": (0, 3),
}
_INT8 = {"MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul", "QGemm", "QAttention"}
#: Names of operators that multiply; one that is not known above must not be ignored silently.
_MULTIPLIES = re.compile(r"MatMul|Gemm|Attention|Einsum|Conv|LSTM|GRU|^RNN$")
#: ``accuracy_level`` of MatMulNBits at which activations are quantized to int8 (onnxruntime's contributed operators).
_INT8_ACCURACY_LEVEL = 4


class Products:
    """The products of a graph.

    Args:
        graph: The main graph of an ONNX model.

    Raises:
        NotCountableError: It multiplies in an unknown way.
    """

    def __init__(self, graph: GraphProto) -> None:
        from onnx import TensorProto

        self._constants, self._dequantized = _follow(graph)
        halves = any(tensor.data_type == TensorProto.FLOAT16 and len(tensor.dims) > 1 for tensor in graph.initializer)
        self._float: Precision = "fp16" if halves else "fp32"
        self.nodes = [node for node in graph.node if self._multiplies(node)]

    def values(self) -> list[str]:
        """Return the names of the values whose shapes decide how much is multiplied."""
        return list(dict.fromkeys(name for node in self.nodes for name in self._factors(node)))

    def work(self, shapes: dict[str, Shape]) -> list[Work]:
        """Count.

        Args:
            shapes: Of every one of :meth:`values`.

        Raises:
            NotCountableError: A node's inputs are of an unknown kind.
        """
        return [work for node in self.nodes for work in self._count(node, [shapes[n] for n in self._factors(node)])]

    def _multiplies(self, node: NodeProto) -> bool:
        if any(_multiplies_somewhere(attribute.g) for attribute in node.attribute if attribute.HasField("g")):
            raise NotCountableError(f"it multiplies in a branch of {node.op_type}, which may be taken or not")
        if _MULTIPLIES.search(node.op_type) is None:
            return False
        if node.op_type not in _COUNTERS and node.op_type not in _TWO_FACTORS:
            raise NotCountableError(f"products of operator {node.op_type} are not known")
        # onnxruntime computes a product of constants once, when it loads the file.
        return not all(name in self._constants for name in node.input if name)

    def _factors(self, node: NodeProto) -> list[str]:
        if node.op_type in _TWO_FACTORS:
            return [node.input[index] for index in _TWO_FACTORS[node.op_type]]
        if node.op_type == "MatMulNBits":
            return [node.input[0]]
        return [name for name in node.input[: _COUNTERS[node.op_type].inputs] if name]

    def _count(self, node: NodeProto, shapes: list[Shape]) -> list[Work]:
        factors = self._factors(node)
        weighted = any(name in self._constants for name in factors)
        if node.op_type in _TWO_FACTORS:
            macs = _product(node, *shapes)
            integer = node.op_type in _INT8 or all(name in self._dequantized for name in factors)
            return [Work(macs, weighted, "int8" if integer else self._float)]
        return _COUNTERS[node.op_type].count(node, shapes, weighted, self._float)


def _multiplies_somewhere(graph: GraphProto) -> bool:
    """Return whether a branch, or a branch of it, has a product."""
    return any(
        _MULTIPLIES.search(node.op_type)
        or any(_multiplies_somewhere(attribute.g) for attribute in node.attribute if attribute.HasField("g"))
        for node in graph.node
    )


def _follow(graph: GraphProto) -> tuple[set[str], set[str]]:
    """Return the values that do not depend on an input, and those that come out of DequantizeLinear."""
    constants = {tensor.name for tensor in graph.initializer}
    dequantized: set[str] = set()
    for node in graph.node:
        if all(name in constants for name in node.input if name):
            constants.update(node.output)
        moved = node.op_type in ("Transpose", "Reshape") and node.input[0] in dequantized
        if node.op_type == "DequantizeLinear" or moved:
            dequantized.update(node.output)
    return constants, dequantized


def _attribute(node: NodeProto, name: str) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == name), 0)


def _product(node: NodeProto, left: Shape, right: Shape) -> int:
    """Count a product as ``numpy.matmul`` and Gemm do it: broadcast over all but the last two dimensions."""
    left = (1, *left) if len(left) == 1 else left
    right = (*right, 1) if len(right) == 1 else right
    rows, inner = left[-2:]
    if _attribute(node, "transA"):
        rows, inner = inner, rows
    columns = right[-2] if _attribute(node, "transB") else right[-1]
    depth = max(len(left), len(right)) - 2
    padded = [(1,) * (depth + 2 - len(shape)) + shape[:-2] for shape in (left, right)]
    return prod(max(pair) for pair in zip(*padded, strict=True)) * rows * inner * columns


def _block_quantized(node: NodeProto, shapes: Sequence[Shape], _: bool, floating: Precision) -> list[Work]:
    """MatMulNBits: an activation (..., K) times a constant (K, N), stored in blocks of few bits."""
    precision = "int8" if _attribute(node, "accuracy_level") == _INT8_ACCURACY_LEVEL else floating
    return [Work(prod(shapes[0]) * _attribute(node, "N"), True, precision)]


def _fused_attention(node: NodeProto, shapes: Sequence[Shape], weighted: bool, floating: Precision) -> list[Work]:
    """Attention and QAttention of onnxruntime: (B, S, D) times weights (D, Q + K + V), scores, and their use."""
    (batch, length, width), (_, outputs) = shapes[:2]
    sizes = next((list(a.ints) for a in node.attribute if a.name == "qkv_hidden_sizes"), [outputs // 3] * 3)
    projected = Work(batch * length * width * outputs, weighted, "int8" if node.op_type in _INT8 else floating)
    return [projected, Work(batch * length**2 * (sizes[0] + sizes[2]), False, floating)]


def _attention(node: NodeProto, shapes: Sequence[Shape], _: bool, floating: Precision) -> list[Work]:
    """MultiHeadAttention, and Attention of the standard: queries (B, S, Q), keys (B, T, Q), values (B, T, V)."""
    if [len(shape) for shape in shapes] != [3, 3, 3]:
        raise NotCountableError(f"{node.op_type} is given queries, keys and values of shapes {list(shapes)}")
    (batch, queries, width), keys, value_width = shapes[0], shapes[1][1], shapes[2][2]
    return [Work(batch * queries * keys * (width + value_width), False, floating)]


def _any_attention(node: NodeProto, shapes: Sequence[Shape], weighted: bool, floating: Precision) -> list[Work]:
    contributed = node.domain == "com.microsoft"
    return (_fused_attention if contributed else _attention)(node, shapes, weighted, floating)


def _einsum(node: NodeProto, shapes: Sequence[Shape], weighted: bool, floating: Precision) -> list[Work]:
    """Einsum of two factors: every combination of its indices is one MAC."""
    equation = next(attribute.s.decode() for attribute in node.attribute if attribute.name == "equation")
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    if len(terms) > 2 or "." in equation:
        raise NotCountableError(f"the equation {equation} of an Einsum is not known")
    if len(terms) == 1:
        return []
    sizes = {
        index: size
        for term, shape in zip(terms, shapes, strict=True)
        for index, size in zip(term, shape, strict=True)
    }
    return [Work(prod(sizes.values()), weighted, floating)]


@dataclass(frozen=True)
class _Counter:
    """How an operator's work follows from the shapes of its first inputs."""

    inputs: int
    count: Callable[[NodeProto, Sequence[Shape], bool, Precision], list[Work]]


_COUNTERS = {
    "MatMulNBits": _Counter(1, _block_quantized),
    "Attention": _Counter(3, _any_attention),
    "QAttention": _Counter(2, _fused_attention),
    "MultiHeadAttention": _Counter(3, _attention),
    "Einsum": _Counter(2, _einsum),
}
