"""The top-level modules of the original runtime: found when nobody else provides them, and only then."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import model_service.log
from model_service.author import fallbacks
from tests.author.conftest import BindModel
from tests.conftest import MakePackage

NAMES = ["log", "metric", "metric.metrics_manager", "model_def", "model_def.model_def"]


def run(script: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_there_until_it_is_installed(tmp_path: Path) -> None:
    run(
        f"""
        import importlib.util
        import model_service.model_service, model_service.author.fallbacks as fallbacks
        assert not [name for name in {NAMES} if "." not in name and importlib.util.find_spec(name)]
        fallbacks.install()
        assert [name for name in {NAMES} if importlib.util.find_spec(name)] == {NAMES}
        for name in ("utils", "settings", "error_code", "config", "core"):
            assert importlib.util.find_spec(name) is None, name
        """,
        tmp_path,
    )


def test_installing_twice_is_installing_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = len(sys.meta_path)
    fallbacks.install()
    fallbacks.install()
    assert len(sys.meta_path) == before + 1


def test_log_in_both_spellings(tmp_path: Path) -> None:
    printed = run(
        """
        from model_service.author import fallbacks
        fallbacks.install()
        import log
        import model_service.log as ours
        log.getLogger("service").info("loaded %s", 3)
        ours.getLogger("other").info("too")
        log.getLogger("service").debug("never")
        """,
        tmp_path,
    )
    lines = printed.splitlines()
    assert len(lines) == 2
    assert "INFO: loaded 3" in lines[0]
    assert "[MainThread]" in lines[0]
    assert "<string>[line:6]" in lines[0]


def test_a_logger_asked_for_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        logger = model_service.log.getLogger("tests.fallbacks.twice")
    logger.info("once")
    assert capsys.readouterr().out.count("once") == 1
    logger.handlers.clear()


def test_asking_for_loggers_leaves_the_root_without_a_handler(tmp_path: Path) -> None:
    """Else the documented ``logging.basicConfig(level=INFO)`` of service code would do nothing."""
    printed = run(
        """
        import logging, sys
        import model_service.log as log
        log.getLogger("service")
        log.getLogger()
        assert logging.getLogger().handlers == []
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
        logging.getLogger("mine").info("seen")
        """,
        tmp_path,
    )
    assert printed == "seen\n"


def test_the_metrics_template_of_the_field(make_package: MakePackage, load: Callable[[Path], ModuleType]) -> None:
    module = load(make_package("overrides_inference"))
    service = module.TimedService("serve", "/models/1")
    answer = service.inference({"question": 7})
    assert answer["answer"] == 7
    assert answer["latency_time"].endswith(" ms")
    updates = []

    class Metric:
        def update(self, milliseconds: float) -> None:
            updates.append(milliseconds)

    module.MetricsManager.metrics["serve_LatencyOverall"] = Metric()
    try:
        service.inference({"question": 7})
    finally:
        module.MetricsManager.metrics.clear()
    assert len(updates) == 1


def test_model_def(bind_model: BindModel, worker_process: Callable[[Path], Path], make_package: MakePackage) -> None:
    bind_model()
    worker_process(make_package("echo"))
    module = importlib.import_module("model_def.model_def")
    model = module.ModelDef("serve", "/models/1")
    assert (model.model_name, model.model_signature) == ("serve", "predict_images")


@pytest.mark.parametrize("name", ["log", "metric", "model_def"])
def test_a_module_of_the_package_wins(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("OWNER = 'package'\n")
    run(
        f"""
        import sys
        from model_service.author import fallbacks
        fallbacks.install()
        import {name}
        assert {name}.OWNER == "package"
        """,
        tmp_path,
    )


def test_a_package_of_the_package_wins_and_is_completed(tmp_path: Path) -> None:
    (tmp_path / "metric").mkdir()
    (tmp_path / "metric" / "mine.py").write_text("X = 1\n")
    run(
        """
        from model_service.author import fallbacks
        fallbacks.install()
        import metric.mine
        from metric.metrics_manager import MetricsManager
        assert metric.mine.X == 1 and MetricsManager.metrics == {}
        """,
        tmp_path,
    )
