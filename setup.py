"""Packages that pyproject.toml cannot name: the folders labs/ and data/ travel inside labutils, as `labutils.content`."""

from setuptools import find_namespace_packages, find_packages, setup

CONTENT = {"labutils.content.labs": "labs", "labutils.content.data": "data"}


def below(package, folder):
    """A folder and the folders in it, as packages of the given name."""
    return [package, *(f"{package}.{name}" for name in find_namespace_packages(folder) if not name.startswith("source"))]


setup(
    packages=[*find_packages(include=["labutils*"]), *(name for item in CONTENT.items() for name in below(*item))],
    package_dir=CONTENT,
    package_data={
        "labutils": ["*.json"],
        "labutils.course": ["*.json"],
        "labutils.exercises": ["*.json"],
        "labutils.evaluation": ["metrics/*/*.py"],
        **{name: ["*.jsonl", "*.md", "*.ipynb", "*.json"] for item in CONTENT.items() for name in below(*item)},
    },
)
