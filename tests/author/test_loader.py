"""Loading customize_service.py: what it may import, what is said when it fails, which class serves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from model_service.author.base import SingleNodeService
from model_service.author.loader import choose_service_class, load_service
from model_service.author.tfserving import TfServingBaseService
from model_service.errors import PackageError
from model_service.package.dependencies import Dependency
from tests.conftest import MakePackage

Load = Callable[[Path], ModuleType]
IMPORT = "from model_service.tfserving_model_service import TfServingBaseService\n"
CLASS = "class MyService(TfServingBaseService): pass\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(text, **others)`` writes a package and returns its folder."""

    def write_package(text: str, **others: str) -> Path:
        model = tmp_path / "package" / "model"
        model.mkdir(parents=True)
        (model / "customize_service.py").write_text(text)
        for name, content in others.items():
            (model / f"{name}.py").write_text(content)
        return model.parent

    return write_package


@pytest.fixture
def chosen(write: Callable[..., Path], load: Load) -> Callable[..., str]:
    """``chosen(text, **others)`` is the name of the class that serves."""

    def choose(text: str, **others: str) -> str:
        return choose_service_class(load(write(IMPORT + text, **others)), TfServingBaseService).__name__

    return choose


# Loading


def test_a_module_under_the_name_authors_know(make_package: MakePackage, load: Load) -> None:
    module = load(make_package("own_inference"))
    assert module.__name__ == "customize_service"
    assert sys.modules["customize_service"] is module
    assert module.__file__ is not None
    assert module.__file__.endswith("/run/model/1/customize_service.py")


def test_the_name_is_the_files_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "some_helper", None)
    (tmp_path / "some_helper.py").write_text("X = __name__\n")
    module = load_service(str(tmp_path / "some_helper.py"))
    assert (module.__name__, module.X) == ("some_helper", "some_helper")


def test_siblings_plain_relative_and_late(make_package: MakePackage, load: Load) -> None:
    service = load(make_package("siblings")).SiblingsService("serve", str(Path.cwd() / "model" / "1"))
    assert service.inference({}) == {
        "helper": 42,
        "relative": "hello",
        "late": "late",
        "labels": ["cat", "dog"],
        "labels_by_path": ["cat", "dog"],
    }


def test_modules_of_the_package_win(make_package: MakePackage, load: Load) -> None:
    service = load(make_package("shadowing")).ShadowingService("serve", "/models/1")
    assert service.inference({}) == {"log": "package", "utils": "package"}


def test_classes_can_be_pickled(write: Callable[..., Path], load: Load) -> None:
    import pickle

    module = load(write("class Box: pass\n"))
    assert type(pickle.loads(pickle.dumps(module.Box()))) is module.Box


# Failing


def test_a_missing_distribution_is_named_with_file_line_and_remedy(
    make_package: MakePackage, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PackageError) as caught:
        load(make_package("import_error"))
    message = str(caught.value)
    assert "/customize_service.py:4: loading fails: ModuleNotFoundError: " in message
    assert message.endswith("(install it: pip install surely_not_installed)")
    assert "Traceback" in capsys.readouterr().err
    assert "customize_service" not in sys.modules


def test_a_missing_module_is_named_by_the_dependency_that_has_it(tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text("import faiss.contrib\n")
    declared = Dependency("faiss-gpu", ">=1.7", 0, "/dependencies/0/packages/0")
    with pytest.raises(PackageError, match=r"\(install it: pip install 'faiss-gpu>=1.7'\)$"):
        load_service(str(service), dependencies=[declared])
    with pytest.raises(PackageError, match=r"\(install it: pip install faiss-cpu\)$"):
        load_service(str(service))


@pytest.mark.parametrize(
    "statement", ["import json.contrib", "from . import nothing_here", "from .nothing_here import x"]
)
def test_no_installation_is_proposed_where_it_would_not_help(statement: str, tmp_path: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text(f"{statement}\n")
    with pytest.raises(PackageError) as caught:
        load_service(str(service))
    assert "install" not in str(caught.value).replace(str(tmp_path), "")


def test_python_2_is_named_with_file_and_line(
    make_package: MakePackage, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PackageError, match=r"/customize_service\.py:8: loading fails: SyntaxError: Missing paren"):
        load(make_package("syntax_error"))
    assert 'print "inference"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "others", "message"),
    [
        ("x = 1\n1 / 0\n", {}, r"customize_service.py:2: loading fails: ZeroDivisionError"),
        ("import helper\n", {"helper": "x = 1\n\n1 / 0\n"}, r"helper.py:3: loading fails: ZeroDivisionError"),
        ("import helper\n", {"helper": "def f(:\n"}, r"helper.py:1: loading fails: SyntaxError"),
        ("import json\njson.loads('')\n", {}, r"customize_service.py:2: loading fails: JSONDecodeError"),
        ("import sys\nsys.exit('no')\n", {}, r"customize_service.py:2: loading fails: SystemExit: no"),
        ("open('weights.npy')\n", {}, r"customize_service.py:1: loading fails: FileNotFoundError"),
        ("from .helper import y\n", {"helper": "x = 1\n"}, r"customize_service.py:1: loading fails: ImportError"),
        ("import sys\ndel sys.modules[__name__]\n1 / 0\n", {}, r"customize_service.py:3: loading fails: Zero"),
    ],
)
@pytest.mark.usefixtures("capsys")
def test_the_last_line_of_the_packages_own_is_named(
    text: str, others: dict[str, str], message: str, write: Callable[..., Path], load: Load
) -> None:
    with pytest.raises(PackageError, match=message):
        load(write(text, **others))


@pytest.mark.usefixtures("capsys")
def test_a_relative_path_is_named_with_its_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_helper.py").write_text("\n\n1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackageError, match=r"some_helper.py:3: loading fails"):
        load_service("some_helper.py")


def test_what_is_not_there(tmp_path: Path) -> None:
    for name in ("nothing.py", "nothing", "model.txt"):
        with pytest.raises(PackageError, match="there is no Python file to load"):
            load_service(str(tmp_path / name))


@pytest.mark.usefixtures("capsys")
def test_a_failed_load_leaves_a_module_of_that_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ModuleType("some_helper")
    monkeypatch.setitem(sys.modules, "some_helper", before)
    (tmp_path / "some_helper.py").write_text("1 / 0\n")
    with pytest.raises(PackageError):
        load_service(str(tmp_path / "some_helper.py"))
    assert sys.modules.get("some_helper") is before


# Choosing


@pytest.mark.parametrize(
    "text",
    [
        CLASS,
        f"{CLASS}Alias = MyService\n",
        "class Base(TfServingBaseService): pass\nclass MyService(Base): pass\n",
        f"{CLASS}class Helper: pass\nclass Error(Exception): pass\n",
        f"from model_service.model_service import ModelService, SingleNodeService\n{CLASS}",
        f"import unittest.mock\nmock = unittest.mock.MagicMock()\n{CLASS}",
        f"Vector = list[float]\nTable = dict[str, int]\n{CLASS}",
        "if True:\n    class MyService(TfServingBaseService): pass\n",
        f"from helper import *\n{CLASS}",
        "from helper import MyService\n",
        "from helper import Common\nclass MyService(Common): pass\n",
    ],
)
def test_the_one_class_that_nothing_is_derived_from(text: str, chosen: Callable[..., str]) -> None:
    helper = f"{IMPORT}class Common(TfServingBaseService): pass\nclass MyService(Common): pass\n__all__ = ['Common']\n"
    assert chosen(text, helper=helper) == "MyService"


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("two_classes", r"exactly one service class is needed, found 2: FirstService, SecondService"),
        ("no_class", r"no class is derived from TfServingBaseService. Define exactly one"),
    ],
)
def test_none_or_two_are_refused(package: str, message: str, make_package: MakePackage, load: Load) -> None:
    module = load(make_package(package))
    with pytest.raises(PackageError, match=rf"customize_service\.py: {message}"):
        choose_service_class(module, TfServingBaseService)


def test_a_service_that_only_wants_the_three_hooks(write: Callable[..., Path], load: Load) -> None:
    text = "from model_service.model_service import SingleNodeService\nclass MyService(SingleNodeService): pass\n"
    assert choose_service_class(load(write(text)), SingleNodeService).__name__ == "MyService"
