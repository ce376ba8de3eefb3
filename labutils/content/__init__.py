"""The course's notebooks and corpora as package data: labs/ and data/ of the checkout travel in the wheel below this package.

`setup.py` maps both folders to `labutils.content.labs` and `labutils.content.data`, so that a checkout and an installed wheel are
read in the same way.
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
