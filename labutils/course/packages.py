"""The packages that the labs compute with: their versions, where they come from, and what stands in their way."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import site
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from labutils import content

# The packages on which a lab's numbers or its page depend, under the names that they are imported by.
KEY = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "accelerate",
    "peft",
    "datasets",
    "evaluate",
    "rouge_score",
    "sacrebleu",
    "numpy",
    "matplotlib",
    "ipywidgets",
    "jupyterlab",
)


@dataclass(frozen=True)
class Package:
    """One package as this Python would import it.

    Attributes:
        name: as it is imported.
        version: the installed version; None where it is missing.
        folder: where its code comes from; None where it is missing.
        locked: the version that the course was tested with; None where the lock does not name it.
        problem: what is wrong, in one sentence with its fix; None where nothing is.
    """

    name: str
    version: str | None
    folder: Path | None
    locked: str | None
    problem: str | None


def locked_versions() -> dict[str, str]:
    """The versions of requirements.lock for this Python and system, by package name; empty where the lock is missing."""
    path = content.lock()
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if re.match(r"[A-Za-z0-9]", line)]
    return {
        canonicalize_name(item.name): next(iter(item.specifier)).version
        for item in wanted
        if item.marker is None or item.marker.evaluate()
    }


def _required() -> dict[str, Requirement]:
    """What labutils asks for, by package name."""
    try:
        lines = importlib.metadata.requires("labutils") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    wanted = [Requirement(line) for line in lines]
    return {canonicalize_name(item.name): item for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})}


def _origin(name: str) -> Path | None:
    """The file or folder that `import name` would run, without importing it."""
    spec = sys.modules[name].__spec__ if name in sys.modules else importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.origin and spec.origin != "namespace":
        return Path(spec.origin)
    return next((Path(folder) for folder in spec.submodule_search_locations or ()), None)


def look_up(name: str) -> Package:
    """Look a package up as `import name` would find it."""
    locked = locked_versions().get(canonicalize_name(name))
    required = _required().get(canonicalize_name(name))
    origin = _origin(name)
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        distribution = None
    version = distribution.version if distribution else None
    problem: str | None = None
    if origin is None or distribution is None:
        if origin is None:
            problem = f"{name} is not installed: run `make setup`, or `pip install labutils` again."
        else:
            problem = f"`import {name}` finds {origin}, which is not the package: rename it, or start elsewhere."
        return Package(name, version, origin and origin.parent, locked, problem)
    home = Path(str(distribution.locate_file("")))
    if home.resolve() not in origin.resolve().parents:
        problem = f"`import {name}` finds {origin}, which hides the installed package: rename it, or start elsewhere."
    elif required and not required.specifier.contains(Version(version or "0").public, prereleases=True):
        where = " of your user's own packages" if home == Path(site.getusersitepackages()) else ""
        fix = "set PYTHONNOUSERSITE=1" if where else f"run `pip install '{required}'`"
        problem = f"Version {version}{where} does not fit the labs ({required}): {fix}."
    return Package(name, version, home, locked, problem)


def hidden_by_files(folder: Path) -> str | None:
    """A sentence where a file or package in a notebook's folder has the name of a package that the labs import, else None.

    A notebook's folder comes first when Python looks for a module, so an `evaluate.py` there is imported in place of the package.
    """
    for name in (*KEY, "labutils"):
        for path in (folder / f"{name}.py", folder / name / "__init__.py"):
            if path.is_file():
                found = path if path.suffix == ".py" and path.name != "__init__.py" else path.parent
                if name == "labutils" and found.resolve() == Path(content.__file__).resolve().parents[1]:
                    continue  # a notebook in the checkout's own folder
                return f"{found} hides the package {name}, which the labs import: rename it and restart the kernel."
    return None
