"""labutils: the small library behind LLM Labs.

The names below are what the notebooks use. They load on first use, so that `import labutils` itself is quick.
"""

from __future__ import annotations

from labutils.lazy import lazy_names

__version__ = "0.1.0"

_NAMES = {
    "course.loading": ["load_encoder", "load_model"],
    "course.plots": ["show"],
    "course.results": ["record"],
    "course.session": ["start"],
    "exercises.checking": ["check"],
    "exercises.hints": ["hint"],
    "exercises.predictions": ["outcome", "predict"],
    "exercises.progress_file": ["progress"],
    "exercises.quizzes": ["quiz"],
    "machine.memory_guard": ["guard"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
