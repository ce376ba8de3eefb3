"""The course's notebooks and corpora as package data: labs/ and data/ of the checkout travel in the wheel below this package.

`setup.py` maps both folders to `labutils.content.labs` and `labutils.content.data`, so that a checkout and an installed wheel are
read in the same way. The lock lies beside the labs in both: in the checkout's own folder, and in this package's folder in a wheel.
"""

from __future__ import annotations

import os
import time
from importlib import resources
from pathlib import Path

KEPT_MARK = ".mine-"  # in the names of notebooks that `labs update` and `make build` kept aside


def _folder(name: str) -> Path:
    """The folder of a package that holds files alone. They lie on a disk, as pip installs them, so each has a path."""
    return Path(str(resources.files(f"{__name__}.{name}")))


def labs_folder() -> Path:
    """The folder of the notebooks: the learner edition, solutions/ and budgets.json."""
    return _folder("labs")


def data_folder() -> Path:
    """The folder of the corpora, one folder a set, each with its data card."""
    return _folder("data")


def notebooks(solutions: bool = False) -> list[Path]:
    """The course's notebooks in order, of the learner edition or of the solved one; copies that `make build` kept aside are left out."""
    return notebooks_in(labs_folder() / "solutions" if solutions else labs_folder())


def notebooks_in(folder: Path) -> list[Path]:
    """The labs' notebooks in a folder, in order; copies that were kept aside are left out."""
    return sorted(path for path in folder.glob("[0-9][0-9]_*.ipynb") if not is_kept_copy(path))


def is_kept_copy(path: Path) -> bool:
    """Is a notebook a person's copy that `labs update` or `make build` kept aside?"""
    return KEPT_MARK in path.name


def kept_copy(path: Path) -> Path:
    """A name beside a notebook for a person's copy of it, one that nothing has: `02_x.mine-20261127-101500.ipynb`."""
    stem = f"{path.stem}{KEPT_MARK}{time.strftime('%Y%m%d-%H%M%S')}"
    names = [f"{stem}{path.suffix}", *(f"{stem}-{number}{path.suffix}" for number in range(2, 1000))]
    return next(path.with_name(name) for name in names if not os.path.lexists(path.with_name(name)))


def lock() -> Path:
    """requirements.lock: the versions that the course was tested with."""
    return labs_folder().parent / "requirements.lock"
