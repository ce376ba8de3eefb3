"""Exercises: `check` an answer, take a `hint`, answer a `quiz`, `predict` before a cell measures, see your `progress`."""

from labutils.lazy import lazy_names

_NAMES = {
    "checking": ["check", "score"],
    "hints": ["hint"],
    "predictions": ["outcome", "predict"],
    "progress_file": ["progress"],
    "quizzes": ["quiz"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
