"""The contents of an ONNX file: nodes with weights, fusions, quantized products, operations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from slmbench.common.files import scratch_folder
from slmbench.edge.runtime import without_slow_fusions
from slmbench.instruments.roofline import NotCountableError, count_operations
from slmbench.records.bundle import GraphFacts

if TYPE_CHECKING:
    from onnx import GraphProto

#: Operators that multiply by, or look up, a constant table, and which of their inputs that is.
WEIGHT_INPUT = {"MatMul": 1, "Gemm": 1, "Attention": 1, "Gather": 0, "EmbedLayerNormalization": 2}
#: Operators onnxruntime has for what encoders are made of.
FUSIONS = {
    "attention": ("Attention", "MultiHeadAttention", "QAttention", "FusedMatMul"),
    "layer norm with residual": ("SkipLayerNormalization",),
    "GELU": ("BiasGelu", "Gelu", "FastGelu", "QuickGelu"),
    "embeddings with layer norm": ("EmbedLayerNormalization", "QEmbedLayerNormalization"),
}
#: Which the edge runtime leaves out, as slower; a file fused ahead of time has it.
_LEFT_OUT = "layer norm with residual"
_QUANTIZED_PRODUCTS = (
    "MatMulInteger",
    "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat",
    "QAttention",
    "QLinearMatMul",
    "MatMulNBits",
)


def weighted_nodes(model: Path) -> list[str]:
    """Return the names of nodes that multiply by a constant matrix or look up a table, in the graph's order."""
    graph = _load(model)
    constants = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    return [
        node.name
        for node in graph.node
        if node.op_type in WEIGHT_INPUT and node.input[WEIGHT_INPUT[node.op_type]] in constants
    ]


def unweighted_nodes(model: Path) -> list[str]:
    """Return the names of such nodes without a constant operand: attention scores, slices of shapes.

    They are left in float, as onnxruntime's own quantizer leaves them and Optimum's presets do not: there is no
    weight to make smaller, and their ranges change with every review. Measured on minilm-l6 (``docs/export.md``),
    int8 without them changes fewer labels and is no slower.
    """
    weighted = set(weighted_nodes(model))
    return [node.name for node in _load(model).node if node.op_type in WEIGHT_INPUT and node.name not in weighted]


def graph_facts(model: Path) -> GraphFacts:
    """Describe a file's graph, and the fusions that onnxruntime performs when it loads the file.

    Args:
        model: An ONNX file.
    """
    import onnx

    document = onnx.load(str(model), load_external_data=False)
    graph = document.graph
    operators = Counter(node.op_type for node in graph.node)
    at_load = _operators_after_load(model)
    fused = {
        kind: sum(at_load[name] for name in names) for kind, names in FUSIONS.items() if any(map(at_load.get, names))
    }
    quantized, in_float = _products(graph)
    operations, uncounted = None, None
    try:
        operations = count_operations(model)
    except NotCountableError as error:
        uncounted = str(error)
    return GraphFacts(
        opset=max(entry.version for entry in document.opset_import if entry.domain in ("", "ai.onnx")),
        nodes=len(graph.node),
        operators=dict(operators.most_common()),
        fused=fused,
        missing_fusions=[kind for kind in FUSIONS if kind not in fused and kind != _LEFT_OUT],
        quantized_products=quantized,
        float_products=in_float,
        operations=operations,
        uncounted=uncounted,
    )


def _operators_after_load(model: Path) -> Counter[str]:
    """Count operators once onnxruntime has rewritten the graph for the CPU, as the edge runtime has it."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(*without_slow_fusions())
    with scratch_folder(model.parent) as folder:
        options.optimized_model_filepath = str(folder / "optimized.onnx")
        onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        graph = onnx.load(options.optimized_model_filepath, load_external_data=False).graph
    return Counter(node.op_type for node in graph.node)


def _products(graph: GraphProto) -> tuple[int, int]:
    """Count products with a constant matrix: quantized, and in float."""
    constants = {tensor.name for tensor in graph.initializer}
    dequantized = {
        node.output[0] for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants
    }
    quantized = in_float = 0
    for node in graph.node:
        if node.op_type in _QUANTIZED_PRODUCTS:
            quantized += 1
        elif node.op_type in ("MatMul", "Gemm", "Attention"):
            quantized += node.input[1] in dequantized
            in_float += node.input[1] in constants
    return quantized, in_float


def _load(model: Path) -> GraphProto:
    import onnx

    return onnx.load(str(model), load_external_data=False).graph
