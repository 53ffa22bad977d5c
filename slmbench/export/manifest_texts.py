"""The fixed texts of a parity manifest: what tokenizers and runtimes are known to disagree on.

They never change once published: a bundle's expected answers are tied to them. Threads that the choice comes from:
onnxruntime-extensions 623, 953 and 1119 (control characters, accents, special tokens inside the text), optimum 978.
"""

from __future__ import annotations

from typing import NamedTuple


class ManifestText(NamedTuple):
    """A text and the short name a report calls it by."""

    name: str
    text: str


_REVIEW = (
    "I expected little and was given less: the plot limps, the dialogue creaks, and only the photography, which is"
    " lovely, kept me in my seat until the end. "
)

#: 32 texts, none of them a review from a corpus.
MANIFEST_TEXTS: tuple[ManifestText, ...] = (
    ManifestText("empty", ""),
    ManifestText("one space", " "),
    ManifestText("white space only", " \t\n\r\n  "),
    ManifestText("one letter", "a"),
    ManifestText("full stop", "."),
    ManifestText("short praise", "A superb film, well worth the evening."),
    ManifestText("short blame", "Two hours I want back."),
    ManifestText("mixed verdict", "Great cast, dreadful script; I laughed twice, then I slept."),
    ManifestText("very long", _REVIEW * 60),
    ManifestText("very long, no spaces", "unbelievablygood" * 400),
    ManifestText("shouting", "WORST. MOVIE. EVER!!!!!! DO NOT BUY!!!"),
    ManifestText("HTML", "It was fine.<br /><br />The <i>second</i> half &amp; the ending &#8211; not so much."),
    ManifestText("address and handle", "See https://example.org/r?id=12&x=%20y by @somebody (mail: a.b@example.org)"),
    ManifestText("numbers", "7/10, $19.99, 1,000,000 copies, 3.14159, 50% off, 2nd of '99, 12:45"),
    ManifestText("code", "for (int i = 0; i < n; ++i) { total += rating[i]; } // mean\n\treturn total / n;"),
    ManifestText("repeated signs", "so good!!!!!!!!!! ????????? .......... ---------- ~~~~~~ *****"),
    ManifestText("emoji", "Loved it 😀👍🎬 ten stars ⭐⭐⭐"),
    ManifestText("emoji sequences", "Family film 👨‍👩‍👧‍👦 with 👍🏽 and 🏳️‍🌈 and 🇨🇭 and 1️⃣"),
    ManifestText("accents, composed", "Café déjà vu, naïve façade, Ångström, señor, Łódź, İstanbul, straße"),
    ManifestText("accents, combining", "Cafe\u0301 de\u0301ja\u0300 vu, nai\u0308ve, A\u030angstro\u0308m"),
    ManifestText("Arabic", "فيلم رائع، أنصح بمشاهدته مع العائلة."),
    ManifestText("Hebrew and Latin", "הסרט הזה was מצוין, 10/10 באמת"),
    ManifestText("Chinese and Japanese", "这部电影非常好看。とても面白い映画でした!カタカナ"),
    ManifestText("Korean", "정말 재미있는 영화였어요. 강력 추천합니다!"),
    ManifestText("Hindi and Thai", "यह फिल्म बहुत अच्छी थी। หนังเรื่องนี้สนุกมาก"),
    ManifestText("Cyrillic and Greek look-alikes", "Отличный фильм, Εξαιρετική ταινία; раураl is not paypal"),
    ManifestText("control characters", "good\x00bad\x01 \x07bell \x1b[31mred\x1b[0m \x7f del \x85 next\x9f"),
    ManifestText(
        "invisible characters",
        "zero\u200bwidth \u200djoiner \ufeffmark soft\u00adhyphen \u2060word \u202eright to left\u202c",
    ),
    ManifestText(
        "spaces of all kinds",
        "no\u00a0break em\u2003space thin\u2009space ideographic\u3000space line\u2028end para\u2029end",
    ),
    ManifestText("full-width and ligatures", "Ｆｕｌｌ ｗｉｄｔｈ １２３, ﬁne ﬂow, Ⅻ, ½, ™, №, ㎏, 𝓯𝓪𝓷𝓬𝔂 𝕥𝕖𝕩𝕥"),
    ManifestText("special tokens", "[CLS] great [SEP] [MASK] [UNK] [PAD] <s> </s> <pad> <unk> <|endoftext|> ##ing"),
    ManifestText("private use and rare planes", "\ue000 \uf8ff \U000f0000 \ufffd \ufffc 𒀀 𐍈 𝄞 🀄 \U000e0041"),
)
