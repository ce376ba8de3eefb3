"""environment.yml, pyproject.toml, the two locks and the running environment say the same thing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from paths import ROOT

import labutils
from labutils.course import doctor

LOCKS = ("requirements.lock", "requirements-dev.lock")
NINE = ("jupyterlab", "torch", "transformers", "datasets", "peft", "evaluate", "matplotlib", "ipywidgets", "nbval")
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "darwin": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "win32": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}


def environment(python: str, platform: str, patch: int = 0) -> dict[str, str]:
    """The marker variables of CPython `python`.`patch` on a platform."""
    full = f"{python}.{patch}"
    cpython = {"implementation_name": "cpython", "platform_python_implementation": "CPython", "implementation_version": full}
    return {**default_environment(), **cpython, **PLATFORMS[platform], "python_version": python, "python_full_version": full}


# A marker may split a minor version by its patch level, so each is tried at an early and a late one.
TARGETS = [environment(python, platform, patch) for python in PYTHONS for platform in PLATFORMS for patch in (0, 30)]


def name_of(target: dict[str, str]) -> str:
    return f"{target['python_full_version']}-{target['sys_platform']}"


every_target = pytest.mark.parametrize("target", TARGETS, ids=name_of)


def parse(lock: str) -> list[Requirement]:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def applies(requirement: Requirement, target: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(target)


def pin(requirement: Requirement) -> Version:
    """The version of a requirement that must be of the form name==version."""
    specifiers = list(requirement.specifier)
    assert len(specifiers) == 1 and specifiers[0].operator == "==" and "*" not in specifiers[0].version, (
        f"{requirement} is no pin"
    )
    return Version(specifiers[0].version)


def locked(lock: str, target: dict[str, str]) -> dict[str, Version]:
    """What a lock installs on a target: name -> version. Fails where it names a package twice."""
    versions: dict[str, Version] = {}
    for requirement in parse(lock):
        if applies(requirement, target):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{lock} names {name} twice for {name_of(target)}"
            versions[name] = pin(requirement)
    return versions


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def installed_by_set_up(project: dict) -> list[str]:
    """What `make setup` installs: what labutils needs, and what its tests need."""
    return [*project["dependencies"], *project["optional-dependencies"]["test"]]


@pytest.fixture(scope="module")
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def conda_python(conda: dict) -> str:
    return next(entry.split("=")[1] for entry in conda["dependencies"] if isinstance(entry, str) and entry.startswith("python="))


@pytest.fixture(scope="module")
def conda_pip(conda: dict) -> list[str]:
    return next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))


def test_conda_environment_has_its_name_channel_and_tools(conda: dict, conda_python: str) -> None:
    assert conda["name"] == "llm-labs"
    assert conda["channels"] == ["conda-forge", "nodefaults"]
    assert {"pip", "make"} <= {entry for entry in conda["dependencies"] if isinstance(entry, str)}
    assert conda_python in PYTHONS
    assert conda["variables"] == {"PYTHONNOUSERSITE": "1"}


def test_conda_environment_takes_the_cpu_wheels_the_lock_and_labutils(conda_pip: list[str], bootstrap) -> None:
    options = [line for line in conda_pip if line.startswith("-")]
    assert options == [f"--extra-index-url {bootstrap.TORCH_CPU_INDEX}", "-r requirements.lock", "-e ."]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_conda_pins_are_the_locks(conda_pip: list[str], conda_python: str, platform: str) -> None:
    versions = locked("requirements.lock", environment(conda_python, platform))
    pins = {canonicalize_name(r.name): pin(r) for r in map(Requirement, (line for line in conda_pip if not line.startswith("-")))}
    assert pins == {name: versions.get(name) for name in pins}


def test_the_nine_packages_are_direct_dependencies_and_in_the_conda_environment(project: dict, conda_pip: list[str]) -> None:
    direct = {canonicalize_name(Requirement(line).name) for line in installed_by_set_up(project)}
    listed = {canonicalize_name(Requirement(line).name) for line in conda_pip if not line.startswith("-")}
    assert set(NINE) <= direct
    assert set(NINE) <= listed


@every_target
def test_every_direct_dependency_is_locked_once_and_as_asked(project: dict, target: dict[str, str]) -> None:
    versions = locked("requirements.lock", target)
    for requirement in map(Requirement, installed_by_set_up(project)):
        if applies(requirement, target):
            name = canonicalize_name(requirement.name)
            assert name in versions, f"requirements.lock lacks {name} for {name_of(target)}"
            assert requirement.specifier.contains(versions[name], prereleases=True), (
                f"{name} {versions[name]} is not {requirement}"
            )


@every_target
def test_the_dev_lock_adds_to_the_lock_and_never_contradicts_it(project: dict, target: dict[str, str]) -> None:
    base, extra = (locked(lock, target) for lock in LOCKS)
    both = base.keys() & extra.keys()
    assert {name: extra[name] for name in both} == {name: base[name] for name in both}
    for requirement in map(Requirement, project["optional-dependencies"]["dev"]):
        version = {**base, **extra}.get(canonicalize_name(requirement.name))
        assert version is not None, f"no lock has {requirement.name} for {name_of(target)}"
        assert requirement.specifier.contains(version, prereleases=True)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_brings_cuda(lock: str) -> None:
    assert [r.name for r in parse(lock) if re.search("nvidia|cuda|triton", r.name, re.IGNORECASE)] == []


def test_the_running_environment_is_the_lock() -> None:
    wrong = {}
    for name, version in locked("requirements.lock", default_environment()).items():
        try:
            found = Version(importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            wrong[name] = f"{version} is not installed"
            continue
        # Only torch has builds that differ in their local version, such as 2.13.0+cpu.
        if (Version(found.public) if name == "torch" else found) != version:
            wrong[name] = f"{version} in the lock, {found} installed"
    assert wrong == {}, "run `make setup`"


def test_bootstrap_and_pyproject_support_the_same_pythons(project: dict, bootstrap) -> None:
    oldest, newest = ("{}.{}".format(*version) for version in (bootstrap.OLDEST, bootstrap.NEWEST))
    assert (oldest, newest) == (PYTHONS[0], PYTHONS[-1])
    supported = SpecifierSet(project["requires-python"])
    assert [f"3.{minor}" for minor in range(40) if f"3.{minor}.5" in supported] == list(PYTHONS)


def test_the_doctor_and_bootstrap_support_the_same_pythons(bootstrap) -> None:
    assert (doctor.OLDEST, doctor.NEWEST) == (bootstrap.OLDEST, bootstrap.NEWEST)


def test_the_version_stands_in_one_place(project: dict) -> None:
    assert project["dynamic"] == ["version"] and "version" not in project
    everything = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert everything["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "labutils.__version__"}
    assert str(Version(labutils.__version__)) == labutils.__version__


def test_the_tests_tools_are_no_dependencies_of_the_course(project: dict) -> None:
    runtime = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    assert runtime & {"jupytext", "nbclient", "nbformat", "nbval", "pytest", "pytest-xdist"} == set()
    (torch,) = [Requirement(line) for line in project["dependencies"] if line.startswith("torch")]
    assert not any(specifier.operator == "==" for specifier in torch.specifier)


def test_bootstrap_reads_the_locked_torch(bootstrap) -> None:
    versions = {locked("requirements.lock", target)["torch"] for target in TARGETS}
    assert versions == {Version(bootstrap.locked_torch())}
