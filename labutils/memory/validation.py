"""What the memory formulas refuse, each in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from labutils.errors import LabError


def require_whole_number(name: str, value: int | None, at_least: int = 1) -> None:
    """Refuse a size that is no whole number of at least `at_least`; None, where a size may be left open, is accepted.

    Raises:
        LabError: names the size and its value.
    """
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < at_least):
        raise LabError(f"{name}={value!r} must be a whole number of at least {at_least}.")


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a setting that is not one of the choices.

    Raises:
        LabError: names the setting and lists the choices.
    """
    if value not in choices:
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) < 4 else ", ".join(choices)
        raise LabError(f"{name}={value!r} is unknown: choose {listed}.")
