"""Graphs of onnxruntime-extensions that turn one text into token ids: no special tokens, no truncation.

``BertTokenizer`` of that library is not used: it strips the accents of Latin-1 only, knows no special token inside a
text, ends a text at a zero byte and keeps the first pieces of a word that it then cannot finish. What the bundle's
own tokenizer does to each character is tabulated here instead, and only looking pieces up is left to the library.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from slmbench.export.with_tokenizer_nodes import GraphBuilder

#: Stands for a character that the normalizer removes, because a table of the library has no empty values. Private-use
#: characters are free: the normalizer removes those of the text, and so does the graph first of all.
_REMOVED = "\ue000"
_FIRST_ADDED = 0xE001
#: So many neighbours of one kind are a range in a regular expression, fewer are lines of the table: an expression is
#: compiled again for every text.
_RANGE = 256
#: Halves of surrogate pairs are no text; planes 3 to 13 hold a part of CJK that BERT does not know, and nothing else.
_PLANES = (range(0xD800), range(0xE000, 0x30000), range(0xE0000, 0xE1000), range(0xF0000, 0x110000))


class UnsupportedTokenizer(Exception):  # noqa: N818 - it becomes a sentence in a record, not an error
    """A tokenizer that cannot be put inside a graph; the message says why."""


def front_for(document: dict[str, Any]) -> Callable[[GraphBuilder, str, dict[str, Any], Tokenizer], str]:
    """Choose how a tokenizer is put inside a graph.

    Args:
        document: The parsed ``tokenizer.json``.

    Returns:
        A function of builder, name of the text (shape (1,)), document and tokenizer that adds nodes and returns the
        name of the ids, shape (tokens,).

    Raises:
        UnsupportedTokenizer: There is no way.
    """
    model = document["model"]["type"]
    normalizer, splitter = (document[part] or {} for part in ("normalizer", "pre_tokenizer"))
    if model == "WordPiece":
        if normalizer.get("type") != "BertNormalizer" or splitter.get("type") != "BertPreTokenizer":
            raise UnsupportedTokenizer("its WordPiece does not normalize and split as BERT's does")
        if not normalizer["clean_text"]:
            raise UnsupportedTokenizer("its WordPiece keeps control characters, which the graph's operators remove")
        return wordpiece_ids
    if model == "BPE":
        if normalizer or splitter.get("type") != "ByteLevel" or splitter.get("add_prefix_space"):
            raise UnsupportedTokenizer("its BPE is not byte-level as GPT-2's and RoBERTa's is")
        return byte_level_ids
    raise UnsupportedTokenizer(
        f"it is a {model} tokenizer, and only BERT's WordPiece (DistilBERT, ELECTRA, MPNet, MiniLM) and byte-level"
        " BPE (RoBERTa, GPT-2) have operators that agree with them"
    )


def wordpiece_ids(builder: GraphBuilder, text: str, document: dict[str, Any], tokenizer: Tokenizer) -> str:
    """Add BERT's WordPiece: characters through a table, words at spaces, longest pieces first; see ``front_for``."""
    model = document["model"]
    vocabulary: dict[str, int] = dict(model["vocab"])
    added = {token["content"]: chr(_FIRST_ADDED + i) for i, token in enumerate(document["added_tokens"])}
    vocabulary |= {added[token["content"]]: token["id"] for token in document["added_tokens"]}
    table = character_table(tokenizer)
    removed, spaced = _long_runs(table, ""), _long_runs(table, " {} ")
    plain = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in table)
    in_ranges = {chr(code) for first, last in [*removed, *spaced] for code in range(first, last + 1)}
    # Line ends and tabs separate the table's own lines.
    elsewhere = in_ranges | set("\0\t\n")
    lines = {key: value or _REMOVED for key, value in table.items() if key not in elsewhere}
    lines |= {content: f" {stand_in} " for content, stand_in in added.items()}
    text = builder.without_zero_bytes(text)
    text = builder.replace(text, f"[{_class_of(removed)}]", "")
    text = builder.replace(text, "[\\t\\n]", " ")
    if spaced:
        text = builder.replace(text, f"[{_class_of(spaced)}]", r" \0 ")
    single = "|".join([*map(re.escape, sorted(added, key=len, reverse=True)), f"[^{_class_of(_runs(plain))}]"])
    pieces = builder.split(text, f"({single})", keep=True)
    pieces = builder.custom("StringMapping", [pieces], map="\n".join(f"{k}\t{v}" for k, v in lines.items()))
    words = builder.split(builder.replace(builder.join(pieces), f"\\x{{{ord(_REMOVED):X}}}", ""), "( +)", keep=False)
    tokens, _, begins, ends = builder.custom_many(
        "WordpieceTokenizer",
        [words, builder.numbers([])],
        4,
        vocab=json.dumps(vocabulary),
        suffix_indicator=model["continuing_subword_prefix"],
        unknown_token=model["unk_token"],
        max_input_chars_per_word=model["max_input_chars_per_word"],
    )
    ids = builder.look_up(tokens, vocabulary, vocabulary[model["unk_token"]])
    return _without_unfinished_words(builder, ids, begins, ends, vocabulary[model["unk_token"]])


def byte_level_ids(builder: GraphBuilder, text: str, document: dict[str, Any], tokenizer: Tokenizer) -> str:
    """Add byte-level BPE: the library reads ``tokenizer.json`` itself; see ``front_for``."""
    bare = {**document, "post_processor": None, "truncation": None, "padding": None}
    # The library goes by the class and does not know RoBERTa's, which differs from GPT-2's in special tokens only.
    settings = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": False, "add_eos_token": False}
    ids = builder.custom(
        "HfJsonTokenizer", [text], tokenizer_vocab=json.dumps(bare), tokenizer_config=json.dumps(settings)
    )
    return builder.node("Reshape", [ids, builder.numbers([-1])])


def character_table(tokenizer: Tokenizer) -> dict[str, str]:
    """Tabulate what BERT's normalizer and splitter do to every character that they could change.

    Both work character by character, so that the table is all there is to them: lower case, accents, CJK and
    punctuation between spaces, white space, what is removed.

    Args:
        tokenizer: A tokenizer with both.

    Returns:
        Replacements of the characters that change.
    """

    @cache
    def split(character: str) -> str:
        if character.isalnum() or unicodedata.category(character) == "Cn":  # unassigned: never split, and many
            return character
        pieces = tokenizer.pre_tokenizer.pre_tokenize_str(f"a{character}a")
        return {1: character, 2: " ", 3: f" {character} "}[len(pieces)]

    table = {}
    for character in map(chr, chain.from_iterable(_PLANES)):
        normal = "".join(split(part) for part in tokenizer.normalizer.normalize_str(character))
        changed = f" {normal.strip()} " if normal != normal.strip() and normal.strip() else normal
        if changed != character:
            table[character] = changed
    return table


def _without_unfinished_words(builder: GraphBuilder, ids: str, begins: str, ends: str, unknown: int) -> str:
    """Reduce a word that ends in an unknown piece to that piece, as WordPiece does; the library keeps the rest."""
    one, zero = builder.numbers([1]), builder.numbers([0])
    last = builder.node("Gather", [ids, builder.node("Sub", [ends, one])])
    broken = builder.node("Equal", [last, builder.numbers([unknown])])
    zeros = builder.node("Expand", [zero, builder.node("Shape", [ids])])
    starts = builder.node("Expand", [one, builder.node("Shape", [begins])])
    marks = builder.node("ScatterElements", [zeros, begins, starts])
    word = builder.node("Sub", [builder.node("CumSum", [marks, builder.numbers(0)]), one])
    whole = builder.node("Not", [builder.node("Gather", [broken, word])])
    kept = builder.node("Or", [whole, builder.node("Equal", [ids, builder.numbers([unknown])])])
    return builder.node("Compress", [ids, kept])


def _long_runs(table: dict[str, str], result: str) -> list[tuple[int, int]]:
    """Return the long ranges of characters that all become the same thing (``{}`` is the character)."""
    found = _runs(key for key, value in table.items() if value == result.format(key))
    return [run for run in found if run[1] - run[0] >= _RANGE]


def _runs(characters: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Give the first and last code point of each unbroken range."""
    codes = sorted(map(ord, characters))
    for _, group in groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0]):
        run = [code for _, code in group]
        yield run[0], run[-1]


def _class_of(runs: Iterable[tuple[int, int]]) -> str:
    return "".join(f"\\x{{{first:X}}}-\\x{{{last:X}}}" for first, last in runs)
