"""An ONNX file of one product, written byte by byte: the base install has onnxruntime, and no ``onnx`` to write with.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3, the encoding is that of protocol
buffers (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

import numpy as np

_FLOAT, _UINT8, _INT8, _INT32 = 1, 2, 3, 6
_ELEMENT_TYPE = {"float32": _FLOAT, "uint8": _UINT8, "int8": _INT8, "int32": _INT32}
#: What every onnxruntime since 1.19 reads, and has MatMulInteger.
_IR_VERSION = 8
_OPSET = 17


def product_model(operator: str, weights: np.ndarray, *, left: str, result: str) -> bytes:
    """Return a model ``result = operator(left, weights)`` whose second factor is a constant, as in a classifier.

    Args:
        operator: ``MatMul`` or ``MatMulInteger``.
        weights: Constant square matrix, float32 or int8.
        left: Element type of the input ``left``, which has the shape of the weights.
        result: Element type of the output ``result``.
    """
    size = weights.shape[0]
    node = _text(1, "left") + _text(1, "weights") + _text(2, "result") + _text(4, operator)
    tensor = (
        _number(1, size)
        + _number(1, size)
        + _number(2, _ELEMENT_TYPE[weights.dtype.name])
        + _text(8, "weights")
        + _bytes(9, weights.tobytes())
    )
    graph = (
        _bytes(1, node)
        + _text(2, "product")
        + _bytes(5, tensor)
        + _bytes(11, _matrix("left", left, size))
        + _bytes(12, _matrix("result", result, size))
    )
    return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, _OPSET))


def _matrix(name: str, element_type: str, size: int) -> bytes:
    """Return a ValueInfoProto of a square matrix."""
    dimension = _bytes(1, _number(1, size))
    tensor_type = _number(1, _ELEMENT_TYPE[element_type]) + _bytes(2, dimension + dimension)
    return _text(1, name) + _bytes(2, _bytes(1, tensor_type))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
