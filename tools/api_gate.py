"""Name what moved: every name and keyword that the course takes from its libraries, looked up in the versions installed here.

    python tools/api_gate.py

Reads labutils/, tools/, benchmarks/ and labs/source/ without running them. For each `from library import name`, `library.name` and
call with keywords of a name so imported, it asks the installed library whether the name exists and the keyword is accepted. Prints one line
for each that does not, with the places that use it, and exits with 1. What is reached through an object (a tokenizer's method) is not seen.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from editions import ROOT

LIBRARIES = (
    "accelerate", "datasets", "evaluate", "huggingface_hub", "ipywidgets", "jupyter_client", "matplotlib", "nbclient", "nbconvert", "nbformat",
    "numpy", "peft", "psutil", "safetensors", "scipy", "sklearn", "tokenizers", "torch", "tqdm", "transformers",
)  # fmt: skip
FOLDERS = ("labutils", "tools", "benchmarks", "labs/source")
MISSING: Any = object()


@cache
def look_up(dotted: str) -> Any:
    """The object behind a dotted name, or MISSING."""
    parts = dotted.split(".")
    try:
        found = import_module(parts[0])
    except ImportError:
        return MISSING
    for n, part in enumerate(parts[1:], 2):
        found = getattr(found, part, MISSING)
        if found is MISSING:
            try:
                found = import_module(".".join(parts[:n]))
            except ImportError:
                return MISSING
    return found


def accepts(function: Any, keyword: str) -> bool:
    """Whether a function takes a keyword; True where its signature does not say, and for a configuration, which keeps any keyword."""
    if hasattr(function, "model_type"):
        return True
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return keyword in parameters or any(p.kind is p.VAR_KEYWORD or p.kind is p.VAR_POSITIONAL for p in parameters.values())


def imported(tree: ast.AST) -> dict[str, str]:
    """{name in the file: its dotted name in a library}."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in LIBRARIES:
                    names[alias.asname or alias.name.split(".")[0]] = alias.name if alias.asname else alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module.split(".")[0] in LIBRARIES:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The library's name that an expression such as `torch.nn.Linear` stands for, or None."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, names)
        return base and f"{base}.{node.attr}"
    return None


def uses(source: str) -> Iterator[tuple[int, str, str | None]]:
    """(line, dotted name, keyword or None) for all that a file takes from the libraries."""
    tree = ast.parse(source)
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield from ((node.lineno, names[a.asname or a.name], None) for a in node.names if (a.asname or a.name) in names)
        elif isinstance(node, ast.Attribute) and (name := dotted(node, names)):
            yield node.lineno, name, None
        elif isinstance(node, ast.Call) and (name := dotted(node.func, names)):
            yield from ((node.lineno, name, keyword.arg) for keyword in node.keywords if keyword.arg)


def reachable(name: str) -> bool:
    """Whether a name exists. What hangs on an object that is no module and no class is the object's own affair."""
    if look_up(name) is not MISSING:
        return True
    parent = look_up(name.rpartition(".")[0])
    return parent is not MISSING and not inspect.ismodule(parent) and not inspect.isclass(parent)


def moved(files: Iterable[Path]) -> dict[str, list[str]]:
    """{what is missing: the places that use it}."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in files:
        place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for line, name, keyword in uses(path.read_text(encoding="utf-8")):
            if not reachable(name):
                found[name].append(f"{place}:{line}")
            elif keyword and look_up(name) is not MISSING and not accepts(look_up(name), keyword):
                found[f"{name}({keyword}=...)"].append(f"{place}:{line}")
    return dict(found)


def main() -> int:
    """Print what moved; 1 if anything did."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    gone = moved(files)
    for name, places in sorted(gone.items()):
        library = name.split(".")[0]
        print(f"{name} is not in {library} {version('scikit-learn' if library == 'sklearn' else library)}: {', '.join(places)}")
    print(f"{len(files)} files read, {len(gone)} names or keywords missing.")
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
