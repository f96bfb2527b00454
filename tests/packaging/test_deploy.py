"""docker/, and what ``package image`` and ``package kubernetes`` make of it, against the schemas of those who read it.

Nothing is built and no cluster is asked here: the Dockerfiles are read by a linter, the compose files are held against
the compose specification's schema, the manifests against those of Kubernetes.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from model_packaging.cli import main
from model_packaging.deploy.kubernetes import KSERVE, MANIFESTS
from model_service.auth.tokens import read_tokens
from model_service.client import Client, PredictionFailed
from model_service.client.local import serve_package

MakePackage = Callable[..., Path]

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
TOOLS = Path(sys.executable).parent
KSERVE_SCHEMA = json.loads((Path(__file__).parent / "kserve.schema.json").read_text())
HARDENED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(scope="module")
def package(make_package: MakePackage) -> Path:
    """A package with a model, in a folder whose name is a good one."""
    made = make_package("digits", "digits")
    return made.rename(made.with_name("My_Digits"))


@pytest.fixture(scope="module")
def modelless(make_package: MakePackage) -> Path:
    made = make_package("own_inference")
    return made.rename(made.with_name("counter"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def check_manifest(document: dict[str, Any]) -> None:
    """Hold a manifest against its schema; one without a schema is a failure."""
    if document["apiVersion"].startswith("serving.kserve.io/"):
        jsonschema.validate(document, KSERVE_SCHEMA)
        spec = document["spec"]
        model = {key: value for key, value in spec["predictor"]["model"].items() if key in ("ports", "resources")}
        for pod in ({"containers": [{"name": "model", **model}]}, spec["transformer"]):
            document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        return
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def check_compose(*files: Path) -> None:
    command = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def check_dockerfile(path: Path, context: Path) -> None:
    """Every file that is copied exists in the build context, the end is no root, and the linter finds nothing."""
    parsed = DockerfileParser(path=str(path))
    parsed.cache_content = True
    for step in parsed.structure:
        if step["instruction"] == "COPY" and "--from" not in step["value"]:
            for source in step["value"].split()[:-1]:
                assert (context / source).exists(), source
    users = [step["value"] for step in parsed.structure if step["instruction"] == "USER"]
    assert users[-1] == "10001:10001"
    done = subprocess.run([TOOLS / "hadolint", path], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_of_the_adapter() -> None:
    check_dockerfile(DOCKER / "Dockerfile", ROOT)
    steps = {step["instruction"]: step["value"] for step in DockerfileParser(path=str(DOCKER / "Dockerfile")).structure}
    assert steps["STOPSIGNAL"] == "SIGTERM"
    assert "/health" in steps["HEALTHCHECK"]
    assert "--no-auth" not in steps["ENTRYPOINT"] + steps["CMD"]
    copied = {
        source
        for step in DockerfileParser(path=str(DOCKER / "Dockerfile")).structure
        if step["instruction"] == "COPY" and "--from" not in step["value"]
        for source in step["value"].split()[:-1]
    }
    let_through = (DOCKER / "Dockerfile.dockerignore").read_text().split()
    assert {f"!{name}" for name in copied} == {line for line in let_through if line.startswith("!")}


def check_services(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" in service
        assert "healthcheck" in service


def test_the_compose_files() -> None:
    check_compose(DOCKER / "compose.yaml", DOCKER / "compose.gpu.yaml")
    compose = read(DOCKER / "compose.yaml")
    check_services(compose)
    socket = "unix:/run/model-server/grpc.sock"
    assert socket in compose["services"]["adapter"]["command"]
    assert f"--grpc_socket_path={socket.removeprefix('unix:')}" in compose["services"]["model-server"]["command"]
    assert compose["services"]["adapter"]["ports"] == ["127.0.0.1:8080:8080"]
    assert "devices" in str(read(DOCKER / "compose.gpu.yaml")["services"]["model-server"])


@pytest.mark.parametrize("path", sorted((DOCKER / "kubernetes").rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_worked_example_is_valid(path: Path) -> None:
    check_manifest(read(path))


def test_a_kind_without_a_schema_is_a_failure() -> None:
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        check_manifest({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}})
    broken = read(DOCKER / "kubernetes" / "kserve" / "inference-service.yaml")
    broken["spec"]["transformer"]["containers"][0]["imagePolicy"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        check_manifest(broken)


def test_the_pod_is_hardened() -> None:
    pod = read(DOCKER / "kubernetes" / "deployment.yaml")["spec"]["template"]["spec"]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert all(each["securityContext"] == HARDENED for each in (*pod["containers"], *pod["initContainers"]))
    arguments = pod["containers"][0]["args"]
    drain = int(arguments[arguments.index("--drain-timeout") + 1])
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > drain + pause
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounted = {mount["name"] for each in (*pod["containers"], *pod["initContainers"]) for mount in each["volumeMounts"]}
    assert mounted == volumes


def test_an_image_is_written_for_a_package(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["image", str(package), "--output", str(out), "--cpus", "500m", "--memory", "512Mi"]) == 0
    check_dockerfile(out / "Dockerfile", out)
    check_compose(out / "compose.yaml", out / "compose.gpu.yaml")
    compose = read(out / "compose.yaml")
    check_services(compose)
    assert compose["name"] == "my-digits"
    assert compose["services"]["adapter"]["image"] == "my-digits:latest"
    assert compose["services"]["adapter"]["deploy"]["resources"]["limits"] == {"cpus": "0.5", "memory": "512m"}
    assert compose["services"]["model-server"]["volumes"][0] == "./model:/models/serve/1:ro"
    assert (out / "model" / "saved_model.pb").read_bytes() == (package / "model" / "saved_model.pb").read_bytes()
    assert "docker compose up --build" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["image", "kubernetes"])
def test_an_archive_is_as_good_as_its_folder(package: Path, tmp_path: Path, command: str) -> None:
    archive = tmp_path / "My_Digits.tar.gz"
    assert main(["archive", str(package), "--output", str(archive)]) == 0
    written = []
    for number, source in enumerate((package, archive)):
        output = tmp_path / str(number)
        assert main([command, str(source), "--output", str(output)]) == 0
        written.append({str(path.relative_to(output)): path for path in output.rglob("*") if path.is_file()})
    assert written[0].keys() == written[1].keys() != set()
    assert all(path.read_bytes() == written[1][name].read_bytes() for name, path in written[0].items())


def test_the_files_of_an_image_can_be_read_by_its_user(package: Path, tmp_path: Path) -> None:
    """In the image they belong to root; the user is another one."""
    before = os.umask(0o077)
    try:
        assert main(["image", str(package), "--output", str(tmp_path / "out")]) == 0
    finally:
        os.umask(before)
    for path in (tmp_path / "out" / "model", *(tmp_path / "out" / "model").rglob("*")):
        wanted = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_what_cannot_be_copied_is_told_and_nothing_left(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(package, tmp_path / "other"))
    (other / "model" / "secrets").symlink_to("/etc")
    assert main(["image", str(other), "--output", str(tmp_path / "out")]) == 2
    assert "is a link to /etc, which is not in the package" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"other"}


def test_the_preparing_container_may_run_twice(tmp_path: Path) -> None:
    """Kubernetes runs it again in the same pod, over what it has left."""
    pod = read(DOCKER / "kubernetes" / "deployment.yaml")["spec"]["template"]["spec"]
    (script,) = pod["initContainers"][0]["args"]
    places = {"/secret": "secret", "/run/callers": "callers", "/package/model": "package", "/models/digits": "models"}
    for inside, here in places.items():
        (tmp_path / here).mkdir()
        script = script.replace(inside, str(tmp_path / here))
    (tmp_path / "secret" / "tokens").write_text("me 0123456789abcdef\n")
    (tmp_path / "package" / "saved_model.pb").write_bytes(b"x")
    for _ in range(2):
        subprocess.run([*pod["initContainers"][0]["command"], script], check=True, timeout=20)
        read_tokens(tmp_path / "callers" / "tokens")
        assert [path.name for path in (tmp_path / "models" / "1").iterdir()] == ["saved_model.pb"]


def test_dependencies_become_requirements(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((package / "model" / "config.json").read_text())
    packages = [
        {"package_name": "numpy", "package_version": "1.26", "restraint": "ATLEAST"},
        {"package_name": "own-1.0-py3-none-any.whl"},
        {"package_name": "scipy", "package_version": "", "restraint": ""},
    ]
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "customize_service.py").write_text("class A: pass\n")
    (tmp_path / "model" / "own-1.0-py3-none-any.whl").touch()
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(config | {"dependencies": [{"installer": "pip", "packages": packages}]}))
    assert main(["image", str(tmp_path), "--output", str(tmp_path / "out"), "--name", "x"]) == 0
    assert (tmp_path / "out" / "requirements.txt").read_text() == "numpy>=1.26\n./own-1.0-py3-none-any.whl\nscipy\n"
    path.write_text(json.dumps(config | {"dependencies": [{"installer": "conda", "packages": []}]}))
    assert main(["image", str(tmp_path), "--output", str(tmp_path / "out2"), "--name", "x"]) == 2
    assert "'conda'; allowed: pip" in capsys.readouterr().err
    assert not (tmp_path / "out2").exists()


def test_a_package_without_a_model_needs_no_model_server(modelless: Path, tmp_path: Path) -> None:
    assert main(["image", str(modelless), "--output", str(tmp_path / "image")]) == 0
    check_compose(tmp_path / "image" / "compose.yaml")
    compose = read(tmp_path / "image" / "compose.yaml")
    assert list(compose["services"]) == ["adapter"]
    assert compose["services"]["adapter"]["command"][:2] == ["--sidecar", "never"]
    assert main(["kubernetes", str(modelless), "--output", str(tmp_path / "cluster")]) == 0
    deployment = read(tmp_path / "cluster" / "deployment.yaml")
    check_manifest(deployment)
    pod = deployment["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["initContainers"]] == ["prepare"]
    assert {volume["name"] for volume in pod["volumes"]} == {"secret", "callers", "tmp"}
    assert not (tmp_path / "cluster" / "kserve").exists()


def test_manifests_are_written_for_a_package(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("me 0123456789abcdef\n")
    tokens.chmod(0o600)
    flags = [
        "--image",
        "registry.local:5000/team/d:2",
        "--cpu",
        "2",
        "--memory",
        "1Gi",
        "--replicas",
        "9",
        "--gpus",
        "1",
    ]
    arguments = ["kubernetes", str(package), "--output", str(tmp_path / "out"), *flags, "--auth-file", str(tokens)]
    assert main(arguments) == 0
    documents = {name: read(tmp_path / "out" / f"{name}.yaml") for name in (*MANIFESTS, "secret", KSERVE)}
    for document in documents.values():
        check_manifest(document)
        assert document["metadata"]["name"] in ("my-digits", "my-digits-callers")
    assert "digits-" not in json.dumps(documents).replace("my-digits-", "")
    pod = documents["deployment"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.local:5000/team/d:2"
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "1Gi"}
    assert pod["initContainers"][1]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["initContainers"][1]["image"].endswith("-gpu")
    assert "replicas" not in documents["deployment"]["spec"]
    assert documents["autoscaler"]["spec"]["minReplicas"] == documents["autoscaler"]["spec"]["maxReplicas"] == 9
    assert documents["secret"]["stringData"]["tokens"] == "me 0123456789abcdef\n"
    assert stat.S_IMODE((tmp_path / "out" / "secret.yaml").stat().st_mode) == 0o600
    assert documents[KSERVE]["spec"]["predictor"]["model"]["storageUri"] == "pvc://my-digits-models/my-digits"
    assert "kubectl apply" in capsys.readouterr().out


def test_without_an_auth_file_no_secret_is_written(package: Path, tmp_path: Path) -> None:
    assert main(["kubernetes", str(package), "--output", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "secret.yaml").exists()


@pytest.mark.parametrize(
    ("command", "flag", "value", "told"),
    [
        ("kubernetes", "--name", "a: b", "must be small letters, digits and -"),
        ("kubernetes", "--name", "a-", "DNS-1035"),
        ("kubernetes", "--name", "3d", "a letter first"),
        ("kubernetes", "--name", "a" * 51, "at most 50 characters"),
        ("kubernetes", "--image", "x\nkind: Pod", "must be the name of an image"),
        ("kubernetes", "--memory", "1GB", "such as 512Mi"),
        ("kubernetes", "--cpu", "0", "a number of CPUs"),
        ("kubernetes", "--cpu", "0.00", "a number of CPUs"),
        ("kubernetes", "--replicas", "0", "from 1 to 1000"),
        ("kubernetes", "--storage-uri", "/models", "pvc://claim/path"),
        ("image", "--base-image", "a\nRUN evil", "must be the name of an image"),
        ("image", "--image", "${HOME}", "must be the name of an image"),
        ("image", "--requirements", "/nowhere", "cannot be read"),
        ("image", "--output", str(DOCKER), "nothing is ever overwritten"),
        ("kubernetes", "--output", str(DOCKER), "nothing is ever overwritten"),
    ],
)
def test_a_wrong_value_is_told_and_nothing_written(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, flag: str, value: str, told: str
) -> None:
    output = [] if flag == "--output" else ["--output", str(tmp_path / "out")]
    assert main([command, str(package), *output, flag, value]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def moved(words: list[str], places: dict[str, Path]) -> list[str]:
    """A command line of a container with the places in it exchanged for those here."""
    for inside, here in places.items():
        words = [word.replace(inside, str(here)) for word in words]
    return words


def test_the_two_commands_of_the_compose_file_work_together(
    package: Path, saved_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The embedded server takes the place of the real one, whose flags it has; else all is as in the containers."""
    folder = tmp_path_factory.mktemp("pod")
    (folder / "models").mkdir()
    (folder / "models" / "1").symlink_to(saved_model("digits"))
    (folder / "tokens").write_text("me 0123456789abcdef\n")
    (folder / "tokens").chmod(0o400)
    places = {"/run/model-server": folder, "/models/serve": folder / "models", "/run/secrets": folder}
    services = read(DOCKER / "compose.yaml")["services"]
    steps = {step["instruction"]: step["value"] for step in DockerfileParser(path=str(DOCKER / "Dockerfile")).structure}
    entrypoint = json.loads(steps["ENTRYPOINT"])
    assert entrypoint[:3] == ["model-service", "serve", "/package"]
    flags = [{"8080": "0"}.get(word, word) for word in entrypoint[3:]]
    server = [sys.executable, "-m", "model_service.model_server", *moved(services["model-server"]["command"], places)]
    with subprocess.Popen(server, stderr=subprocess.DEVNULL) as model_server:
        try:
            command = moved(services["adapter"]["command"], places)
            with serve_package(package, *flags, *command) as service:
                url = service.url.replace("0.0.0.0", "127.0.0.1")
                files = {"images": ROOT / "tests" / "data" / "digit.png"}
                with Client(url, token="0123456789abcdef") as client:
                    assert client.predict(files=files)["predicted_label"] in "0123456789"
                with Client(url) as stranger, pytest.raises(PredictionFailed, match="401"):
                    stranger.predict(files=files)
        finally:
            model_server.terminate()
