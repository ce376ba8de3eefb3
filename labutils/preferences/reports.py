"""What the tables of lab 10 say: intervals over seeds and over notes, and the agreement of a judge with a goal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from torch import Tensor

from labutils.errors import LabError
from labutils.evaluation.intervals import bootstrap_interval, t_interval
from labutils.validation import require_tensor


def over_seeds(values: Sequence[float] | Tensor, bounds: tuple[float, float] = (-math.inf, math.inf)) -> str:
    """The Student t interval as text, "1.20 (0.90 to 1.50)", cut off at the values that the quantity can have at all."""
    found = t_interval([float(value) for value in values])
    low, high = max(found.low, bounds[0]), min(found.high, bounds[1])
    return f"{found.mean:.2f} ({low:.2f} to {high:.2f})"


def over_runs(ends: Sequence[Tensor]) -> tuple[str, str, str]:
    """Proxy, truth and KL of some runs, one number per run each, as texts; a KL is never below 0."""
    return over_seeds(ends[0]), over_seeds(ends[1]), over_seeds(ends[2], (0, math.inf))


def over_notes(shares: Sequence[float]) -> str:
    """The mean of one share per note with its bootstrap interval as text, "75% (60% to 88%)"."""
    found = bootstrap_interval(shares)
    return f"{found.mean:.0%} ({found.low:.0%} to {found.high:.0%})"


def agreement(values: Tensor, pairs: Tensor, goal: Tensor | None = None) -> list[float]:
    """How often a judge's numbers order two replies as they should be ordered: one share per note.

    Args:
        values: (N, K) the judge's number for each reply of each note.
        pairs: (P, 3) note, preferred reply, other reply.
        goal: (N, K) numbers that say the right order; pairs with equal ones are left out. Without it, the preferred reply is right.
            Where the judge's own numbers are equal, a coin would decide, so the pair counts one half.

    Returns:
        a share for each note that has a pair, in the order in which the notes occur.

    Raises:
        LabError: tensors of other shapes or types, or a pair that names a note or a reply that is not there.
    """
    require_tensor("values", values, 2)
    require_tensor("pairs", pairs, 2, last=3, floating=False)
    if (
        pairs.is_floating_point()
        or pairs.is_complex()
        or values.dim() != 2
        or pairs.dim() != 2
        or (goal is not None and goal.shape != values.shape)
    ):
        raise LabError(
            "values and goal have one shape (N, K), and pairs (P, 3) whole numbers: give one number per reply, and one row per pair."
        )
    count, replies = values.shape
    if pairs.numel() and not (int(pairs.min()) >= 0 and int(pairs[:, 0].max()) < count and int(pairs[:, 1:].max()) < replies):
        raise LabError(f"pairs names a note or a reply that is not among the {count} times {replies} of values.")
    by_note: dict[int, list[float]] = {}
    for note, first, second in pairs.tolist():
        wanted = 1.0 if goal is None else float(goal[note, first] - goal[note, second])
        if wanted:
            order = float(values[note, first] - values[note, second]) * wanted
            by_note.setdefault(note, []).append(0.5 if order == 0 else float(order > 0))
    return [fmean(hits) for hits in by_note.values()]
