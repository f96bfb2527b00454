"""What the check says of customize_service.py, line by line: each snippet, and the findings that are certain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from model_packaging.check.package_check import CheckOptions, check_package

CONFIG = '{"model_algorithm": "test", "model_type": "TensorFlow"%s, "apis": [{"request": {"data": %s}}]}'
SCHEMA = '{"type": "object", "properties": {"images": {"type": "file"}}}'
FRAME = """
from model_service.tfserving_model_service import TfServingBaseService
%s

class Service(TfServingBaseService):
    def _inference(self, data):
        return data
%s
"""

Check = Callable[..., list[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """``check(service, top=..., **files)``: the findings as "code line", for a service with own ``_inference``."""

    def run(code: str, more: str = "", files: dict[str, str] | None = None) -> list[str]:
        model = tmp_path / "model"
        model.mkdir()
        (model / "config.json").write_text(CONFIG % (more, SCHEMA))
        (model / "customize_service.py").write_text(code)
        for name, content in (files or {}).items():
            (model / name).parent.mkdir(exist_ok=True)
            (model / name).write_text(content)
        report = check_package(CheckOptions(tmp_path, runs_package=False))
        return [f"{each.code} {each.place}" for each in report.findings]

    return run


LEGACY = [
    ("import numpy as np\nx = np.Inf", "numpy.Inf", "Write numpy.inf."),
    ("import numpy\nx = numpy.bool8", "numpy.bool8", "Write numpy.bool_."),
    ("from numpy import in1d", "numpy.in1d", "Write numpy.isin."),
    ("from PIL import Image\nx = Image.ANTIALIAS", "PIL.Image.ANTIALIAS", "Write PIL.Image.LANCZOS."),
    ("import PIL.Image\nx = PIL.Image.ANTIALIAS", "PIL.Image.ANTIALIAS", "Write PIL.Image.LANCZOS."),
    (
        "from PIL import Image, ImageDraw\nd = ImageDraw.Draw(Image.new('L', (9, 9)))\nx = d.textsize('a')",
        "PIL.ImageDraw.ImageDraw.textsize",
        "Write draw.textbbox",
    ),
    ("import tensorflow as tf\nx = tf.Session()", "tensorflow.Session", "Write tensorflow.compat.v1.Session."),
    ("import tensorflow as tf\nx = tf.contrib.slim.conv2d", "tensorflow.contrib", "Write the same function elsewhere"),
    ("from tensorflow.contrib import slim", "tensorflow.contrib", "Write the same function elsewhere"),
    ("import tensorflow as tf\nx = tf.gfile.GFile", "tensorflow.gfile", "Write tensorflow.io.gfile."),
    ("from keras.utils import np_utils", "keras.utils.np_utils", "Write keras.utils."),
    ("from collections import Iterable", "collections.Iterable", "Write collections.abc.Iterable."),
    ("import time\nx = time.clock()", "time.clock", "Write time.perf_counter."),
    ("import urllib2", "urllib2", "Write urllib.request."),
    ("import json\nx = json.loads('1', encoding='utf-8')", "json.loads with encoding=", "Write json.loads(text)"),
    ("import numpy as np\nalias = np\nx = alias.Inf", "numpy.Inf", "Write numpy.inf."),
]


@pytest.mark.parametrize(("top", "name", "remedy"), LEGACY, ids=[name for _, name, _ in LEGACY])
def test_a_name_that_is_gone(check: Check, tmp_path: Path, top: str, name: str, remedy: str) -> None:
    check(FRAME % (top, ""))
    (found,) = check_package(CheckOptions(tmp_path, runs_package=False)).findings
    assert found.code in ("legacy-call", "legacy-import")
    assert found.message.startswith(f"{name} is gone since ")
    assert found.remedy.startswith(remedy)
    assert found.place.line == 2 + len(top.splitlines())


NOT_LEGACY = {
    "compat.v1": "import tensorflow.compat.v1 as tf\nx = tf.Session()",
    "a parameter of that name": "def f(np):\n    return np.Inf\nx = f(3)",
    "two meanings": "import numpy as np\nif 1 > 2:\n    np = 3\nx = np",
    "bound in a loop": "import numpy as np\nfor np in ():\n    x = np.Inf",
    "try": "try:\n    from collections import Mapping\nexcept ImportError:\n    from collections.abc import Mapping",
    "suppress": "import contextlib, numpy as np\nwith contextlib.suppress(AttributeError):\n    x = np.Inf",
    "a test of the version": "import numpy as np\nif np.__version__ < '2':\n    x = np.Inf",
    "hasattr": "import numpy as np\nx = np.Inf if hasattr(np, 'Inf') else np.inf",
    "put back": "import numpy as np\nnp.Inf = np.inf\nx = np.Inf",
    "another module's": "import math as np\nx = np.inf",
    "in text": "x = 'np.Inf'  # np.Inf",
    "never called": "import numpy as np\ndef unused():\n    return np.Inf",
}


@pytest.mark.parametrize("case", NOT_LEGACY)
def test_what_only_looks_like_it(check: Check, case: str) -> None:
    assert check(FRAME % (NOT_LEGACY[case], "")) == []


def test_a_module_of_the_package_wins_over_a_library(check: Check) -> None:
    code = FRAME % ("from urllib2 import fetch\nimport helper", "")
    assert check(code, files={"urllib2.py": "def fetch():\n    pass\n", "helper.py": ""}) == []


def test_siblings_are_read_too_and_others_are_not(check: Check) -> None:
    code = FRAME % ("from helper import inner", "")
    bad = "import numpy as np\nx = np.Inf\n"
    found = check(code, files={"helper/__init__.py": "", "helper/inner.py": bad, "train.py": bad})
    assert found == ["legacy-call helper/inner.py:2"]


PREPROCESS = "\n    def _preprocess(self, data):\n        %s\n        return data\n"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("x = data['images']", []),
        ("x = data['image']", ["field-not-declared customize_service.py:10"]),
        ("for name, file in data['image'].items(): print(name)", ["field-not-declared customize_service.py:10"]),
        ("x = data.get('image')", []),
        ("x = data['image'] if 'image' in data else None", []),
        ("x = 'image' in data and data['image']", []),
        ("data = data['data']; x = data['image']", []),
        ("data.setdefault('image', {}); x = data['image']", []),
        ("x = [data[key] for key in ('image',)]", []),
        ("x = lambda: data['image']", []),
        ("for key, files in data.iteritems(): print(key)", ["legacy-call customize_service.py:10"]),
        ("x = data.has_key('images')", ["legacy-call customize_service.py:10"]),
    ],
)
def test_fields_that_preprocess_needs(check: Check, statement: str, expected: list[str]) -> None:
    assert check(FRAME % ("", PREPROCESS % statement)) == expected


SERVICES = {
    "a base of the package": "class Base(TfServingBaseService):\n    pass\nclass Own(Base):\n    pass",
    "a base of a sibling": "from helper import Base\nclass Own(Base):\n    pass",
    "a mixin": "class Mixin:\n    pass\nclass Own(Mixin, TfServingBaseService):\n    pass",
    "two, under a condition": "if 1 > 2:\n    class A(TfServingBaseService): pass\nclass B(TfServingBaseService): pass",
    "a star": "from helper import *",
    "made by a sibling": "from helper import make\nOwn = make()",
    "made by a call": "Own = type('Own', (TfServingBaseService,), {})\nclass Helper:\n    pass",
}
BASE_IMPORT = "from model_service.tfserving_model_service import TfServingBaseService\n"
SIBLING = f"{BASE_IMPORT}class Base(TfServingBaseService):\n    pass\ndef make():\n    return Base"


@pytest.mark.parametrize("case", SERVICES)
def test_a_service_class_that_is_there(check: Check, case: str) -> None:
    found = check(BASE_IMPORT + SERVICES[case], files={"helper.py": SIBLING})
    assert [each for each in found if "service" in each.partition(" ")[0]] == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("open('labels.txt')", []),
        ("open('label.txt')", ["missing-file customize_service.py:3"]),
        ("open('model/1/labels.txt')", []),
        ("open('model/1/label.txt')", ["missing-file customize_service.py:3"]),
        ("open('out.txt', 'w')", []),
        ("open('../label.txt')", []),
        ("import numpy as np; np.load('weights.npy')", ["missing-file customize_service.py:3"]),
        ("NAME = 'label.txt'; open(NAME)", ["missing-file customize_service.py:3"]),
        ("import os; NAME = os.environ.get('X', 'label.txt'); open(NAME)", []),
        ("import shutil; shutil.copy('labels.txt', 'label.txt'); open('label.txt')", []),
        ("open = print; open('label.txt')", []),
        ("open('/home/mind/model/1/labels.txt')", ["path-of-another-machine customize_service.py:3"]),
        ("open('/etc/hostname-that-nobody-has')", []),
    ],
)
def test_files_that_are_opened(check: Check, statement: str, expected: list[str]) -> None:
    assert check(FRAME % (statement, ""), files={"labels.txt": "zero\n"}) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("labels.txt", []), ("label.txt", ["missing-file customize_service.py:10"])]
)
def test_files_below_the_model_path(check: Check, name: str, expected: list[str]) -> None:
    method = f"\n    def _postprocess(self, data):\n        return open(os.path.join(self.model_path, '{name}')).read()"
    assert check(FRAME % ("import os", method), files={"labels.txt": "zero\n"}) == expected


def test_declared_and_provided_imports_are_no_finding(check: Check) -> None:
    names = (
        "import numpy, PIL, google.protobuf, grpc, requests, log, metric, model_def.model_def\nimport sklearn, scipy"
    )
    more = ', "dependencies": [{"installer": "pip", "packages": [{"package_name": "Scikit_Learn"}]}]'
    assert check(FRAME % (names, ""), more) == []


def test_a_wheel_may_hold_any_module(check: Check) -> None:
    wheel = "mine-1.0-py3-none-any.whl"
    more = f', "dependencies": [{{"installer": "pip", "packages": [{{"package_name": "{wheel}"}}]}}]'
    assert check(FRAME % ("import of_the_wheel", ""), more, {wheel: ""}) == []
