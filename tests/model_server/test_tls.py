"""gRPC over TLS, with and without certificates of the clients."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest

from model_service.tfs.protos import prediction_service_pb2_grpc

from .conftest import CALL_SECONDS, Client, Starts, free_port

FAILURE = 255

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


class Authority:
    """A certificate authority of its own; the texts are PEM."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self._folder = folder
        self._openssl("req", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")
        self.certificate = (folder / "ca.pem").read_text("utf-8")

    def issue(self, name: str) -> tuple[str, str]:
        """Return key and certificate for a name and for the loopback address."""
        self._openssl("req", "-keyout", "own.key", "-out", "own.csr", "-subj", f"/CN={name}")
        extensions = self._folder / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\n", "utf-8")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", str(extensions)]
        self._run("x509", "-req", "-in", "own.csr", "-out", "own.pem", "-days", "2", *signing)
        return (self._folder / "own.key").read_text("utf-8"), (self._folder / "own.pem").read_text("utf-8")

    def _openssl(self, *arguments: str) -> None:
        self._run(*arguments, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "foreign")


def _config(path: Path, key: str, certificate: str, custom_ca: str = "", client_verify: bool = False) -> Path:
    texts = {"server_key": key, "server_cert": certificate, "custom_ca": custom_ca}
    lines = [f"{name}: {json.dumps(text)}" for name, text in texts.items() if text]
    path.write_text("\n".join([*lines, f"client_verify: {str(client_verify).lower()}", ""]), "utf-8")
    return path


class TlsServer:
    """A server and its addresses."""

    def __init__(self, start: Starts, config: Path):
        self.port = free_port()
        self.server = start("half_plus_two", f"--port={self.port}", f"--ssl_config_file={config}")
        flag = next(flag for flag in self.server.flags if flag.startswith("--grpc_socket_path="))
        self.socket = f"unix:{flag.partition('=')[2]}"

    def predict(
        self, root: str | None, identity: tuple[str, str] | None = None, target: str = "", name: str = ""
    ) -> list[float]:
        """Ask with the certificates given; without a root in the clear."""
        target = target or f"127.0.0.1:{self.port}"
        options = [("grpc.ssl_target_name_override", name)] if name else []
        if root is None:
            channel = grpc.insecure_channel(target)
        else:
            key, chain = (text.encode() for text in identity) if identity else (None, None)
            channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(root.encode(), key, chain), options)
        with channel:
            client = Client(target, "half_plus_two")
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            answer = stub.Predict(client.request(x=[[2.0]]), CALL_SECONDS)
            client.channel.close()
        return list(answer.outputs["y"].float_val)

    def refuses(self, root: str | None, identity: tuple[str, str] | None = None, target: str = "") -> bool:
        """Whether no call gets through."""
        with pytest.raises(grpc.RpcError) as caught:
            self.predict(root, identity, target)
        assert isinstance(caught.value, grpc.Call)
        return caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.fixture(scope="module")
def tls(start: Starts, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> TlsServer:
    folder = tmp_path_factory.mktemp("config")
    return TlsServer(start, _config(folder / "ssl.pbtxt", *authority.issue("model-server")))


@pytest.fixture(scope="module")
def mutual(start: Starts, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> TlsServer:
    folder = tmp_path_factory.mktemp("config")
    server_identity = authority.issue("model-server")
    return TlsServer(start, _config(folder / "ssl.pbtxt", *server_identity, authority.certificate, True))


def test_only_clients_that_speak_tls_are_answered(tls: TlsServer, authority: Authority) -> None:
    assert tls.predict(authority.certificate) == [4.0]
    assert tls.refuses(None)


def test_a_client_that_trusts_another_authority_does_not_speak_to_us(tls: TlsServer, stranger: Authority) -> None:
    assert tls.refuses(stranger.certificate)


def test_the_unix_socket_speaks_tls_too(tls: TlsServer, authority: Authority) -> None:
    assert tls.predict(authority.certificate, target=tls.socket, name="model-server") == [4.0]
    assert tls.refuses(None, target=tls.socket)


def test_mutual_tls_asks_clients_for_a_certificate_of_the_authority(
    mutual: TlsServer, authority: Authority, stranger: Authority
) -> None:
    assert mutual.predict(authority.certificate, authority.issue("client")) == [4.0]
    assert mutual.refuses(authority.certificate)
    assert mutual.refuses(authority.certificate, stranger.issue("client"))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "NOT_FOUND: {path}; No such file or directory"),
        ("no_message", "INVALID_ARGUMENT: Invalid protobuf file: '{path}'"),
        ("empty", "server_key, server_cert and custom_ca must be PEM texts that fit"),
        ("other_key", "server_key, server_cert and custom_ca must be PEM texts that fit"),
        ("bad_ca", "server_key, server_cert and custom_ca must be PEM texts that fit"),
        ("no_ca", "client_verify needs custom_ca"),
    ],
)
def test_an_unusable_file_ends_the_start(
    start: Starts, authority: Authority, tmp_path: Path, fault: str, message: str
) -> None:
    path = tmp_path / "ssl.pbtxt"
    key, certificate = authority.issue("model-server")
    other_key, _ = authority.issue("other")
    if fault == "no_message":
        path.write_text(key, "utf-8")
    elif fault == "empty":
        path.touch()
    elif fault == "other_key":
        _config(path, other_key, certificate)
    elif fault == "bad_ca":
        _config(path, key, certificate, "no certificate", True)
    elif fault == "no_ca":
        _config(path, key, certificate, "", True)
    server = start("half_plus_two", f"--ssl_config_file={path}", ready=False)
    assert server.wait() == FAILURE
    assert "Failed to start server. Error: " in server.log
    assert message.format(path=path) in server.log
    assert "Traceback" not in server.log
    assert key.splitlines()[1] not in server.log
    assert "Loading servable version" not in server.log
