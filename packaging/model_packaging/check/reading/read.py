"""Everything that reading a package tells; nothing of it is executed."""

from __future__ import annotations

import ast

from packaging.utils import canonicalize_name

from model_packaging.check.finding import Finding
from model_packaging.check.reading.config_file import check_config_file
from model_packaging.check.reading.dependencies import check_dependencies, read_declared
from model_packaging.check.reading.files import check_opened_files
from model_packaging.check.reading.hooks import check_hooks, check_thread_safety
from model_packaging.check.reading.imports import check_imports, imported_tops
from model_packaging.check.reading.json_text import JsonText, read_config_text
from model_packaging.check.reading.layout import check_layout
from model_packaging.check.reading.legacy import check_legacy_calls
from model_packaging.check.reading.model import check_model
from model_packaging.check.reading.name_clashes import check_name_clashes
from model_packaging.check.reading.service_class import ServiceClass, find_service_class
from model_packaging.check.reading.signature_use import check_form_fields, check_signature_use
from model_packaging.check.reading.sources import Sources
from model_packaging.check.subject import Subject
from model_service.package.import_names import distribution_of


def read_package(subject: Subject) -> list[Finding]:
    """Read all parts of a package and return what is wrong with them."""
    config_path = subject.layout.config_path
    text = JsonText() if config_path is None else read_config_text(config_path)
    sources = Sources(subject)
    service, findings = find_service_class(sources)
    needs_model = _needs_model(subject, service)
    declared = read_declared(text.value)
    names = [each.name for each in declared.packages.values()]
    used = frozenset(canonicalize_name(distribution_of(top, names)) for top in imported_tops(sources))
    return [
        *check_layout(subject, needs_model, subject.model is not None and subject.model.has_variables),
        *(() if config_path is None else check_config_file(subject, text)),
        *check_dependencies(text, used),
        *check_model(subject, needs_model),
        *sources.findings,
        *findings,
        *check_name_clashes(subject),
        *check_imports(sources, declared),
        *check_legacy_calls(sources),
        *check_opened_files(sources),
        *(() if service is None else _check_service(subject, service, sources)),
    ]


def _needs_model(subject: Subject, service: ServiceClass | None) -> bool:
    """Whether requests certainly reach the model: no service, or one that leaves the call to the base class."""
    if subject.layout.service_path is None:
        return True
    return service is not None and service.calls_the_model


def _check_service(subject: Subject, service: ServiceClass, sources: Sources) -> list[Finding]:
    findings = [*check_hooks(service, sources), *check_thread_safety(service)]
    findings += check_form_fields(service, subject.config)
    if subject.signature is not None and service.calls_the_model and not _replaces_model(sources):
        findings += check_signature_use(service, subject.signature)
    return findings


def _replaces_model(sources: Sources) -> bool:
    """Whether the package puts something of its own in the place of the model that the base class calls."""
    stores = (spot.node for spot in sources.spots() if isinstance(spot.node, ast.Attribute))
    return any(node.attr in ("model", "stub") and isinstance(node.ctx, ast.Store) for node in stores)
