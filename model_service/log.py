"""Loggers as service code asks for them: ``log.getLogger(__name__)``."""

import logging
import sys

_FORMAT = "%(asctime)s [%(threadName).12s] %(pathname)s[line:%(lineno)d] %(levelname)s: %(message)s"


def getLogger(name: str | None = None) -> logging.Logger:
    """Return a logger that shows INFO and above on standard output, with time, thread, file and line."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    if name and not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(handler)
        logger.propagate = False
    return logger


__all__ = ["getLogger"]
