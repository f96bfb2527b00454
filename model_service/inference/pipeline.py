"""One request, transport-free: check it, lend an instance, run the hooks, check the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from model_service.errors import (
    BadRequest,
    HookFailed,
    ResponseContractBroken,
    Violation,
)
from model_service.inference.contract import Mode, SideContract
from model_service.inference.faults import blame
from model_service.inference.json_types import JsonValue, NotJson, to_json_value
from model_service.inference.pool import InstancePool
from model_service.inference.tally import ViolationTally
from model_service.package.config import ROOT_URL, PackageConfig


class Service(Protocol):
    """What the pipeline asks of an author's object."""

    def inference(self, data: Any) -> Any:
        """Answer one request."""


@dataclass(frozen=True)
class RequestData:
    """What a request brought, as hooks get it.

    Attributes:
        value: for forms a dict of text, and of ``{file name: io.BytesIO}`` for file fields; for JSON any value.
        text_fields: the keys of ``value`` that came as form text or query.
    """

    value: Any
    text_fields: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answer:
    """A result in JSON types, and where request or result break the contract (modes warn and coerce)."""

    value: JsonValue
    violations: tuple[Violation, ...] = ()


class Contract:
    """Both sides of one ``apis`` entry."""

    def __init__(self, request: SideContract, response: SideContract):
        self.request = request
        self.response = response


class Pipeline:
    """The one road of every request, online and offline.

    Args:
        pool: instances of the author's class.
        contracts: by URL path; :data:`ROOT_URL` is always there.
        wait_seconds: how long a request may wait for an instance.

    Attributes:
        request_violations: of requests that were let through all the same (mode warn).
        response_violations: of answers.
    """

    def __init__(self, pool: InstancePool[Service], contracts: Mapping[str, Contract], wait_seconds: float):
        self._pool = pool
        self._contracts = contracts
        self._wait_seconds = wait_seconds
        self.request_violations = ViolationTally("a request")
        self.response_violations = ViolationTally("an answer")

    def run(self, request: RequestData, url: str = ROOT_URL) -> Answer:
        """Answer one request.

        Raises:
            RequestError: with the status and body the caller gets; a hook's own exception is its cause.
        """
        contract = self._contracts[url]
        checked = contract.request.check_request(request.value, request.text_fields)
        violations = checked.violations
        if violations:
            self._settle_request(violations, contract.request.mode)
        given = [checked.value]
        del request, checked  # what a request brought can be freed as soon as _preprocess is done with it
        with self._pool.lend(self._wait_seconds) as service:
            result = _call(service, given)
        answer = contract.response.check_response(result)
        if answer.violations:
            self._settle_response(answer.violations, contract.response.mode)
        if not violations and not answer.violations:
            return Answer(answer.value)
        return Answer(answer.value, violations + answer.violations)

    def _settle_request(self, violations: tuple[Violation, ...], mode: Mode) -> None:
        if mode is not Mode.WARN:
            raise BadRequest("the request breaks the declared contract", violations=violations)
        self.request_violations.add(summary(violations))

    def _settle_response(self, violations: tuple[Violation, ...], mode: Mode) -> None:
        if mode is not Mode.WARN:
            raise ResponseContractBroken(violations)
        self.response_violations.add(summary(violations))


def _call(service: Service, given: list[object]) -> JsonValue:
    """Run the hooks on the one thing given, which is taken out.

    Holds no reference to it, nor to the author's arrays: ndarray.resize in a hook needs them unshared.
    """
    try:
        return to_json_value(service.inference(given.pop()))
    except NotJson as error:
        raise HookFailed() from error
    except (Exception, SystemExit) as error:  # a hook that calls sys.exit() must not end the worker
        fault = blame(error)
        if fault is error:
            raise
        raise fault from error


def summary(violations: tuple[Violation, ...], limit_characters: int = 1000) -> str:
    """List pointers and keywords, values left out: ``/scores/0/1 type; /label required``."""
    text = "; ".join(f"{violation.pointer or '(whole)'} {violation.keyword}" for violation in violations)
    return text if len(text) <= limit_characters else text[: limit_characters - 3] + "..."


def make_contracts(config: PackageConfig, request_mode: Mode, response_mode: Mode) -> dict[str, Contract]:
    """Compile the contracts of a package, by URL path; the first entry also stands for :data:`ROOT_URL`."""
    contracts: dict[str, Contract] = {}
    for api in config.apis:
        contract = Contract(
            SideContract(api.request_schema, request_mode), SideContract(api.response_schema, response_mode)
        )
        contracts.setdefault(api.url, contract)
    unchecked = Contract(SideContract(None, Mode.OFF), SideContract(None, Mode.OFF))
    return {ROOT_URL: next(iter(contracts.values()), unchecked), **contracts}
