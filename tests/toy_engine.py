"""An engine that is declared for a test, and opens whatever cluster the test has."""

from contextlib import nullcontext

from slmbench.instruments.engines import ENGINES, Engine

_cluster = None


def toy():
    """Open the cluster that was declared last; the engine's opener."""
    return nullcontext(_cluster)


def declare_toy(monkeypatch, cluster):
    """Declare the engine ``toy`` for the rest of a test; returns the cluster."""
    monkeypatch.setitem(globals(), "_cluster", cluster)
    engine = Engine(name="toy", help="for tests", opener="toy_engine:toy", module="json", extra="toy")
    monkeypatch.setitem(ENGINES._entries, "toy", engine)
    return cluster
