"""The torch-free runtime in one file: check a bundle's folder, load its tokenizer and model, classify texts.

It needs numpy, onnxruntime and tokenizers, and nothing of slmbench: an app may copy this file into its own sources
instead of installing the package. It runs every bundle: ONNX models, TF-IDF and static models (numpy alone), and
cascades of two.

The order of the file: the classifier, the bundle's folder, the four backends (ONNX, TF-IDF, static, cascade),
arithmetic, untrusted files, the machine.

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import json
import os
import platform
import re
import stat
import sys
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property, partial
from itertools import chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol, get_args

import numpy as np

try:
    from slmbench.common.errors import SlmbenchError, UsageError
except ImportError:  # copied into an app that does not have slmbench

    class SlmbenchError(Exception):  # type: ignore[no-redef]
        """A failure explained in one sentence that says what to do next."""

    class UsageError(SlmbenchError):  # type: ignore[no-redef]
        """The call itself is wrong: a path, a form, a provider."""


# The telemetry of onnxruntime 1.31 starts a thread when it is imported, for which a forked child waits for ever when
# it ends. This has to be set before onnxruntime is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

SCHEMA = "slmbench.bundle/1"
RECORD = "bundle.json"
#: Beside it where it was signed: the 64 bytes of an Ed25519 signature (RFC 8032) of all its bytes.
SIGNATURE = "bundle.sig"
#: Of a cascade: which members there are, and from which probability on the small one's answer is kept.
CASCADE_FILE = "cascade.json"
#: Key of ``config.json`` that says what is read of a text longer than the model: one of :data:`LONG_TEXTS`.
LONG_TEXTS_KEY = "slmbench_long_texts"
#: Its beginning (or end, as ``tokenizer.json`` says); its beginning and end; all of it, in windows whose logits are
#: averaged.
LONG_TEXTS = ("head", "head-tail", "windows")
#: onnxruntime's name of each provider, and what to do where it is not there.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider", "pip install onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "pip install 'onnxruntime-gpu[cuda,cudnn]' in place of onnxruntime"),
    "openvino": ("OpenVINOExecutionProvider", "pip install onnxruntime-ep-openvino"),
}
#: What onnxruntime merges when it loads a model for the CPU although the merged operator is slower there than those
#: that it replaces: SkipLayerNormalization and BiasGelu compute one number after the other, LayerNormalization and
#: Gelu vectors (``docs/performance.md``).
SLOW_FUSIONS = ("SkipLayerNormFusion", "BiasGeluFusion")
#: Precedes the seal, at the end of ``bundle.json``.
_SEAL = b', "seal": "'
#: The file that a form of each runtime is: this one, or with this ending.
FORM_FILES = {"onnx": ".onnx", "tfidf": "tfidf.npz", "static": ".npz", "cascade": CASCADE_FILE}
#: Limits of a bundle, whose author need not be trusted: whatever is larger is refused before it is used.
MAX_RECORD_BYTES = 256 << 20
MAX_TOKENIZER_BYTES = 128 << 20
MAX_ARRAY_BYTES, MAX_DIRECTORY_BYTES = 1 << 30, 1 << 16
#: Types of the arrays that TF-IDF and static models compute with.
FLOATS = ("float32", "float64")
#: Of an Ed25519 signature.
SIGNATURE_BYTES = 64
MAX_FILES, MAX_LABELS, MAX_NAME = 10_000, 10_000, 1_000
#: Bytes of a file's name that every system takes.
MAX_NAME_PART = 255
#: Messages of an ONNX file that are looked at, and graphs within graphs.
MAX_GRAPH_FIELDS, MAX_GRAPH_DEPTH = 2_000_000, 32
#: Special tokens of an input, the words of a prompt among them; characters of a word that is split, of what is put
#: before or after its pieces, and of a tokenizer's patterns.
MAX_SPECIAL_TOKENS, MAX_WORD, MAX_AFFIX, MAX_PATTERN = 4_096, 1_000, 64, 2_000
#: How many times longer a tokenizer's replacements may make a text.
MAX_GROWTH = 64
#: What TF-IDF takes for a word, scikit-learn's default, and its longest n-gram: a bundle cannot ask for slow ones.
TOKEN_PATTERN, MAX_NGRAM = r"(?u)\b\w\w+\b", 8
#: Words of a static model: letters and digits, single Chinese and Japanese characters, and signs that may carry
#: sentiment: exclamation and question marks, emoji and whatever else is not ASCII. ASCII has fewer to look for.
_ASCII_WORDS = r"\w+|[!?]"
_ONE_BY_ONE = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORDS = rf"[{_ONE_BY_ONE}]|[^\W{_ONE_BY_ONE}]+|[!?]|[^\x00-\x7f\w\s]"
#: Token budget of the padded batches that ``slmbench export`` checks and ``slmbench profile`` times.
BATCH_TOKENS = 2048
#: Texts read ahead when batches are formed by length: enough to find texts of like length, little memory.
WINDOW = 512
#: What a worker is given at once without batches, to answer one text after the other: so many texts or characters.
#: Handing over is cheap compared with so many, and they are few enough for all workers to end at the same time.
TASK_TEXTS, TASK_CHARACTERS = 16, 1_000
#: Tasks of each worker that are read ahead, so that none waits for the answer that is next in order.
TASKS_AHEAD = 4
#: Texts of a call from which on workers pay: the model is then loaded a second time, with one thread for each.
MANY = 64


class Prediction(NamedTuple):
    """The answer to one text: the label, its probability, and the probability of every label."""

    label: str
    score: float
    scores: dict[str, float]


class Classifier:
    """A bundle, loaded after its files were checked against its manifest.

    One classifier may be used from several threads at once without a lock: it does not change after loading, an
    onnxruntime session may ``run`` in several threads, and a tokenizer encodes without being changed. It can be
    pickled: what is pickled is how it was opened, and the bundle is opened again where it is unpickled. After a fork,
    whose child has none of onnxruntime's threads, the child opens the bundle again at its first call.

    Args:
        path: The bundle's folder.
        form: Which form to run, such as ``fp32`` or ``int8``; by default the smallest accepted one that is not slower
            than fp32 on this kind of processor, as measured where it was exported or declared in
            :data:`SLOW_FORMS`, and that ``slmbench verify`` did not find to answer otherwise here.
        threads: Threads inside one inference; by default :func:`usable_cores`, as ``slmbench profile`` has it.
        workers: Inferences that run at the same time, each with ``threads`` threads, by default the cores divided by
            workers. Without ``threads`` and ``workers``, calls with many texts have one worker of one thread for each
            core, which is the fastest and answers alike; for them the model is loaded a second time, at the first
            call with :data:`MANY` texts. With ``threads`` alone there is one worker.
        provider: What runs the model: ``cpu`` (the default), ``cuda`` or ``openvino``.
        batch_tokens: Token budget of a padded batch for calls that name none; by default texts run one at a time.
        spin_between: Whether onnxruntime's threads wait busily for the next call for a while, its default and the
            fastest; a service that is idle most of the time uses less of the CPU without it.
        public_key: PEM file of the public key with whose private one the bundle has to be signed (``slmbench sign``);
            no signature is needed or looked at without it.

    Attributes:
        labels: Label names, in the order of the logits.
        form: The form that runs.
        seal: Identifies the bundle among all others.
        batch_tokens: As given.
        notice: A sentence when ``slmbench verify`` found that a form does not answer on this processor as where it
            was exported; it is also warned of.

    Raises:
        UsageError: There is no such folder, form, provider or key.
        SlmbenchError: The folder is not a bundle, a file is missing or changed, it is not signed with that key, or
            the provider is not installed.
    """

    batch_tokens: int | None = None
    notice: str | None = None
    seal: str = ""
    _opened: dict[str, Any] | None = None

    def __init__(
        self,
        path: str | Path,
        *,
        form: str | None = None,
        threads: int | None = None,
        workers: int | None = None,
        provider: str = "cpu",
        batch_tokens: int | None = None,
        spin_between: bool = True,
        public_key: str | Path | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"workers must be at least 1, not {workers}")
        files = BundleFiles.open(path, public_key)
        self.labels: list[str] = files.labels
        self.form: str = files.choose_form(form)
        self.batch_tokens = batch_tokens
        self.notice = files.notice(self.form, chosen=form is None)
        if self.notice is not None:
            warnings.warn(self.notice, RuntimeWarning, stacklevel=2)
        self._opened = {
            "path": str(Path(path).absolute()),
            "form": form,
            "threads": threads,
            "workers": workers,
            "provider": provider,
            "batch_tokens": batch_tokens,
            "spin_between": spin_between,
            "public_key": None if public_key is None else str(Path(public_key).absolute()),
        }
        self.seal = files.seal
        self._use(self._load(files, threads, workers or 1))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle how the bundle was opened."""
        if self._opened is None:
            raise SlmbenchError(f"{self.form} cannot be sent to another process: load it there")
        return partial(type(self), **self._opened), ()

    def _use(self, backend: Backend) -> None:
        self._loaded = _Loaded(backend)

    @property
    def _backend(self) -> Backend:
        """The backend of this process."""
        return self._of_this_process().backend

    def _of_this_process(self) -> _Loaded:
        if self._loaded.process != os.getpid():
            # Its threads were not forked, and freeing it would wait for them for ever.
            never_freed(self._loaded)
            self._use(self._open_again())
        return self._loaded

    def _open_again(self) -> Backend:
        if self._opened is None:
            raise SlmbenchError(f"{self.form} was loaded before a fork and cannot run after it: load it in the child")
        files = BundleFiles.open(self._opened["path"], self._opened["public_key"])
        self.check_seal(files.seal, "restart the service")
        return self._load(files, self._opened["threads"], self._opened["workers"] or 1)

    def check_seal(self, seal: str | None, remedy: str = "run the same command again") -> None:
        """Check that this is the bundle that somebody has seen in its folder.

        Args:
            seal: That bundle's, where it has one.
            remedy: What to do where it is another.

        Raises:
            SlmbenchError: The folder was replaced meanwhile.
        """
        if self._opened is not None and seal not in (None, self.seal):
            raise SlmbenchError(f"{self._opened['path']} was exported again in the meantime: {remedy}")

    def _load(self, files: BundleFiles, threads: int | None, workers: int) -> Backend:
        """Load the form for so many inferences at a time, with so many threads each."""
        facts = self._opened or {}
        if threads is None and workers > 1:
            threads = max(1, usable_cores() // workers)
        spin = facts["spin_between"]
        return load_backend(files, self.form, threads, facts["provider"], spin_between=spin, workers=workers)

    @cached_property
    def workers(self) -> int:
        """Inferences that may run at the same time in a call with many texts; one where Python computes."""
        facts = self._opened
        # Others compute in Python, which runs in one thread at a time.
        if facts is None or not isinstance(self._backend, (OnnxBackend, CascadeBackend)):
            return 1
        if facts["workers"] or facts["threads"] or facts["provider"] != "cpu":
            return facts["workers"] or 1
        return usable_cores()

    def _for(self, texts: int) -> tuple[Backend, int]:
        """Return what answers a call of so many texts, or more, and its number of workers."""
        loaded, workers, facts = self._of_this_process(), self.workers, self._opened
        if facts is None or workers == 1 or texts < 2:
            return loaded.backend, 1
        if facts["workers"]:
            return loaded.backend, workers
        if texts < (MANY if loaded.many is None else TASKS_AHEAD * workers):
            return loaded.backend, 1
        with loaded.lock:
            if loaded.many is None:
                loaded.many = loaded.backend
                # If the folder is gone, or the bundle was exported again, what was loaded goes on answering.
                with suppress(SlmbenchError):
                    files = BundleFiles.open(facts["path"], facts["public_key"])
                    loaded.many = self._load(files, 1, workers) if files.seal == self.seal else loaded.backend
            return loaded.many, 1 if loaded.many is loaded.backend else workers

    def predict(self, texts: Iterable[str], *, batch_tokens: int | None = None) -> list[Prediction]:
        """Classify texts.

        Args:
            texts: Reviews; a single string counts as one text.
            batch_tokens: Token budget of a padded batch, 0 to run texts one at a time; by default the classifier's
                own. One at a time is how the bundle's accuracy was measured, and on most CPUs the faster way
                (no padding).

        Returns:
            One prediction per text, in input order.
        """
        return list(self.stream(texts, batch_tokens=batch_tokens))

    def stream(
        self, texts: Iterable[str], *, batch_tokens: int | None = None, read_ahead: bool = True
    ) -> Iterator[Prediction]:
        """Classify texts in constant memory, in input order; they are read while answers are taken.

        Args:
            texts: As of :meth:`predict`.
            batch_tokens: As of :meth:`predict`.
            read_ahead: Whether texts are read before those before them are answered: where there are several workers
                :data:`MANY` texts, then four tasks of each worker, and with batches :data:`WINDOW` texts more.
                Without it every text is answered before the next is read, which a source needs that waits for
                answers.

        Raises:
            UsageError: One of the texts is not a string; those before it are answered first.
            SlmbenchError: As of :meth:`predict_logits`.
        """
        ahead = read_ahead and self.workers > 1
        budget = self._budget(batch_tokens) if read_ahead else None
        most = WINDOW if budget else TASK_TEXTS if ahead else 1
        windows = windows_of(iter(checked_texts(texts)), most, None if budget else TASK_CHARACTERS)
        for logits in self._answers(windows, budget, ahead):
            for row in softmax(logits):
                best = int(row.argmax())
                scores = dict(zip(self.labels, row.tolist(), strict=True))
                yield Prediction(self.labels[best], float(row[best]), scores)

    def predict_proba(self, texts: Sequence[str], *, batch_tokens: int | None = None) -> np.ndarray:
        """Return probabilities, shape (texts, labels), rows in input order; see :meth:`predict`."""
        return softmax(self.predict_logits(texts, batch_tokens=batch_tokens))

    def predict_logits(self, texts: Sequence[str], *, batch_tokens: int | None = None) -> np.ndarray:
        """Return logits, shape (texts, labels), rows in input order; see :meth:`predict`.

        Raises:
            UsageError: One of the texts is not a string, or a table or dictionary is given.
            SlmbenchError: The model answers with NaN or infinity, or not with one logit for each label.
        """
        window = [checked_text(text) for text in checked_texts(texts)]
        answers = self._answers(iter([window] if window else []), self._budget(batch_tokens), ahead=True)
        return np.concatenate([np.empty((0, len(self.labels)), dtype=np.float32), *answers])

    def token_lengths(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has once truncated as trained."""
        return self._backend.lengths(self._backend.encode(list(checked_texts(texts))))

    def truncates(self, text: str) -> bool:
        """Say whether a text is longer than the model reads; of a cascade, than one of its members reads."""
        backend = self._backend
        members = backend.members if isinstance(backend, CascadeBackend) else (backend,)
        return any(_is_truncated(member.encode([checked_text(text)])[0]) for member in members)

    def _answers(self, windows: Iterator[list[str]], budget: int | None, ahead: bool) -> Iterator[np.ndarray]:
        """Yield the logits of each window of texts.

        Args:
            windows: The texts; batches are formed within a window.
            budget: Token budget of a batch; without one texts run one at a time.
            ahead: Whether windows may be read before those before them are answered.
        """
        read: list[list[str]] = []
        while ahead and sum(map(len, read)) < MANY:
            try:
                read.append(next(windows))
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - raised again once what was read is answered
                windows = _failing(error)
                break
        backend, workers = self._for(sum(map(len, read)))
        tasks = (
            (work, (window, rows))
            for window in chain(read, windows)
            for rows, work in self._tasks(backend, window, budget)
        )
        first, out, done = 1, None, 0
        for logits, (window, rows) in in_workers(tasks, workers):
            out = np.empty((len(window), len(self.labels)), dtype=np.float32) if out is None else out
            out[rows] = logits
            done += len(rows)
            if done == len(window):
                wrong = not_finite(out)
                if not len(wrong):
                    yield out
                else:
                    yield out[: wrong[0]]
                    text, number = window[wrong[0]], first + int(wrong[0])
                    raise SlmbenchError(
                        f"{self.form} answers text {number} ({text[:40]!r}) with NaN or infinity, which is no"
                        " answer: name another form, or export the bundle again"
                    )
                first, out, done = first + len(window), None, 0

    def _tasks(
        self, backend: Backend, texts: Sequence[str], budget: int | None
    ) -> Iterator[tuple[list[int], Callable[[], np.ndarray]]]:
        """Split a window of texts into tasks: rows, and what returns their logits."""
        if budget:
            items = backend.encode(texts)
            for rows in batches_by_tokens(backend.lengths(items), budget):
                yield rows, partial(self._of_items, backend, [items[row] for row in rows])
            return
        first = 0
        for some in windows_of(iter(texts), TASK_TEXTS, TASK_CHARACTERS):
            yield list(range(first, first + len(some))), partial(self._one_at_a_time, backend, some)
            first += len(some)

    def _one_at_a_time(self, backend: Backend, texts: Sequence[str]) -> np.ndarray:
        return np.concatenate([self._of_items(backend, backend.encode([text])) for text in texts])

    def _of_items(self, backend: Backend, items: Sequence[object]) -> np.ndarray:
        logits = backend.logits(items)
        check_width(logits.shape[-1], self.labels, f"{self.form} of this bundle")
        return logits

    def _budget(self, batch_tokens: int | None) -> int | None:
        return self.batch_tokens if batch_tokens is None else batch_tokens


class _Loaded:
    """What a process has loaded of a bundle: a backend, and once it was needed another for many texts.

    Args:
        backend: Answers single texts.
    """

    def __init__(self, backend: Backend) -> None:
        self.process = os.getpid()
        self.backend = backend
        self.many: Backend | None = None
        self.lock = threading.Lock()


def windows_of(texts: Iterator[str], most: int | None, characters: int | None) -> Iterator[list[str]]:
    """Group texts as they come; when their source fails, those that it gave are grouped before it is raised.

    Args:
        texts: The texts.
        most: Texts in a group at most; ``None`` is all.
        characters: A group ends with the text with which it has so many.

    Raises:
        UsageError: One of them is not a string.
    """
    window: list[str] = []
    size, failure = 0, None
    while failure is None:
        try:
            text = checked_text(next(texts))
        except StopIteration:
            break
        except Exception as error:  # noqa: BLE001 - raised again below
            failure = error
            continue
        window.append(text)
        size += len(text)
        if len(window) == most or (characters is not None and size >= characters):
            yield window
            window, size = [], 0
    if window:
        yield window
    if failure is not None:
        raise failure


def _failing(error: Exception) -> Iterator[list[str]]:
    raise error
    yield


def in_workers(
    tasks: Iterator[tuple[Callable[[], np.ndarray], Any]], workers: int
) -> Iterator[tuple[np.ndarray, Any]]:
    """Run tasks in threads, :data:`TASKS_AHEAD` ahead of each worker; yield results in the order of the tasks.

    onnxruntime and the tokenizer release the interpreter lock while they compute. When the source of the tasks fails,
    the results of those that it gave are yielded before the failure is raised.

    Args:
        tasks: What to run, and what to yield beside its result.
        workers: Number of threads; one is the caller's own, which takes a task when its result is asked for.
    """
    if workers == 1:
        for work, about in tasks:
            yield work(), about
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    running: deque[tuple[Future[np.ndarray], Any]] = deque()
    failure, more = None, True
    pool = ThreadPoolExecutor(workers)
    try:
        while more or running:
            if more and len(running) < workers * TASKS_AHEAD:
                try:
                    work, about = next(tasks)
                    running.append((pool.submit(work), about))
                except StopIteration:
                    more = False
                except Exception as error:  # noqa: BLE001 - raised again below
                    failure, more = error, False
                continue
            future, about = running.popleft()
            yield future.result(), about
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(cancel_futures=True)


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begin work in a thread of its own; without threads it is done at once.

    Returns:
        What waits for the result and returns it, or raises what the work raised.
    """
    results: list[Any] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    def result() -> Any:
        thread.join()
        if failures:
            raise failures[0]
        return results[0]

    thread = threading.Thread(target=run)
    try:
        thread.start()
    except RuntimeError:  # there are no more threads
        return work
    return result


class BundleFiles(NamedTuple):
    """A bundle's folder and the facts of its sealed ``bundle.json``.

    Attributes:
        folder: The folder.
        runtime: ``onnx``, ``tfidf``, ``static`` or ``cascade``.
        labels: Label names, in the order of the logits.
        forms: Of each form ``file``, ``bytes``, ``accepted``, whether it is ``slower`` than fp32 here, the
            instruction set ``isa`` that it was made for or ``None``, and ``verified``: whether ``slmbench verify``
            found that it answers here as where it was exported, ``None`` where that is not known.
        manifest: Of each file but ``bundle.json``, by its path below the folder, ``bytes`` and ``sha256``.
        seal: Identifies this bundle among all others.
    """

    folder: Path
    runtime: str
    labels: list[str]
    forms: dict[str, dict[str, Any]]
    manifest: dict[str, dict[str, Any]]
    seal: str

    @classmethod
    def open(cls, path: str | Path, public_key: str | Path | None = None) -> BundleFiles:
        """Read a bundle's description.

        Args:
            path: The bundle's folder.
            public_key: See :class:`Classifier`.

        Raises:
            UsageError: There is no such folder, or no such key.
            SlmbenchError: ``bundle.json`` is missing, damaged, changed since it was sealed, of another version, or
                not signed with that key.
        """
        folder = Path(path)
        record = folder / RECORD
        if not folder.is_dir():
            raise UsageError(f"there is no bundle folder {folder}")
        try:
            raw = read_bytes(path_inside(folder, RECORD), MAX_RECORD_BYTES)
            document = parse_json(raw)
            if document["schema"] != SCHEMA:
                raise SlmbenchError(
                    f"{folder} was written as {document['schema']!s:.100}, this version reads {SCHEMA}: export it"
                    " again"
                )
            if not document.get("manifest") or not document.get("seal"):
                raise SlmbenchError(f"{record} has no manifest: export it again")
            if not _is_sealed(raw):
                raise SlmbenchError(f"{record} was changed after it was sealed: copy the bundle again")
            if public_key is not None:
                check_signature(folder, raw, public_key)
            labels = document["labels"]
            if not are_labels(labels):
                raise SlmbenchError(
                    f"{record} has the labels {labels!r:.300}: a bundle needs two or more different names. Export it"
                    " again"
                )
            runtime = document["runtime"]
            _check(runtime in FORM_FILES, "runtime", runtime)
            verified = verified_forms(document["seal"]) if runtime not in NUMPY_BACKENDS else {}
            there = processor_kind((document.get("hardware") or {}).get("isa") or ())
            here = processor_kind(cpu_instructions())
            forms = {
                name: {**_form_facts(name, facts, runtime, there, here), "verified": verified.get(name)}
                for name, facts in document["forms"].items()
            }
            files = document["manifest"]["files"]
            _check(len(files) <= MAX_FILES, "manifest.files", f"{len(files)} files")
            manifest = {name: _file_facts(name, facts) for name, facts in files.items()}
            return cls(folder, runtime, labels, forms, manifest, document["seal"])
        except FileNotFoundError:
            raise SlmbenchError(f"{folder} is not a bundle: it has no {RECORD} (see `slmbench export`)") from None
        except _NotSoError as error:
            raise SlmbenchError(f"{record} is damaged: {error}: export the bundle again") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None)
            raise SlmbenchError(f"{record} is damaged: {f'{why}: ' if why else ''}export the bundle again") from None

    def choose_form(self, form: str | None) -> str:
        """Return the form asked for, or the smallest accepted one that is not slower than fp32 here.

        Forms that ``slmbench verify`` found to answer otherwise here are chosen only where there is no other.

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
            raise SlmbenchError(f"{self.folder} has no accepted form; name one to use it anyway")
        alike = [name for name in accepted if self.forms[name]["verified"] is not False]
        return self._smallest(alike or accepted)

    def notice(self, form: str, *, chosen: bool) -> str | None:
        """Return a sentence about forms that ``slmbench verify`` found to answer otherwise here.

        Args:
            form: The form that runs.
            chosen: Whether it was chosen here, not named by the caller.
        """
        found = "answers otherwise here than where it was exported, as `slmbench verify` found"
        if self.forms[form]["verified"] is False:
            return f"{self.folder}: {form} {found}"
        usual = self._smallest([name for name, facts in self.forms.items() if facts["accepted"]] or [form])
        if chosen and self.forms[usual]["verified"] is False:
            return f"{self.folder}: {usual} {found}: {form} runs instead"
        return None

    def _smallest(self, forms: Sequence[str]) -> str:
        """Return the smallest of the forms that are not slow here, of equal ones that with weights for this CPU."""
        quick = [name for name in forms if not self.forms[name]["slower"]]
        instructions = cpu_instructions()

        def cost(name: str) -> tuple[int, bool]:
            return self.forms[name]["bytes"], is_exact(self.forms[name]["isa"], instructions) is False

        return min(quick or forms, key=cost)

    def form_path(self, form: str) -> Path:
        """Check every file that a form needs and return the form's own.

        Raises:
            SlmbenchError: A file is missing or changed; the message names it.
        """
        for name in self._needed(form):
            if damage := self._damage(name):
                raise SlmbenchError(f"{damage}: copy the bundle again")
        return self.folder / self.forms[form]["file"]

    def damaged(self) -> list[str]:
        """Check every file of the bundle; returns a sentence for each that is missing, changed or not listed."""
        there = (path for path in self.folder.rglob("*") if path.is_symlink() or not path.is_dir())
        names = {*self.manifest, *(path.relative_to(self.folder).as_posix() for path in there)}
        names -= {RECORD, SIGNATURE}
        return [damage for name in sorted(names) if (damage := self._damage(name))]

    def _needed(self, form: str) -> list[str]:
        file = self.forms[form]["file"]
        if self.runtime == "cascade":  # its members are bundles of their own, opened and checked like any other
            return [file, *(name for name in self.manifest if name.endswith(f"/{RECORD}"))]
        beside = NUMPY_BACKENDS[self.runtime].settings if self.runtime in NUMPY_BACKENDS else "tokenizer.json"
        return [file, *self.weights(form), beside, "config.json"]

    def weights(self, form: str) -> list[str]:
        """Return the files beside a form's that hold weights too large for an ONNX file; they begin with its name."""
        file = self.forms[form]["file"]
        return [name for name in self.manifest if name.startswith(file) and name != file]

    def _damage(self, name: str) -> str | None:
        path, wanted = self.folder / name, self.manifest.get(name)
        if wanted is None:
            return f"{path} is not in the manifest of {RECORD}"
        try:
            if (size := regular_size(path_inside(self.folder, name))) != wanted["bytes"]:
                return f"{path} has {size:,} bytes instead of {wanted['bytes']:,}"
            if sha256_of_file(path) != wanted["sha256"]:
                return f"{path} is not the file that was exported (its SHA-256 differs)"
        except FileNotFoundError:
            return f"{path} is missing"
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"
        return None


class _NotSoError(ValueError):
    """What a description says of itself cannot be.

    Args:
        field: The field, with dots.
        found: Its value.
    """

    def __init__(self, field: str, found: object) -> None:
        super().__init__(f"{field[:100]!r} cannot be {found!r:.100}")


def _check(holds: object, field: str, found: object) -> None:
    """Check what a description says of itself."""
    if not holds:
        raise _NotSoError(field, found)


def _form_facts(
    name: str, facts: dict[str, Any], runtime: str, there: str | None, here: str | None
) -> dict[str, Any]:
    """Return what is needed to know of a form, after checking it.

    Whether it is slower than fp32 was measured where it was exported, on a processor of the kind ``there``. On one of
    another kind what is declared counts.
    """
    where, gain, isa = f"forms.{name}", facts.get("gain"), facts.get("isa")
    file, size, accepted = (facts[key] for key in ("file", "bytes", "accepted"))
    _check(is_file_name(name) and "/" not in name, "forms", name)
    ending = FORM_FILES[runtime]
    fits = is_file_name(file) and (file.endswith(ending) if ending.startswith(".") else file == ending)
    _check(fits, f"{where}.file", file)
    _check(_is_count(size), f"{where}.bytes", size)
    _check(isinstance(accepted, bool), f"{where}.accepted", accepted)
    _check(isa is None or is_file_name(isa), f"{where}.isa", isa)
    measured = bool(gain) and gain["speedup_ci95"][1] < 1  # type: ignore[index]
    slower = name in SLOW_FORMS if runtime == "onnx" and here and there and here != there else measured
    return {"file": file, "bytes": size, "accepted": accepted, "slower": slower, "isa": isa}


def _file_facts(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the manifest says of a file, after checking it."""
    where, size, digest = f"manifest.files.{name}", facts["bytes"], facts["sha256"]
    _check(is_file_name(name), "manifest.files", name)
    _check(_is_count(size), f"{where}.bytes", size)
    _check(isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest), f"{where}.sha256", digest)
    return {"bytes": size, "sha256": digest}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


class Backend(Protocol):
    """One way to run a bundle: items from texts, logits from items."""

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Turn texts into this backend's input items, truncated as trained, not padded."""

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of tokens of each item."""

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch; returns shape (items, labels)."""


def load_backend(
    files: BundleFiles,
    form: str,
    threads: int | None,
    provider: str = "cpu",
    *,
    spin_between: bool = True,
    workers: int = 1,
) -> Backend:
    """Check the files of a form and load the form.

    Args:
        files: The bundle.
        form: One of its forms.
        threads: Threads inside one inference; ``None`` means :func:`usable_cores`.
        provider: One of :data:`PROVIDERS`; what numpy runs has only ``cpu``.
        spin_between: As of :class:`OnnxBackend`.
        workers: As of :class:`OnnxBackend`.

    Raises:
        UsageError: There is no such provider, the runtime does not have it, or ``threads`` is below 1.
        SlmbenchError: A file is missing or changed, the provider is not installed, the model does not give one logit
            for each label, or another bundle took the folder's place meanwhile.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    if provider not in PROVIDERS:
        raise UsageError(f"there is no provider {provider!r}: choose among {', '.join(PROVIDERS)}")
    place = _place_of(files.folder)
    backend = _load_checked(files, form, threads, provider, spin_between, workers)
    if _place_of(files.folder) != place:
        raise SlmbenchError(f"{files.folder} was exported again while it was loaded: run the same command again")
    return backend


def _place_of(folder: Path) -> int | None:
    """Return the inode of a folder: a bundle that takes its place has another one."""
    try:
        return folder.stat().st_ino
    except OSError:
        return None


def _load_checked(
    files: BundleFiles, form: str, threads: int | None, provider: str, spin_between: bool, workers: int
) -> Backend:
    checked = in_background(partial(files.form_path, form))
    if files.runtime == "onnx":
        with suppress(ImportError):  # raised again where it is used
            importlib.import_module("onnxruntime")
    path = checked()
    if files.runtime == "onnx":
        listed = [files.folder / name for name in files.weights(form)]
        onnx = OnnxBackend(
            files.folder, path, threads, provider, spin_between=spin_between, weights=listed, workers=workers
        )
        if onnx.width is not None:
            check_width(onnx.width, files.labels, str(path))
        return onnx
    if files.runtime == "cascade":
        return CascadeBackend(path, files.labels, threads, provider, listed=files.manifest, workers=workers)
    kind = NUMPY_BACKENDS[files.runtime]
    if provider != "cpu":
        raise UsageError(
            f"{files.folder} is a {kind.called} bundle, which runs on the CPU only: leave out the provider"
        )
    backend = kind(files.folder, path.name)
    check_width(backend.width, files.labels, str(path))
    return backend


class TextPart(NamedTuple):
    """What a model reads of a text in one input, special tokens included."""

    ids: list[int]
    type_ids: list[int]


class LongText(NamedTuple):
    """A text that is read in several parts; the logits are the mean over them."""

    parts: list[TextPart]

    @property
    def ids(self) -> list[int]:
        """Token ids of all parts."""
        return [token for part in self.parts for token in part.ids]


def _is_truncated(item: object) -> bool:
    """Say whether an item of :meth:`Backend.encode` lacks a part of its text."""
    return isinstance(item, TextPart) or bool(getattr(item, "overflowing", ()))


class OnnxBackend:
    """One ONNX file and the tokenizer beside it; truncation and padding are as ``tokenizer.json`` says.

    Where ``config.json`` says that long texts are read by their head and tail or in windows, the tokenizer does not
    truncate, and :func:`parts_of_text` says which tokens are read.

    Args:
        folder: The bundle's folder, which holds ``tokenizer.json`` and ``config.json``.
        model: The ONNX file.
        threads: Threads inside one inference; ``None`` means :func:`usable_cores`.
        provider: One of :data:`PROVIDERS`.
        spin_between: Whether onnxruntime's threads may wait busily for the next call, its default; without it they
            sleep after each answer, so that another model in the same process has the cores to itself.
        weights: Files that may hold weights of the model; ``None`` for any in its folder.
        workers: Inferences that will run at the same time, for OpenVINO, which has as many streams.

    Attributes:
        width: Number of logits; ``None`` where the file does not say.

    Raises:
        SlmbenchError: The model or the tokenizer cannot be read or asks for what no classifier of texts needs, the
            model is not a text classifier, or the provider is not installed.
    """

    def __init__(
        self,
        folder: Path,
        model: Path,
        threads: int | None,
        provider: str = "cpu",
        *,
        spin_between: bool = True,
        weights: Sequence[Path] | None = None,
        workers: int = 1,
    ) -> None:
        check_graph(model, weights)
        tokenizer = in_background(partial(load_tokenizer, folder))
        self._session = _session(model, threads, provider, spin_between, workers)
        self._name = str(model)
        self._tokenizer = tokenizer()
        self._padding = self._tokenizer.padding or {}
        # Padding happens per batch in `logits`; encoding many texts must not pad them to the longest.
        self._tokenizer.no_padding()
        self._inputs = _inputs_of(self._session, model)
        self._returning_memory = _returning_memory() if provider == "cpu" else None
        outputs = {node.name: node for node in self._session.get_outputs()}
        shape = list(outputs["logits"].shape) if "logits" in outputs else []
        if len(shape) != 2 or outputs["logits"].type not in _FLOATS:
            raise SlmbenchError(f"{model} is not a text classifier: it gives no 'logits' of shape (texts, labels)")
        self.width: int | None = shape[-1] if isinstance(shape[-1], int) else None
        self._long_texts = _long_texts_of(folder)
        if self._long_texts != "head" and self._tokenizer.truncation:
            self._max_length = int(self._tokenizer.truncation["max_length"])
            self._tokenizer.no_truncation()
            self._special = special_tokens(self._tokenizer.encode("a").sequence_ids)
            if sum(self._special) >= self._max_length:
                raise SlmbenchError(f"{folder}/tokenizer.json leaves no room for a text: export the bundle again")

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Tokenise; each item is a ``tokenizers.Encoding``, or of a text too long for the model its parts."""
        with _tokenizer_explained(f"the tokenizer of {self._name} fails"):
            encodings = self._tokenizer.encode_batch_fast([_without_surrogates(text) for text in texts])
        return list(encodings) if self._long_texts == "head" else [self._fitted(one) for one in encodings]

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of tokens of each item, over all its parts."""
        return [len(item.ids) for item in items]  # type: ignore[attr-defined]

    def parts(self, items: Sequence[object]) -> list[object]:
        """Return the inputs of the model: of most items the item itself, of a long text each of its parts."""
        return [part for item in items for part in (item.parts if isinstance(item, LongText) else (item,))]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch, padded to its longest item; also of half precision the logits are single.

        Parts of long texts run in batches of at most :data:`BATCH_TOKENS` tokens, however long a text is.
        """
        parts = self.parts(items)
        if len(parts) == len(items):
            return self._run(items)
        batches = batches_by_tokens(self.lengths(parts), BATCH_TOKENS)
        answers = np.concatenate([self._run([parts[row] for row in rows]) for rows in batches])
        answers = answers[np.argsort(np.concatenate(batches))]
        counts = [len(item.parts) if isinstance(item, LongText) else 1 for item in items]
        return mean_by_text(answers, np.repeat(np.arange(len(items)), counts))

    def _run(self, items: Sequence[object]) -> np.ndarray:
        feed = self.feed(items)
        options = self._returning_memory if feed[self._inputs[0]].size > BATCH_TOKENS else None
        try:
            answers = self._session.run(["logits"], feed, options)[0]
        except Exception as error:  # noqa: BLE001 - as in _session
            raise SlmbenchError(f"{self._name} fails: {_said(error)}: name another form") from None
        if answers.shape[:1] != (len(items),) or answers.ndim != 2:
            raise SlmbenchError(f"{self._name} answers {len(items)} texts with an array of shape {answers.shape}")
        return answers

    def _fitted(self, encoding: Any) -> object:
        parts = parts_of_text(len(encoding.ids), self._special, self._max_length, self._long_texts)
        if parts is None:
            return encoding
        ids, types = encoding.ids, encoding.type_ids
        read = [TextPart([ids[place] for place in part], [types[place] for place in part]) for part in parts]
        return LongText(read) if len(read) > 1 else read[0]

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


_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


def _inputs_of(session: Any, model: Path) -> list[str]:
    """Return the names of a model's inputs.

    Raises:
        SlmbenchError: They are not those of a text classifier.
    """
    known = ("input_ids", "attention_mask", "token_type_ids")
    found = {node.name: (node.type, len(node.shape)) for node in session.get_inputs()}
    if "input_ids" not in found or any(
        name not in known or kind != ("tensor(int64)", 2) for name, kind in found.items()
    ):
        raise SlmbenchError(
            f"{model} is not a text classifier: its inputs are {', '.join(found)[:200] or 'none'}, not"
            f" {', '.join(known)} (whole numbers, of texts and tokens)"
        )
    return list(found)


def load_tokenizer(folder: Path) -> Any:
    """Load the ``tokenizer.json`` of a folder.

    Raises:
        SlmbenchError: It cannot be read, or a text could take it without end (:func:`check_tokenizer`).
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    try:
        raw = read_bytes(path_inside(folder, path.name), MAX_TOKENIZER_BYTES)
        check_tokenizer(raw)
        with _tokenizer_explained(f"{path} cannot be read"):
            tokenizer = Tokenizer.from_buffer(raw)
            special = tokenizer.num_special_tokens_to_add(is_pair=False)
    except SlmbenchError:
        raise
    except Exception as error:  # noqa: BLE001 - tokenizers raises a bare Exception
        raise SlmbenchError(f"{path} cannot be read: {_said(error)}") from None
    if special > MAX_SPECIAL_TOKENS:
        raise SlmbenchError(f"{path} cannot be used: it adds {special} tokens to every text")
    return tokenizer


def _long_texts_of(folder: Path) -> str:
    """Return what ``config.json`` says of long texts.

    Raises:
        SlmbenchError: It names a way that this version does not know.
    """
    try:
        how = read_json(path_inside(folder, "config.json"), MAX_RECORD_BYTES).get(LONG_TEXTS_KEY, "head")
    except (OSError, ValueError, AttributeError):
        return "head"
    if how not in LONG_TEXTS:
        raise SlmbenchError(
            f"{folder} reads long texts by {how!r:.100}, which this version does not know: update slmbench"
        )
    return str(how)


def special_tokens(sequence_ids: Sequence[int | None]) -> tuple[int, int]:
    """Return how many special tokens a tokenizer puts before a text and after it.

    Args:
        sequence_ids: Of an encoded text that is not empty: ``None`` for what is not of the text.
    """
    of_text = [place for place, sequence in enumerate(sequence_ids) if sequence is not None] or [len(sequence_ids)]
    return of_text[0], len(sequence_ids) - of_text[-1] - 1


def parts_of_text(length: int, special: tuple[int, int], max_length: int, how: str) -> list[list[int]] | None:
    """Return which tokens of a long text are read together; every part has the special tokens and is full.

    "head-tail" reads a quarter of the room from the beginning and the rest from the end, as Sun et al. (*How to
    Fine-Tune BERT for Text Classification?*, 2019, § 5.3.1) do with 128 and 382 of 510 tokens. "windows" reads
    everything: one window after the other, the last one moved back until it is full.

    Args:
        length: Number of tokens, special ones included.
        special: Number of special tokens before and after the text.
        max_length: Longest input in tokens.
        how: ``head-tail`` or ``windows``.

    Returns:
        Of each part the places of its tokens; ``None`` for a text that fits.
    """
    if length <= max_length:
        return None
    before, after = special
    room = max_length - before - after
    begin, end = before, length - after
    if how == "head-tail":
        middle = [[*range(begin, begin + room // 4), *range(end - (room - room // 4), end)]]
    else:
        starts = dict.fromkeys(min(start, end - room) for start in range(begin, end, room))
        middle = [list(range(start, start + room)) for start in starts]
    return [[*range(before), *part, *range(end, length)] for part in middle]


def mean_by_text(answers: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return the mean logits of each text, shape (texts, labels).

    Args:
        answers: Logits of the parts, shape (parts, labels), those of a text one after the other.
        texts: To which text each part belongs, ascending from 0, shape (parts,).
    """
    firsts = np.flatnonzero(np.diff(texts, prepend=-1))
    counts = np.diff(firsts, append=len(texts))
    return (np.add.reduceat(answers, firsts, axis=0) / counts[:, None]).astype(answers.dtype)


def _session(model: Path, threads: int | None, provider: str, spin_between: bool, workers: int = 1) -> Any:
    """Load a model for a provider; what the provider cannot run of it, onnxruntime runs on the CPU."""
    import onnxruntime

    name = PROVIDERS[provider][0]
    options = onnxruntime.SessionOptions()
    # Errors only; not even those of another provider, because its failure to load is reported below.
    options.log_severity_level = 3 if provider == "cpu" else 4
    # Without VNNI, x86 sums two products of int8 in 16 bits, which saturate; this has weights beyond 7 bits converted
    # so that they do not. With VNNI nothing saturates, and the answers are bit for bit the same without it, but where
    # there is AMX onnxruntime converts them all the same, into weights whose products take twice as long. The key is
    # documented in onnxruntime_session_options_config_keys.h.
    if not is_exact("avx512_vnni", cpu_instructions()):
        options.add_session_config_entry("session.x64quantprecision", "1")
    if provider == "cpu":
        options.add_session_config_entry(*without_slow_fusions())
    if not spin_between:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    threads = threads or usable_cores()
    options.intra_op_num_threads = threads
    settings = {}
    if provider == "openvino":
        settings = {"num_of_threads": str(threads * workers), "num_streams": str(workers)}
    providers: list[tuple[str, dict[str, str]]] = [(name, settings), (PROVIDERS["cpu"][0], {})]
    if provider == "cpu":
        del providers[1]
    elif name in onnxruntime.get_available_providers() and not (provider == "openvino" and _PLUGIN in sys.modules):
        if provider == "cuda" and hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # finds CUDA where pip put it
    elif provider == "openvino":
        # The plugin takes OpenVINO's own names, and ignores those of the built-in provider.
        own = {"INFERENCE_NUM_THREADS": threads * workers, "NUM_STREAMS": workers}
        options.add_provider_for_devices([openvino_device()], {"load_config": json.dumps({"CPU": own})})
        providers = []
    else:
        raise missing_provider(provider)
    try:
        source: str | bytes = str(model)
        if provider == "cpu" and os.name != "nt":  # Windows does not replace a file that is mapped
            source = mapped_model(model)
            options.add_session_config_entry(
                "session.model_external_initializers_file_folder_path", str(model.parent)
            )
        session = onnxruntime.InferenceSession(source, options, providers=providers or None)
    # onnxruntime's own exception classes derive straight from Exception and are not exported by name.
    except Exception as error:  # noqa: BLE001
        raise SlmbenchError(f"onnxruntime cannot load {model}: {_said(error)}") from None
    if name not in session.get_providers():  # onnxruntime falls back to the CPU silently
        raise missing_provider(provider)
    return session


def without_slow_fusions() -> tuple[str, str]:
    """Return the entry of a session's configuration that leaves out :data:`SLOW_FUSIONS`."""
    return "optimization.disable_specified_optimizers", ";".join(SLOW_FUSIONS)


def _returning_memory() -> Any:
    """Return options of a run after which onnxruntime gives back the memory of its arena.

    Without it the memory of the largest batch so far is kept: 560 MB after one of 256 texts of 256 tokens through a
    model of 4.5 MB, 10 MB with it, and the batch took no longer.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def missing_provider(provider: str) -> SlmbenchError:
    """Return the error of a provider that is not available here; it says what to install."""
    return SlmbenchError(f"onnxruntime cannot use {provider} here: {PROVIDERS[provider][1]}")


#: Once it is registered, its provider is among those that onnxruntime has, but is not made by its name alone.
_PLUGIN = "onnxruntime_ep_openvino"


def openvino_device() -> Any:
    """Return the CPU as a device of onnxruntime's OpenVINO plugin.

    Raises:
        SlmbenchError: The plugin is not installed, or has no device on this machine.
    """
    import onnxruntime

    try:
        plugin = importlib.import_module(_PLUGIN)
    except ImportError:
        raise missing_provider("openvino") from None
    # It can be registered once a process; a plugin that fails to register has no device below.
    with suppress(Exception):
        onnxruntime.register_execution_provider_library("openvino", plugin.get_library_path())
    for device in onnxruntime.get_ep_devices():
        if device.ep_name == PROVIDERS["openvino"][0] and device.ep_metadata.get("ov_device") == "CPU":
            return device
    raise SlmbenchError(
        "onnxruntime-ep-openvino has no device here, it serves Intel processors only:"
        " pip install onnxruntime-openvino in place of onnxruntime"
    )


def _without_surrogates(text: str) -> str:
    """Return a text that the tokenizer accepts: half a surrogate pair, as cut input leaves it, becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class TfidfBackend:
    """TF-IDF: term counts and one dot product in numpy, no scikit-learn.

    The arithmetic is that of scikit-learn's ``TfidfVectorizer`` followed by ``LogisticRegression``: counts of word
    n-grams (optionally 1 + ln count), times inverse document frequency, scaled to unit length, times the
    coefficients. Where the bundle has n-grams of characters within words (``analyzer="char_wb"``), they are weighted
    and scaled in the same way by themselves.

    Args:
        folder: Holds the vocabulary, ``tfidf.json``.
        file: Name of the weights in it.

    Attributes:
        width: Number of logits.

    Raises:
        SlmbenchError: A file is missing or damaged, or the two do not belong together.
    """

    called, settings = "TF-IDF", "tfidf.json"

    def __init__(self, folder: Path, file: str = "tfidf.npz") -> None:
        try:
            settings = read_json(path_inside(folder, self.settings), MAX_RECORD_BYTES)
            self._idf, self._coefficients, self._intercept = _tfidf_arrays(path_inside(folder, file))
            self._pattern = _word_pattern(settings["token_pattern"])
            self._sublinear = bool(settings["sublinear_tf"])
            self._sizes = _ngram_sizes(settings["ngram_range"])
            words = _terms(settings["vocabulary"])
            self._vocabulary = {term: index for index, term in enumerate(words)}
            characters = settings.get("characters") or {"ngram_range": [1, 1], "vocabulary": []}
            self._character_sizes = _ngram_sizes(characters["ngram_range"])
            pieces = _terms(characters["vocabulary"])
            self._characters = {term: index for index, term in enumerate(pieces, len(words))}
            terms = len(words) + len(pieces)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SlmbenchError(f"the TF-IDF files in {folder} are missing or damaged: {_said(error)}") from None
        rows = self._intercept.size
        self.width = 2 if rows == 1 else rows
        if self._coefficients.shape != (rows, self._idf.size) or (
            len(self._vocabulary) + len(self._characters) != self._idf.size or terms != self._idf.size
        ):
            raise SlmbenchError(f"the TF-IDF files in {folder} do not belong together: export the bundle again")

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Split; each item is the list of words, and that of the pieces between spaces if characters are counted."""
        return [
            (self._pattern.findall(text), text.split() if self._characters else [])
            for text in (text.lower() for text in texts)
        ]

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of words of each item."""
        return [len(item[0]) for item in items]  # type: ignore[index]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Weight each item's terms; two labels get the logits (0, decision), so that softmax is the sigmoid."""
        return np.stack([self._logits_of(*item) for item in items]).astype(np.float32)  # type: ignore[misc]

    def _logits_of(self, words: list[str], pieces: list[str]) -> np.ndarray:
        decision = self._intercept.copy()
        for counts in (self._count_words(words), self._count_characters(pieces)):
            if not counts:
                continue
            terms = np.fromiter(counts, dtype=np.int64)
            weights = np.fromiter(counts.values(), dtype=np.float64)
            if self._sublinear:
                weights = 1 + np.log(weights)
            weights *= self._idf[terms]
            decision += self._coefficients[:, terms] @ (weights / np.linalg.norm(weights))
        return np.concatenate([[0.0], decision]) if len(decision) == 1 else decision

    def _count_words(self, words: list[str]) -> Counter[int]:
        counts: Counter[int] = Counter()
        for size in self._sizes:
            for start in range(len(words) - size + 1):
                index = self._vocabulary.get(" ".join(words[start : start + size]))
                if index is not None:
                    counts[index] += 1
        return counts

    def _count_characters(self, pieces: list[str]) -> Counter[int]:
        counts: Counter[int] = Counter()
        for piece, times in Counter(pieces).items():
            padded = f" {piece} "
            for size in self._character_sizes:
                for start in range(max(1, len(padded) - size + 1)):
                    index = self._characters.get(padded[start : start + size])
                    if index is not None:
                        counts[index] += times
                if size >= len(padded):  # a short piece counts once as a whole
                    break
        return counts


def _tfidf_arrays(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``idf``, ``coefficients`` and ``intercept``.

    Raises:
        ValueError: As of :func:`read_arrays`, or a weight is not a number.
    """
    types = dict.fromkeys(("idf", "coefficients", "intercept"), FLOATS)
    idf, coefficients, intercept = (one.astype(np.float64) for one in read_arrays(path, types))
    if idf.ndim != 1 or intercept.ndim != 1 or not intercept.size:
        raise ValueError(f"arrays of shape {idf.shape} and {intercept.shape}")
    if not all(np.isfinite(one).all() for one in (idf, coefficients, intercept)):
        raise ValueError("a weight is NaN or infinite")
    return idf, coefficients, intercept


def read_arrays(path: Path, types: Mapping[str, Sequence[str]]) -> list[np.ndarray]:
    """Read arrays of an ``npz`` archive.

    Args:
        path: The archive.
        types: Of each array by name the types that it may have, as numpy calls them. Others could be turned into
            numbers, too, but into eight times as many bytes, or into what nobody meant.

    Raises:
        OSError: It is missing or no regular file.
        ValueError: It is damaged, lacks one or has it in another type, or would unpack to more than
            :data:`MAX_ARRAY_BYTES`.
    """
    regular_size(path)
    try:
        with path.open("rb") as file:
            _check_archive(file)
            with np.load(file, allow_pickle=False) as packed:
                _check(
                    sum(entry.file_size for entry in packed.zip.infolist()) <= MAX_ARRAY_BYTES, "arrays", "so large"
                )
                arrays = [packed[name] for name in types]
        for name, array in zip(types, arrays, strict=True):
            _check(array.dtype.name in types[name], name, array.dtype)
    except Exception as error:  # noqa: BLE001 - zipfile, zlib, lzma and numpy raise a dozen of damaged archives
        raise ValueError(_said(error)) from None
    return arrays


def _check_archive(file: BinaryIO) -> None:
    """Check that a ZIP archive begins and ends as numpy writes it; a directory of millions of files takes minutes.

    The end, without a comment, are 22 bytes; those of ZIP64, which small archives do not need, stand before them
    (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.15 and 4.3.16).
    """
    begin = file.read(4)
    file.seek(-42, os.SEEK_END)
    further, end = file.read(20), file.read()
    file.seek(0)
    is_plain = begin == b"PK\3\4" and end[:4] == b"PK\5\6" and end[20:] == b"\0\0" and further[:4] != b"PK\6\7"
    _check(
        is_plain and int.from_bytes(end[12:16], "little") <= MAX_DIRECTORY_BYTES, "archive", "so large, or cut off"
    )


def _terms(terms: object) -> list[str]:
    """Return a vocabulary.

    Raises:
        ValueError: It is not a list of strings.
    """
    if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
        raise ValueError("its vocabulary is not a list of strings")
    return terms


def _word_pattern(pattern: str) -> re.Pattern[str]:
    """Return the expression that finds words.

    Raises:
        ValueError: It is not scikit-learn's; another one could take exponentially long.
    """
    if pattern != TOKEN_PATTERN:
        raise ValueError(f"its words are {pattern!r:.100}, not {TOKEN_PATTERN!r}")
    return re.compile(pattern)


def _ngram_sizes(limits: Sequence[int]) -> range:
    """Return the sizes of n-grams.

    Raises:
        ValueError: They are not a range, or a range that would take long.
    """
    low, high = limits
    if not (_is_count(low) and _is_count(high) and 1 <= low <= high <= MAX_NGRAM):
        raise ValueError(f"n-grams of {low!r:.100} to {high!r:.100}")
    return range(low, high + 1)


class StaticBackend:
    """A static model: the rows of a table for a text's words and n-grams, summed, and a linear head on the sum.

    The table has a row for every unknown word, one for each word of the vocabulary, and rows that n-grams of words
    share by their hash. A text has each row once, however often the word occurs (:func:`static_rows`), and the sum is
    divided by the square root of their number. In int8 it is a sum of whole numbers: every machine has the same.

    Args:
        folder: Holds the vocabulary, ``static.json``.
        file: Name of the table and the head in it.

    Attributes:
        width: Number of logits.
        ids: Of each word the row of the table.
        longest: Longest n-gram in words.
        buckets: Number of rows that n-grams share.

    Raises:
        SlmbenchError: A file is missing or damaged, or the two do not belong together.
    """

    called, settings = "static", "static.json"

    def __init__(self, folder: Path, file: str = "static.npz") -> None:
        try:
            settings = read_json(path_inside(folder, self.settings), MAX_RECORD_BYTES)
            words = _terms(settings["words"])
            self.longest, self.buckets = settings["longest_ngram"], settings["buckets"]
            _check(_is_count(self.longest) and 1 <= self.longest <= MAX_NGRAM, "longest_ngram", self.longest)
            _check(_is_count(self.buckets) and self.buckets < 1 << 31, "buckets", self.buckets)
            types = {"table": ("int8", "float32"), **dict.fromkeys(("scale", "head", "bias"), FLOATS)}
            self._table, *others = read_arrays(path_inside(folder, file), types)
            self._scale, self._head, self._bias = (one.astype(np.float64) for one in others)
            _check(self._table.ndim == 2 and self._table.size, "table", f"of shape {self._table.shape}")
            finite = all(np.isfinite(one).all() for one in (self._table, self._scale, self._head, self._bias))
            _check(finite, "table", "NaN or infinite")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SlmbenchError(
                f"the static model's files in {folder} are missing or damaged: {_said(error)}"
            ) from None
        self.ids = {word: index for index, word in enumerate(words, 1)}
        rows, dims = self._table.shape
        self.width = self._bias.size
        shapes = (self._scale.shape, self._head.shape, self._bias.shape)
        if (
            len(self.ids) != len(words)
            or rows != 1 + len(words) + self.buckets
            or shapes != ((dims,), (self.width, dims), (self.width,))
        ):
            raise SlmbenchError(f"the static model's files in {folder} do not belong together: export it again")
        self._sum = np.int64 if self._table.dtype == np.int8 else np.float64

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Split; each item is the list of ids of a text's words, 0 for an unknown one."""
        known = self.ids.get
        return [[known(word, 0) for word in static_words(text)] for text in texts]

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of words of each item."""
        return [len(item) for item in items]  # type: ignore[arg-type]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Sum each item's rows, one item after the other: together or alone they have the same logits."""
        return np.stack([self._logits_of(item) for item in items]).astype(np.float32)  # type: ignore[arg-type]

    def _logits_of(self, ids: list[int]) -> np.ndarray:
        if not ids:
            return self._bias
        rows = static_rows(np.array(ids, dtype=np.uint32), len(self.ids), self.longest, self.buckets)
        return self.head(self.pool(rows))

    def pool(self, rows: np.ndarray) -> np.ndarray:
        """Add up rows of the table; returns shape (columns,)."""
        return self._table[rows].sum(0, dtype=self._sum) * self._scale / np.sqrt(len(rows))

    def head(self, pooled: np.ndarray) -> np.ndarray:
        """Return the logits of a pooled text, shape (labels,); those without end are refused where they are used."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._head @ pooled + self._bias


#: Expressions are compiled when they are needed: few bundles have words or patterns of their own.
_compiled = cache(re.compile)


def static_words(text: str) -> list[str]:
    """Split a text into the words of a static model, in lower case."""
    text = text.lower()
    return _compiled(_ASCII_WORDS if text.isascii() else _WORDS).findall(text)


def static_rows(ids: np.ndarray, words: int, longest: int, buckets: int) -> np.ndarray:
    """Return which rows of a static model's table a text has, ascending, each once.

    An n-gram's hash is built from the left, in whole numbers of 32 bits that wrap around: from 0, each word's id is
    combined with it by exclusive or, multiplied by 0x9E3779B1 (2^32 over the golden ratio), and its upper half is
    combined with the lower. In JavaScript the product is ``Math.imul``.

    Args:
        ids: Ids of the text's words, 1 to ``words``, 0 for an unknown one, uint32, shape (words of the text,).
        words: Number of known words.
        longest: Longest n-gram in words; shorter ones count, too.
        buckets: Rows that n-grams share; with 0 there are only words.
    """
    found, hashed = [ids], ids
    if buckets:
        hashed = _mixed(ids)
        for size in range(2, min(longest, len(ids)) + 1):
            hashed = _mixed(hashed[:-1] ^ ids[size - 1 :])
            found.append(hashed % np.uint32(buckets) + np.uint32(1 + words))
    rows = np.sort(np.concatenate(found))
    return rows[np.flatnonzero(np.diff(rows, prepend=np.uint32(0xFFFFFFFF)))]


def _mixed(hashed: np.ndarray) -> np.ndarray:
    product = hashed * np.uint32(0x9E3779B1)
    return product ^ (product >> np.uint32(16))


NumpyRuntime = Literal["tfidf", "static"]
#: What numpy runs, by the runtime's name in ``bundle.json``.
NUMPY_BACKENDS: dict[str, type[TfidfBackend] | type[StaticBackend]] = {
    "tfidf": TfidfBackend,
    "static": StaticBackend,
}


def numpy_runtime(folder: Path) -> NumpyRuntime | None:
    """Return which of :data:`NUMPY_BACKENDS` runs the model in a folder; ``None`` of any other model."""
    names = get_args(NumpyRuntime)
    return next((name for name in names if (folder / NUMPY_BACKENDS[name].settings).is_file()), None)


class _CascadeItem(NamedTuple):
    """A text and the small model's input item; most texts never need the large model's."""

    text: str
    small: object


class CascadeBackend:
    """Two bundles: the small one answers, and where its largest probability is below a threshold the large one.

    Args:
        description: The ``cascade.json``; its members' folders are beside it.
        labels: Labels of the cascade in their order; the members may have another order.
        threads: Threads inside one inference of either member.
        provider: What runs the members that numpy does not run; one of :data:`PROVIDERS`.
        workers: As of :class:`OnnxBackend`.
        listed: Names of the files that were checked, where the cascade is a finished bundle.

    Raises:
        UsageError: Numpy runs both members and the provider is not ``cpu``.
        SlmbenchError: The description or a member is missing or damaged, or a member is a cascade itself.
    """

    def __init__(
        self,
        description: Path,
        labels: Sequence[str],
        threads: int | None,
        provider: str = "cpu",
        *,
        listed: Container[str] | None = None,
        workers: int = 1,
    ) -> None:
        try:
            settings = read_json(description, MAX_RECORD_BYTES)
            self._threshold = float(settings["threshold"])
            _check(np.isfinite(self._threshold), "threshold", settings["threshold"])
            named = [(settings[size]["folder"], str(settings[size]["form"])) for size in ("small", "large")]
            for folder, _ in named:
                is_listed = listed is None or f"{folder}/{RECORD}" in listed
                _check(is_file_name(folder) and is_listed, "folder", folder)
            places = [(path_inside(description.parent, folder), form) for folder, form in named]
        except _NotSoError as error:
            raise SlmbenchError(f"{description} is missing or damaged: {error}: make the cascade again") from None
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            raise SlmbenchError(f"{description} is missing or damaged: make the cascade again") from None
        opened = [(BundleFiles.open(place), form) for place, form in places]
        for files, _ in opened:
            if files.runtime == "cascade":
                raise SlmbenchError(f"{files.folder} is a cascade, which cannot be a member of {description}")
        if provider != "cpu" and all(files.runtime in NUMPY_BACKENDS for files, _ in opened):
            called = " and ".join(dict.fromkeys(NUMPY_BACKENDS[files.runtime].called for files, _ in opened))
            raise UsageError(
                f"{description.parent} is made of {called} bundles, which run on the CPU only: leave out the provider"
            )
        members = [_load_member(files, form, labels, threads, provider, workers) for files, form in opened]
        (self._small, self._small_columns), (self._large, self._large_columns) = members

    @property
    def members(self) -> tuple[Backend, Backend]:
        """The small one and the large one."""
        return self._small, self._large

    def encode(self, texts: Sequence[str]) -> list[object]:
        """Tokenise for the small model."""
        return [_CascadeItem(text, item) for text, item in zip(texts, self._small.encode(texts), strict=True)]

    def lengths(self, items: Sequence[object]) -> list[int]:
        """Return the number of the small model's tokens of each item."""
        return self._small.lengths([item.small for item in items])  # type: ignore[attr-defined]

    def logits(self, items: Sequence[object]) -> np.ndarray:
        """Run one batch; each row holds the logits of the member that answered."""
        small = self._small.logits([item.small for item in items])  # type: ignore[attr-defined]
        answers = small[:, self._small_columns]
        # A row of NaN is below no threshold and is refused by who asked, as any other.
        unsure = np.flatnonzero(confidence(answers) < self._threshold)
        if len(unsure):
            texts = [items[row].text for row in unsure.tolist()]  # type: ignore[attr-defined]
            answers[unsure] = self._large.logits(self._large.encode(texts))[:, self._large_columns]
        return answers


def _load_member(
    files: BundleFiles, form: str, labels: Sequence[str], threads: int | None, provider: str, workers: int
) -> tuple[Backend, list[int]]:
    try:
        columns = label_columns(files.labels, labels)
    except ValueError:
        raise SlmbenchError(f"{files.folder} has other labels than the cascade: make the cascade again") from None
    provider = "cpu" if files.runtime in NUMPY_BACKENDS else provider
    # The members take turns: one whose threads still spin would slow the other down.
    backend = load_backend(files, files.choose_form(form), threads, provider, spin_between=False, workers=workers)
    return backend, columns


def checked_texts(texts: object) -> Iterable[str]:
    """Return texts to iterate over; a single string is one text.

    Raises:
        UsageError: Iterating would give names of columns or keys, as of a DataFrame, or is not possible.
    """
    if isinstance(texts, str):
        return [texts]
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        raise UsageError(f"texts are wanted, not a whole {type(texts).__name__}: give its column or entry of texts")
    if not isinstance(texts, Iterable):
        raise UsageError(f"texts are wanted, not {texts!r}: give a string or a list of them")
    return texts


def checked_text(text: object) -> str:
    """Return a text.

    Raises:
        UsageError: It is not a string.
    """
    if not isinstance(text, str):
        raise UsageError(f"a text is a string, not {text!r}: leave out missing values, or convert them")
    return text


def confidence(logits: np.ndarray) -> np.ndarray:
    """Return the largest probability of each row, shape (rows,), in double precision as thresholds are."""
    return softmax(logits).max(-1).astype(np.float64)


def label_columns(own: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the columns of a model's logits in the order of other labels.

    Raises:
        ValueError: The labels are not the same.
    """
    if sorted(own) != sorted(wanted):
        raise ValueError(f"{', '.join(own)} and {', '.join(wanted)} are different labels")
    return [list(own).index(label) for label in wanted]


def are_labels(labels: object) -> bool:
    """Say whether these are names of labels: two or more different texts that are not empty."""
    return (
        isinstance(labels, list)
        and 1 < len(labels) <= MAX_LABELS
        and all(isinstance(label, str) and 0 < len(label) <= MAX_NAME and is_unicode(label) for label in labels)
        and len(set(labels)) == len(labels)
    )


def check_width(width: int, labels: Sequence[str], what: str) -> None:
    """Check that there is one logit for each label.

    Args:
        width: Number of logits.
        labels: The label names.
        what: What gives the logits, for the message.

    Raises:
        SlmbenchError: There are more or fewer.
    """
    if width != len(labels):
        raise SlmbenchError(
            f"{what} gives {width} logit{'s' if width != 1 else ''} for {len(labels)} labels"
            f" ({', '.join(labels[:5])}{', …' if len(labels) > 5 else ''}): export a model with one logit a label"
        )


def not_finite(logits: np.ndarray) -> np.ndarray:
    """Return the indices of rows that hold NaN or infinity, which half precision gives when it overflows."""
    return np.flatnonzero(~np.isfinite(logits).all(-1))


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
    """Say whether a ``bundle.json`` is unchanged; hashing its bytes is faster than parsing them."""
    content, _, seal = raw.rpartition(_SEAL)
    return seal == hashlib.sha256(content).hexdigest().encode() + b'"}\n'


def check_signature(folder: Path, raw: bytes, public_key: str | Path) -> None:
    """Check that a ``bundle.json``, and with its digests every file of the bundle, was signed with a key.

    Args:
        folder: The bundle's folder.
        raw: The bytes of its ``bundle.json``.
        public_key: PEM file of the public key that belongs to the private one.

    Raises:
        UsageError: There is no such file, or no public Ed25519 key in it.
        SlmbenchError: The bundle is not signed, or not with that key, or it was changed, or cryptography is not
            installed.
    """
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise SlmbenchError(
            "checking a signature needs cryptography, which is not installed: pip install cryptography"
        ) from None
    try:
        key = load_pem_public_key(Path(public_key).read_bytes())
    except OSError as error:
        raise UsageError(f"the key {public_key} cannot be read: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(
            f"{public_key} is not the PEM file of a public Ed25519 key: of a private one, `openssl pkey -in PRIVATE"
            " -pubout` prints it"
        )
    try:
        signature = read_bytes(path_inside(folder, SIGNATURE), SIGNATURE_BYTES)
    except FileNotFoundError:
        raise SlmbenchError(
            f"{folder} is not signed: it has no {SIGNATURE} (its author makes one with `slmbench sign`)"
        ) from None
    except OSError as error:
        raise SlmbenchError(f"{folder / SIGNATURE} is not a signature: {error.strerror}") from None
    try:
        key.verify(signature, raw)
    except InvalidSignature:
        raise SlmbenchError(
            f"{folder} is not signed with the key {public_key}, or was changed since: use it only if you trust"
            " whoever gave it to you"
        ) from None


def read_seal(folder: Path) -> str | None:
    """Return the seal at the end of a bundle's record without parsing it; ``None`` where there is none."""
    try:
        _, found, seal = read_bytes(folder / RECORD, MAX_RECORD_BYTES).rpartition(_SEAL)
    except OSError:
        return None
    return seal[:64].decode("ascii", "replace") if found else None


def verified_file(seal: str) -> Path | None:
    """Return where ``slmbench verify`` keeps what it found out about a bundle on this processor.

    Args:
        seal: The bundle's seal.

    Returns:
        The file, whether or not it is there; ``None`` in an app without slmbench, or if this is not a seal.
    """
    if re.fullmatch("[0-9a-f]{64}", seal) is None:
        return None
    try:
        from slmbench.common.places import home
    except ImportError:
        return None
    facts = (platform.machine(), cpu_information().get("model name", ""), *sorted(cpu_instructions()))
    processor = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    return home() / "verified" / f"{processor[:16]}-{seal[:16]}.json"


def verified_forms(seal: str) -> dict[str, bool]:
    """Return for each form whether ``slmbench verify`` found that it answers here as where it was exported.

    Empty where it was not run on this processor with this version of onnxruntime, or without slmbench.
    """
    file = verified_file(seal)
    try:
        if file is None or not file.is_file():
            return {}
        import onnxruntime

        document = read_json(file, MAX_RECORD_BYTES)
        if (document["seal"], document["onnxruntime"]) != (seal, onnxruntime.__version__):
            return {}
        return {form: alike for form, alike in document["forms"].items() if isinstance(alike, bool)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_file_name(name: object) -> bool:
    """Say whether this is the name of a file below a folder, with slashes, and the same on every system."""
    return (
        isinstance(name, str)
        and len(name) <= MAX_NAME
        and name.isprintable()  # no control character, no half of a surrogate pair
        and not any(sign in name for sign in '\\:"<>|?*')
        and all(part.strip(". ") and len(part.encode()) <= MAX_NAME_PART for part in name.split("/"))
    )


def is_unicode(text: str) -> bool:
    """Say whether a text can be written as UTF-8: it has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def path_inside(folder: Path, name: str) -> Path:
    """Return the path of a file below a folder.

    Raises:
        OSError: A link in it leads out of the folder. The model hub's cache, whose files are links into the ``blobs``
            beside the ``snapshots``, counts as one folder.
    """
    path = folder / name
    real, home = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    blobs = [home.parent.parent / "blobs"] if home.parent.name == "snapshots" else []
    if not any(real.is_relative_to(place) for place in (home, *blobs)):
        raise OSError(errno.EXDEV, "it is outside the folder", str(path))
    return path


def regular_size(file: Path | BinaryIO) -> int:
    """Return the bytes of a file.

    Raises:
        OSError: It is missing, or no file but a folder, a pipe or a device, whose reading may never end.
    """
    status = file.stat() if isinstance(file, Path) else os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(getattr(file, "name", file)))
    return status.st_size


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a whole file.

    Raises:
        OSError: It is missing, no regular file, or larger than the limit.
    """
    if regular_size(path) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", str(path))
    with path.open("rb") as file:
        return file.read(limit)


def parse_json(raw: bytes) -> Any:
    """Parse JSON as RFC 8259 has it, in UTF-8, without NaN and infinity.

    Raises:
        ValueError: It is none, or nested too deep.
    """
    try:
        return json.loads(raw.decode(), parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_json(path: Path, limit: int) -> Any:
    """Read a JSON file; see :func:`read_bytes` and :func:`parse_json`."""
    return parse_json(read_bytes(path, limit))


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _said(error: BaseException) -> str:
    """Return the first line of what a library says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


@contextmanager
def _tokenizer_explained(what: str) -> Iterator[None]:
    """Turn what tokenizers raises into a sentence: a bare ``Exception``, and panics, which are not even that."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise SlmbenchError(f"{what}: {_said(error)}") from None


#: Where messages are within messages of an ONNX file: by kind, the number of the field and the kind within. From
#: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
_ONNX_MESSAGES = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {4: "operator", 5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
    "external": {1: "key", 2: "value"},
}
#: Operators that no classifier of texts needs: loops, which may never end, and what is compiled for one device, which
#: is read from a file.
_REFUSED_OPERATORS = ("Loop", "Scan", "EPContext")


def check_graph(model: Path, weights: Sequence[Path] | None = None) -> None:
    """Check what an ONNX file would have onnxruntime do, without loading it.

    Args:
        model: The file.
        weights: Files that may hold weights; ``None`` for any in its folder.

    Raises:
        SlmbenchError: Weights are in another file, an operator could run without end, or it is not an ONNX file.
    """
    try:
        regular_size(model)
        with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            operators, places = _operators_and_places(data)
        others = [name for name in sorted(places) if not _is_among(model.parent, name, weights)]
    except (OSError, ValueError) as error:
        raise SlmbenchError(f"{model} cannot be used: {getattr(error, 'strerror', None) or error}") from None
    if others:
        raise SlmbenchError(f"{model} cannot be used: it has weights in {others[0]!r:.200}, which was not checked")
    for operator in _REFUSED_OPERATORS:
        if operator in operators:
            raise SlmbenchError(f"{model} cannot be used: it has the operator {operator}, which may never end")


def _is_among(folder: Path, name: str, files: Sequence[Path] | None) -> bool:
    """Say whether a name is of a file below a folder, and one of these files."""
    return is_file_name(name) and (files is None or folder / name in files) and bool(path_inside(folder, name))


def _operators_and_places(data: mmap) -> tuple[set[str], set[str]]:
    """Return the operators in an ONNX file, and the files that it has weights in.

    Raises:
        ValueError: It is not an ONNX file, or has more messages than :data:`MAX_GRAPH_FIELDS`.
    """
    operators: set[str] = set()
    places: set[str] = set()
    waiting = [("model", 0, len(data), 0)]
    seen = 0
    while waiting:
        kind, start, stop, depth = waiting.pop()
        within = _ONNX_MESSAGES[kind]
        keys: set[str] = set()
        values: set[str] = set()
        if depth > MAX_GRAPH_DEPTH:
            raise ValueError("its graphs are nested too deep")
        for number, _, place, end in _fields(data, start, stop):
            seen += 1
            inner = within.get(number)
            if seen > MAX_GRAPH_FIELDS:
                raise ValueError(f"it has more than {MAX_GRAPH_FIELDS:,} fields")
            if inner is None or place is None:
                continue
            if inner in _ONNX_MESSAGES:
                waiting.append((inner, place, end, depth + (inner == "graph")))
            elif inner == "function":
                raise ValueError("it has functions of its own, which could call one another endlessly")
            elif inner == "operator":
                operators.add(data[place : min(end, place + MAX_NAME)].decode("utf-8", "replace"))
            elif inner in ("key", "value"):
                found = data[place : min(end, place + MAX_NAME + 1)].decode("utf-8", "replace")
                (keys if inner == "key" else values).add(found)
        if "location" in keys:
            places |= values
    return operators, places


def _fields(data: mmap, place: int, end: int) -> Iterator[tuple[int, int, int | None, int]]:
    """Yield the fields of a protobuf message.

    Args:
        data: The file.
        place: Where the message begins.
        end: Where it ends.

    Yields:
        The field's number, where it begins, where its content begins if it has a length, and where it ends.

    Raises:
        ValueError: It is no message of an ONNX file.
    """
    while place < end:
        begin, content = place, None
        tag, place = _varint(data, place)
        if tag & 7 == 2:
            size, content = _varint(data, place)
            place = content + size
            if place > end:
                raise ValueError("it is not an ONNX file, or it is cut off")
        elif tag & 7 == 0:
            _, place = _varint(data, place)
        elif tag & 7 in (1, 5):
            place += 8 if tag & 7 == 1 else 4
        else:
            raise ValueError("it is not an ONNX file")
        yield tag >> 3, begin, content, place


#: Fields of ONNX's messages: the graph of a model, tensors of a graph; of a tensor its bytes, where they are in
#: another file, and whether they are.
_GRAPH, _TENSOR, _RAW, _EXTERNAL, _LOCATION = 7, 5, 9, 13, 14
#: Weights of more bytes are not copied when a model is loaded.
MAPPED_BYTES = 1 << 16


def mapped_model(model: Path) -> bytes:
    """Return an ONNX file without its large weights, which say where in the file they lie.

    onnxruntime maps weights of another file into memory, and the other file may be the model's own. It then copies
    none of them, and rows of an embedding table are read when a text needs them.

    Args:
        model: The file, checked by :func:`check_graph`.
    """
    name = model.name.encode()
    with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        whole: list[bytes] = []
        for number, begin, content, end in _fields(data, 0, len(data)):
            if number != _GRAPH or content is None:
                whole.append(data[begin:end])
                continue
            graph, kept = [], content
            for part, first, tensor, last in _fields(data, content, end):
                if part == _TENSOR and tensor is not None and last - tensor > MAPPED_BYTES:
                    graph += [data[kept:first], _message(_TENSOR, _mapped_tensor(data, tensor, last, name))]
                    kept = last
            whole.append(_message(_GRAPH, b"".join([*graph, data[kept:end]])))
        return b"".join(whole)


def _mapped_tensor(data: mmap, place: int, end: int, name: bytes) -> bytes:
    """Return a tensor of an ONNX file, with the place of its bytes instead of them if it has them once."""
    fields = list(_fields(data, place, end))
    raw = [(content, last) for number, _, content, last in fields if number == _RAW and content is not None]
    if len(raw) != 1 or any(number == _EXTERNAL for number, *_ in fields):
        return data[place:end]
    offset, last = raw[0]
    entries = {b"location": name, b"offset": b"%d" % offset, b"length": b"%d" % (last - offset)}
    others = [data[begin:last] for number, begin, _, last in fields if number not in (_RAW, _LOCATION)]
    where = [_message(_EXTERNAL, _message(1, key) + _message(2, value)) for key, value in entries.items()]
    return b"".join([*others, *where, _as_varint(_LOCATION << 3), b"\1"])


def _message(field: int, content: bytes) -> bytes:
    return _as_varint(field << 3 | 2) + _as_varint(len(content)) + content


def _as_varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _varint(data: mmap, place: int) -> tuple[int, int]:
    """Return a number of a protobuf message, and the place after it."""
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("it is not an ONNX file, or it is cut off")


#: What a tokenizer has to have for a text to take long, or to become much longer; an escaped letter may hide it.
_TOKENIZER_RISKS = (b"Regex", b"Replace", b"Precompiled", b"Prepend", b"\\u004", b"\\u005", b"\\u006", b"\\u007")
#: Keys of how words are split, whose values are looked at without parsing the vocabulary.
_WORD_LIMIT = b'"max_input_chars_per_word"'
_AFFIXES = (b'"continuing_subword_prefix"', b'"end_of_word_suffix"')


def check_tokenizer(raw: bytes) -> None:
    """Check that a ``tokenizer.json`` reads every text in good time.

    Raises:
        ValueError: A pattern could backtrack without end (:func:`is_quick_pattern`), replacements make texts many
            times longer, or words of any length are split by trying all pieces.
    """
    limits = [int(limit) for limit in _values_of(raw, _WORD_LIMIT, rb"\s*:\s*([0-9]+)")]
    _check_words(limits, [len(affix) for key in _AFFIXES for affix in _values_of(raw, key, rb'\s*:\s*"([^"]*)')])
    if not any(risk in raw for risk in _TOKENIZER_RISKS):
        return
    growth, waiting = 1, [parse_json(raw)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "Regex" in part and not is_quick_pattern(part["Regex"]):
                raise ValueError(f"its pattern {part['Regex']!r:.100} may take unlimited time")
            if part.get("type") == "Precompiled":
                growth *= _longest_normalized(part.get("precompiled_charsmap"))
            growth *= max(1, len(str(part.get("content", "")))) if part.get("type") == "Replace" else 1
            if growth > MAX_GROWTH:
                raise ValueError(f"its replacements make a text more than {MAX_GROWTH} times as long")
            affixes = ("prepend", "continuing_subword_prefix", "end_of_word_suffix")
            limit = part.get("max_input_chars_per_word") or 0
            _check(isinstance(limit, int), "max_input_chars_per_word", limit)
            _check_words([limit], [len(str(part.get(name) or "")) for name in affixes])
            waiting += [one for key, one in part.items() if key not in ("vocab", "merges", "decoder")]
        elif isinstance(part, list):
            waiting += [one for one in part if isinstance(one, (dict, list))]


def _values_of(raw: bytes, key: bytes, value: bytes) -> Iterator[bytes]:
    """Return what stands after each place of a key; finding bytes is much faster than an expression."""
    expression, place = re.compile(value), raw.find(key)
    while place >= 0:
        if found := expression.match(raw, place + len(key)):
            yield found[1]
        place = raw.find(key, place + 1)


def _check_words(limits: Sequence[int], affixes: Sequence[int]) -> None:
    """Check up to which length words are split, and the length of what is put before or after their pieces."""
    if any(limit > MAX_WORD for limit in limits) or any(length > MAX_AFFIX for length in affixes):
        raise ValueError(f"it splits words of more than {MAX_WORD:,} characters, or lengthens their pieces")


def _longest_normalized(charsmap: object) -> int:
    """Return how many characters one character may become by a charsmap of SentencePiece.

    It is a trie, preceded by its size in four bytes, and the texts that characters become, each ended by a zero.
    """
    import base64

    content = base64.b64decode(charsmap, validate=True) if isinstance(charsmap, str) else b""
    texts = content[4 + int.from_bytes(content[:4], "little") :]
    return max(1, *(len(text.decode("utf-8", "replace")) for text in texts.split(b"\0")))


_ATOM = (
    r"\\[pP]\{[^{}]*\}|\\.|\[\^?(?:\\.|\[[^\]\[]*\]|[^\]\\\[])+\]"
    r"|\(\?[!=](?:\\.|\[[^\]\[\\]+\])\)|[^\\\[\](){}*+?|]|[.^$]"
)
_CHOICE_OF_LITERALS = r"\(\?i?:[^\\\[\](){}*+?]*(?:\[[^\]\[\\]+\][^\\\[\](){}*+?]*)*\)"
_QUANTIFIER = r"([*+?]|\{[0-9]{1,2}(,[0-9]{0,2})?\})[+?]?"


def is_quick_pattern(pattern: object) -> bool:
    """Say whether a regular expression finds pieces of any text in a time that grows at most with its square.

    It has to be alternatives of plain characters and classes: no group is repeated, each alternative repeats at most
    two of them without a limit, and the second is the last that has to match. So are the patterns of published
    tokenizers (GPT-2, Llama 3, Qwen, BLOOM, CLIP).
    """
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        return False
    place, endless, closed = 0, 0, False
    while place < len(pattern):
        if pattern[place] == "|":
            place, endless, closed = place + 1, 0, False
            continue
        group = _compiled(_CHOICE_OF_LITERALS).match(pattern, place)
        atom = group or _compiled(_ATOM).match(pattern, place)
        if atom is None:
            return False
        place = atom.end()
        times = _compiled(_QUANTIFIER).match(pattern, place)
        place = times.end() if times else place
        repeated = times[1] if times else ""
        if group and repeated not in ("", "?"):
            return False
        is_endless = repeated in ("*", "+") or repeated.endswith(",}")
        has_to_match = not (repeated in ("*", "?") or repeated.startswith("{0"))
        if closed and has_to_match:
            return False
        endless += is_endless
        closed = endless == 2
        if endless > 2:
            return False
    return True


def never_freed(thing: object) -> None:
    """Keep an object until the process ends, and do not free it even then."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


#: Where Linux describes the processor, the cores that share a physical one, and the limits of a container.
CPU_INFORMATION = Path("/proc/cpuinfo")
CPU_TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUPS, CGROUP_OF_PROCESS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
#: Instruction sets of forms whose weights use all of int8, and extensions, by the kernel's names, of which one is
#: enough to sum their products in 32 bits. Forms made for others have 7-bit weights, whose sums fit into 16 bits:
#: 2 x 255 x 64 < 2^15. onnxruntime issues 5849 and 6004 show what happens otherwise, and :func:`_session` has weights
#: of the full range converted where it would.
FULL_RANGE = ("avx512_vnni", "arm64")
WIDE_SUMS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimd")


#: Kinds of processors that compute int8 at other speeds beside fp32, by the kernel's name of the extension that makes
#: one of that kind; the first that is there counts.
PROCESSOR_KINDS = ("amx_int8", "avx512_vnni", "avx_vnni", "avx512f", "avx2", "i8mm", "asimddp", "asimd")
#: Forms that are not faster than fp32 one review at a time (docs/export.md, docs/performance.md); int8 is, on every
#: kind on which it was measured.
SLOW_FORMS = ("fp16", "int4-weights")


def processor_kind(instructions: Iterable[str]) -> str | None:
    """Return which of :data:`PROCESSOR_KINDS` a processor is; ``None`` where its extensions are unknown."""
    known = set(instructions)
    return next((kind for kind in PROCESSOR_KINDS if kind in known), None)


def is_exact(isa: str | None, instructions: Iterable[str]) -> bool | None:
    """Return whether a processor computes a quantized form exactly as its weights are, without converting them.

    Args:
        isa: The instruction set that the form was made for; ``None`` of a form that needs none.
        instructions: Extensions of the processor.

    Returns:
        ``None`` where the processor's extensions are unknown.
    """
    if isa not in FULL_RANGE:
        return True
    known = set(instructions)
    return not known.isdisjoint(WIDE_SUMS) if known else None


@cache
def cpu_information() -> dict[str, str]:
    """Return the first processor's entries of /proc/cpuinfo; empty where there is none."""
    entries: dict[str, str] = {}
    try:
        text = CPU_INFORMATION.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return entries
    for line in text.splitlines():
        key, _, value = line.partition(":")
        entries.setdefault(key.strip(), value.strip())
    return entries


def cpu_instructions() -> tuple[str, ...]:
    """Return the extensions of this processor by the kernel's names; empty where they are unknown."""
    information = cpu_information()
    flags = (information.get("flags") or information.get("Features") or "").split()
    is_arm = platform.machine().lower() in ("arm64", "aarch64")
    return tuple(flags) or (("asimd",) if is_arm else ())


def usable_cores() -> int:
    """Return the number of cores this process may use: physical ones, limited by affinity and a container's quota."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # macOS and Windows have no affinity call
        return max(1, _physical_cores() or os.cpu_count() or 1)
    shared = {_siblings(core) for core in allowed}
    return max(1, min(len(shared), _quota_of_container() or len(shared)))


def _siblings(core: int) -> str:
    """Return which logical cores a physical one has."""
    try:
        return (CPU_TOPOLOGY / f"cpu{core}/topology/thread_siblings_list").read_text(encoding="ascii").strip()
    except OSError:
        return str(core)


def _physical_cores() -> int | None:
    try:
        import psutil
    except ImportError:  # an app need not have it
        return None
    return psutil.cpu_count(logical=False)


def _quota_of_container() -> int | None:
    """Return the number of whole cores in the smallest CPU quota above this process, at least 1.

    More threads than that would wait for the next period. A quota and its period are in one file
    (https://docs.kernel.org/admin-guide/cgroup-v2.html) or in two (v1), of the process's own group or one above it.
    """
    try:
        lines = CGROUP_OF_PROCESS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = [_quota_in(CGROUPS, ("cpu.max",))]
    found += [_quota_in(CGROUPS / "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us"))]
    for line in lines:
        _, controllers, group = ([*line.split(":", 2), "", ""])[:3]
        own = Path(group.lstrip("/"))
        for below in (own, *own.parents):
            if not controllers:
                found.append(_quota_in(CGROUPS / below, ("cpu.max",)))
            elif "cpu" in controllers.split(","):
                found.append(_quota_in(CGROUPS / "cpu" / below, ("cpu.cfs_quota_us", "cpu.cfs_period_us")))
    return min((cores for cores in found if cores), default=None)


def _quota_in(folder: Path, files: Sequence[str]) -> int | None:
    try:
        words = [word for file in files for word in (folder / file).read_text(encoding="ascii").split()]
        return max(1, int(words[0]) // int(words[1])) if int(words[0]) > 0 else None
    except (OSError, ValueError, IndexError, ZeroDivisionError):  # not there, or "max"
        return None
