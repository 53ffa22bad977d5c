"""What Prometheus reads at ``/metrics``."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

#: Edges of the histograms of times (s): from a static model's tens of microseconds to a queue of seconds.
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        kept = {"registry": self.registry}
        self.requests = Counter("slmbench_requests", "Requests by path and status", ["path", "status"], **kept)
        self.request_s = Histogram(
            "slmbench_request_seconds", "From the request's head to the end of its answer", buckets=_SECONDS, **kept
        )
        self.queue_s = Histogram("slmbench_queue_seconds", "Wait of a text for a worker", buckets=_SECONDS, **kept)
        self.inference_s = Histogram("slmbench_inference_seconds", "Work on a text", buckets=_SECONDS, **kept)
        self.batch = Histogram("slmbench_batch_texts", "Texts of a batch", buckets=_TEXTS, **kept)
        self.answers = Counter("slmbench_answers", "Texts by the label they were given", ["label"], **kept)
        self.queue = Gauge("slmbench_queue_texts", "Texts that wait or are being answered", **kept)
        self.bundle = Info("slmbench_bundle", "What is served", **kept)
        self.swaps = Counter("slmbench_swaps", "New bundles, by whether they are served", ["outcome"], **kept)

    def text(self) -> bytes:
        """Return all of them in Prometheus's text format."""
        return generate_latest(self.registry)
