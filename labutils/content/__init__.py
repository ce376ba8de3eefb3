"""The course's notebooks and corpora as package data: labs/ and data/ of the checkout travel in the wheel below this package.

`setup.py` maps both folders to `labutils.content.labs` and `labutils.content.data`, so that a checkout and an installed wheel are
read in the same way. The lock lies beside the labs in both: in the checkout's own folder, and in this package's folder in a wheel.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path


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
    folder = labs_folder() / "solutions" if solutions else labs_folder()
    return sorted(path for path in folder.glob("[0-9][0-9]_*.ipynb") if ".mine-" not in path.name)


def lock() -> Path:
    """requirements.lock: the versions that the course was tested with."""
    return labs_folder().parent / "requirements.lock"
