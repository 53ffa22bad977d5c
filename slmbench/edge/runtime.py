"""The torch-free runtime in one file: a bundle's folder is checked, its tokenizer and model loaded, texts classified.

It needs numpy, onnxruntime and tokenizers, and of slmbench nothing: an app may copy this file into its own sources
instead of installing the package (bundles of TF-IDF, cascades and ``tuned`` then say that they need the package).

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

import hashlib
import importlib
import json
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

try:
    from slmbench.common.errors import SlmbenchError, UsageError
except ImportError:  # copied into an app that does not have slmbench

    class SlmbenchError(Exception):  # type: ignore[no-redef]
        """A failure explained in one sentence that says what to do next."""

    class UsageError(SlmbenchError):  # type: ignore[no-redef]
        """The call itself is wrong: a path, a form, a provider."""


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from slmbench.edge.tuned import Tuned

SCHEMA = "slmbench.bundle/1"
RECORD = "bundle.json"
#: onnxruntime's name of each provider, and what to do where it is not there.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider", "pip install onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "pip install 'onnxruntime-gpu[cuda,cudnn]' in place of onnxruntime"),
    "openvino": ("OpenVINOExecutionProvider", "pip install onnxruntime-ep-openvino"),
}
#: What stands before the seal, at the end of ``bundle.json``.
_SEAL = b', "seal": "'
#: Token budget of the padded batches that ``slmbench export`` judges and ``slmbench profile`` times.
BATCH_TOKENS = 2048
#: Texts looked at together when batches are formed by length: enough to find equals, little to hold.
WINDOW = 512


class Prediction(NamedTuple):
    """What the classifier says about one text: the label, its probability, and every label's probability."""

    label: str
    score: float
    scores: dict[str, float]


class Classifier:
    """A bundle, loaded once its files are found to be those that were exported.

    One classifier may be used from several threads at once, without a lock: after loading it changes nothing of
    itself, an onnxruntime session may ``run`` in several threads, and a tokenizer encodes without being changed.

    Args:
        path: The bundle's folder.
        form: Which form to run, such as ``fp32`` or ``int8``; by default the smallest accepted one that was not
            slower than fp32 where it was exported.
        threads: Threads inside one inference; by default onnxruntime's choice (the physical cores).
        provider: What runs the model: ``cpu`` (the default), ``cuda`` or ``openvino``.
        tuned: Take what is not given as ``slmbench tune`` found it fastest on this machine, and form batches as it
            found them; where the bundle was not tuned, this changes nothing.

    Attributes:
        labels: Label names, in the order of the logits.
        form: The form that runs.
        tuned: Whether a tuning of this bundle on this machine was asked for and found.
        batch_tokens: Token budget of calls that name none; ``None`` runs their texts one at a time.

    Raises:
        UsageError: There is no such folder, form or provider.
        SlmbenchError: The folder is not a bundle, a file is missing or not the one that was exported, or the
            provider is not installed.
    """

    tuned: bool = False
    batch_tokens: int | None = None

    def __init__(
        self,
        path: str | Path,
        *,
        form: str | None = None,
        threads: int | None = None,
        provider: str | None = None,
        tuned: bool = False,
    ) -> None:
        files = BundleFiles.open(path)
        found = _tuned_settings(files) if tuned else None
        if found is not None:
            form = found.form if form is None else form
            threads = found.threads if threads is None else threads
            provider = found.provider if provider is None else provider
            self.tuned, self.batch_tokens = True, found.batch_tokens
        self.labels: list[str] = files.labels
        self.form: str = files.choose_form(form)
        self._backend: Backend = load_backend(files, self.form, threads, "cpu" if provider is None else provider)

    def predict(self, texts: Iterable[str], *, batch_tokens: int | None = None) -> list[Prediction]:
        """Classify texts.

        Args:
            texts: Reviews; a single string counts as one text.
            batch_tokens: Token budget of a batch, 0 to run texts one at a time. That is the default where no tuning
                says otherwise: the regime the bundle's accuracy was measured in, and on most CPUs the faster one
                (no padding).

        Returns:
            One prediction per text, in input order.
        """
        return list(self.stream([texts] if isinstance(texts, str) else texts, batch_tokens=batch_tokens))

    def stream(self, texts: Iterable[str], *, batch_tokens: int | None = None) -> Iterator[Prediction]:
        """Classify texts as they come, holding one, or with batches at most a window of them; see :meth:`predict`."""
        texts = iter(texts)
        while window := list(islice(texts, WINDOW if self._budget(batch_tokens) else 1)):
            for row in self.predict_proba(window, batch_tokens=batch_tokens):
                best = int(row.argmax())
                scores = dict(zip(self.labels, row.tolist(), strict=True))
                yield Prediction(self.labels[best], float(row[best]), scores)

    def predict_proba(self, texts: Sequence[str], *, batch_tokens: int | None = None) -> np.ndarray:
        """Return probabilities, shape (texts, labels), rows in input order; see :meth:`predict`."""
        return softmax(self.predict_logits(texts, batch_tokens=batch_tokens))

    def predict_logits(self, texts: Sequence[str], *, batch_tokens: int | None = None) -> np.ndarray:
        """Return logits, shape (texts, labels), rows in input order; see :meth:`predict`.

        Raises:
            UsageError: One of the texts is not a string.
        """
        texts = [texts] if isinstance(texts, str) else texts
        for text in texts:
            if not isinstance(text, str):
                raise UsageError(f"a text is a string, not {text!r}: leave out what is missing, or make it a string")
        out = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        budget = self._budget(batch_tokens)
        if not budget:
            for row, text in enumerate(texts):
                out[row] = self._backend.logits(self._backend.encode([text]))[0]
            return out
        items = self._backend.encode(texts)
        for rows in batches_by_tokens(self._backend.lengths(items), budget):
            out[rows] = self._backend.logits([items[row] for row in rows])
        return out

    def token_lengths(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has once truncated as trained."""
        return self._backend.lengths(self._backend.encode(texts))

    def _budget(self, batch_tokens: int | None) -> int | None:
        return self.batch_tokens if batch_tokens is None else batch_tokens


class BundleFiles(NamedTuple):
    """A bundle's folder and what its sealed ``bundle.json`` says.

    Attributes:
        folder: The folder.
        runtime: ``onnx``, ``tfidf`` or ``cascade``.
        labels: Label names, in the order of the logits.
        forms: Of each form ``file``, ``bytes``, ``accepted``, and whether it was ``slower`` than fp32 at export.
        manifest: Of each file but ``bundle.json``, by its path below the folder, ``bytes`` and ``sha256``.
        seal: What tells it from every other bundle.
    """

    folder: Path
    runtime: str
    labels: list[str]
    forms: dict[str, dict[str, Any]]
    manifest: dict[str, dict[str, Any]]
    seal: str

    @classmethod
    def open(cls, path: str | Path) -> BundleFiles:
        """Read a bundle's description.

        Raises:
            UsageError: There is no such folder.
            SlmbenchError: ``bundle.json`` is missing, damaged, changed since it was sealed, or of another version.
        """
        folder = Path(path)
        record = folder / RECORD
        if not folder.is_dir():
            raise UsageError(f"there is no bundle folder {folder}")
        try:
            raw = record.read_bytes()
            document = json.loads(raw)
            if document["schema"] != SCHEMA:
                raise SlmbenchError(
                    f"{folder} was written as {document['schema']}, this version reads {SCHEMA}: export it again"
                )
            if not document.get("manifest") or not document.get("seal"):
                raise SlmbenchError(f"{record} has no manifest: export it again")
            if not _is_sealed(raw):
                raise SlmbenchError(f"{record} was changed after it was sealed: copy the bundle again")
            forms = {
                name: {
                    **{key: facts[key] for key in ("file", "bytes", "accepted")},
                    "slower": bool(facts.get("gain")) and facts["gain"]["speedup_ci95"][1] < 1,
                }
                for name, facts in document["forms"].items()
            }
            manifest = {
                name: {key: facts[key] for key in ("bytes", "sha256")}
                for name, facts in document["manifest"]["files"].items()
            }
            return cls(folder, document["runtime"], list(document["labels"]), forms, manifest, document["seal"])
        except FileNotFoundError:
            raise SlmbenchError(f"{folder} is not a bundle: it has no {RECORD} (see `slmbench export`)") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise SlmbenchError(f"{record} is damaged: export the bundle again") from None

    def choose_form(self, form: str | None) -> str:
        """Return the form asked for, or the smallest accepted one that was not slower than fp32 at export.

        Raises:
            UsageError: The bundle does not have that form.
            SlmbenchError: It has no accepted form.
        """
        if form is not None:
            if form not in self.forms:
                raise UsageError(f"{self.folder} has no form {form!r}; it has: {', '.join(self.forms)}")
            return form
        accepted = [name for name, facts in self.forms.items() if facts["accepted"]]
        if not accepted:
            raise SlmbenchError(f"{self.folder} has no accepted form; name one to use it all the same")
        quick = [name for name in accepted if not self.forms[name]["slower"]]
        return min(quick or accepted, key=lambda name: self.forms[name]["bytes"])

    def form_path(self, form: str) -> Path:
        """Return the file of a form, once every file that the form needs is found to be the exported one.

        Raises:
            SlmbenchError: A file is missing or another; the sentence names it.
        """
        for name in self._needed(form):
            if damage := self._damage(name):
                raise SlmbenchError(f"{damage}: copy the bundle again")
        return self.folder / self.forms[form]["file"]

    def damaged(self) -> list[str]:
        """Check every file of the bundle; returns a sentence for each that is missing, another, or not listed."""
        there = (path for path in self.folder.rglob("*") if path.is_file() and path != self.folder / RECORD)
        names = {*self.manifest, *(path.relative_to(self.folder).as_posix() for path in there)}
        return [damage for name in sorted(names) if (damage := self._damage(name))]

    def _needed(self, form: str) -> list[str]:
        file = self.forms[form]["file"]
        if self.runtime == "cascade":  # its members are bundles of their own, opened and checked like any other
            return [file, *(name for name in self.manifest if name.endswith(f"/{RECORD}"))]
        # Weights too large for an ONNX file lie beside it, under its name and more.
        weights = [name for name in self.manifest if name.startswith(file) and name != file]
        return [file, *weights, "tfidf.json" if self.runtime == "tfidf" else "tokenizer.json", "config.json"]

    def _damage(self, name: str) -> str | None:
        path, wanted = self.folder / name, self.manifest.get(name)
        if wanted is None:
            return f"{path} is not in the manifest of {RECORD}"
        try:
            if (size := path.stat().st_size) != wanted["bytes"]:
                return f"{path} has {size:,} bytes instead of {wanted['bytes']:,}"
            if sha256_of_file(path) != wanted["sha256"]:
                return f"{path} is not the file that was exported (another SHA-256)"
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"
        return None


class Backend(Protocol):
    """One way to run a bundle: logits from token ids, and token ids from text."""

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Turn texts into this backend's input items, truncated as trained, not padded."""

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of tokens of each item."""

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch; returns shape (items, labels)."""


def load_backend(files: BundleFiles, form: str, threads: int | None, provider: str = "cpu") -> Backend:
    """Check the files of a form and load what runs it.

    Args:
        files: The bundle.
        form: One of its forms.
        threads: Threads inside one inference; ``None`` leaves it to onnxruntime.
        provider: One of :data:`PROVIDERS`; TF-IDF has only ``cpu``.

    Raises:
        UsageError: There is no such provider, or not for TF-IDF; or there is no thread.
        SlmbenchError: A file is missing or another, or the provider is not installed.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    if provider not in PROVIDERS:
        raise UsageError(f"there is no provider {provider!r}: choose among {', '.join(PROVIDERS)}")
    path = files.form_path(form)
    if files.runtime == "onnx":
        return OnnxBackend(files.folder, path, threads, provider)
    try:
        from slmbench.edge.cascade import CascadeBackend
        from slmbench.edge.tfidf import TfidfBackend
    except ImportError:
        raise SlmbenchError(
            f"{files.folder} is a {files.runtime} bundle, which this file alone cannot run: pip install slmbench"
        ) from None
    if files.runtime == "cascade":
        return CascadeBackend(path, files.labels, threads, provider)
    if provider != "cpu":
        raise UsageError(f"{files.folder} is a TF-IDF bundle, which runs on the CPU only: leave out the provider")
    return TfidfBackend(path.parent)


def _tuned_settings(files: BundleFiles) -> Tuned | None:
    """Return how a bundle was found to run fastest on this machine."""
    try:
        from slmbench.edge.tuned import tuned_settings
    except ImportError:
        raise SlmbenchError(
            f"{files.folder}: how it was tuned here is what this file alone cannot tell: pip install slmbench"
        ) from None
    return tuned_settings(files.seal)


class OnnxBackend:
    """One ONNX file and the tokenizer beside it; truncation and padding are as ``tokenizer.json`` says.

    Args:
        folder: The bundle's folder, which holds ``tokenizer.json``.
        model: The ONNX file.
        threads: Threads inside one inference; ``None`` leaves it to onnxruntime.
        provider: One of :data:`PROVIDERS`.

    Raises:
        SlmbenchError: The model or the tokenizer cannot be read, or the provider is not installed.
    """

    def __init__(self, folder: Path, model: Path, threads: int | None, provider: str = "cpu") -> None:
        from tokenizers import Tokenizer

        self._session = _session(model, threads, provider)
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # noqa: BLE001 - tokenizers raises a bare Exception
            raise SlmbenchError(f"{folder}/tokenizer.json cannot be read: {error}") from None
        self._padding = self._tokenizer.padding or {}
        # Padding happens per batch in `logits`; encoding many texts must not pad them to the longest.
        self._tokenizer.no_padding()
        self._inputs = [node.name for node in self._session.get_inputs()]

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Tokenise; each item is a ``tokenizers.Encoding``."""
        return list(self._tokenizer.encode_batch_fast([_sound(text) for text in texts]))

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of tokens of each encoding."""
        return [len(item.ids) for item in items]  # type: ignore[attr-defined]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch, padded to its longest item; also of half precision the logits are single."""
        return self._session.run(["logits"], self.feed(items))[0]

    def feed(self, items: Sequence[object]) -> dict[str, np.ndarray]:
        """Return the model's inputs of one batch by name, arrays of shape (items, longest)."""
        longest = max(self.lengths(items))
        shape = (len(items), longest)
        columns = {
            "input_ids": np.full(shape, self._padding.get("pad_id", 0), dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.full(shape, self._padding.get("pad_type_id", 0), dtype=np.int64),
        }
        left = self._padding.get("direction") == "left"
        for row, item in enumerate(items):
            used = len(item.ids)  # type: ignore[attr-defined]
            place = slice(longest - used, longest) if left else slice(0, used)
            columns["input_ids"][row, place] = item.ids  # type: ignore[attr-defined]
            columns["attention_mask"][row, place] = 1
            columns["token_type_ids"][row, place] = item.type_ids  # type: ignore[attr-defined]
        return {name: columns[name] for name in self._inputs}


def _session(model: Path, threads: int | None, provider: str) -> Any:
    """Load a model for a provider; what the provider cannot run of it, onnxruntime runs on the CPU."""
    import onnxruntime

    name = PROVIDERS[provider][0]
    options = onnxruntime.SessionOptions()
    # Errors, and of a provider not even those: that it did not load is said below, in one sentence.
    options.log_severity_level = 3 if provider == "cpu" else 4
    settings = {}
    if threads is not None:
        options.intra_op_num_threads = threads
        settings = {"num_of_threads": str(threads)} if provider == "openvino" else {}
    providers: list[tuple[str, dict[str, str]]] = [(name, settings), (PROVIDERS["cpu"][0], {})]
    if provider == "cpu":
        del providers[1]
    elif name in onnxruntime.get_available_providers():
        if provider == "cuda" and hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # finds CUDA where pip put it
    elif provider == "openvino":
        options.add_provider_for_devices([openvino_device()], settings)
        providers = []
    else:
        raise _missing(provider)
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=providers or None)
    # onnxruntime's own exception classes derive straight from Exception and are not exported by name.
    except Exception as error:  # noqa: BLE001
        raise SlmbenchError(f"onnxruntime cannot load {model}: {str(error).splitlines()[0]}") from None
    if name not in session.get_providers():  # it falls back to the CPU without a word
        raise _missing(provider)
    return session


def _missing(provider: str) -> SlmbenchError:
    return SlmbenchError(f"onnxruntime cannot use {provider} here: {PROVIDERS[provider][1]}")


def openvino_device() -> Any:
    """Return the CPU as a device of onnxruntime's OpenVINO plugin.

    Raises:
        SlmbenchError: The plugin is not installed, or has no device on this machine.
    """
    import onnxruntime

    try:
        plugin = importlib.import_module("onnxruntime_ep_openvino")
    except ImportError:
        raise _missing("openvino") from None
    # Once a process; what is wrong with a plugin that cannot be registered shows in that it has no device.
    with suppress(Exception):
        onnxruntime.register_execution_provider_library("openvino", plugin.get_library_path())
    for device in onnxruntime.get_ep_devices():
        if device.ep_name == PROVIDERS["openvino"][0] and device.ep_metadata.get("ov_device") == "CPU":
            return device
    raise SlmbenchError(
        "onnxruntime-ep-openvino has no device here, it serves Intel processors only:"
        " pip install onnxruntime-openvino in place of onnxruntime"
    )


def _sound(text: str) -> str:
    """Return a text the tokenizer can take: half a surrogate pair, as broken input leaves it, becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def batches_by_tokens(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group items of like length so that no padded batch holds more than so many tokens.

    Args:
        lengths: Tokens of each item.
        budget: Largest rows x longest-row product of a batch; a longer item gets a batch of its own.

    Returns:
        Item indices, one list a batch, shortest items first.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        # Ascending lengths: the newest item is the longest of its batch.
        if batches and (len(batches[-1]) + 1) * lengths[index] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def sealed(document: dict[str, Any]) -> str:
    """Return the text of a ``bundle.json``: its last key is the SHA-256 of every byte before it."""
    text = json.dumps({key: value for key, value in document.items() if key != "seal"}, ensure_ascii=False)[:-1]
    return f'{text}{_SEAL.decode()}{hashlib.sha256(text.encode()).hexdigest()}"}}\n'


def _is_sealed(raw: bytes) -> bool:
    """Say whether a ``bundle.json`` is as it was sealed: bytes are hashed, which is faster than reading them."""
    content, _, seal = raw.rpartition(_SEAL)
    return seal[:64] == hashlib.sha256(content).hexdigest().encode()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
