"""labutils: the small library behind LLM Labs.

The names below are what the notebooks use. They load on first use, so that `import labutils` itself is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "start": "session",
    "load_model": "loading",
    "load_encoder": "loading",
    "guard": "fitting",
    "record": "results",
    "check": "exercises",
    "hint": "exercises",
    "quiz": "exercises",
    "progress": "exercises",
    "show": "plots",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'labutils' has no attribute {name!r}")
    value = getattr(import_module(f"labutils.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
