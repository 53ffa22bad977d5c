"""Keeping libraries from writing to a console that is not theirs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

#: Loggers of the libraries that models go through; ``root`` is what onnxruntime's quantizer logs to.
_LOGGERS = ("transformers", "accelerate", "peft", "optimum", "onnxruntime", "torch", "root")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within the block, libraries report errors only.

    What they warn of here is known and checked otherwise: a classification head that starts at random, shapes
    that the ONNX tracer takes for constants (see ``slmbench.export.parity``).
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    # Some of them set the level of their own loggers when they are imported: what is below errors goes nowhere.
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        logging.disable(max(disabled, logging.WARNING))
        try:
            yield
        finally:
            logging.disable(disabled)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
