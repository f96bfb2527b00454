"""Calling a running service from Python and from the command line."""

from model_service.client.form import Form, InputUnusable
from model_service.client.http import Client
from model_service.client.reply import AnswerTimedOut, PredictionFailed, Reply, ServiceUnreachable

__all__ = [
    "AnswerTimedOut",
    "Client",
    "Form",
    "InputUnusable",
    "PredictionFailed",
    "Reply",
    "ServiceUnreachable",
]
