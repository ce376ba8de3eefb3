"""Programs that a model writes: run without trusting them (lab 09)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "arithmetic": ["RefusedProgram", "evaluate", "read_number"],
    "grammar": ["ArithmeticGrammar", "arithmetic_only"],
    "sandbox": ["Limits", "Outcome", "run_program"],
    "tools": ["Step", "run_tools"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
