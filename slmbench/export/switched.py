"""One file in which each product can be quantized alone, instead of one file for each product.

The search for harmful products (``slmbench.export.sensitivity``) looks at as many models as there are products, and
making and loading them takes longer than their answers. Here the float graph gets, for each product, an ``If`` with
the product as it is and as the quantized file has it; which of the two runs is told with each call.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slmbench.export.answering import WorkingForm

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

#: Name of a product's switch.
_SWITCH = "slmbench_switch_{}"
#: Bytes of float and quantized weights together, beyond which protobuf cannot hold them in one file.
_MAX_BYTES = 1_800_000_000


class NotSwitchableError(Exception):
    """The quantized graph does not have each product in the place of the float one."""


class SwitchedForm(WorkingForm):
    """A float graph in which one product after the other can be quantized.

    Args:
        folder: The bundle's folder.
        file: From :func:`write_switched`.
        nodes: Names of the products, in the order of their switches.

    Attributes:
        quantized: The product that is quantized; ``None`` for none.
    """

    def __init__(self, folder: Path, file: Path, nodes: Sequence[str]) -> None:
        super().__init__(folder, file, threads=1)
        self._nodes = list(nodes)
        self.quantized: str | None = None

    def feed(self, items: Sequence[object]) -> dict[str, np.ndarray]:
        """Return the model's inputs of one batch, the switches among them."""
        on = {_SWITCH.format(place): np.array(node == self.quantized) for place, node in enumerate(self._nodes)}
        return {**super().feed(items), **on}


def write_switched(float_file: Path, quantized_file: Path, target: Path, nodes: Sequence[str]) -> None:
    """Write a graph with a switch for each product.

    Args:
        float_file: The graph in float.
        quantized_file: The same graph with all these products quantized.
        target: The file to write.
        nodes: Names of the products.

    Raises:
        NotSwitchableError: The quantized graph gives a product from something that the float graph does not have, or
            the two are too large for one file.
    """
    import onnx
    from onnx import TensorProto, helper

    if float_file.stat().st_size + quantized_file.stat().st_size > _MAX_BYTES:
        raise NotSwitchableError("the two graphs are too large for one file")
    document = onnx.load(str(float_file))
    quantized = onnx.load(str(quantized_file))
    graph = document.graph
    known = {name for node in graph.node for name in node.output}
    known |= {entry.name for entry in (*graph.input, *graph.initializer)}
    weights = {tensor.name: tensor for tensor in quantized.graph.initializer}
    used: set[str] = set()
    found: list[NodeProto] = []
    places = {name: place for place, name in enumerate(nodes)}
    for node in graph.node:
        place = places.pop(node.name, None)
        if place is None:
            found.append(node)
            continue
        (output,) = node.output
        parts, constants = _slice(output, known, quantized.graph, weights)
        used |= constants
        branches = {
            "then_branch": _branch(parts, output, f"{place}/quantized/"),
            "else_branch": _branch([node], output, f"{place}/float/"),
        }
        found.append(helper.make_node("If", [_SWITCH.format(place)], [output], name=node.name, **branches))
    if places:
        raise NotSwitchableError(f"there is no product {next(iter(places))}")
    del graph.node[:]
    graph.node.extend(found)
    graph.initializer.extend(weights[name] for name in sorted(used - known))
    for place in range(len(nodes)):
        # An input with a value of its own: it may be given with a call, and nothing is computed ahead from it.
        name = _SWITCH.format(place)
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.BOOL, []))
        graph.initializer.append(helper.make_tensor(name, TensorProto.BOOL, [], [False]))
    domains = {entry.domain: entry for entry in document.opset_import}
    for entry in quantized.opset_import:
        if entry.domain not in domains:
            document.opset_import.append(entry)
        elif domains[entry.domain].version != entry.version:
            raise NotSwitchableError("the two graphs are of different versions of the operators")
    onnx.save(document, str(target))


def _slice(
    output: str, known: set[str], graph: GraphProto, weights: Container[str]
) -> tuple[list[NodeProto], set[str]]:
    """Return the nodes that give a tensor from those of the float graph, in order, and the weights that they have."""
    makers = {name: place for place, node in enumerate(graph.node) for name in node.output}
    places: set[int] = set()
    constants: set[str] = set()
    waiting = [output]
    while waiting:
        name = waiting.pop()
        if not name or (name in known and name != output):
            continue  # computed outside
        if name in weights:
            constants.add(name)
        elif name not in makers:
            raise NotSwitchableError(f"nothing gives {name}")
        elif makers[name] not in places:
            places.add(makers[name])
            waiting += graph.node[makers[name]].input
    return [graph.node[place] for place in sorted(places)], constants


def _branch(nodes: Sequence[NodeProto], output: str, prefix: str) -> GraphProto:
    """Return a graph without inputs that gives a tensor; what is computed in it gets names of its own."""
    from onnx import NodeProto as Node
    from onnx import TensorProto, helper

    inside = {name for node in nodes for name in node.output if name}
    renamed = []
    for node in nodes:
        copy = Node()
        copy.CopyFrom(node)
        copy.name = prefix + node.name
        for names in (copy.input, copy.output):
            names[:] = [prefix + name if name in inside else name for name in names]
        renamed.append(copy)
    given = helper.make_tensor_value_info(prefix + output, TensorProto.FLOAT, None)
    return helper.make_graph(renamed, prefix + "branch", [], [given])
