"""Lazy faces: a package hands on the names of its modules, and each module loads when one of its names is first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's `__init__.py` defines to hand names on: `__getattr__`, `__dir__` and `__all__`.

    Args:
        package: its `__name__`.
        names: for each module, relative to the package, the names that it hands on. A name that is also a module's would hide that
            module once it is imported, so it is refused (a test calls this function for every package).

    Raises:
        ValueError: a name stands twice, or is the name of a module.

    Example: `__getattr__, __dir__, __all__ = lazy_names(__name__, {"limits": ["GB", "gib"]})`
    """
    where = {name: module for module, exported in names.items() for name in exported}
    doubtful = [name for exported in names.values() for name in exported]
    if len(doubtful) > len(where) or where.keys() & names.keys():
        raise ValueError(f"{package}: each name must stand once, and none may be a module's name.")

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{where[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listing() -> list[str]:
        return sorted({*vars(sys.modules[package]), *where})

    return get, listing, sorted(where)
