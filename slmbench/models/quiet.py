"""Keeping libraries from writing to a console that is not theirs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within the block, libraries report errors only.

    What they warn of here is known and checked otherwise: a classification head that starts at random, shapes
    that the ONNX tracer takes for constants (see ``slmbench.export.parity``).
    """
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # This holds for all loggers, also those whose level a library sets when it is imported.
        logging.disable(max(disabled, logging.WARNING))
        try:
            yield
        finally:
            logging.disable(disabled)
