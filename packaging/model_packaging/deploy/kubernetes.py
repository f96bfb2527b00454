"""``model-service package kubernetes``: the worked example of docker/kubernetes/, filled in for a package."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packaging.command import typed
from model_packaging.deploy.documents import docker_file, read_yaml, renamed, write_yaml
from model_packaging.deploy.values import (
    checked,
    cpu_amount,
    image_reference,
    memory_amount,
    name_for,
    storage_uri,
)
from model_packaging.new_folder import new_folder
from model_packaging.package_name import package_name
from model_service.errors import SettingsError
from model_service.package.archive import opened_package
from model_service.package.layout import find_package
from model_service.settings import whole_number

MODEL_SERVER_IMAGE = "tensorflow/serving:2.19.1"
MANIFESTS = ("deployment", "service", "disruption-budget", "autoscaler", "network-policy")
SECRET = "secret"
KSERVE = "kserve/inference-service"

_HEADING = "Written by `model-service package kubernetes`; see docs/deploying.md."
_GPU = "nvidia.com/gpu"
_MODEL_VOLUMES = frozenset({"model", "socket", "model-server-tmp"})


@dataclass(frozen=True)
class Resources:
    """What one container asks for and may have; None: as in the example."""

    cpu: str | None
    memory: str | None


@dataclass(frozen=True)
class ManifestOrder:
    """What to fill in.

    Attributes:
        name: of all objects.
        image: adapter and package.
        model_server_image: TensorFlow Serving.
        adapter, model_server: resources of the two containers.
        replicas: how many pods there are at least.
        gpus: of the model server; the adapter needs none.
        storage: where KServe finds the model.
        tokens: text of the auth file; None: the Secret is made by other means.
        has_model: whether there is a model server at all.
    """

    name: str
    image: str
    model_server_image: str
    adapter: Resources
    model_server: Resources
    replicas: int
    gpus: int
    storage: str
    tokens: str | None
    has_model: bool


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    arguments = _parser().parse_args(argv)
    with opened_package(arguments.package) as folder:
        layout = find_package(folder)
        name = name_for(arguments.name, package_name(arguments.package, layout))
        has_model = layout.saved_model_path is not None
    gpus = _number("--gpus", arguments.gpus, 0, 16)
    default_server = MODEL_SERVER_IMAGE + ("-gpu" if gpus else "")
    order = ManifestOrder(
        name=name,
        image=checked("--image", arguments.image or f"{name}:latest", image_reference),
        model_server_image=checked(
            "--model-server-image", arguments.model_server_image or default_server, image_reference
        ),
        adapter=_resources(arguments, "cpu", "memory"),
        model_server=_resources(arguments, "model-server-cpu", "model-server-memory"),
        replicas=_number("--replicas", arguments.replicas, 1, 1000),
        gpus=gpus,
        storage=checked("--storage-uri", arguments.storage_uri or f"pvc://{name}-models/{name}", storage_uri),
        tokens=_tokens(arguments.auth_file) if arguments.auth_file else None,
        has_model=has_model,
    )
    output = arguments.output or Path(f"{name}-kubernetes")
    for path in write_manifests(order, output):
        print(path)
    if order.tokens is None:
        print(f"Say who may call: kubectl create secret generic {name}-callers --from-file=tokens=FILE")
    print(f"Apply them with: kubectl apply --filename {typed(output)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model-service package kubernetes",
        description="Write manifests for a package: Deployment with TensorFlow Serving as a sidecar, Service, Secret, "
        "PodDisruptionBudget, HorizontalPodAutoscaler, NetworkPolicy; and a KServe InferenceService in a folder of its "
        "own. The image is that of `model-service package image`.",
        allow_abbrev=False,
    )
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="as model-service serve takes it")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to make (default: NAME-kubernetes)")
    parser.add_argument("--name", help="of all objects (default: the folder's name)")
    parser.add_argument("--image", help="adapter and package (default: NAME:latest)")
    parser.add_argument("--model-server-image", metavar="IMAGE", help=f"(default: {MODEL_SERVER_IMAGE})")
    parser.add_argument("--cpu", help="CPUs that the adapter asks for")
    parser.add_argument("--memory", help="memory the adapter may have, such as 512Mi")
    parser.add_argument("--model-server-cpu", metavar="CPU", help="CPUs that the model server asks for")
    parser.add_argument("--model-server-memory", metavar="MEMORY", help="memory the model server may have")
    parser.add_argument("--replicas", default="2", metavar="N", help="pods at least (default: 2)")
    parser.add_argument("--gpus", default="0", metavar="N", help="of the model server (default: 0)")
    parser.add_argument(
        "--auth-file",
        type=Path,
        metavar="FILE",
        help="'name token' lines for secret.yaml (default: no Secret is written)",
    )
    parser.add_argument("--storage-uri", metavar="URI", help="where KServe finds the folder with the version folder 1")
    return parser


def _tokens(auth_file: Path) -> str:
    """Read an auth file, which must be one that the service takes."""
    from model_service.auth.tokens import read_tokens

    read_tokens(auth_file)
    return auth_file.read_text(encoding="utf-8-sig")


def _number(flag: str, text: str, minimum: int, maximum: int) -> int:
    try:
        return whole_number(minimum, maximum)(text)
    except ValueError as error:
        raise SettingsError(f"{flag} {text}: {error}") from error


def _resources(arguments: argparse.Namespace, cpu: str, memory: str) -> Resources:
    given = {flag: getattr(arguments, flag.replace("-", "_")) for flag in (cpu, memory)}
    return Resources(
        checked(f"--{cpu}", given[cpu], cpu_amount) if given[cpu] else None,
        checked(f"--{memory}", given[memory], memory_amount) if given[memory] else None,
    )


def write_manifests(order: ManifestOrder, output: Path) -> list[Path]:
    """Write all manifests; return their paths.

    Raises:
        SettingsError: the folder is not empty or cannot be written.
    """
    names = [*MANIFESTS, *([SECRET] if order.tokens is not None else []), *([KSERVE] if order.has_model else [])]
    documents = {f"{name}.yaml": manifest(name, order) for name in names}
    with new_folder(output, "--output") as unfinished:
        for name, document in documents.items():
            (unfinished / name).parent.mkdir(exist_ok=True)
            (unfinished / name).touch(mode=0o600 if name == f"{SECRET}.yaml" else 0o666)
            write_yaml(unfinished / name, document, _HEADING)
    return [output / name for name in documents]


def manifest(name: str, order: ManifestOrder) -> dict[str, Any]:
    """Return one manifest of the example, filled in."""
    document: dict[str, Any] = renamed(read_yaml(docker_file(f"kubernetes/{name}.yaml")), order.name)
    if name == "deployment":
        _fill_deployment(document, order)
    elif name == "autoscaler":
        document["spec"]["minReplicas"] = order.replicas
        document["spec"]["maxReplicas"] = max(document["spec"]["maxReplicas"], order.replicas)
    elif name == SECRET:
        document["stringData"]["tokens"] = order.tokens
    elif name == KSERVE:
        _fill_kserve(document, order)
    return document


def _fill_deployment(document: dict[str, Any], order: ManifestOrder) -> None:
    pod = document["spec"]["template"]["spec"]
    prepare, model_server = pod["initContainers"]
    (adapter,) = pod["containers"]
    adapter["image"] = prepare["image"] = order.image
    model_server["image"] = order.model_server_image
    _fill_resources(adapter, order.adapter, 0)
    _fill_resources(model_server, order.model_server, order.gpus)
    if not order.has_model:
        pod["initContainers"] = [prepare]
        prepare["args"] = [prepare["args"][0].partition(" && ")[0]]
        adapter["args"] = ["--sidecar", "never", *adapter["args"][2:]]
        pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] not in _MODEL_VOLUMES]
        for container in (prepare, adapter):
            mounts = container["volumeMounts"]
            container["volumeMounts"] = [mount for mount in mounts if mount["name"] not in _MODEL_VOLUMES]


def _fill_kserve(document: dict[str, Any], order: ManifestOrder) -> None:
    model = document["spec"]["predictor"]["model"]
    model["storageUri"] = order.storage
    _fill_resources(model, order.model_server, order.gpus)
    (adapter,) = document["spec"]["transformer"]["containers"]
    adapter["image"] = order.image
    _fill_resources(adapter, order.adapter, 0)


def _fill_resources(container: dict[str, Any], resources: Resources, gpus: int) -> None:
    """CPU is asked for and not limited: a limit would only make answers slower. Memory is both."""
    if resources.cpu is not None:
        container["resources"]["requests"]["cpu"] = resources.cpu
    if resources.memory is not None:
        container["resources"]["requests"]["memory"] = resources.memory
        container["resources"]["limits"]["memory"] = resources.memory
    if gpus:
        container["resources"]["limits"][_GPU] = gpus
