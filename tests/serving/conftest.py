"""A service in this process, and what stands in for a classifier where time is of the essence."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest


class Held:
    """A classifier that answers only once it is let go, and fails on some texts.

    Attributes:
        begun: Released once for each text that a worker has begun.
        go: Answers wait for it.
    """

    labels, form, seal, notice = ["negative", "positive"], "held", "0" * 64, None

    def __init__(self, workers=1):
        self.workers = workers
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def truncates(self, text):
        return False

    def predict_logits(self, texts):
        self.begun.release()
        assert self.go.wait(60)
        if texts == ["break"]:
            raise RuntimeError(f"a library fails on {texts}")
        return np.array([[0.0, float(len(texts[0]))]], dtype=np.float32)


@pytest.fixture
def held(monkeypatch):
    """Serve :class:`Held`, with as many workers as asked for; what is given are options."""
    testing = pytest.importorskip("fastapi.testclient")
    from slmbench.serving import service as module
    from slmbench.serving.app import create_app
    from slmbench.serving.options import ServeOptions

    @contextmanager
    def serve(workers=1, **options):
        classifier = Held(workers)
        monkeypatch.setattr(module, "load_served", lambda *_: module.ServedBundle(classifier, "held", None))
        service = module.Service(None, ServeOptions(watch_s=0, **options))
        with testing.TestClient(create_app(service)) as client:
            client.service, client.classifier = service, classifier
            try:
                yield client
            finally:
                classifier.go.set()

    monkeypatch.setattr(module.Service, "_mark", lambda self: None)
    return serve


@pytest.fixture
def served():
    """Serve a bundle; what is given are options."""
    testing = pytest.importorskip("fastapi.testclient")
    from slmbench.serving.app import create_app
    from slmbench.serving.options import ServeOptions
    from slmbench.serving.service import Service

    @contextmanager
    def serve(folder, **options):
        service = Service(folder, ServeOptions(**{"watch_s": 0, **options}))
        with testing.TestClient(create_app(service)) as client:
            client.service = service
            yield client

    return serve
