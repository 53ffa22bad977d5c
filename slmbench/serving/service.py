"""What is served: a bundle, and the one that replaces it when its folder holds another.

The folder's seal is watched, rather than a signal or a route for it: nothing is opened to the network, every system
has it, it needs no process id, and `slmbench export`, a copy, or a link set to another folder all do it. A new bundle
is loaded, checked and warmed up beside the old one; whatever is wrong with it, the old one goes on and it is tried
again. Texts keep the bundle, and its workers, to which they came.
"""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slmbench.common.errors import SlmbenchError
from slmbench.common.version import __version__
from slmbench.edge.runtime import RECORD, Classifier, read_seal, usable_cores
from slmbench.evaluation.verify import verify
from slmbench.records import BundleRecord, artefacts
from slmbench.serving.metrics import Metrics
from slmbench.serving.options import ServeOptions
from slmbench.serving.workers import Workers

LOG = logging.getLogger("slmbench.serving")
#: Longest pause between two tries to load a bundle that is not fit to be served (s).
MAX_PAUSE_S = 60.0


@dataclass(frozen=True)
class ServedBundle:
    """A bundle that is ready to answer."""

    classifier: Classifier
    name: str
    max_length: int | None


def load_served(folder: Path, options: ServeOptions) -> ServedBundle:
    """Load a bundle, check it and warm it up.

    Raises:
        UsageError: There is no such folder, form or key.
        SlmbenchError: It is no bundle, damaged, not signed with the key, or answers otherwise than where it was
            exported.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # said below
        classifier = Classifier(
            folder,
            form=options.form,
            threads=1,
            workers=options.workers or usable_cores(),
            public_key=options.public_key,
        )
    if classifier.notice is not None:
        LOG.warning("%s", classifier.notice)
    record = artefacts.read(folder, BundleRecord)
    if options.verify:
        found = verify(folder, forms=[classifier.form], public_key=options.public_key)
        others = [f"{form}: {one.sentence}" for form, one in found.forms.items() if not one.agrees]
        if others:
            raise SlmbenchError(
                f"{folder} answers otherwise here than where it was exported ({'; '.join(others)}): export it on a"
                " machine like this one, name another --form, or pass --no-verify"
            )
    classifier.check_seal(record.seal)
    classifier.predict("warm up")
    return ServedBundle(classifier, record.name, None if record.long_texts == "windows" else record.max_length)


class Service:
    """A bundle that is served, and whether new requests are taken.

    Args:
        folder: The bundle's folder.
        options: How to serve it.

    Attributes:
        bundle: What answers now.
        workers: Its workers, between :meth:`begin` and :meth:`end`.
        draining: Whether new requests are refused because the service ends.

    Raises:
        SlmbenchError: As of :func:`load_served`.
    """

    workers: Workers

    def __init__(self, folder: Path, options: ServeOptions) -> None:
        self.folder, self.options = folder, options
        self.metrics = Metrics()
        self.draining = False
        self._seen = self._mark()
        self.bundle = self._served(load_served(folder, options))
        self._watcher: asyncio.Task[None] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What ``/info`` says, with the keys of text-embeddings-inference."""
        labels = self.bundle.classifier.labels
        options = self.options
        return {
            "model_id": self.bundle.name,
            "model_sha": self.bundle.classifier.seal,
            "model_dtype": self.bundle.classifier.form,
            "model_type": {
                "classifier": {
                    "id2label": {str(number): label for number, label in enumerate(labels)},
                    "label2id": {label: number for number, label in enumerate(labels)},
                }
            },
            "max_concurrent_requests": options.max_queue,
            # Where nothing is cut there is no limit but that of the body: no text has more tokens than bytes.
            "max_input_length": self.bundle.max_length or options.max_body_bytes,
            "max_batch_tokens": self.bundle.max_length or options.max_body_bytes,
            "max_batch_requests": 1,
            "max_client_batch_size": options.max_inputs,
            "auto_truncate": True,
            "tokenization_workers": self.bundle.classifier.workers,
            "version": __version__,
            "sha": None,
            "docker_label": None,
        }

    async def begin(self) -> None:
        """Start the workers, and watch the folder."""
        self._put_to_work()
        if self.options.watch_s:
            self._watcher = asyncio.create_task(self._watch())

    async def end(self) -> None:
        """Stop watching, and end the workers."""
        self.draining = True
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        await asyncio.to_thread(self.workers.close)

    async def _watch(self) -> None:
        pause, said = self.options.watch_s, ""
        while True:
            await asyncio.sleep(pause)
            mark = self._mark()
            # After a failure it is tried again: its record may have come before its other files.
            if mark is None or (mark == self._seen and not said):
                continue
            self._seen = mark
            try:
                if await asyncio.to_thread(read_seal, self.folder) != self.bundle.classifier.seal:
                    fresh = await asyncio.to_thread(load_served, self.folder, self.options)
                    before, self.bundle = self.workers, self._served(fresh)
                    self._put_to_work()
                    await asyncio.to_thread(before.close)
                    self.metrics.swaps.labels("served").inc()
                    LOG.info("%s is served now, seal %s", fresh.name, fresh.classifier.seal[:16])
                pause, said = self.options.watch_s, ""
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the old one goes on
                pause = min(2 * pause, max(MAX_PAUSE_S, self.options.watch_s))
                if str(error) != said:
                    said = str(error) or type(error).__name__
                    self.metrics.swaps.labels("refused").inc()
                    LOG.warning("the bundle served before goes on: %s", said)

    def _put_to_work(self) -> None:
        options = self.options
        self.workers = Workers(self.bundle.classifier, options.batch_ms / 1e3, options.max_queue, self.metrics)

    def _mark(self) -> tuple[int, int, int] | None:
        """Return what changes when the bundle's record is replaced; ``None`` where there is none."""
        try:
            status = os.stat(self.folder / RECORD)  # noqa: PTH116 - the same for a path that is a link
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _served(self, bundle: ServedBundle) -> ServedBundle:
        of = bundle.classifier
        self.metrics.bundle.info({"name": bundle.name, "form": of.form, "seal": of.seal})
        return bundle
