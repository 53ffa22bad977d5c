"""Text in, label out: one ONNX file with the tokenizer inside, written only where it tokenizes as the bundle does.

The operators are those of onnxruntime-extensions, a library that an app registers with its session. Their output is
compared with the bundle's own tokenizer and form; differences are listed by name, or the file is not written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slmbench.common.errors import first_line, require_extra
from slmbench.common.files import sha256_of
from slmbench.common.progress import SILENT, Progress
from slmbench.edge.runtime import OnnxBackend
from slmbench.export.with_tokenizer_text import UnsupportedTokenizer
from slmbench.records.bundle import DifferingText, TokenizerInside

if TYPE_CHECKING:
    import onnx
    from tokenizers import Tokenizer


FILE = "onnx/model_with_tokenizer.onnx"
#: Share of the fixed texts, which are extreme on purpose, that may differ.
MAX_DIFFERING = 0.1
#: Largest difference of two logits that count as equal: the graphs are optimized separately and round differently.
TOLERANCE = 1e-3
_LISTED = 10
_PROTOBUF = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"


def add_tokenizer(
    bundle: Path,
    form_file: str,
    *,
    texts: Mapping[str, str],
    reviews: Mapping[str, str],
    progress: Progress = SILENT,
) -> TokenizerInside:
    """Write a form of a bundle with the tokenizer inside, where that is the same classifier.

    It is written when no test review gets other token ids, and of the fixed texts at most :data:`MAX_DIFFERING` do.

    Args:
        bundle: The bundle's folder: ``config.json``, ``tokenizer.json`` and the form.
        form_file: The form's file below it.
        texts: Fixed texts, by name.
        reviews: Test reviews, by name.
        progress: Where to say how far it is.

    Returns:
        The result; :data:`FILE` is in the bundle when it is accepted.

    Raises:
        SlmbenchError: onnxruntime-extensions is not installed, or the bundle cannot be read.
    """
    require_extra("onnxruntime_extensions", "text", "putting the tokenizer inside the model")
    from tokenizers import Tokenizer

    from slmbench.export.with_tokenizer_graph import combine

    backend = OnnxBackend(bundle, bundle / form_file, None)
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    unpadded = Tokenizer.from_str(tokenizer.to_str())
    unpadded.no_padding()
    names = json.loads((bundle / "config.json").read_text(encoding="utf-8"))["id2label"]
    labels = [names[str(index)] for index in range(len(names))]
    try:
        with progress.task("putting the tokenizer inside"):
            front, whole = combine(tokenizer, bundle / form_file, labels)
            ids_session, session = _session(front), _session(whole)
    except UnsupportedTokenizer as error:
        return TokenizerInside(made_from=form_file, accepted=False, reason=f"the tokenizer stays outside: {error}")
    with progress.task("comparing with the bundle's own tokenizer"):
        found = _ids_that_differ(ids_session, unpadded, texts)
        wrong = _ids_that_differ(ids_session, unpadded, reviews)
        distances, moved = _logits_that_differ(session, backend, labels, texts)
    differing = [
        DifferingText(name=name, what="; ".join(said[name] for said in (found, moved) if name in said))
        for name in texts
        if name in found or name in moved
    ]
    accepted, reason = _decide(len(texts), [text.name for text in differing], len(reviews), len(wrong))
    listed = [DifferingText(name=name, what=what) for name, what in list(wrong.items())[:_LISTED]]
    facts: dict[str, Any] = {}
    if accepted:
        target = bundle / FILE
        target.write_bytes(whole.SerializeToString())
        facts = {"file": FILE, "bytes": target.stat().st_size, "sha256": sha256_of(target)}
    return TokenizerInside(
        **facts,
        made_from=form_file,
        texts=len(texts),
        reviews=len(reviews),
        differing=differing + listed,
        differing_reviews=len(wrong),
        max_abs_logit_diff=max(distances, default=None),
        accepted=accepted,
        reason=reason,
    )


def _decide(texts: int, differing: Sequence[str], reviews: int, wrong: int) -> tuple[bool, str]:
    """Decide whether the file may be written; returns the decision and its reason."""
    if wrong:
        return False, f"{wrong:,} of {reviews:,} test reviews get other tokens than in the bundle: not written"
    named = f"{len(differing)} of {texts} fixed texts ({', '.join(differing)})"
    if len(differing) > MAX_DIFFERING * texts:
        return False, f"it differs from the bundle on {named}: not written"
    if differing:
        return True, f"the same tokens on all {reviews:,} test reviews, but it differs from the bundle on {named}"
    return True, f"the same tokens and answers on {texts} fixed texts, the same tokens on {reviews:,} test reviews"


def _ids_that_differ(session: Any, tokenizer: Tokenizer, texts: Mapping[str, str]) -> dict[str, str]:
    """Compare token ids; returns the differences, by name."""
    wrong = {}
    for name, text in texts.items():
        got = _run(session, "input_ids", [text])
        wanted = tokenizer.encode(text).ids
        if isinstance(got, str):
            wrong[name] = got
        elif (own := got[0].tolist()) != wanted:
            wrong[name] = _difference(own, wanted)
    return wrong


def _difference(own: Sequence[int], wanted: Sequence[int]) -> str:
    place = next((place for place, pair in enumerate(zip(own, wanted, strict=False)) if pair[0] != pair[1]), None)
    if place is None:
        return f"{len(own)} token ids instead of {len(wanted)}"
    return f"other token ids from place {place + 1} of {len(wanted)} on"


def _logits_that_differ(
    session: Any, backend: OnnxBackend, labels: Sequence[str], texts: Mapping[str, str]
) -> tuple[list[float], dict[str, str]]:
    """Run texts one at a time in both; returns the distances, and the differences by name."""
    distances, wrong = [], {}
    for name, text in texts.items():
        wanted = backend.logits(backend.encode([text]))[0]
        got = _run(session, "logits", [text])
        if isinstance(got, str):
            wrong[name] = got
            continue
        distances.append(float(np.abs(got[0] - wanted).max()))
        if distances[-1] > TOLERANCE:
            before, after = labels[int(wanted.argmax())], labels[int(got[0].argmax())]
            label = f"still {before}" if before == after else f"{after} instead of {before}"
            wrong[name] = f"logits {distances[-1]:.3g} apart ({label})"
    return distances, wrong


def _run(session: Any, output: str, texts: Sequence[str]) -> np.ndarray | str:
    """Return one output for a batch of texts, or a sentence when they cannot be run."""
    try:
        return session.run([output], {"text": np.array(texts, dtype=object)})[0]
    # onnxruntime's own exception classes derive straight from Exception and are not exported by name.
    except Exception as error:  # noqa: BLE001
        return f"it cannot be run: {first_line(error)}"


def _session(model: onnx.ModelProto) -> Any:
    """Load a model with the library of operators that it needs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(_operators())
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    # onnxruntime's own exception classes derive straight from Exception and are not exported by name.
    except Exception as error:  # noqa: BLE001
        raise UnsupportedTokenizer(f"onnxruntime cannot load it ({first_line(error)})") from None


def _operators() -> str:
    """Return the file of onnxruntime-extensions' operators."""
    before = os.environ.get(_PROTOBUF)
    from onnxruntime_extensions import get_library_path

    # Importing it chooses protobuf's slow implementation, for every process started from here on too.
    os.environ.pop(_PROTOBUF, None)
    if before is not None:
        os.environ[_PROTOBUF] = before
    return get_library_path()
