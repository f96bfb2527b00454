"""``model-service package image``: the Dockerfile of a package, and a compose file that runs it."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packaging.archive_files import collect
from model_packaging.command import typed
from model_packaging.deploy.documents import docker_file, read_yaml, write_yaml
from model_packaging.deploy.values import checked, cpu_amount, image_reference, memory_amount, name_for
from model_packaging.new_folder import new_folder
from model_packaging.package_name import package_name
from model_packaging.requirements import requirements_of
from model_service import __version__
from model_service.errors import SettingsError
from model_service.package.archive import opened_package
from model_service.package.layout import MODEL_FOLDER_NAME, PackageLayout, find_package

BASE_IMAGE = f"tf-model-service:{__version__}"
REQUIREMENTS_NAME = "requirements.txt"
_HEADING = "Written by `model-service package image`; see docs/deploying.md."
_GPU_HEADING = "A GPU for the model server: docker compose --file compose.yaml --file compose.gpu.yaml up"

_DOCKERFILE = """# {heading}
#
#     docker build --tag {image} .
#
# The base is built from docker/Dockerfile of tf-model-service.
ARG ADAPTER_IMAGE={base}
FROM ${{ADAPTER_IMAGE}}
USER 0
COPY {model} /package/{model}
COPY {requirements} /package/
# Wheels that lie in the package are named relative to it.
WORKDIR /package/{model}
RUN pip install --no-cache-dir --requirement /package/{requirements}
WORKDIR /tmp
USER 10001:10001
CMD {command}
"""
_WITH_MODEL = '["--backend", "unix:/run/model-server/grpc.sock"]'
_WITHOUT_MODEL = '["--sidecar", "never"]'


@dataclass(frozen=True)
class ImageOrder:
    """What to write.

    Attributes:
        layout: the package.
        name: of the compose project.
        image: of the image to build.
        base: the adapter image to build on.
        requirements: a requirements file to use; None: made of the package's dependencies.
        cpus, memory: limits of the adapter; None: none.
        output: the folder to make.
    """

    layout: PackageLayout
    name: str
    image: str
    base: str
    requirements: Path | None
    cpus: str | None
    memory: str | None
    output: Path

    @property
    def has_model(self) -> bool:
        """Whether a model server is needed."""
        return self.layout.saved_model_path is not None


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    arguments = _parser().parse_args(argv)
    with opened_package(arguments.package) as folder:
        layout = find_package(folder)
        name = name_for(arguments.name, package_name(arguments.package, layout))
        order = ImageOrder(
            layout=layout,
            name=name,
            image=checked("--image", arguments.image or f"{name}:latest", image_reference),
            base=checked("--base-image", arguments.base_image, image_reference),
            requirements=arguments.requirements,
            cpus=checked("--cpus", arguments.cpus, cpu_amount) if arguments.cpus else None,
            memory=checked("--memory", arguments.memory, memory_amount) if arguments.memory else None,
            output=arguments.output or Path(f"{name}-image"),
        )
        lines = write_image(order)
    for line in lines:
        print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model-service package image",
        description="Write DIR with a Dockerfile, the package's files and requirements, and a compose file that runs "
        "the image beside the real TensorFlow Serving. Nothing is built.",
        allow_abbrev=False,
    )
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="as model-service serve takes it")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder to make (default: NAME-image)")
    parser.add_argument("--name", help="of the compose project (default: the folder's name)")
    parser.add_argument("--image", help="name of the image (default: NAME:latest)")
    parser.add_argument("--base-image", default=BASE_IMAGE, metavar="IMAGE", help="the adapter (default: %(default)s)")
    parser.add_argument(
        "--requirements", type=Path, metavar="FILE", help="to install (default: made of dependencies in config.json)"
    )
    parser.add_argument("--cpus", help="limit of the adapter, such as 2 or 0.5")
    parser.add_argument("--memory", help="limit of the adapter, such as 512Mi")
    return parser


def write_image(order: ImageOrder) -> list[str]:
    """Write all files; return lines about them.

    Raises:
        PackageError: a dependency cannot be installed with pip, or a file cannot be in an image.
        SettingsError: the folder is not empty or cannot be written.
    """
    requirements = _requirements(order)
    compose = compose_document(order)
    gpu = "compose.gpu.yaml"
    names = ["Dockerfile", ".dockerignore", REQUIREMENTS_NAME, "compose.yaml", *([gpu] if order.has_model else [])]
    with new_folder(order.output, "--output") as unfinished:
        _copy_files(order.layout, unfinished)
        (unfinished / REQUIREMENTS_NAME).write_text(requirements, encoding="utf-8")
        (unfinished / ".dockerignore").write_text(f"*\n!{MODEL_FOLDER_NAME}\n!{REQUIREMENTS_NAME}\n")
        (unfinished / "Dockerfile").write_text(_dockerfile(order), encoding="utf-8")
        write_yaml(unfinished / "compose.yaml", compose, _HEADING)
        if order.has_model:
            write_yaml(unfinished / gpu, read_yaml(docker_file(gpu)), _GPU_HEADING)
    run = f"cd {typed(order.output)} && TOKENS=FILE RUN_AS=$(id -u):$(id -g) docker compose up --build"
    return [*(str(order.output / name) for name in names), f"Build and run it with: {run}"]


def _copy_files(layout: PackageLayout, output: Path) -> None:
    """Copy what an archive of the package would hold.

    In the image it belongs to root and is read by another user, whom a umask here must not lock out.
    """
    for file in collect(layout.model_directory).files:
        target = output / file.path
        for folder in reversed(target.relative_to(output).parents[:-1]):
            (output / folder).mkdir(exist_ok=True)
            (output / folder).chmod(0o755)
        shutil.copyfile(file.source, target)
        target.chmod(0o755 if file.is_executable else 0o644)


def compose_document(order: ImageOrder) -> dict[str, Any]:
    """Return docker/compose.yaml for one package: its files come from the image and from ``./model``."""
    document: dict[str, Any] = read_yaml(docker_file("compose.yaml"))
    document["name"] = order.name
    adapter = document["services"]["adapter"]
    adapter["image"] = order.image
    adapter["build"] = {"context": ".", "dockerfile": "Dockerfile"}
    adapter["volumes"] = [volume for volume in adapter["volumes"] if volume.startswith("socket:")]
    limits = {"cpus": _plain_cpus(order.cpus), "memory": (order.memory or "").removesuffix("i").lower()}
    limits = {key: value for key, value in limits.items() if value}
    if limits:
        adapter["deploy"] = {"resources": {"limits": limits}}
    if order.has_model:
        model_server = document["services"]["model-server"]
        model_server["volumes"] = [f"./{MODEL_FOLDER_NAME}:/models/serve/1:ro", "socket:/run/model-server"]
        return document
    del document["services"]["model-server"], document["volumes"], adapter["volumes"], adapter["depends_on"]
    adapter["command"] = ["--sidecar", "never", *adapter["command"][2:]]
    return document


def _plain_cpus(cpus: str | None) -> str:
    """Compose knows no thousandths: ``500m`` becomes ``0.5``."""
    if cpus is None:
        return ""
    return f"{int(cpus[:-1]) / 1000:g}" if cpus.endswith("m") else cpus


def _dockerfile(order: ImageOrder) -> str:
    return _DOCKERFILE.format(
        heading=_HEADING,
        image=order.image,
        base=order.base,
        requirements=REQUIREMENTS_NAME,
        model=MODEL_FOLDER_NAME,
        command=_WITH_MODEL if order.has_model else _WITHOUT_MODEL,
    )


def _requirements(order: ImageOrder) -> str:
    if order.requirements is not None:
        try:
            return order.requirements.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--requirements {order.requirements}: cannot be read ({error})") from error
    lines = requirements_of(order.layout, wheel_text=lambda wheel: f"./{wheel.name}")
    return "".join(f"{line}\n" for line in lines)
