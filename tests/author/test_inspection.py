"""What is read in customize_service.py without running it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from model_service.author.inspection import ServiceTraits, inspect_service
from model_service.errors import PackageError
from tests.conftest import MakePackage


def traits(tmp_path: Path, body: str, before: str = "") -> ServiceTraits:
    """The traits of a class with this body."""
    path = tmp_path / "customize_service.py"
    path.write_text(f"{textwrap.dedent(before)}class S(Base):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n")
    return inspect_service(path)


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "def _preprocess(self, data):\n    self.size = 1\n    return data",
        "def _postprocess(self, data):\n    self.model.x = 1\n    local = 2\n    return local",
        "labels = ['a']\ndef _preprocess(self, data): return self.labels",
        "def _preprocess(self, data):\n    other = Base.x\n    return other",
        "def ping(self): ...",
    ],
)
def test_as_many_instances_as_threads(body: str, tmp_path: Path) -> None:
    assert traits(tmp_path, body).single_instance_reasons == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("def __init__(self, name, path): pass", "2: S overrides __init__"),
        ("def inference(self, data): return data", "2: S overrides inference"),
        ("async def inference(self, data): return data", "2: S overrides inference"),
        ("def f(self):\n    global count, total", "3: uses global count, total"),
        ("def f(self):\n    S.count = 1", "3: S.f assigns the class attribute count"),
        ("def f(self):\n    S.count += 1", "3: S.f assigns the class attribute count"),
        ("def f(self):\n    S.count: int = 1", "3: S.f assigns the class attribute count"),
        ("def f(self):\n    type(self).count = 1", "3: S.f assigns the class attribute count"),
        ("def f(self):\n    self.__class__.count = 1", "3: S.f assigns the class attribute count"),
        (
            "@classmethod\ndef f(cls):\n    cls.count = 1",
            "4: S.f assigns the class attribute count",
        ),
        ("def f(self):\n    S.a, S.b = 1, 2", "3: S.f assigns the class attribute a"),
        ("def f(self):\n    x = S.count = 1", "3: S.f assigns the class attribute count"),
        (
            "def f(self):\n    if self:\n        S.count = 1",
            "4: S.f assigns the class attribute count",
        ),
    ],
)
def test_one_instance_and_why(body: str, reason: str, tmp_path: Path) -> None:
    found = traits(tmp_path, body).single_instance_reasons
    assert found[:1] == (f"customize_service.py:{reason}",)


def test_every_reason_is_given(make_package: MakePackage) -> None:
    path = make_package("uses_global") / "model" / "customize_service.py"
    assert inspect_service(path).single_instance_reasons == ("customize_service.py:13: uses global running, most",)
    path = make_package("thread_safe") / "model" / "customize_service.py"  # the class has the last word, elsewhere
    assert inspect_service(path).single_instance_reasons == ("customize_service.py:12: SafeService overrides __init__",)


@pytest.mark.parametrize(
    ("body", "has_own"),
    [
        ("pass", False),
        ("def _preprocess(self, data): return data", False),
        ("def inference(self, data): return self._inference(data)", False),
        ("def f(self):\n    def _inference(): pass", False),
        ("def _inference(self, data): return data", True),
        ("async def _inference(self, data): return data", True),
        ("@staticmethod\ndef _inference(data): return data", True),
        ("_inference = run_model", True),
    ],
)
def test_own_inference(body: str, has_own: bool, tmp_path: Path) -> None:
    assert traits(tmp_path, body).has_own_inference is has_own


def test_own_inference_of_any_class_in_the_file(tmp_path: Path) -> None:
    before = "class Common(Base):\n    def _inference(self, data): return data\n\n"
    assert traits(tmp_path, "pass", before).has_own_inference


def test_the_default_service() -> None:
    assert inspect_service(None) == ServiceTraits((), False)


def test_nothing_is_executed(tmp_path: Path) -> None:
    assert traits(tmp_path, "pass", f"open({str(tmp_path / 'touched')!r}, 'w')\n1 / 0\n") == ServiceTraits()
    assert not (tmp_path / "touched").exists()


def test_python_2_is_named_with_file_and_line(make_package: MakePackage) -> None:
    path = make_package("syntax_error") / "model" / "customize_service.py"
    with pytest.raises(PackageError, match=rf"^{path}:8: not valid Python: Missing parentheses"):
        inspect_service(path)


@pytest.mark.parametrize(
    "content", [b"x = '\x00'", b"# coding: nosuch\n", b"x = '\xff'\n", b"x = " + b"(" * 500, b"\xff\xfex\x00"]
)
def test_bytes_that_are_no_python(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "customize_service.py"
    path.write_bytes(content)
    with pytest.raises(PackageError, match=f"^{path}.*: not valid Python: "):
        inspect_service(path)


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "customize_service.py"
    path.write_bytes("# coding: gbk\nNAME = '名'\n".encode("gbk"))
    assert inspect_service(path) == ServiceTraits()
    path.write_bytes(b"\xef\xbb\xbfx = 1\n")
    assert inspect_service(path) == ServiceTraits()


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="cannot be read: No such file"):
        inspect_service(tmp_path / "customize_service.py")


def test_inference_in_a_sibling_that_is_imported_counts(tmp_path: Path) -> None:
    service = tmp_path / "customize_service.py"
    (tmp_path / "base.py").write_text("class Base:\n    def _inference(self, data):\n        return data\n")
    service.write_text("import os\n\nclass Service:\n    pass\n")
    assert not inspect_service(service).has_own_inference
    for line in ("from base import Base", "import base", "from .base import Base", "from . import base"):
        service.write_text(f"{line}\n\nclass Service:\n    pass\n")
        assert inspect_service(service).has_own_inference, line
