"""A bundle behind HTTP, in the request and answer shapes of text-embeddings-inference; needs the extra ``serve``.

One process, one event loop, and one-thread workers on the cores (:mod:`slmbench.serving.workers`). The bundle may be
replaced while it is served (:mod:`slmbench.serving.service`). Names are imported on first use: the help of the
command needs the options only.
"""

from typing import TYPE_CHECKING

from slmbench.common.stage_package import on_first_use

if TYPE_CHECKING:
    from slmbench.serving.running import serve

__all__ = ["serve"]

__getattr__ = on_first_use(__name__, {"serve": "running"})
