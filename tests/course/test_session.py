"""What a session says of where it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labutils.course import session
from labutils.exercises import progress


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that is no space."""
    monkeypatch.delenv(session.STUDIO_VARIABLE, raising=False)
    monkeypatch.setattr(session, "STUDIO_FILE", tmp_path / "resource-metadata.json")
    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    return tmp_path


def test_in_a_space_the_end_of_a_lab_says_how_to_stop_it_and_elsewhere_nothing(elsewhere, monkeypatch, capsys) -> None:
    progress("00")
    assert "space" not in capsys.readouterr().out
    monkeypatch.setenv(session.STUDIO_VARIABLE, "JupyterLab")
    progress("00")
    said = capsys.readouterr().out
    assert "Shut Down Kernel" in said and "stop the space" in said and "GiB" in said


def test_an_image_that_hides_the_variable_is_known_by_its_file(elsewhere) -> None:
    assert session.leaving() is None
    session.STUDIO_FILE.write_text("{}")
    assert session.leaving()


def test_a_learner_sees_no_notice_that_one_library_has_for_another() -> None:
    code = (
        "import warnings; from labutils import start; start('00'); "
        "warnings.warn('`is_gradient_checkpointing` is deprecated and will be removed', FutureWarning); "
        "warnings.warn('another', FutureWarning)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "another" in done.stderr and "checkpointing" not in done.stderr
