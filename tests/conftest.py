"""Fixtures for all tests: every test has a scratch home, so none touches a person's own progress or models."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import untouched

# Read when the libraries are imported, so set before anything imports them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["COLUMNS"] = "200"  # so that no table wraps a path; a console reads it when it is made
if "PYTEST_XDIST_WORKER" in os.environ:  # a worker for each core: each computes with one thread, and so does what it starts
    os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")})

from labutils.machine import settings

# A shell without job control starts a background command with Ctrl-C ignored; some tests send themselves that signal.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REAL_HOME = settings.home()
SETTINGS = ("LABS_MODEL", "LABS_DIALOGUES", "LABS_PROFILE", "LABS_STRICT")
MODEL_FIXTURES = {"default_model", "ready_home"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `model` every test that, by itself or through a fixture, needs the course's own models; note the faults for `make proof`."""
    for item in items:
        if MODEL_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("model")
        if fault := item.get_closest_marker("fault"):
            said = (getattr(getattr(item, "function", None), "__doc__", None) or "").strip().splitlines()
            item.user_properties += [("fault", fault.args[0]), ("shows", said[0] if said else "")]


_before = None if "PYTEST_XDIST_WORKER" in os.environ else untouched.state(REAL_HOME)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Say it where a person's own home is not as it was; in CI that is a failure."""
    if _before is not None and (sentence := untouched.difference(REAL_HOME, _before)):
        session.config.pluginmanager.get_plugin("terminalreporter").write_line(f"\n{sentence}")
        if untouched.is_failure():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _link_models(home: Path) -> Path:
    assert (REAL_HOME / "models").is_dir(), f"there are no models in {REAL_HOME}: run `make setup` first"
    home.mkdir(parents=True, exist_ok=True)
    (home / "models").symlink_to(REAL_HOME / "models", target_is_directory=True)
    return home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty LABS_HOME (not made yet), and none of the other LABS_ settings."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LABS_HOME", str(folder))
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def ready_home(home: Path) -> Path:
    """A scratch LABS_HOME whose models are the real ones. Read them only: nothing may fetch into this home."""
    return _link_models(home)


@pytest.fixture(scope="session")
def default_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The course's language model and its tokenizer, loaded once. Leave both as they are."""
    from labutils.course.loading import load_model

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABS_HOME", str(_link_models(tmp_path_factory.mktemp("session") / "home")))
        patch.delenv("LABS_MODEL", raising=False)
        return load_model()


@pytest.fixture
def says() -> Callable[..., None]:
    """Assert that a text is one line for a person, without a traceback, and holds every one of the given words."""

    def check(text: object, *words: object) -> None:
        line = str(text).strip()
        assert line and "\n" not in line and "Traceback" not in line, f"not one line: {line!r}"
        assert line.endswith("."), f"not a sentence: {line!r}"
        assert [str(word) for word in words if str(word) not in line] == [], line

    return check
