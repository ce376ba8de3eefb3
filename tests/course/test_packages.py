"""The doctor's look at packages: versions, origins, and what hides them."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from labutils import content
from labutils.course import doctor, packages


def install(site: Path, name: str, version: str) -> None:
    """Lay a package and its metadata into a folder, as pip does."""
    (site / name).mkdir(parents=True)
    (site / name / "__init__.py").write_text("")
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that comes before the environment's own, as a user's packages do; `peft` was not imported yet."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    for name in [name for name in sys.modules if name == "peft" or name.startswith("peft.")]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    return folder


def test_the_packages_of_this_environment_are_those_of_the_lock(tmp_path: Path) -> None:
    findings = doctor.installed(tmp_path)
    assert [(finding.name, finding.value) for finding in findings if finding.ok is not True] == []
    assert {"torch", "transformers", "peft", "evaluate"} <= {finding.name for finding in findings}
    assert all(str(Path(finding.value.split(" at ")[1])) in sys.path for finding in findings)


def test_another_version_that_fits_is_said_and_is_no_fault(site: Path, tmp_path: Path) -> None:
    install(site, "peft", "99.0")
    importlib.invalidate_caches()
    (finding,) = [finding for finding in doctor.installed(tmp_path) if finding.name == "peft"]
    assert finding.ok is None
    assert "99.0" in finding.value and str(site) in finding.value
    assert importlib.metadata.version("peft") == "99.0" and packages.locked_versions()["peft"] in finding.value


def test_a_version_that_does_not_fit_is_a_fault_with_its_fix(site: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    install(site, "peft", "0.1")
    importlib.invalidate_caches()
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["peft>=0.5,<1", "peft>=7; extra == 'test'"])
    says(packages.look_up("peft").problem, "0.1", "peft<1,>=0.5", "pip install")
    monkeypatch.setattr(packages.site, "getusersitepackages", lambda: str(site))
    says(packages.look_up("peft").problem, "0.1", "your user's own packages", "PYTHONNOUSERSITE=1")


def test_a_file_that_hides_a_package_is_a_fault(site: Path, says) -> None:
    (site / "peft.py").write_text("")
    importlib.invalidate_caches()
    says(packages.look_up("peft").problem, site / "peft.py", "hides", "rename")


def test_a_missing_package_is_a_fault(says) -> None:
    found = packages.look_up("no_such_package")
    assert (found.version, found.folder, found.locked) == (None, None, None)
    says(found.problem, "no_such_package", "not installed")


@pytest.mark.parametrize("name", ["evaluate.py", "datasets/__init__.py", "labutils.py"])
def test_a_persons_file_beside_the_notebook_that_hides_a_package_is_named(tmp_path: Path, name: str, says) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    says(packages.hidden_by_files(tmp_path), tmp_path / name.removesuffix("/__init__.py"), "hides", "rename")


def test_other_files_beside_the_notebook_are_no_fault(tmp_path: Path) -> None:
    for name in ("my_evaluate.py", "datasets.csv", "notes.md"):
        (tmp_path / name).write_text("")
    (tmp_path / "datasets").mkdir()  # a folder without an __init__.py gives way to the package
    assert packages.hidden_by_files(tmp_path) is None
    assert packages.hidden_by_files(Path(content.__file__).resolve().parents[2]) is None  # labutils itself, in the checkout


def test_a_lab_says_first_that_a_file_hides_a_package(tmp_path: Path) -> None:
    (tmp_path / "evaluate.py").write_text("")
    code = "from labutils import start; start('00')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "evaluate.py hides the package evaluate" in done.stdout and "Lab 00" in done.stdout


def test_a_course_without_its_lock_has_no_versions_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(packages.locked_versions()) > 100
    monkeypatch.setattr(content, "lock", lambda: tmp_path / "requirements.lock")
    assert packages.locked_versions() == {}
