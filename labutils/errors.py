"""Errors that are read by learners: one sentence that says what is wrong and what to do about it."""

from __future__ import annotations


class LabError(Exception):
    """Something that a person can mend, said in one sentence that names the fix.

    In a notebook it is shown as that sentence alone, without a traceback; the `labs` command prints it and exits with 1.

    Example:
        >>> str(LabError("The model file is missing: run `labs fetch`."))
        'The model file is missing: run `labs fetch`.'
    """

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: what to show in place of the traceback."""
        return [f"{type(self).__name__}: {self}"]


class NotEnoughMemory(LabError):
    """A cell needs more memory than this session has left."""


class AssetError(LabError):
    """A model file is missing, truncated, altered, or cannot be had."""


class UnknownExercise(LabError):
    """No exercise or quiz has this id."""


class CheckFailed(LabError):
    """An answer is wrong. Raised in strict mode only (LABS_STRICT=1)."""
