"""One file with the tokenizer inside: equal to the bundle, or said to differ, or not written."""

import importlib.util
import json
import os
import shutil
import sys

import numpy as np
import onnx
import pytest
import tiny
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Tokenizer, normalizers

from slmbench.common.errors import SlmbenchError
from slmbench.common.files import sha256_of
from slmbench.edge.runtime import OnnxBackend
from slmbench.export.manifest import MANIFEST_TEXTS
from slmbench.export.with_tokenizer import FILE, add_tokenizer

extensions = pytest.importorskip("onnxruntime_extensions", reason="onnxruntime-extensions is not installed")

FORM = "onnx/model.onnx"
FIXED = dict(MANIFEST_TEXTS)
REVIEWS = {
    "one": "The movie was great, and I loved the plot.",
    "two": "not good; a boring script... never again",
    "three": "the best film ever " * 20,
}


def write_form(folder, tokens, inputs=("input_ids", "attention_mask")):
    """Write a classifier whose logits depend on every token and its place."""
    random = np.random.default_rng(0)
    table = numpy_helper.from_array(random.normal(size=(tokens, 2)).astype(np.float32), "table")
    zero, one, axis = (numpy_helper.from_array(np.array(v), n) for v, n in ((0, "zero"), (1, "one"), ([1], "axis")))
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("CumSum", ["attention_mask", "one"], ["places"]),
        helper.make_node("Mul", ["places", "attention_mask"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
        helper.make_node("Mul", ["embedded", "column"], ["weighed"]),
        helper.make_node("ReduceMean", ["weighed"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Identity", ["mean"], ["logits"]),
    ]
    last = numpy_helper.from_array(np.array([-1]), "last")
    values = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])
    graph = helper.make_graph(nodes, "tiny", values, [logits], [table, zero, one, axis, last])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "onnx").mkdir(parents=True)
    onnx.save(model, folder / FORM)


@pytest.fixture
def make_bundle(tmp_path):
    """Return a function that writes a bundle's files around a tokenizer."""

    def make(tokenizer, *, max_length=24, side="right", padding="right", **form):
        folder = tmp_path / "bundle"
        write_form(folder, tokenizer.get_vocab_size(), **form)
        tokenizer.enable_truncation(max_length, direction=side)
        tokenizer.enable_padding(direction=padding, pad_id=0, pad_token="[PAD]")
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "config.json").write_text(json.dumps({"id2label": {"0": "bad", "1": "good"}}))
        return folder

    return make


@pytest.fixture
def wordpiece(tmp_path):
    """BERT's kind of tokenizer, with the letters and signs that the fixed texts need to be told apart."""
    tiny.wordpiece(tmp_path / "wordpiece")
    document = json.loads((tmp_path / "wordpiece" / "tokenizer.json").read_text())
    vocabulary = document["model"]["vocab"]
    for sign in ",.;!?'-/<>&[]0123456789éñßжи电影한ᄒ":
        for token in (sign, f"##{sign}"):
            vocabulary.setdefault(token, len(vocabulary))
    return Tokenizer.from_str(json.dumps(document))


@pytest.fixture
def byte_level(tmp_path):
    tiny.byte_level_bpe(tmp_path / "bpe", list(REVIEWS.values()))
    return Tokenizer.from_file(str(tmp_path / "bpe" / "tokenizer.json"))


def load(bundle):
    """Load the file as an app does."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(extensions.get_library_path())
    return onnxruntime.InferenceSession(str(bundle / FILE), options)


def ask(session, texts):
    return session.run(None, {"text": np.array(texts, dtype=object)})


def test_text_in_label_out(make_bundle, wordpiece):
    bundle = make_bundle(wordpiece)
    record = add_tokenizer(bundle, FORM, texts=FIXED, reviews=REVIEWS)
    assert record.accepted
    assert record.differing == []
    assert (record.file, record.made_from, record.texts, record.reviews) == (FILE, FORM, 32, 3)
    assert (record.bytes, record.sha256) == ((bundle / FILE).stat().st_size, sha256_of(bundle / FILE))
    session = load(bundle)
    label, probabilities, logits = ask(session, [REVIEWS["one"]])
    backend = OnnxBackend(bundle, bundle / FORM, None)
    np.testing.assert_allclose(logits, backend.logits(backend.encode([REVIEWS["one"]])), atol=1e-5)
    assert label.tolist() == [["bad", "good"][int(logits[0].argmax())]]
    np.testing.assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)
    assert json.loads(session.get_modelmeta().custom_metadata_map["labels"]) == ["bad", "good"]


@pytest.mark.parametrize(
    "settings",
    [
        {"lowercase": True},
        {"lowercase": False},
        {"lowercase": True, "strip_accents": False},
        {"lowercase": False, "strip_accents": True, "handle_chinese_chars": False},
    ],
)
def test_every_normalizer_of_bert_is_followed(make_bundle, wordpiece, settings):
    wordpiece.normalizer = normalizers.BertNormalizer(**settings)
    hard = {
        "a word it cannot finish": "good😀 movie goodж€ bad",
        "longer than a word may be": "a" * 101 + " " + "a" * 100,
        "decomposed": "cafe\u0301 \uac00\u1112 é É",
        "special": "[CLS]a[SEP] [sep] [MASK]s x[PAD]",
        "zero bytes": "\0good\0movie\0",
        "unassigned": "good\u0378movie \ufa6e \U0003fffe",
    }
    record = add_tokenizer(make_bundle(wordpiece), FORM, texts=FIXED | hard, reviews=REVIEWS)
    assert (record.accepted, record.differing) == (True, [])


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_long_text_is_cut_as_trained(make_bundle, wordpiece, side):
    long = {"long": "the best movie " + "boring plot " * 20 + "worst actor ever", "exact": "good bad dull fine"}
    bundle = make_bundle(wordpiece, max_length=6, side=side)
    record = add_tokenizer(bundle, FORM, texts=long, reviews={})
    assert (record.accepted, record.differing) == (True, [])
    # The same answer as the words that remain, special tokens around them.
    kept = "the best movie boring" if side == "right" else "plot worst actor ever"
    logits = ask(load(bundle), [long["long"]])[2]
    np.testing.assert_array_equal(logits, ask(load(bundle), [kept])[2])


@pytest.mark.parametrize("padding", ["right", "left"])
def test_a_batch_is_padded_to_its_longest_text(make_bundle, wordpiece, padding):
    bundle = make_bundle(wordpiece, padding=padding)
    assert add_tokenizer(bundle, FORM, texts={}, reviews=REVIEWS).accepted
    backend = OnnxBackend(bundle, bundle / FORM, None)
    texts = ["good", "", "a very long and boring movie", "bad plot"]
    wanted = backend.logits(backend.encode(texts))
    alone = np.concatenate([backend.logits(backend.encode([text])) for text in texts])
    np.testing.assert_allclose(ask(load(bundle), texts)[2], wanted, atol=1e-5)
    assert np.abs(alone - wanted).max() > 0.1  # this classifier averages over the padding, and so would show it


def test_byte_level_bpe_goes_inside_too(make_bundle, byte_level):
    record = add_tokenizer(make_bundle(byte_level), FORM, texts=FIXED, reviews=REVIEWS)
    assert record.accepted
    assert [text.name for text in record.differing] == ["control characters"]  # it ends a text at a zero byte


@pytest.fixture
def wordpiece_that_differs(wordpiece):
    """A tokenizer with a token that is looked for in the normalized text, which the graph does not do."""
    wordpiece.add_tokens([AddedToken("film noir", normalized=True)])
    return wordpiece


def test_a_fixed_text_that_differs_is_named(make_bundle, wordpiece_that_differs):
    bundle = make_bundle(wordpiece_that_differs)
    record = add_tokenizer(bundle, FORM, texts=FIXED | {"added": "a dull FILM NOIR"}, reviews=REVIEWS)
    assert record.accepted
    assert [text.name for text in record.differing] == ["added"]
    assert "token ids" in record.differing[0].what
    assert "logits" in record.differing[0].what
    assert "1 of 33 fixed texts (added)" in record.reason
    assert (bundle / FILE).is_file()


def test_a_test_review_that_differs_refuses_the_file(make_bundle, wordpiece_that_differs):
    bundle = make_bundle(wordpiece_that_differs)
    record = add_tokenizer(bundle, FORM, texts=FIXED, reviews=REVIEWS | {"row 7": "A Film Noir, superb"})
    assert (record.accepted, record.file, record.differing_reviews) == (False, None, 1)
    assert [text.name for text in record.differing] == ["row 7"]
    assert "1 of 4 test reviews" in record.reason
    assert not (bundle / FILE).exists()


def test_many_fixed_texts_that_differ_refuse_the_file(make_bundle, wordpiece_that_differs):
    bundle = make_bundle(wordpiece_that_differs)
    texts = {"one": "FILM NOIR", "two": "Film Noir.", "three": "dull", "four": "fine"}
    record = add_tokenizer(bundle, FORM, texts=texts, reviews=REVIEWS)
    assert not record.accepted
    assert "2 of 4 fixed texts (one, two)" in record.reason
    assert not (bundle / FILE).exists()


def test_a_tokenizer_that_cannot_go_inside_says_so(make_bundle):
    unigram = tiny.sentencepiece_like(list(REVIEWS.values())).backend_tokenizer
    bundle = make_bundle(unigram)
    record = add_tokenizer(bundle, FORM, texts=FIXED, reviews=REVIEWS)
    assert not record.accepted
    assert record.reason.startswith("the tokenizer stays outside: it is a Unigram tokenizer")
    assert not (bundle / FILE).exists()


def test_a_model_that_wants_more_than_a_tokenizer_gives_is_refused(make_bundle, wordpiece):
    bundle = make_bundle(wordpiece, inputs=("input_ids", "attention_mask", "position_ids"))
    with pytest.raises(SlmbenchError, match="position_ids"):
        add_tokenizer(bundle, FORM, texts=FIXED, reviews=REVIEWS)
    assert not (bundle / FILE).exists()


def test_a_graph_that_cannot_be_loaded_is_a_sentence(make_bundle, wordpiece):
    wordpiece.add_tokens(["two\tcolumns"])  # the table's own separator
    record = add_tokenizer(make_bundle(wordpiece), FORM, texts=FIXED, reviews=REVIEWS)
    assert not record.accepted
    assert record.reason.startswith("the tokenizer stays outside: onnxruntime cannot load it")


def test_processes_started_later_are_left_as_they_were(make_bundle, wordpiece, monkeypatch, tmp_path):
    # As the library does on import; slow protobuf would then be in what `profile` measures.
    (tmp_path / "onnxruntime_extensions.py").write_text(
        "import os\nos.environ['PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION'] = 'python'\n"
        f"def get_library_path():\n    return {extensions.get_library_path()!r}\n"
    )
    monkeypatch.delenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", raising=False)
    monkeypatch.delitem(sys.modules, "onnxruntime_extensions")
    monkeypatch.syspath_prepend(tmp_path)
    assert add_tokenizer(make_bundle(wordpiece), FORM, texts={}, reviews={}).accepted
    assert sys.modules["onnxruntime_extensions"].__file__ == str(tmp_path / "onnxruntime_extensions.py")
    assert "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION" not in os.environ


def test_the_exported_int8_form_answers_the_same(tiny_bundle, tmp_path):
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    record = add_tokenizer(bundle, "onnx/model_quantized.onnx", texts=FIXED, reviews=REVIEWS)
    assert (record.accepted, record.differing) == (True, [])
    assert record.max_abs_logit_diff < 1e-3


def test_the_missing_library_is_named(make_bundle, wordpiece, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "onnxruntime_extensions" else found(name)
    )
    with pytest.raises(SlmbenchError, match=r"slmbench\[text\]"):
        add_tokenizer(make_bundle(wordpiece), FORM, texts={}, reviews={})
