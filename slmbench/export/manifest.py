"""The parity manifest of a bundle: hashes of its files, and its answers to fixed texts on the exporting machine.

The texts are what tokenizers and runtimes are known to disagree on (onnxruntime-extensions issues 623, 953 and 1119:
control characters, accents, special tokens inside the text; optimum issue 978). They never change once published,
because the expected answers in bundles belong to them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slmbench.common.files import sha256_of, write_atomically
from slmbench.edge.runtime import RECORD, SIGNATURE, Backend, not_finite, sealed
from slmbench.records import BundleRecord
from slmbench.records.bundle import Manifest, ManifestFile, ManifestText

_TOKENIZER = "tokenizer.json"


class FixedText(NamedTuple):
    """A text and the short name that reports use."""

    name: str
    text: str


_REVIEW = (
    "I expected little and was given less: the plot limps, the dialogue creaks, and only the photography, which is"
    " lovely, kept me in my seat until the end. "
)

#: 32 texts, none of them a review from a corpus.
MANIFEST_TEXTS: tuple[FixedText, ...] = (
    FixedText("empty", ""),
    FixedText("one space", " "),
    FixedText("white space only", " \t\n\r\n  "),
    FixedText("one letter", "a"),
    FixedText("full stop", "."),
    FixedText("short praise", "A superb film, well worth the evening."),
    FixedText("short blame", "Two hours I want back."),
    FixedText("mixed verdict", "Great cast, dreadful script; I laughed twice, then I slept."),
    FixedText("very long", _REVIEW * 60),
    FixedText("very long, no spaces", "unbelievablygood" * 400),
    FixedText("shouting", "WORST. MOVIE. EVER!!!!!! DO NOT BUY!!!"),
    FixedText("HTML", "It was fine.<br /><br />The <i>second</i> half &amp; the ending &#8211; not so much."),
    FixedText("address and handle", "See https://example.org/r?id=12&x=%20y by @somebody (mail: a.b@example.org)"),
    FixedText("numbers", "7/10, $19.99, 1,000,000 copies, 3.14159, 50% off, 2nd of '99, 12:45"),
    FixedText("code", "for (int i = 0; i < n; ++i) { total += rating[i]; } // mean\n\treturn total / n;"),
    FixedText("repeated signs", "so good!!!!!!!!!! ????????? .......... ---------- ~~~~~~ *****"),
    FixedText("emoji", "Loved it 😀👍🎬 ten stars ⭐⭐⭐"),
    FixedText("emoji sequences", "Family film 👨‍👩‍👧‍👦 with 👍🏽 and 🏳️‍🌈 and 🇨🇭 and 1️⃣"),
    FixedText("accents, composed", "Café déjà vu, naïve façade, Ångström, señor, Łódź, İstanbul, straße"),
    FixedText("accents, combining", "Cafe\u0301 de\u0301ja\u0300 vu, nai\u0308ve, A\u030angstro\u0308m"),
    FixedText("Arabic", "فيلم رائع، أنصح بمشاهدته مع العائلة."),
    FixedText("Hebrew and Latin", "הסרט הזה was מצוין, 10/10 באמת"),
    FixedText("Chinese and Japanese", "这部电影非常好看。とても面白い映画でした!カタカナ"),
    FixedText("Korean", "정말 재미있는 영화였어요. 강력 추천합니다!"),
    FixedText("Hindi and Thai", "यह फिल्म बहुत अच्छी थी। หนังเรื่องนี้สนุกมาก"),
    FixedText("Cyrillic and Greek look-alikes", "Отличный фильм, Εξαιρετική ταινία; раураl is not paypal"),
    FixedText("control characters", "good\x00bad\x01 \x07bell \x1b[31mred\x1b[0m \x7f del \x85 next\x9f"),
    FixedText(
        "invisible characters",
        "zero\u200bwidth \u200djoiner \ufeffmark soft\u00adhyphen \u2060word \u202eright to left\u202c",
    ),
    FixedText(
        "spaces of all kinds",
        "no\u00a0break em\u2003space thin\u2009space ideographic\u3000space line\u2028end para\u2029end",
    ),
    FixedText("full-width and ligatures", "Ｆｕｌｌ ｗｉｄｔｈ １２３, ﬁne ﬂow, Ⅻ, ½, ™, №, ㎏, 𝓯𝓪𝓷𝓬𝔂 𝕥𝕖𝕩𝕥"),
    FixedText("special tokens", "[CLS] great [SEP] [MASK] [UNK] [PAD] <s> </s> <pad> <unk> <|endoftext|> ##ing"),
    FixedText("private use and rare planes", "\ue000 \uf8ff \U000f0000 \ufffd \ufffc 𒀀 𐍈 𝄞 🀄 \U000e0041"),
)


def manifest_of(backends: Mapping[str, Backend], *, token_ids: bool) -> Manifest:
    """Run the fixed texts through every form, each text alone.

    Args:
        backends: The loaded forms, by name; at least one.
        token_ids: Whether the items of the first have token ids (``ids``), which every runtime has to reproduce.

    Returns:
        A manifest without files, which :func:`write_bundle` adds.
    """
    texts = [entry.text for entry in MANIFEST_TEXTS]
    first = next(iter(backends.values()))
    ids = [list(item.ids) for item in first.encode(texts)] if token_ids else [None] * len(texts)  # type: ignore[attr-defined]
    logits = {
        form: [[float(value) for value in backend.logits(backend.encode([text]))[0]] for text in texts]
        for form, backend in backends.items()
    }
    return Manifest(
        files={},
        tokenizer_sha256=None,
        texts=[
            ManifestText(name=entry.name, text=entry.text, ids=own)
            for entry, own in zip(MANIFEST_TEXTS, ids, strict=True)
        ],
        logits=logits,
    )


def unanswered_texts(manifest: Manifest) -> dict[str, int]:
    """Return how many fixed texts a form answers with NaN or infinity, for the forms where there are any."""
    counts = {form: len(not_finite(np.array(rows))) for form, rows in manifest.logits.items()}
    return {form: count for form, count in counts.items() if count}


def write_bundle(record: BundleRecord, folder: Path) -> BundleRecord:
    """Write ``bundle.json``, the last file of a bundle: hashes of all others, and its own seal.

    Args:
        record: The record; answers in its manifest of forms that it does not have, and of forms that answer with NaN
            or infinity, are left out.
        folder: The folder it describes.

    Returns:
        The record as it was written.
    """
    (folder / SIGNATURE).unlink(missing_ok=True)  # of what was there before
    files = {
        path.relative_to(folder).as_posix(): ManifestFile(bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / RECORD
    }
    useless = unanswered_texts(record.manifest)
    manifest = record.manifest.model_copy(
        update={
            "files": files,
            "tokenizer_sha256": files[_TOKENIZER].sha256 if _TOKENIZER in files else None,
            "logits": {
                form: rows
                for form, rows in record.manifest.logits.items()
                if form in record.forms and form not in useless
            },
        }
    )
    record = record.model_copy(update={"manifest": manifest, "seal": None})
    text = sealed(json.loads(record.to_json()))
    write_atomically(folder / RECORD, text)
    return record.model_copy(update={"seal": json.loads(text)["seal"]})
