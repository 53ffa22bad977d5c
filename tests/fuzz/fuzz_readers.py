"""What is fuzzed: every reader of files that strangers make, with sound files to begin from.

A reader takes bytes, and may raise :class:`SlmbenchError` only.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import numpy as np

from slmbench.common.errors import SlmbenchError, first_line
from slmbench.corpora import stream_texts
from slmbench.edge.runtime import (
    BundleFiles,
    CascadeBackend,
    StaticBackend,
    TfidfBackend,
    check_graph,
    check_tokenizer,
)
from slmbench.recipes.recipe import read_recipe
from slmbench.records import ShardRecord, artefacts
from slmbench.records.scoring import SCORE_BINS, Tally
from slmbench.scoring.shards import read_from

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "exported/bert-tiny-imdb"


class Readers:
    """The readers, writing what they are given into a folder.

    Args:
        folder: Where; a disk in memory makes it faster.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.accepted = 0

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def bundle(self, content: bytes) -> None:
        """``bundle.json``, sealed honestly where it is JSON, and every file that it lists."""
        with suppress(ValueError, RecursionError):
            document = json.loads(content)
            if isinstance(document, dict):
                text = json.dumps({key: value for key, value in document.items() if key != "seal"})[:-1]
                content = f'{text}, "seal": "{hashlib.sha256(text.encode()).hexdigest()}"}}\n'.encode()
        self.write("bundle.json", content)
        files = BundleFiles.open(self.folder)
        for form in files.forms:
            with suppress(SlmbenchError):
                files.form_path(form)

    def graph(self, content: bytes) -> None:
        """An ONNX file."""
        check_graph(self.write("model.onnx", content), [])

    def tokenizer(self, content: bytes) -> None:
        """``tokenizer.json``."""
        try:
            check_tokenizer(content)
        except ValueError as error:  # which the backend turns into a sentence
            raise SlmbenchError(first_line(error)) from None

    def tfidf(self, content: bytes) -> None:
        """``tfidf.json``, and a text."""
        self.write("tfidf.json", content)
        if not (self.folder / "tfidf.npz").exists():
            arrays = {"idf": np.ones(4), "coefficients": np.ones((1, 4)), "intercept": np.zeros(1)}
            np.savez(self.folder / "tfidf.npz", **arrays)
        backend = TfidfBackend(self.folder)
        backend.logits(backend.encode(["A good film, but not that good."]))

    def arrays(self, content: bytes) -> None:
        """``tfidf.npz``."""
        self.write("tfidf.npz", content)
        self.write("tfidf.json", json.dumps(TFIDF).encode())
        TfidfBackend(self.folder)

    def static(self, content: bytes) -> None:
        """``static.json``, and a text."""
        self.write("static.json", content)
        if not (self.folder / "static.npz").exists():
            np.savez(self.folder / "static.npz", **STATIC_ARRAYS)
        backend = StaticBackend(self.folder)
        backend.logits(backend.encode(["A good film, but not that good."]))

    def table(self, content: bytes) -> None:
        """``static.npz``."""
        self.write("static.npz", content)
        self.write("static.json", json.dumps(STATIC).encode())
        backend = StaticBackend(self.folder)
        backend.logits(backend.encode(["A good film, but not that good."]))

    def cascade(self, content: bytes) -> None:
        """``cascade.json``."""
        CascadeBackend(self.write("cascade.json", content), ["negative", "positive"], 1)

    def record(self, content: bytes) -> None:
        """A record of any kind; every twentieth is written again, with its statistics, which take long."""
        record = artefacts.open(self.write("profile.json", content))
        self.accepted += 1
        if self.accepted % 20 == 1:
            json.loads(record.to_json())

    def shard(self, content: bytes) -> None:
        """The manifest of a shard."""
        if read_from(ShardRecord, content) is None:
            raise SlmbenchError("it is damaged")  # the shard is answered again

    def recipe(self, content: bytes) -> None:
        """A recipe."""
        read_recipe(self.write("recipe.toml", content))

    def csv(self, content: bytes) -> None:
        """A corpus in CSV."""
        self._corpus("reviews.csv", content)

    def json_lines(self, content: bytes) -> None:
        """A corpus in JSON Lines."""
        self._corpus("reviews.jsonl", content)

    def _corpus(self, name: str, content: bytes) -> None:
        for _ in stream_texts(str(self.write(name, content))):
            pass


TFIDF = {
    "token_pattern": r"(?u)\b\w\w+\b",
    "sublinear_tf": True,
    "ngram_range": [1, 2],
    "vocabulary": ["good", "film", "good film", "bad"],
    "characters": None,
}
STATIC = {"longest_ngram": 2, "buckets": 5, "words": ["good", "film", "bad"]}
STATIC_ARRAYS = {
    "table": np.ones((9, 1), dtype=np.int8),
    "scale": np.ones(1, dtype=np.float32),
    "head": np.ones((2, 1), dtype=np.float32),
    "bias": np.zeros(2, dtype=np.float32),
}
NAMES = [name for name in vars(Readers) if not name.startswith("_") and name != "write"]


def seeds(name: str) -> list[bytes]:
    """Return sound files of a reader."""
    if name == "bundle":
        document = json.loads((SHIPPED / "bundle.json").read_bytes())
        for form in document["forms"].values():  # what the runtime passes over makes it slow to change
            form.pop("predictions", None), form.pop("flips", None)
        document["manifest"].pop("texts"), document["manifest"].pop("logits")
        document["lengths"] = document["corpus"] = document["hardware"] = None
        return [json.dumps(document).encode()]
    if name == "graph":
        from onnx import TensorProto, helper

        tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="w.bin")
        node = helper.make_node("If", ["x"], ["y"], then_branch=helper.make_graph([], "b", [], [], [tensor]))
        graph = helper.make_graph([node, helper.make_node("Add", ["x", "x"], ["z"])], "g", [], [], [tensor])
        return [helper.make_model(graph).SerializeToString()]
    if name == "tokenizer":
        steps = [
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            {"type": "Prepend", "prepend": "_"},
            {"type": "Precompiled", "precompiled_charsmap": "AAAAAGEAYgA="},
        ]
        model = {"type": "WordPiece", "max_input_chars_per_word": 100, "continuing_subword_prefix": "##", "vocab": {}}
        split = {"type": "Split", "pattern": {"Regex": r" ?\p{L}+|\s+(?!\S)|\s*[\r\n]+"}}
        return [json.dumps({"normalizer": {"normalizers": steps}, "pre_tokenizer": split, "model": model}).encode()]
    if name == "static":
        return [json.dumps(STATIC).encode()]
    if name in ("arrays", "table"):
        arrays = {"idf": np.ones(4), "coefficients": np.ones((1, 4)), "intercept": np.zeros(1)}
        with tempfile.TemporaryFile() as file:
            np.savez_compressed(file, **(arrays if name == "arrays" else STATIC_ARRAYS))
            file.seek(0)
            return [file.read()]
    if name == "cascade":
        member = {"folder": "small", "form": "fp32"}
        return [json.dumps({"threshold": 0.9, "small": member, "large": member}).encode()]
    if name == "record":
        import factories

        profile = factories.profile_record(reviews=8, samples=12)
        return [profile.to_json().encode()]
    if name == "shard":
        scores = [5, *[0] * (SCORE_BINS - 1)]
        tally = Tally(rows=6, answered=5, rejected=1, labels={"a": 2, "b": 3}, scores=scores, words=[0, 1, 4, 0])
        names = {"name": "part-000001", "answers": "answers/part-000001.csv", "rejects": "rejects/part-000001.jsonl"}
        made = ShardRecord(key="0" * 64, number=1, first_row=6, bytes=9, sha256="0" * 64, tally=tally, **names)
        return [made.to_json().encode()]
    if name == "recipe":
        return [path.read_bytes() for path in sorted((REPOSITORY / "slmbench/recipes").rglob("*.toml"))[:4]]
    if name == "csv":
        return ['text,label\n"A good film\nindeed",positive\nbad ﬁlm,negative\n'.encode() * 3]
    if name == "json_lines":
        return [b'{"text": "A good film", "label": 1}\n{"text": "bad", "label": 0, "more": [1, {"a": null}]}\n' * 3]
    return [json.dumps(TFIDF).encode()]


ODD = [None, True, -1, 0, 1.5, 1e308, 2**63, -(2**70), "", "a", "../x", "/dev/zero", "\x1b[31m", "\ud800", "x" * 5000]
ODD += [[], {}, [[]], {"": {}}, [None], ["a", "a"], [[[[[[]]]]]], "NaN", "=1+1", "**/*", "[/red]", "Loop", "(a+)+"]
PIECES = [
    b"NaN",
    b"1e999",
    b"9" * 400,
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"[" * 3000,
    b'{"a":' * 500,
    b'"',
    b",",
    b"\n",
]
PIECES += [
    b"\\ud800",
    b"-",
    b"}",
    b"]",
    b"\x80" * 12,
    b"location",
    b"../",
    b"#",
    b"=",
    b"'''",
    b"\r",
    b"\xef\xbb\xbf",
]


def changed_value(value: object, chance: random.Random) -> object:
    """Return a JSON value with one place changed: replaced, removed, doubled, wrapped, or taken from elsewhere."""
    places: list[tuple[object, object]] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        inside = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, inner in inside:
            places.append((one, key))
            if isinstance(inner, (dict, list)):
                waiting.append(inner)
    if not places or chance.random() < 0.02:
        return deepcopy(chance.choice(ODD))
    holder, key = chance.choice(places)
    other, from_key = chance.choice(places)
    how = chance.randrange(6)
    if how <= 1:
        holder[key] = deepcopy(chance.choice(ODD))
    elif how == 2:
        del holder[key]
    elif how == 3:
        holder[key] = [holder[key]] * chance.choice((1, 2, 30))
    elif how == 4:
        with suppress(KeyError, IndexError):
            holder[key] = json.loads(json.dumps(other[from_key]))
    elif isinstance(holder, dict):
        holder[str(chance.choice(ODD))[:2000]] = holder[key]
    else:
        holder.insert(0, holder[key])
    return value


def changed_bytes(content: bytes, chance: random.Random) -> bytes:
    """Return bytes with a few places changed."""
    out = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(len(out) + 1)
        how = chance.randrange(5)
        if how == 0 and place < len(out):
            out[place] ^= 1 << chance.randrange(8)
        elif how == 1:
            out[place : place + chance.choice((1, 4, 100))] = b""
        elif how == 2:
            out[place:place] = chance.choice(PIECES)
        elif how == 3:
            start = chance.randrange(len(out) + 1)
            out[place:place] = out[start : start + 50]
        else:
            out[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(out)


def changed(content: bytes, chance: random.Random) -> bytes:
    """Return a sound file with one to a few changes, of its values where it is JSON, of its bytes otherwise."""
    if chance.random() < 0.6:
        with suppress(ValueError, RecursionError):
            document = json.loads(content)
            for _ in range(chance.choice((1, 1, 1, 3))):
                document = changed_value(document, chance)
            return json.dumps(document).encode()
    return changed_bytes(content, chance)


def consume(read, content: bytes) -> bool:
    """Give bytes to a reader; returns whether they were accepted. Whatever is not a sentence is raised."""
    try:
        read(content)
    except SlmbenchError:
        return False
    return True


def disk() -> str | None:
    """Return a folder of a disk in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
