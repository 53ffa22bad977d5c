"""Nodes and constants of an ONNX graph that is being written, operators of onnxruntime-extensions among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Domain of the operators of onnxruntime-extensions.
DOMAIN = "ai.onnx.contrib"
#: Every name that is added begins so, and cannot meet one of the model's.
_PREFIX = "tokenizer/"


class GraphBuilder:
    """Collects nodes and constants; every method returns the name of what it adds."""

    def __init__(self, scope: str) -> None:
        self._scope = _PREFIX + scope
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node of one output."""
        return self.many(operator, inputs, 1, **attributes)[0]

    def many(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node of several outputs."""
        names = [f"{self._scope}{operator}{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=names[0], **attributes))
        return names

    def custom(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node of onnxruntime-extensions."""
        return self.node(operator, inputs, domain=DOMAIN, **attributes)

    def custom_many(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node of onnxruntime-extensions with several outputs."""
        return self.many(operator, inputs, outputs, domain=DOMAIN, **attributes)

    def numbers(self, values: int | Sequence[int]) -> str:
        """Add a constant of int64: a scalar or a vector."""
        return self._constant(numpy_helper.from_array(np.array(values, dtype=np.int64)))

    def strings(self, values: Sequence[str]) -> str:
        """Add a constant vector of strings."""
        encoded = [value.encode() for value in values]
        return self._constant(helper.make_tensor("", TensorProto.STRING, [len(encoded)], encoded))

    def replace(self, text: str, pattern: str, rewrite: str) -> str:
        """Replace what an RE2 expression matches."""
        return self.custom("StringRegexReplace", [text, self.strings([pattern]), self.strings([rewrite])])

    def split(self, text: str, pattern: str, *, keep: bool) -> str:
        """Split at what an RE2 expression with one group matches, keeping that as pieces of their own or not."""
        inputs = [text, self.strings([pattern]), self.strings(["(?s).*" if keep else ""])]
        return self.custom_many("StringRegexSplitWithOffsets", inputs, 4)[0]

    def join(self, pieces: str) -> str:
        """Join a vector of strings, which may be empty, to one."""
        return self.custom("StringJoin", [pieces, self.strings([""]), self.numbers([0])])

    def without_zero_bytes(self, text: str) -> str:
        """Remove zero bytes, at which onnxruntime-extensions takes a string to end; onnxruntime itself does not."""
        pieces = self.node(
            "Tokenizer", [text], domain="com.microsoft", separators=["\0"], mark=0, mincharnum=1, pad_value=""
        )
        return self.join(self.node("Squeeze", [pieces, self.numbers([0])]))

    def look_up(self, tokens: str, vocabulary: Mapping[str, int], unknown: int) -> str:
        """Turn tokens into ids."""
        return self.node(
            "LabelEncoder",
            [tokens],
            domain="ai.onnx.ml",
            keys_strings=list(vocabulary),
            values_int64s=list(vocabulary.values()),
            default_int64=unknown,
        )

    def _constant(self, tensor: onnx.TensorProto) -> str:
        tensor.name = f"{self._scope}constant{len(self.constants)}"
        self.constants.append(tensor)
        return tensor.name
