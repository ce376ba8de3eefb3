"""Whatever changes in a home is seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import untouched

has_modes = pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")


@pytest.mark.parametrize(
    "change",
    [
        lambda home: (home / "progress.json").write_text("other"),
        pytest.param(lambda home: (home / "progress.json").chmod(0o600), marks=has_modes),
        lambda home: os.utime(home / "progress.json", (1, 1)),
        lambda home: (home / "progress.json").unlink(),
        lambda home: (home / "models" / "new").touch(),
        pytest.param(lambda home: home.chmod(0o700), marks=has_modes),
    ],
    ids=["content", "mode", "date", "gone", "new", "the folder's mode"],
)
def test_a_change_is_seen(change: Callable[[Path], object], tmp_path: Path, says) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    (home / "progress.json").write_text("{}")
    home.chmod(0o755)
    before = untouched.state(home)
    assert untouched.difference(home, before) == ""
    change(home)
    says(untouched.difference(home, before), home)


def test_a_home_that_is_made_meanwhile_is_seen(tmp_path: Path) -> None:
    before = untouched.state(tmp_path / "home")
    assert before == {} and untouched.difference(tmp_path / "home", before) == ""
    (tmp_path / "home").mkdir()
    assert "home" in untouched.difference(tmp_path / "home", before)


@pytest.mark.parametrize(
    ("value", "failure"), [(None, False), ("", False), ("0", False), ("false", False), ("true", True), ("1", True)]
)
def test_in_ci_it_is_a_failure(value: str | None, failure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    if value is not None:
        monkeypatch.setenv("CI", value)
    assert untouched.is_failure() is failure
