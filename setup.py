"""What pyproject.toml cannot say: labs/, data/ and requirements.lock travel inside labutils, as `labutils.content`."""

import shutil
from pathlib import Path

from setuptools import find_namespace_packages, find_packages, setup
from setuptools.command.build_py import build_py

CONTENT = {"labutils.content.labs": "labs", "labutils.content.data": "data"}
NOT_CONTENT = ("source", "__pycache__")


def below(package, folder):
    """A folder and the folders in it, as packages of the given name."""
    return [package, *(f"{package}.{name}" for name in find_namespace_packages(folder) if not name.startswith(NOT_CONTENT))]


class BuildWithLock(build_py):
    """Put the lock beside the labs, as it is in a checkout. An editable install reads the checkout's own."""

    def run(self):
        """Build as always, then copy the lock."""
        super().run()
        if not self.editable_mode:
            shutil.copy("requirements.lock", Path(self.build_lib, "labutils", "content", "requirements.lock"))


setup(
    packages=[*find_packages(include=["labutils*"]), *(name for item in CONTENT.items() for name in below(*item))],
    package_dir=CONTENT,
    package_data={
        "labutils": ["*.json"],
        "labutils.course": ["*.json"],
        "labutils.exercises": ["*.json", "*.toml"],
        "labutils.evaluation": ["metrics/*/*.py"],
        **{name: ["*.jsonl", "*.md", "*.ipynb", "*.json"] for item in CONTENT.items() for name in below(*item)},
    },
    exclude_package_data={"": ["*.mine-*.ipynb"]},  # what an author's build kept aside
    cmdclass={"build_py": BuildWithLock},
)
