"""Bundles made by strangers: each attack ends in one sentence that names the file, and nothing hangs or is read."""

import io
import json
import os
import shutil
import tracemalloc
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sealing import edit_record, reseal, seal_again

from slmbench.cascade import CascadeOptions, cascade
from slmbench.common.errors import SlmbenchError
from slmbench.edge import Classifier
from slmbench.edge.runtime import (
    BundleFiles,
    check_graph,
    check_tokenizer,
    is_file_name,
    is_quick_pattern,
    parse_json,
)

pytestmark = pytest.mark.usefixtures("nothing_hangs")

MODEL = "onnx/model.onnx"
LONG = "x" * 2_000_000
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def bundles(tmp_path_factory, tiny_bundle, floor_bundle):
    """One bundle of each kind, by kind."""
    place = tmp_path_factory.mktemp("strangers")
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9, large_form="fp32"), output=place / "cascade")
    static = static_bundle(floor_bundle, place / "static")
    return {"onnx": tiny_bundle, "tfidf": floor_bundle, "static": static, "cascade": place / "cascade"}


def static_bundle(other, folder):
    """Make a static model of three words of another bundle."""
    shutil.copytree(other, folder)
    for name in ("tfidf.json", "tfidf.npz"):
        (folder / name).unlink()
    document = {"longest_ngram": 2, "buckets": 5, "words": ["good", "film", "bad"]}
    (folder / "static.json").write_text(json.dumps(document))
    table = np.arange(9, dtype=np.int8).reshape(9, 1)
    ones = np.ones((2, 1), dtype=np.float32)
    np.savez(folder / "static.npz", table=table, scale=ones[0], head=ones, bias=ones[:, 0])
    reseal(folder, lambda document: document.update(runtime="static") or form(file="static.npz")(document))
    return folder


@pytest.fixture
def own(bundles, tmp_path):
    """Make a copy of a bundle, to be changed."""
    return lambda kind: shutil.copytree(bundles[kind], tmp_path / "bundle")


def refused(bundle, file, fact, form=None):
    """Check that a bundle is refused in one sentence that names a file and a fact."""
    with pytest.raises(SlmbenchError) as raised:
        Classifier(bundle, form=form).predict("good film")
    said = str(raised.value)
    assert file in said
    assert fact in said
    assert "\n" not in said
    assert len(said) < 1500


# --- bundle.json ---------------------------------------------------------------------------------------------------


def append(content):
    return lambda path: path.write_bytes(path.read_bytes() + content)


def as_link(target):
    def replace(path):
        path.unlink()
        path.symlink_to(target)

    return replace


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


def as_folder(path):
    path.unlink()
    path.mkdir()


def link_outside(path):
    outside = path.parents[len(path.parts) - 1 - path.parts.index("bundle")] / "outside"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def enormous(path):
    with path.open("ab") as file:
        file.truncate(1 << 40)  # a hole: it takes no place on the disk


RECORD_FILES = {
    "bytes after the seal": append(b'{"labels": ["a", "b"]}'),
    "a space after the seal": append(b" "),
    "zeros after the seal": append(b"\0" * 64),
    "a second seal": append(b', "seal": "' + b"0" * 64 + b'"}\n'),
    "deep nesting": lambda path: path.write_text(DEEP),
    "deep nesting of objects": lambda path: path.write_text('{"a":' * 100_000),
    "a link to a device": as_link("/dev/zero"),
    "a link to itself": as_link("bundle.json"),
    "a link outside": link_outside,
    "a link to another's file": as_link("/etc/passwd"),
    "a pipe": as_pipe,
    "a folder": as_folder,
    "a terabyte": enormous,
    "a number of a million digits": lambda path: path.write_text("9" * 1_000_000),
    "not a number": lambda path: path.write_text('{"schema": NaN}'),
    "UTF-16": lambda path: path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16")),
    "another's schema of 2 MB": lambda path: path.write_text(json.dumps({"schema": LONG})),
    "a schema that is an object": lambda path: path.write_text('{"schema": {}}'),
}


@pytest.mark.parametrize("attack", RECORD_FILES)
def test_a_record_that_is_something_else(own, attack):
    bundle = own("onnx")
    RECORD_FILES[attack](bundle / "bundle.json")
    refused(bundle, str(bundle), "")


def form(**facts):
    return lambda document: document["forms"]["fp32"].update(facts)


def manifest(name, **facts):
    return lambda document: (
        document["manifest"]["files"].setdefault(name, {"bytes": 1, "sha256": "0" * 64}).update(facts)
    )


def renamed_form(name):
    return lambda document: document["forms"].update({name: document["forms"].pop("fp32")})


#: Of a changed and honestly sealed bundle.json: the change, and the field that the sentence names.
FIELDS = {
    "a form's file above": (form(file="../model.onnx"), "forms.fp32.file"),
    "a form's file far above": (form(file="onnx/../../../../etc/passwd.onnx"), "forms.fp32.file"),
    "a form's absolute file": (form(file="/etc/model.onnx"), "forms.fp32.file"),
    "a form's file on a drive": (form(file="C:\\model.onnx"), "forms.fp32.file"),
    "a form's file with backslashes": (form(file="..\\..\\model.onnx"), "forms.fp32.file"),
    "a form's file on a share": (form(file="//server/model.onnx"), "forms.fp32.file"),
    "a form's file with a zero": (form(file="model\0.onnx"), "forms.fp32.file"),
    "a form's file that is a pattern": (form(file="**/*.onnx"), "forms.fp32.file"),
    "a form's file of 2 MB": (form(file=f"{LONG}.onnx"), "forms.fp32.file"),
    "a form's file of half a character": (form(file="\ud800.onnx"), "forms.fp32.file"),
    "a form's file with an escape": (form(file="\x1b[31m.onnx"), "forms.fp32.file"),
    "a form's file of another kind": (form(file="onnx/model.ort"), "forms.fp32.file"),
    "a form's file that is a list": (form(file=["onnx/model.onnx"]), "forms.fp32.file"),
    "a form's file that is nothing": (form(file=None), "forms.fp32.file"),
    "a form's file that is empty": (form(file=""), "forms.fp32.file"),
    "a form's bytes below zero": (form(bytes=-1), "forms.fp32.bytes"),
    "a form's bytes without end": (form(bytes=10**400), "forms.fp32.bytes"),
    "a form's bytes in words": (form(bytes="many"), "forms.fp32.bytes"),
    "a form's bytes that are true": (form(bytes=True), "forms.fp32.bytes"),
    "a form accepted in words": (form(accepted="yes"), "forms.fp32.accepted"),
    "a form accepted by a number": (form(accepted=1), "forms.fp32.accepted"),
    "a form for a list of processors": (form(isa=["avx512_vnni"]), "forms.fp32.isa"),
    "a form for a processor with an escape": (form(isa="\x1b]0;owned\x07"), "forms.fp32.isa"),
    "a form that gains a word": (form(gain="much"), ""),
    "a form that gains nothing known": (form(gain={"speedup_ci95": []}), ""),
    "a form whose name is a path": (renamed_form("../../../tmp/owned"), "forms"),
    "a form whose name is absolute": (renamed_form("/tmp/owned"), "forms"),
    "a form without a name": (renamed_form(""), "forms"),
    "a form whose name is of 2 MB": (renamed_form(LONG), "forms"),
    "forms that are a list": (lambda document: document.update(forms=[1, 2]), ""),
    "a form that is a word": (lambda document: document.update(forms={"fp32": "onnx"}), ""),
    "a file above": (manifest("../secret"), "manifest.files"),
    "an absolute file": (manifest("/etc/passwd"), "manifest.files"),
    "a file on a drive": (manifest("C:secret"), "manifest.files"),
    "a file with a line break": (manifest("a\nb"), "manifest.files"),
    "a file of a negative size": (manifest("tokenizer.json", bytes=-5), "manifest.files.tokenizer.json.bytes"),
    "a file of half a byte": (manifest("tokenizer.json", bytes=0.5), "manifest.files.tokenizer.json.bytes"),
    "a file with a short hash": (manifest("tokenizer.json", sha256="00"), "manifest.files.tokenizer.json.sha256"),
    "a file with a hash of numbers": (manifest("tokenizer.json", sha256=0), "manifest.files.tokenizer.json.sha256"),
    "very many files": (
        lambda document: document["manifest"]["files"].update(
            {f"f{number}": {"bytes": 0, "sha256": "0" * 64} for number in range(10_001)}
        ),
        "manifest.files",
    ),
    "files that are a list": (lambda document: document["manifest"].update(files=[]), ""),
    "a manifest that is a word": (lambda document: document.update(manifest="none"), ""),
    "a runtime of their own": (lambda document: document.update(runtime="python"), "runtime"),
    "a runtime that is a list": (lambda document: document.update(runtime=["onnx"]), ""),
    "labels in one word": (lambda document: document.update(labels="negative, positive"), "labels"),
    "one label": (lambda document: document.update(labels=["positive"]), "labels"),
    "the same label twice": (lambda document: document.update(labels=["positive", "positive"]), "labels"),
    "labels that are numbers": (lambda document: document.update(labels=[0, 1]), "labels"),
    "a label of 2 MB": (lambda document: document.update(labels=["negative", LONG]), "labels"),
    "a label of half a character": (lambda document: document.update(labels=["negative", "\udc00"]), "labels"),
    "very many labels": (lambda document: document.update(labels=[str(n) for n in range(10_001)]), "labels"),
    "labels within labels": (lambda document: document.update(labels=[["a"], ["b"]]), "labels"),
}


@pytest.mark.parametrize("attack", FIELDS)
def test_a_field_that_cannot_be(own, attack):
    bundle = own("onnx")
    edit, field = FIELDS[attack]
    edit_record(bundle, edit)
    document = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    text = json.dumps(document, ensure_ascii=True)  # so that halves of characters can be written
    (bundle / "bundle.json").write_text(text)
    seal_ascii(bundle)
    refused(bundle, "bundle.json", field)


def seal_ascii(bundle):
    """Seal as :func:`slmbench.edge.runtime.sealed` does, but with escapes."""
    import hashlib

    document = json.loads((bundle / "bundle.json").read_text())
    text = json.dumps({key: value for key, value in document.items() if key != "seal"})[:-1]
    digest = hashlib.sha256(text.encode()).hexdigest()
    (bundle / "bundle.json").write_bytes(f'{text}, "seal": "{digest}"}}\n'.encode())


@pytest.mark.parametrize(
    "name", ["a/b", "model.onnx", "onnx/model.onnx_data", "ä/ö.json", "x" * 255, "/".join(["x" * 200] * 4)]
)
def test_names_that_are_files(name):
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("x" * 1001, "x" * 256, "ä" * 128, "\ud800", "\x1b[1m", "\u202e", None, 5, ["a"], b"a"),
        "",
        "/",
        "a//b",
        "a/",
        "/a",
        "..",
        "a/..",
        "./a",
        "a\\b",
        "a:b",
        "a\0b",
        "a\nb",
        "a*",
        "a?",
        " ",
        "a/ /b",
        "...",
    ],
)
def test_names_that_are_not_files(name):
    assert not is_file_name(name)


# --- files of a bundle ----------------------------------------------------------------------------------------------

FILES = {
    "a link outside": (link_outside, "it is outside the folder"),
    "a link to a device": (as_link("/dev/zero"), "it is outside the folder"),
    "a link to the system": (as_link("/etc/passwd"), "it is outside the folder"),
    "a link to itself": (as_link("model.onnx"), ""),
    "a link to a folder": (as_link("."), "it is not a regular file"),
    "a pipe": (as_pipe, "it is not a regular file"),
    "a folder": (as_folder, "it is not a regular file"),
}


@pytest.mark.parametrize("attack", FILES)
@pytest.mark.parametrize(("kind", "file"), [("onnx", MODEL), ("static", "static.npz"), ("cascade", "cascade.json")])
def test_a_file_that_is_something_else(own, attack, kind, file):
    bundle = own(kind)
    replace, fact = FILES[attack]
    replace(bundle / file)
    refused(bundle, file, fact, form="fp32" if kind == "onnx" else None)
    assert any(file in sentence for sentence in BundleFiles.open(bundle).damaged())


def test_a_folder_that_is_a_link_outside(own, tmp_path):
    bundle = own("onnx")
    (bundle / "onnx").rename(tmp_path / "elsewhere")
    (bundle / "onnx").symlink_to(tmp_path / "elsewhere")
    refused(bundle, MODEL, "it is outside the folder", form="fp32")


def test_pipes_and_links_that_are_not_listed_are_named_and_not_opened(own):
    bundle = own("onnx")
    os.mkfifo(bundle / "pipe")
    (bundle / "link").symlink_to("/dev/zero")
    (bundle / "loop").symlink_to(bundle)
    found = BundleFiles.open(bundle).damaged()
    assert [sentence.split()[0] for sentence in found] == [str(bundle / name) for name in ("link", "loop", "pipe")]
    assert Classifier(bundle).predict("good")


def test_the_hubs_cache_is_one_folder(own, tmp_path):
    """Its snapshots are links into the blobs beside them; a bundle that is itself reached by a link is one, too."""
    bundle = own("onnx")
    snapshot = tmp_path / "models--me--mine" / "snapshots" / "0123"
    blobs = tmp_path / "models--me--mine" / "blobs"
    blobs.mkdir(parents=True)
    for path in [path for path in bundle.rglob("*") if path.is_file()]:
        own_place = snapshot / path.relative_to(bundle)
        own_place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blobs / path.name)
        own_place.symlink_to(blobs / path.name)
    (tmp_path / "short").symlink_to(snapshot)
    assert Classifier(snapshot).predict("good")[0].label == Classifier(tmp_path / "short").predict("good")[0].label


# --- ONNX -----------------------------------------------------------------------------------------------------------


def classifier_graph(
    inputs=(("input_ids", TensorProto.INT64, ["n", "m"]), ("attention_mask", TensorProto.INT64, ["n", "m"])),
    output=("logits", TensorProto.FLOAT, ["n", 2]),
    nodes=(),
    initializers=(),
    functions=(),
    labels=2,
    copies=1,
):
    """Return a model of two logits that are sums of its first input, with what an attack adds."""
    values = np.arange(labels, dtype=np.float32)
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [1, labels], values.tobytes(), raw=True)
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    chain = [
        helper.make_node("Cast", [inputs[0][0]], ["floats"], to=output[1]),
        helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=1),
        helper.make_node("MatMul", ["mean", "weights"], ["once"]),
        helper.make_node("Concat", ["once"] * copies, [output[0]], axis=0),
    ]
    graph = helper.make_graph(
        [*chain, *nodes],
        "attack",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*output)],
        [weights, axes, *initializers],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, functions=functions)


def external(location, **more):
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def looping(operator="Loop"):
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("goes", TensorProto.BOOL, [])],
    )
    return helper.make_node(operator, ["", "always"], [], body=body)


def within(node, depth=1):
    """Hide a node in the branches of conditions."""
    for _ in range(depth):
        branch = helper.make_graph([node], "branch", [], [])
        node = helper.make_node("If", ["always"], [], then_branch=branch, else_branch=branch)
    return node


ALWAYS = helper.make_tensor("always", TensorProto.BOOL, [], [True])
IDS, MASK = ("input_ids", TensorProto.INT64, ["n", "m"]), ("attention_mask", TensorProto.INT64, ["n", "m"])
GRAPHS = {
    "weights above": (classifier_graph(initializers=[external("../secret")]), "../secret"),
    "weights of the system": (classifier_graph(initializers=[external("/etc/passwd")]), "/etc/passwd"),
    "weights in a device": (classifier_graph(initializers=[external("/dev/zero")]), "/dev/zero"),
    "weights that are not listed": (classifier_graph(initializers=[external("other_data")]), "other_data"),
    "weights in another listed file": (classifier_graph(initializers=[external("../config.json")]), "config.json"),
    "weights in a file without a name": (classifier_graph(initializers=[external("")]), "weights in ''"),
    "weights with a length": (classifier_graph(initializers=[external("../a", offset="0", length="9")]), "../a"),
    "weights of a node": (
        classifier_graph(nodes=[helper.make_node("Constant", [], ["c"], value=external("../secret"))]),
        "../secret",
    ),
    "weights of a branch": (
        classifier_graph(
            nodes=[within(helper.make_node("Constant", [], ["c"], value=external("../secret")), 3)],
            initializers=[ALWAYS],
        ),
        "../secret",
    ),
    "a function that calls itself": (
        classifier_graph(
            functions=[
                helper.make_function(
                    "own",
                    "f",
                    ["x"],
                    ["y"],
                    [helper.make_node("f", ["x"], ["y"], domain="own")],
                    [helper.make_opsetid("own", 1)],
                )
            ]
        ),
        "functions of its own",
    ),
    "a loop": (classifier_graph(nodes=[looping()], initializers=[ALWAYS]), "Loop"),
    "a loop in a branch": (classifier_graph(nodes=[within(looping(), 2)], initializers=[ALWAYS]), "Loop"),
    "a scan": (classifier_graph(nodes=[looping("Scan")], initializers=[ALWAYS]), "Scan"),
    "a compiled context": (
        classifier_graph(
            nodes=[
                helper.make_node("EPContext", [], ["x"], domain="com.microsoft", ep_cache_context="/etc/passwd"),
            ]
        ),
        "EPContext",
    ),
    "branches within branches": (
        classifier_graph(nodes=[within(helper.make_node("Identity", ["always"], ["x"]), 8)], initializers=[ALWAYS]),
        "",
    ),
    "no inputs that are known": (classifier_graph([("text", TensorProto.INT64, ["n", "m"])]), "text"),
    "an input more": (classifier_graph([IDS, ("secret", TensorProto.INT64, ["n", "m"])]), "secret"),
    "inputs of floats": (classifier_graph([("input_ids", TensorProto.FLOAT, ["n", "m"])]), "input_ids"),
    "inputs of text": (
        classifier_graph([IDS, ("attention_mask", TensorProto.STRING, ["n", "m"])]),
        "attention_mask",
    ),
    "inputs of three dimensions": (
        classifier_graph([IDS, ("attention_mask", TensorProto.INT64, ["n", "m", "k"])]),
        "attention_mask",
    ),
    "another output": (classifier_graph(output=("scores", TensorProto.FLOAT, ["n", 2])), "logits"),
    "an output of three dimensions": (classifier_graph(output=("logits", TensorProto.FLOAT, ["n", 2, 1])), "logits"),
    "three labels": (classifier_graph(labels=3, output=("logits", TensorProto.FLOAT, ["n", None])), ""),
    "three labels, as it says": (classifier_graph(labels=3, output=("logits", TensorProto.FLOAT, ["n", 3])), ""),
    "more answers than texts": (classifier_graph(copies=3, output=("logits", TensorProto.FLOAT, ["k", 2])), ""),
    "an operator of their own": (classifier_graph(nodes=[helper.make_node("Evil", [], ["x"], domain="evil")]), ""),
}


@pytest.mark.parametrize("attack", GRAPHS)
def test_a_model_that_asks_for_more(own, attack):
    bundle = own("onnx")
    model, fact = GRAPHS[attack]
    (bundle / MODEL).write_bytes(model.SerializeToString())
    (bundle / "secret").write_bytes(b"\0\0\0\0")
    (bundle / "onnx/other_data").write_bytes(b"\0\0\0\0")
    reseal(bundle)
    refused(bundle, "" if "labels" in attack else MODEL, fact, form="fp32")


def test_honest_models_pass(own, tmp_path):
    bundle = own("onnx")
    (bundle / MODEL).write_bytes(classifier_graph([IDS, MASK]).SerializeToString())
    reseal(bundle)
    assert len(Classifier(bundle, form="fp32").predict(["good", "bad"])) == 2
    model = onnx.load(bundle / MODEL)
    onnx.save(model, bundle / MODEL, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    reseal(bundle)
    assert (bundle / "onnx/model.onnx_data").stat().st_size
    assert Classifier(bundle, form="fp32").predict("good")
    edit_record(bundle, lambda document: document["manifest"]["files"].pop("onnx/model.onnx_data"))
    seal_again(bundle)
    refused(bundle, MODEL, "model.onnx_data", form="fp32")


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def nested(depth):
    content = b""
    for _ in range(depth):
        content = message(1, message(5, message(6, content)))  # a graph's node's attribute's graph
    return message(7, content)


ENTRY = message(13, message(2, b"/etc/passwd") + message(1, b"x") + message(1, b"location"))
BYTES = {
    "nothing": b"",
    "zeros": b"\0" * 4096,
    "text": b"#!/bin/sh\nrm -rf ~\n",
    "a zip archive": b"PK\x03\x04" + b"\0" * 100,
    "a length beyond the end": message(7, b"")[:-1] + varint(1 << 40),
    "a length without an end": b"\x3a" + b"\xff" * 40,
    "a group": b"\x3b" + b"\x3c",
    "the key after the value, twice": message(7, message(5, ENTRY)),
    "graphs without end": nested(200),
    "two million fields": message(7, message(1, b"\x0a\x00" * 2_000_001)),
}


@pytest.mark.parametrize("attack", BYTES)
def test_bytes_that_are_no_model(own, attack):
    bundle = own("onnx")
    (bundle / MODEL).write_bytes(BYTES[attack])
    reseal(bundle)
    refused(bundle, MODEL, "", form="fp32")


@pytest.mark.parametrize("attack", ["the key after the value, twice", "graphs without end", "two million fields"])
def test_bytes_that_are_refused_before_onnxruntime(tmp_path, attack):
    (tmp_path / "model.onnx").write_bytes(BYTES[attack])
    with pytest.raises(SlmbenchError, match="model.onnx cannot be used"):
        check_graph(tmp_path / "model.onnx")


# --- tokenizers -----------------------------------------------------------------------------------------------------


def tokenizer(**parts):
    def change(document):
        document.update(parts)

    return change


def in_model(**facts):
    return lambda document: document["model"].update(facts)


def regex(pattern):
    return tokenizer(
        pre_tokenizer={"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    )


def replacing(*contents):
    steps = [{"type": "Replace", "pattern": {"String": "a"}, "content": content} for content in contents]
    return tokenizer(normalizer={"type": "Sequence", "normalizers": steps})


TOKENIZERS = {
    "a catastrophic pattern": regex("(a+)+$"),
    "alternatives repeated": regex("(a|aa)+$"),
    "nested lookaheads": regex("(?=(a+))a*b"),
    "three endless repeats": regex("a*a*a*b"),
    "an endless repeat that has to end": regex(".*.*z"),
    "a pattern of 2 MB": regex("a" * 2_000_000),
    "a backward look": regex("(?<=a*)b"),
    "a pattern in a normalizer": tokenizer(
        normalizer={"type": "Replace", "pattern": {"Regex": "(x+x+)+y"}, "content": " "}
    ),
    "a pattern within a sequence": tokenizer(
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": "(a*)*b"}, "behavior": "Isolated", "invert": False}
            ],
        }
    ),
    "a replacement of a megabyte": replacing("b" * 1_000_000),
    "replacements that double": replacing(*["aa"] * 40),
    "a beginning of a megabyte": tokenizer(normalizer={"type": "Prepend", "prepend": "a" * 1_000_000}),
    "words of any length": in_model(max_input_chars_per_word=10**9),
    "pieces with a long beginning": in_model(continuing_subword_prefix="#" * 1_000_000),
    "a charsmap that lengthens": tokenizer(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAAAA" + "YWFh" * 100}
    ),
    "thousands of special tokens": tokenizer(
        post_processor={
            "type": "TemplateProcessing",
            "single": [
                *[{"SpecialToken": {"id": "[CLS]", "type_id": 0}}] * 5000,
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
        }
    ),
    "a kind of its own": tokenizer(model={"type": "Python", "code": "import os"}),
    "a vocabulary that is a number": in_model(vocab=5),
    "token numbers below zero": in_model(vocab={"[UNK]": -1}),
    "an unknown token that is missing": in_model(vocab={"a": 0}),
    "truncation to less than nothing": tokenizer(truncation={"max_length": -1}),
}


@pytest.mark.parametrize("attack", TOKENIZERS)
def test_a_tokenizer_that_takes_without_end(own, attack):
    bundle = own("onnx")
    document = json.loads((bundle / "tokenizer.json").read_text(encoding="utf-8"))
    TOKENIZERS[attack](document)
    (bundle / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    reseal(bundle)
    with pytest.raises(SlmbenchError) as raised:
        Classifier(bundle, form="fp32").predict(["aaaa" * 20, "good film"])
    assert str(bundle) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"normalizer": {"type": "Replace", "pattern": {"\\u0052egex": "(a+)+b"}, "content": ""}}',
        b'{"pre_tokenizer": {"pattern": {"Reg\\u0065x": "(a+)+b"}}}',
        b'{"model": {"max_input_chars_per_wor\\u0064": 99999}}',
        b'{"model": {"max_input_chars_per_word"   :\n 99999}}',
        b'{"normalizer": {"type": "\\u0050repend", "prepend": "' + b"a" * 100 + b'"}}',
        b'{"model": {"continuing_subword_prefix": "' + b"#" * 100 + b'"}}',
        b'{"a": "Regex", "b": ' + DEEP.encode() + b"}",
        b'{"Regex": 5}',
        b"Regex",
    ],
)
def test_risks_that_are_hidden_are_found(raw):
    with pytest.raises(ValueError):  # noqa: PT011 - it has no other fact
        check_tokenizer(raw)


PUBLISHED = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "Llama 3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "Qwen": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    "GPT-4o": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}",
    "BLOOM": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "CLIP": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "XLM-R": r" {2,}",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_patterns_of_published_tokenizers_are_quick(name):
    assert is_quick_pattern(PUBLISHED[name])


@pytest.mark.parametrize("content", ["/dev/zero", "pipe", "a terabyte"])
def test_a_tokenizer_that_is_no_file(own, content):
    bundle = own("onnx")
    path = bundle / "tokenizer.json"
    {"/dev/zero": as_link("/dev/zero"), "pipe": as_pipe, "a terabyte": enormous}[content](path)
    refused(bundle, "tokenizer.json", "", form="fp32")


@pytest.mark.parametrize("how", ["sideways", ["head"], {"a": 1}, 5, LONG])
def test_a_way_to_read_long_texts_that_is_not_known(own, how):
    bundle = own("onnx")
    document = json.loads((bundle / "config.json").read_text())
    (bundle / "config.json").write_text(json.dumps({**document, "slmbench_long_texts": how}))
    reseal(bundle)
    refused(bundle, str(bundle), "long texts", form="fp32")


def test_no_room_beside_the_special_tokens(own):
    bundle = own("onnx")
    document = json.loads((bundle / "config.json").read_text())
    (bundle / "config.json").write_text(json.dumps({**document, "slmbench_long_texts": "windows"}))
    words = json.loads((bundle / "tokenizer.json").read_text(encoding="utf-8"))
    words["truncation"]["max_length"] = 2
    (bundle / "tokenizer.json").write_text(json.dumps(words), encoding="utf-8")
    reseal(bundle)
    refused(bundle, "tokenizer.json", "", form="fp32")


# --- TF-IDF and static models ---------------------------------------------------------------------------------------


def own_file(bundle, suffix):
    """The vocabulary (json) or the arrays (npz) of a bundle."""
    kind = "tfidf" if (bundle / "tfidf.json").exists() else "static"
    return bundle / f"{kind}.{suffix}"


def settings(**facts):
    def change(bundle):
        file = own_file(bundle, "json")
        document = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**document, **facts}), encoding="utf-8")

    return change


def arrays(**changed):
    def change(bundle):
        with np.load(own_file(bundle, "npz")) as file:
            kept = {name: file[name] for name in file.files}
        np.savez(own_file(bundle, "npz"), **{**kept, **{name: make(kept[name]) for name, make in changed.items()}})

    return change


def packed(name, content, method=zipfile.ZIP_DEFLATED):
    """Replace an array inside the archive by other bytes."""

    def change(bundle):
        with zipfile.ZipFile(own_file(bundle, "npz")) as file:
            kept = {entry: file.read(entry) for entry in file.namelist()}
        with zipfile.ZipFile(own_file(bundle, "npz"), "w", method) as file:
            for entry, own in kept.items():
                file.writestr(entry, content if entry == name else own)

    return change


def of_type(kind):
    return lambda own: own.astype(kind)


def header(text, data=b""):
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + data


def bomb(bundle):
    """Let the archive say that an array unpacks to 2 GB; no more than it says is ever unpacked."""
    with zipfile.ZipFile(own_file(bundle, "npz"), "a") as file:
        file.infolist()[0].file_size = 1 << 31
        file.writestr("more", b"")  # so that the directory is written again


def pickled(bundle):
    kept = io.BytesIO()
    np.save(kept, np.array([print], dtype=object), allow_pickle=True)
    packed("idf.npy", kept.getvalue())(bundle)
    packed("table.npy", kept.getvalue())(bundle)


def long_directory(bundle):
    """List very many empty files, which take time and memory although none of them is read."""
    with zipfile.ZipFile(own_file(bundle, "npz"), "a") as file:
        for number in range(2_000):
            file.writestr(str(number), b"")


def longer_directory(bundle):
    """List them as large archives do, which have another end before the usual one."""
    long_directory(bundle)
    with own_file(bundle, "npz").open("r+b") as file:
        file.seek(-22, os.SEEK_END)
        end = bytearray(file.read())
        size, begin = end[12:16], end[16:20]
        end[8:20] = b"\xff" * 12
        file.seek(-22, os.SEEK_END)
        counts = (2_000).to_bytes(8, "little")
        large = b"PK\6\6" + (44).to_bytes(8, "little") + bytes([45, 0, 45, 0, *[0] * 8]) + counts * 2
        place = file.tell().to_bytes(8, "little")
        file.write(large + size + bytes(4) + begin + bytes(4))
        file.write(b"PK\6\7" + bytes(4) + place + (1).to_bytes(4, "little") + end)


TFIDF = {
    "a catastrophic pattern": settings(token_pattern="(a+)+$"),
    "a pattern that is a number": settings(token_pattern=5),
    "endless n-grams": settings(ngram_range=[1, 10**9]),
    "n-grams from nothing": settings(ngram_range=[0, 1]),
    "n-grams backwards": settings(ngram_range=[3, 1]),
    "n-grams of halves": settings(ngram_range=[1.0, 2.5]),
    "n-grams of words": settings(ngram_range=["1", "2"]),
    "n-grams of truth": settings(ngram_range=[True, True]),
    "n-grams in one number": settings(ngram_range=5),
    "endless n-grams of characters": settings(characters={"ngram_range": [1, 10**9], "vocabulary": []}),
    "characters that are a word": settings(characters="all"),
    "a vocabulary in one word": settings(vocabulary="abc"),
    "a vocabulary of numbers": settings(vocabulary=[1, 2, 3]),
    "a vocabulary of one term": settings(vocabulary=["good"] * 50),
    "a vocabulary that is an object": settings(vocabulary={"good": 1}),
    "no vocabulary": settings(vocabulary=None),
    "deep nesting": lambda bundle: (bundle / "tfidf.json").write_text(DEEP),
    "a list": lambda bundle: (bundle / "tfidf.json").write_text("[]"),
    "an archive that is text": lambda bundle: (bundle / "tfidf.npz").write_text("no archive"),
    "an archive that is a pickle": lambda bundle: (bundle / "tfidf.npz").write_bytes(b"\x80\x04K\x01."),
    "a bomb": bomb,
    "a pickle inside": pickled,
    "an archive of very many files": long_directory,
    "an archive of very many files, as large ones have it": longer_directory,
    "an archive behind a note": lambda bundle: own_file(bundle, "npz").write_bytes(
        b"note" + own_file(bundle, "npz").read_bytes()
    ),
    "weights that are words": arrays(coefficients=of_type(str)),
    "weights of one byte, which take eight": arrays(coefficients=of_type(np.int8)),
    "weights that are not a number": arrays(coefficients=lambda own: own * np.nan),
    "weights without end": arrays(idf=lambda own: own + np.inf),
    "weights of another shape": arrays(coefficients=lambda own: own.T),
    "weights that are too few": arrays(idf=lambda own: own[:-1]),
    "weights of no dimension": arrays(intercept=lambda own: np.float64(1)),
    "no weights": arrays(intercept=lambda own: own[:0]),
    "as many labels as they like": arrays(
        intercept=lambda own: np.zeros(5), coefficients=lambda own: np.repeat(own[:1], 5, axis=0)
    ),
    "a header of terabytes": packed(
        "idf.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }")
    ),
    "a header below zero": packed("idf.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (-5,), }")),
    "a header that is code": packed("idf.npy", header("__import__('os').system('touch owned')")),
    "a header that is nested": packed("idf.npy", header("(" * 5000)),
    "a header of objects": packed(
        "idf.npy", header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"x")
    ),
    "an array that is cut off": packed("idf.npy", b"\x93NUMPY"),
    "bytes that are no LZMA": packed("idf.npy", b"x" * 100, zipfile.ZIP_LZMA),
}


STATIC = {
    "a pickle inside": pickled,
    "an archive of very many files": long_directory,
    "a list": lambda bundle: (bundle / "static.json").write_text("[]"),
    "deep nesting": lambda bundle: (bundle / "static.json").write_text(DEEP),
    "words that are numbers": settings(words=[1, 2, 3]),
    "a word twice": settings(words=["good", "good", "bad"]),
    "n-grams without end": settings(longest_ngram=10**9),
    "n-grams of truth": settings(longest_ngram=True),
    "rows without end": settings(buckets=1 << 40),
    "rows below zero": settings(buckets=-1),
    "rows of halves": settings(buckets=1.5),
    "a table of one dimension": arrays(table=lambda own: own[:, 0]),
    "a table without columns": arrays(
        table=lambda own: own[:, :0], scale=lambda own: own[:0], head=lambda own: own[:, :0]
    ),
    "a table of bits": arrays(table=of_type(bool)),
    "a table of complex numbers": arrays(table=of_type(complex)),
    "a table of half precision": arrays(table=of_type(np.float16)),
    "a head of complex numbers": arrays(head=of_type(complex)),
    "a head of texts": arrays(head=of_type(str)),
    "a head of dates": arrays(head=of_type("datetime64[s]")),
    "a head of records": arrays(head=of_type([("a", "i4")])),
    "a scale of one byte, which takes eight": arrays(scale=of_type(np.int8)),
    "a scale that is not a number": arrays(scale=lambda own: own * np.nan),
    "a bias of two dimensions": arrays(bias=lambda own: own[None]),
    "a bias without end": arrays(bias=lambda own: own + np.inf),
    "numbers whose products have no end": arrays(
        head=lambda own: own * np.float64(1e308), scale=lambda own: own * 10
    ),
    "a header of terabytes": packed(
        "table.npy", header("{'descr': '|i1', 'fortran_order': False, 'shape': (9, 1000000000000), }")
    ),
    "a header below zero": packed(
        "table.npy", header("{'descr': '|i1', 'fortran_order': False, 'shape': (9, -1), }")
    ),
    "a header of code": packed("table.npy", header("__import__('os').system('touch owned')")),
    "a header of a megabyte": packed(
        "table.npy", b"\x93NUMPY\x02\x00" + (1 << 20).to_bytes(4, "little") + b" " * (1 << 20)
    ),
}


@pytest.mark.parametrize(
    ("kind", "attack"), [*(("tfidf", one) for one in TFIDF), *(("static", one) for one in STATIC)]
)
def test_arrays_that_ask_for_more(own, kind, attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundle = own(kind)
    {"tfidf": TFIDF, "static": STATIC}[kind][attack](bundle)
    reseal(bundle)
    # What is computed without an end is known by its form alone.
    refused(bundle, str(bundle) if "products" not in attack else "", "")
    assert not (tmp_path / "owned").exists()


def test_an_honest_static_model_passes(own):
    assert len(Classifier(own("static")).predict(["good", "bad", ""])) == 3


@pytest.mark.parametrize("piece", ["[],", "{},", '{"a":1},', '"a",', "1.5,"])
def test_json_takes_so_many_times_its_size(piece):
    raw = f"[{piece * (40_000 // len(piece))}0]".encode()
    tracemalloc.start()
    parse_json(raw)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 30 * len(raw)


# --- cascades -------------------------------------------------------------------------------------------------------


def member(size, **facts):
    def change(bundle):
        document = json.loads((bundle / "cascade.json").read_text())
        document[size].update(facts)
        (bundle / "cascade.json").write_text(json.dumps(document))

    return change


def threshold(value):
    def change(bundle):
        document = json.loads((bundle / "cascade.json").read_text())
        (bundle / "cascade.json").write_text(json.dumps({**document, "threshold": value}))

    return change


def cascade_inside(bundle):
    """Put the whole cascade in the place of its large member."""
    whole = shutil.copytree(bundle, bundle.with_name("inner"))
    shutil.rmtree(bundle / "large")
    whole.rename(bundle / "large")


def circle(bundle):
    """Put a link to the cascade in the place of its small member."""
    shutil.rmtree(bundle / "small")
    (bundle / "small").symlink_to(bundle)


def longer_circle(bundle):
    """Two cascades, each the small member of the other."""
    other = shutil.copytree(bundle, bundle.with_name("other"))
    for one, into in ((bundle, other), (other, bundle)):
        shutil.rmtree(one / "small")
        (one / "small").symlink_to(into)


def member_outside(bundle):
    shutil.copytree(bundle / "large", bundle.with_name("outside"))
    member("large", folder="../outside")(bundle)


CASCADES = {
    "itself": member("small", folder="."),
    "itself, from above": member("small", folder="../bundle"),
    "itself by a link": circle,
    "each other by links": longer_circle,
    "a cascade as a member": cascade_inside,
    "a member above": member_outside,
    "a member anywhere": member("small", folder="/tmp"),
    "a member on a drive": member("small", folder="C:\\small"),
    "a member that is a list": member("small", folder=["small"]),
    "a member that is nothing": member("small", folder=None),
    "a member that is not listed": member("small", folder="tiny"),
    "a member of 2 MB": member("small", folder=LONG),
    "a form that is a path": member("large", form="../fp32"),
    "a form that is a list": member("large", form=["fp32"]),
    "a threshold that is no number": threshold("NaN"),
    "a threshold without end": threshold(10**400),
    "a threshold in words": threshold("high"),
    "a threshold that is a list": threshold([0.5]),
}


@pytest.mark.parametrize("attack", CASCADES)
def test_a_cascade_of_more(own, attack):
    bundle = own("cascade")
    CASCADES[attack](bundle)
    if attack in ("itself by a link", "each other by links"):
        # It cannot be listed honestly: its record would have to hold its own hash.
        with pytest.raises(SlmbenchError):
            Classifier(bundle)
        return
    reseal(bundle)
    refused(bundle, str(bundle.parent), "")
