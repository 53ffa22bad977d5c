"""Any text at all: the edge runtime finds the token ids that transformers finds, and answers."""

import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tiny
from learnable import reviews

from slmbench import starter
from slmbench.common.errors import SlmbenchError
from slmbench.edge import Classifier
from slmbench.edge.runtime import OnnxBackend
from slmbench.export.run_forms import write_tokenizer

SHIPPED = Path(__file__).parents[2] / "exported/bert-tiny-imdb"
CONTROL = [*map(chr, range(32)), *map(chr, range(0x7F, 0xA0))]
FORMAT = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf"]
SPACES = [chr(code) for code in range(0x10000) if chr(code).isspace()] + ["\u200b", "\u2060", "\ufeff", "\u180e"]
COMBINING = [chr(code) for code in range(0x20000) if unicodedata.combining(chr(code))]
EMOJI = [
    "😀",
    "👍🏽",
    "👨‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇨🇭",
    "🇩🇪🇫",
    "1️⃣",
    "⭐",
    "\ufe0f",
    "\u200d",
    "🏴\U000e0067\U000e0062\U000e007f",
]
MARKUP = [
    "<br />",
    "</p>",
    "&amp;",
    "&#8211;",
    "<i>",
    '<a href="x?y=1&z=2">',
    "<!--",
    "-->",
    "]]>",
    "&nbsp",
    "<![CDATA[",
]
SPECIAL = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "<s>", "</s>", "<pad>", "<mask>", "<unk>", "##ing", "▁", "Ġ"]
SIGNS = list("!?.,;:'\"()[]{}<>/\\|@#$%^&*-_=+~`…—–«»„“”‘’·•§¶†‡°©®™€£¥")
#: First and last code point: right to left scripts, scripts without spaces, casing oddities, compatibility forms.
RANGES = {
    "right to left": [(0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x74F), (0x8A0, 0x8FF), (0x10800, 0x1085F)],
    "without spaces": [(0x4E00, 0x9FFF), (0x3040, 0x30FF), (0xAC00, 0xD7A3), (0xE00, 0xE7F), (0x20000, 0x2A6DF)],
    "Indic": [(0x900, 0x97F), (0x980, 0x9FF), (0xB80, 0xBFF), (0x1000, 0x109F)],
    "letters": [(0x41, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x1E00, 0x1FFF), (0x10400, 0x1044F)],
    "compatibility": [(0xFB00, 0xFDFF), (0xFE30, 0xFFEF), (0x2100, 0x218F), (0x2460, 0x24FF), (0x1D400, 0x1D7FF)],
    "private and last": [(0xE000, 0xF8FF), (0xFFF0, 0xFFFF), (0xF0000, 0xF00FF), (0x10FF00, 0x10FFFF)],
}


def any_character(chance):
    """Draw from all planes: each 16 bits wide plane alike, no surrogates."""
    while (
        0xD800 <= (code := chance.choice((0, 0, 0, 1, 2, 3, 14, 15, 16)) << 16 | chance.randrange(1 << 16)) < 0xE000
    ):
        pass
    return chr(code)


def piece(chance, kind):
    """Draw a few characters of a kind."""
    if kind == "any":
        return any_character(chance)
    if kind == "marks":
        return chance.choice("aeiouAEı ") + "".join(chance.choices(COMBINING, k=chance.randrange(1, 12)))
    if kind == "case":
        return chance.choice(("İ", "ı", "ß", "ẞ", "ǆ", "ﬁ", "Σς", "K", "Å", "\u1e9e", "ŉ", "ΐ", "Ⅷ", "ᾳ"))
    if kind in RANGES:
        first, last = chance.choice(RANGES[kind])
        return "".join(chr(chance.randint(first, last)) for _ in range(chance.randrange(1, 8)))
    lists = {
        "words": tiny.WORDS,
        "control": CONTROL,
        "format": FORMAT,
        "spaces": SPACES,
        "emoji": EMOJI,
        "markup": MARKUP,
        "special": SPECIAL,
        "signs": SIGNS,
        "digits": [str(chance.randrange(10 ** chance.randrange(1, 30)))],
    }
    return chance.choice(lists[kind])


KINDS = [*RANGES, "any", "marks", "case", "words", "words", "control", "format", "spaces", "emoji", "markup"]
KINDS += ["special", "signs", "digits"]


def odd_texts(number, seed=0):
    """Return so many texts, the same ones every time: of one kind, of a few kinds, and of all."""
    chance = random.Random(seed)
    texts = [
        "",
        " ",
        "\x00",
        "\u0301",
        "a" * 100_000,
        "good " * 20_000,
        "\u0301" * 20_000,
        "😀" * 10_000,
        "\n" * 9_999,
    ]
    while len(texts) < number:
        kinds = chance.sample(KINDS, chance.choice((1, 2, 3, len(KINDS))))
        between = chance.choice(("", " ", " ", chance.choice(SPACES)))
        length = chance.choice((1, 3, 8, 30)) if len(texts) % 100 else 600
        texts.append(between.join(piece(chance, chance.choice(kinds)) for _ in range(length)))
    return texts


def check_ids(folder, backend, texts, max_length):
    """Compare token ids, truncated as trained, with those of transformers' tokenizer of the same folder."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    truncated = 0
    for start in range(0, len(texts), 500):
        part = texts[start : start + 500]
        wanted = tokenizer(part, truncation=True, max_length=max_length)["input_ids"]
        found = [item.ids for item in backend.encode(part)]
        wrong = [ascii(text)[:200] for text, ours, theirs in zip(part, found, wanted, strict=True) if ours != theirs]
        assert wrong == []
        assert max(map(len, found)) <= max_length
        truncated += sum(len(ids) == max_length for ids in found)
    assert 0 < truncated < len(texts)


def tokenizer_folder(kind, folder, tiny_base):
    """Write a bundle's tokenizer of a kind: from a vocabulary of words, of bytes, of pieces with probabilities."""
    texts = [text for text, _ in reviews(["negative", "positive"], 200)]
    if kind == "WordPiece":
        base = tiny_base
    elif kind == "byte-level BPE":
        base = folder / "base"
        tiny.byte_level_bpe(base, texts)
    else:
        base = folder / "base"
        tiny.sentencepiece_like(texts).save_pretrained(base)
    (folder / "bundle").mkdir()
    write_tokenizer(base, folder / "bundle", 32)
    return folder / "bundle"


@pytest.mark.parametrize("kind", ["WordPiece", "byte-level BPE", "Unigram"])
def test_token_ids_of_any_text(kind, tiny_base, tiny_bundle, tmp_path):
    folder = tokenizer_folder(kind, tmp_path, tiny_base)
    # Any model will do: only its tokenizer is asked.
    backend = OnnxBackend(folder, tiny_bundle / "onnx/model.onnx", None)
    check_ids(folder, backend, odd_texts(2000), 32)


def test_any_text_gets_an_answer(tiny_bundle, floor_bundle):
    texts = odd_texts(600, seed=1)
    for bundle in (tiny_bundle, floor_bundle):
        found = Classifier(bundle).predict_proba(texts, batch_tokens=2000)
        assert np.isfinite(found).all()
        assert found.sum(1) == pytest.approx(1, abs=1e-5)


def test_halves_of_surrogate_pairs_are_read_as_replacement_characters(tiny_bundle, floor_bundle):
    """transformers refuses such a text; it comes of JSON escapes that were cut in the middle."""
    broken = ["good \ud800 film", "\udfff", "bad\ud83d", "\ud83d\ude00 fun", "\udc00\ud800 slow", "\ufeff\ud800"]
    sound = ["good \ufffd film", "\ufffd", "bad\ufffd", "😀 fun", "\ufffd\ufffd slow", "\ufeff\ufffd"]
    backend = OnnxBackend(tiny_bundle, tiny_bundle / "onnx/model.onnx", None)
    assert [item.ids for item in backend.encode(broken)] == [item.ids for item in backend.encode(sound)]
    for bundle in (tiny_bundle, floor_bundle):
        classifier = Classifier(bundle)
        assert np.array_equal(classifier.predict_logits(broken), classifier.predict_logits(sound))
    for text in broken:
        assert Classifier(tiny_bundle).predict(text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert-tiny", "minilm-l6"])
def test_token_ids_of_any_text_of_the_starter_models(name, tiny_bundle, tmp_path):
    try:
        base = starter.ensure(name)
    except SlmbenchError as error:
        pytest.skip(f"{name} cannot be fetched: {error}")
    write_tokenizer(base, tmp_path, 256)
    check_ids(tmp_path, OnnxBackend(tmp_path, tiny_bundle / "onnx/model.onnx", None), odd_texts(20_000), 256)


def test_token_ids_of_any_text_of_the_bundle_in_the_repository(tiny_bundle):
    backend = OnnxBackend(SHIPPED, tiny_bundle / "onnx/model.onnx", None)
    check_ids(SHIPPED, backend, odd_texts(2000, seed=2), backend._tokenizer.truncation["max_length"])
