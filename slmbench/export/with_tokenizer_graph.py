"""A classifier's graph with its tokenizer in front: texts in, labels, probabilities and logits out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from tokenizers import Tokenizer

from slmbench.export.with_tokenizer_nodes import DOMAIN, GraphBuilder
from slmbench.export.with_tokenizer_text import UnsupportedTokenizer, front_for

_END = np.iinfo(np.int64).max


def combine(tokenizer: Tokenizer, form: Path, labels: Sequence[str]) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Put a tokenizer in front of a form.

    Args:
        tokenizer: The bundle's.
        form: The form's file.
        labels: Its labels in the order of the logits.

    Returns:
        The tokenizer alone (texts in, token ids out), and the whole.

    Raises:
        UnsupportedTokenizer: This tokenizer cannot be put inside, or this form holds no tokenizer.
    """
    model = onnx.load(form, load_external_data=False)
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise UnsupportedTokenizer("the form keeps its weights in a second file, and this makes one file below 2 GB")
    front = tokenizer_model(tokenizer, [value.name for value in model.graph.input], model)
    return front, put_in_front(front, model, labels)


def tokenizer_model(tokenizer: Tokenizer, wanted: Sequence[str], like: onnx.ModelProto) -> onnx.ModelProto:
    """Build a model that tokenizes a batch of texts and pads it to its longest, as the tokenizer says.

    Args:
        tokenizer: The bundle's, which truncates and pads as trained.
        wanted: Which of ``input_ids``, ``attention_mask`` and ``token_type_ids``, shape (texts, tokens).
        like: A model whose opset is used.

    Returns:
        A model with the input ``text``, shape (texts,).

    Raises:
        UnsupportedTokenizer: This tokenizer cannot be made.
    """
    document = json.loads(tokenizer.to_str())
    truncation, padding = document["truncation"], document["padding"]
    if truncation is None or padding is None:
        raise UnsupportedTokenizer("its tokenizer.json does not say where it truncates and how it pads")
    longest, left = truncation["max_length"], padding["direction"] == "Left"
    body = GraphBuilder("")
    text = body.node("Gather", ["text", body.node("Reshape", ["tokenizer/index", body.numbers([1])])])
    ids = front_for(document)(body, text, document, tokenizer)
    columns = ("input_ids", "attention_mask", "token_type_ids")
    row = dict(zip(columns, _as_trained(body, ids, tokenizer), strict=True))
    length = body.node("Shape", [row["input_ids"]])
    missing = body.node("Sub", [body.numbers([longest]), length])
    around = body.node("Concat", [missing, body.numbers([0])] if left else [body.numbers([0]), missing], axis=0)
    fills = {"input_ids": padding["pad_id"], "attention_mask": 0, "token_type_ids": padding["pad_type_id"]}
    rows = [body.node("Pad", [row[name], around, body.numbers(fills[name])]) for name in wanted]
    go_on = body.node("Identity", ["tokenizer/go_on"])
    outer = GraphBuilder("batch/")
    count = outer.node("Reshape", [outer.node("Shape", ["text"]), outer.numbers([])])
    loop = helper.make_graph(
        body.nodes,
        "one_text",
        [_value("tokenizer/index", TensorProto.INT64, []), _value("tokenizer/go_on", TensorProto.BOOL, [])],
        [_value(go_on, TensorProto.BOOL, []), *(_value(name, TensorProto.INT64, None) for name in [length, *rows])],
        body.constants,
    )
    lengths, *padded = outer.many("Loop", [count, ""], 1 + len(rows), body=loop)
    most = outer.node("Reshape", [outer.node("ReduceMax", [lengths], keepdims=0), outer.numbers([1])])
    first, last = (outer.node("Neg", [most]), outer.numbers([_END])) if left else (outer.numbers([0]), most)
    for name, column in zip(wanted, padded, strict=True):
        cut = outer.node("Slice", [column, first, last, outer.numbers([1])])
        outer.nodes.append(helper.make_node("Identity", [cut], [name]))
    graph = helper.make_graph(
        outer.nodes,
        "tokenizer",
        [_value("text", TensorProto.STRING, ["texts"])],
        [_value(name, TensorProto.INT64, ["texts", "tokens"]) for name in wanted],
        outer.constants,
    )
    versions = {entry.domain: entry.version for entry in like.opset_import}
    opsets = {"": versions[""], "ai.onnx.ml": versions.get("ai.onnx.ml", 2), "com.microsoft": 1, DOMAIN: 1}
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return helper.make_model(graph, opset_imports=imports, ir_version=like.ir_version)


def put_in_front(tokenizer: onnx.ModelProto, model: onnx.ModelProto, labels: Sequence[str]) -> onnx.ModelProto:
    """Join a tokenizer's model and a classifier, and add what an app wants to know.

    Args:
        tokenizer: From :func:`tokenizer_model`, for this model.
        model: The classifier, with the output ``logits``.
        labels: Its labels in the order of the logits.

    Returns:
        A model with the input ``text`` and the outputs ``label``, ``probabilities`` and ``logits``; its metadata
        holds the labels as JSON.
    """
    names = [value.name for value in tokenizer.graph.output]
    joined = onnx.compose.merge_models(tokenizer, model, io_map=[(name, name) for name in names], outputs=["logits"])
    end = GraphBuilder("label/")
    probabilities = helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1)
    best = end.node("ArgMax", ["logits"], axis=-1, keepdims=0)
    label = helper.make_node("Gather", [end.strings(labels), best], ["label"])
    joined.graph.node.extend([probabilities, *end.nodes, label])
    joined.graph.initializer.extend(end.constants)
    logits = joined.graph.output.pop()
    shape: list[str | int] = ["texts", len(labels)]
    joined.graph.output.extend(
        [
            _value("label", TensorProto.STRING, ["texts"]),
            _value("probabilities", logits.type.tensor_type.elem_type, shape),
            _value("logits", logits.type.tensor_type.elem_type, shape),
        ]
    )
    helper.set_model_props(joined, {"labels": json.dumps(list(labels), ensure_ascii=False)})
    return joined


def _as_trained(body: GraphBuilder, ids: str, tokenizer: Tokenizer) -> tuple[str, str, str]:
    """Truncate, put the special tokens around; returns ids, mask and types of one text, unpadded."""
    unpadded = Tokenizer.from_str(tokenizer.to_str())
    unpadded.no_padding()
    probe = unpadded.encode("a")
    own = [place for place, special in enumerate(probe.special_tokens_mask) if not special]
    before, after = slice(0, own[0]), slice(own[-1] + 1, None)
    room = tokenizer.truncation["max_length"] - len(probe.ids[before]) - len(probe.ids[after])
    left = tokenizer.truncation["direction"] == "left"
    bounds = ([-room], [_END]) if left else ([0], [room])
    kept = body.node("Slice", [ids, *(body.numbers(bound) for bound in bounds)])
    row = body.node("Concat", [body.numbers(probe.ids[before]), kept, body.numbers(probe.ids[after])], axis=0)
    mask = body.node("Expand", [body.numbers([1]), body.node("Shape", [row])])
    kind = body.node("Expand", [body.numbers([probe.type_ids[own[0]]]), body.node("Shape", [kept])])
    types = [body.numbers(probe.type_ids[before]), kind, body.numbers(probe.type_ids[after])]
    return row, mask, body.node("Concat", types, axis=0)


def _value(name: str, kind: int, shape: Sequence[str | int] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)
