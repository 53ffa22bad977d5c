"""A bundle behind HTTP, in the request and answer shapes of text-embeddings-inference; needs the extra ``serve``.

One process, one event loop, and one-thread workers on the cores (:mod:`slmbench.serving.workers`). The bundle may be
replaced while it is served (:mod:`slmbench.serving.service`).
"""

from slmbench.serving.running import serve

__all__ = ["serve"]
