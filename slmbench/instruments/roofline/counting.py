"""Operations of a form as an exact polynomial in the number of tokens, counted in its ONNX graph.

Shapes are observed, not inferred: onnxruntime runs the graph at a few lengths with a ``Shape`` node on every factor,
which works for every operator that it can run, contributed ones included.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.common.errors import first_line
from slmbench.instruments.roofline.products import NotCountableError, Products, Shape
from slmbench.records.roofline import Operations, Polynomial, Precision

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["NotCountableError", "count_operations"]

#: Lengths to which the polynomial is fitted, and the one whose count it must then predict.
_FITTED = (4, 8, 16)
_CHECKED = 32
_OBSERVED = "slmbench shape of "


def count_operations(model: Path) -> Operations:
    """Count the matrix products of one review in an ONNX file of an encoder.

    Args:
        model: The file, in any form: float, fused, int8, static int8, weights in blocks.

    Returns:
        MACs as polynomials of the number of tokens, which hold at any length.

    Raises:
        NotCountableError: It has no matrix products, multiplies in an unknown way, has other inputs than an encoder,
            or its operations are not a polynomial of second degree in the number of tokens.
    """
    import onnx

    document = onnx.load(str(model), load_external_data=False)
    if document.functions:
        raise NotCountableError("it has functions of its own, which are not counted")
    products = Products(document.graph)
    if not products.values():
        raise NotCountableError("it has no matrix products")
    counts: dict[tuple[bool, Precision], dict[int, int]] = {}
    for length, shapes in _observe(document, model.parent, products.values()).items():
        for work in products.work(shapes):
            kind = counts.setdefault((work.weighted, work.precision), dict.fromkeys((*_FITTED, _CHECKED), 0))
            kind[length] += work.macs
    fitted = {kind: _fit(macs) for kind, macs in counts.items()}
    by_precision: dict[Precision, Polynomial] = {}
    for (_, precision), polynomial in fitted.items():
        by_precision[precision] = by_precision.get(precision, Polynomial()) + polynomial
    return Operations(
        linear=sum((polynomial for (weighted, _), polynomial in fitted.items() if weighted), Polynomial()),
        full=sum(fitted.values(), Polynomial()),
        by_precision=by_precision,
    )


def _observe(document: ModelProto, folder: Path, values: list[str]) -> dict[int, dict[str, Shape]]:
    """Run the graph at a few lengths and return the shapes of values at each; the document is changed."""
    import onnx
    import onnxruntime

    for name in values:
        document.graph.node.append(onnx.helper.make_node("Shape", [name], [_OBSERVED + name]))
        document.graph.output.append(
            onnx.helper.make_tensor_value_info(_OBSERVED + name, onnx.TensorProto.INT64, [None])
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Optimisation would fold and rename what is observed.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # The changed graph has no file of its own: external weights are found from the original folder.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    session = onnxruntime.InferenceSession(document.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [_OBSERVED + name for name in values]
    seen = {}
    for length in (*_FITTED, _CHECKED):
        feed = {node.name: _input(node.name, length) for node in session.get_inputs()}
        try:
            shapes = session.run(names, feed)
        except Exception as error:  # noqa: BLE001 - onnxruntime has no base of its own for what a run can raise
            raise NotCountableError(f"it does not run at {length} tokens ({first_line(error)})") from None
        seen[length] = {name: tuple(shape.tolist()) for name, shape in zip(values, shapes, strict=True)}
    return seen


def _input(name: str, length: int) -> np.ndarray:
    """Return an encoder's input of one review; which tokens it holds does not change any shape."""
    if name == "attention_mask":
        return np.ones((1, length), dtype=np.int64)
    if name in ("input_ids", "token_type_ids"):
        return np.zeros((1, length), dtype=np.int64)
    raise NotCountableError(f"its input {name!r} is not one of an encoder")


def _fit(macs: dict[int, int]) -> Polynomial:
    """Return the polynomial through the counts at three lengths once it predicts the fourth."""
    (x0, y0), (x1, y1), (x2, y2) = ((length, macs[length]) for length in _FITTED)
    slope = Fraction(y1 - y0, x1 - x0)
    square = (Fraction(y2 - y1, x2 - x1) - slope) / (x2 - x0)
    linear = slope - square * (x0 + x1)
    const = y0 - linear * x0 - square * x0**2
    predicted = const + linear * _CHECKED + square * _CHECKED**2
    if predicted != macs[_CHECKED] or any(part.denominator != 1 for part in (const, linear, square)):
        raise NotCountableError("its operations are not a polynomial of second degree in the number of tokens")
    return Polynomial(const=int(const), per_token=int(linear), per_token2=int(square))
