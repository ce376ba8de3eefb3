"""The house keeps its shape: faces, names, floors and the pages that describe them agree with the code."""

from __future__ import annotations

import ast
import configparser
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest
from paths import ROOT

from labutils.lazy import lazy_names

LIBRARY = ROOT / "labutils"
MODULES = [path for path in sorted(LIBRARY.rglob("*.py")) if "metrics" not in path.parts]
PACKAGES = [
    path.parent.relative_to(ROOT) for path in MODULES if path.name == "__init__.py" and path.parent != LIBRARY / "content"
]


def dotted(path: Path) -> str:
    return ".".join(path.parts)


@pytest.mark.parametrize("package", PACKAGES, ids=dotted)
def test_a_face_hands_on_names_that_exist_and_hides_no_module(package):
    face = importlib.import_module(dotted(package))
    beside = {path.stem for path in (ROOT / package).glob("*.py")} | {
        path.name for path in (ROOT / package).iterdir() if path.is_dir()
    }
    assert face.__all__ and not set(face.__all__) & beside
    assert [name for name in face.__all__ if not hasattr(face, name)] == []


def test_a_face_with_a_doubtful_name_is_refused():
    with pytest.raises(ValueError, match="each name"):
        lazy_names("package", {"bpe": ["train"], "loop": ["train"]})
    with pytest.raises(ValueError, match="each name"):
        lazy_names("package", {"bpe": ["loop"], "loop": ["train"]})


def test_a_face_says_what_it_lacks():
    with pytest.raises(AttributeError, match="'labutils' has no attribute 'nothing'"):
        _ = importlib.import_module("labutils").nothing


def definitions(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
    ]


def test_a_class_name_means_one_thing():
    classes = Counter(name for path in MODULES for name in definitions(path) if name[0].isupper())
    assert [name for name, count in classes.items() if count > 1] == []


def layers() -> list[set[str]]:
    """The floors of .importlinter, from the top down."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    text = parser["importlinter:contract:floors"]["layers"]
    return [{name.strip() for name in line.split("|")} for line in text.strip().splitlines()]


def test_the_drawing_shows_the_floors_that_the_linter_holds():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawing = page.split("```mermaid")[1].split("```")[0]
    assert set(re.findall(r'^\s*(\w+)\["', drawing, re.MULTILINE)) == set().union(*layers())
    height = {name: -number for number, names in enumerate(layers()) for name in names}
    height["subjects"] = height["memory"]
    arrows = re.findall(r"(\w+) --> (\w+)", drawing)
    assert len(arrows) >= 8 and all(height[upper] == height[lower] + 1 for upper, lower in arrows)


def test_the_pages_name_files_that_exist():
    for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        named = re.findall(r"`((?:labs|labutils|tools|tests|data|deploy|benchmarks)/[\w./]+)`", text)
        missing = [path for path in named if not re.search(r"NN|NAME", path) and not (ROOT / path).exists()]
        assert missing == [], name


def test_the_tests_stand_in_folders_that_mirror_the_library():
    subjects = {path.name for path in LIBRARY.iterdir() if (path / "__init__.py").exists()} - {"content"}
    ours = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("test_*.py"))}
    assert subjects <= ours
    assert ours - subjects <= {"browser", "cli", "deploy", "faults", "longer", "tools"}
