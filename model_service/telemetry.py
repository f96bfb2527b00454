"""Our own log: what is written, how it looks. The root logger is left to the author's code."""

from __future__ import annotations

import logging
import sys

_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def configure_logging(level_name: str) -> None:
    """Send the loggers below ``model_service`` to standard error.

    Args:
        level_name: ``debug``, ``info``, ``warning`` or ``error``. Hook timings show at ``debug`` only.
    """
    logger = logging.getLogger("model_service")
    logger.setLevel(level_name.upper())
    logger.propagate = False
    logger.handlers.clear()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    logging.getLogger("model_service.timing").setLevel(logging.INFO if level_name == "debug" else logging.WARNING)
