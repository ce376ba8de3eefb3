"""`import labutils` is light, and its names mean the same whatever was imported first."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import labutils

HEAVY = {"torch", "transformers", "matplotlib", "numpy", "IPython", "datasets", "pydantic"}


def fresh(code: str) -> str:
    """What a new Python prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def loaded(statement: str) -> set[str]:
    """The top-level modules that a new Python has loaded after a statement."""
    return set(json.loads(fresh(f"import json, sys\n{statement}\nprint(json.dumps([n for n in sys.modules if '.' not in n]))")))


def test_importing_labutils_loads_nothing_heavy() -> None:
    modules = loaded("import labutils")
    assert "labutils" in modules
    assert modules & HEAVY == set()


def test_what_is_loaded_is_seen() -> None:
    assert {"numpy", "matplotlib"} <= loaded("import matplotlib.figure")


@pytest.mark.parametrize("statement", ["from labutils import record, guard", "import labutils.cli"])
def test_torch_transformers_and_matplotlib_wait_for_their_first_use(statement: str) -> None:
    assert loaded(statement) & {"torch", "transformers", "matplotlib"} == set()


FIRST = {
    "the names": "",
    "the modules": (
        "import pkgutil, labutils.exercises\n"
        "for package in (labutils, labutils.exercises):\n"
        "    for found in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(found.name)\n"
    ),
}


@pytest.mark.parametrize("first", FIRST)
def test_every_name_is_a_function_whatever_was_imported_first(first: str) -> None:
    code = (
        "import importlib, inspect, json, labutils\n"
        f"{FIRST[first]}"
        "print(json.dumps({name: inspect.isfunction(getattr(labutils, name)) for name in labutils.__all__}))"
    )
    kinds = json.loads(fresh(code).splitlines()[-1])
    assert {"start", "check", "hint", "quiz", "progress", "guard", "record", "load_model", "load_encoder", "show"} <= set(kinds)
    assert [name for name, is_function in kinds.items() if not is_function] == []


def test_star_import_brings_all_names() -> None:
    names = json.loads(fresh("import json\nfrom labutils import *\nprint(json.dumps(dir()))"))
    assert set(labutils.__all__) <= set(names)


def test_an_unknown_name_is_an_attribute_error_and_dir_lists_the_known() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        labutils.no_such_name  # noqa: B018
    assert set(labutils.__all__) <= set(dir(labutils))
