"""What the arms of a trial got right, and how many wins it takes to tell two arms apart (lab 03).

Two arms answer the same inputs. Those that both get right, or both get wrong, say nothing about which is better. If the arms were
equally good, each would win half of the others, like a fair coin: a sign test, which is McNemar's test in its exact form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from labutils.course.plots import show_table
from labutils.course.results import record
from labutils.errors import LabError
from labutils.evaluation.accuracy import wilson_interval
from labutils.validation import require_whole_number

Right = Mapping[str, Sequence[bool]]


def wins_needed(differing: int, level: float = 0.05) -> int | None:
    """The fewest wins, of the inputs on which two arms differ, that a fair coin reaches too seldom; None if even all do not do.

    Args:
        differing: inputs that one arm gets right and the other wrong.
        level: how often chance may give a result as clear, counted on both sides.

    Raises:
        LabError: a negative number of inputs, or a level outside 0..1.

    Source: the two-sided sign test (Conover, Practical Nonparametric Statistics, section 3.4).

    Example: of 6 inputs all 6 must be won, of 24 it takes 18, and of 5 not even 5 are enough.
    """
    require_whole_number("differing", differing, 0)
    if not 0 < level < 1:
        raise LabError(f"The level is {level}; it must lie between 0 and 1, such as 0.05.")
    for wins in range(differing // 2 + 1, differing + 1):
        if 2 * sum(math.comb(differing, k) for k in range(wins, differing + 1)) <= level * 2**differing:
            return wins
    return None


class Duel(NamedTuple):
    """One arm against another on the same inputs: inputs won, inputs lost, and the wins needed (None: too few differ)."""

    won: int
    lost: int
    needed: int | None

    @property
    def passed(self) -> bool:
        """Whether the first arm wins beyond chance."""
        return self.needed is not None and self.won >= self.needed


def duel(arm: Sequence[bool], other: Sequence[bool]) -> Duel:
    """How often `arm` is right where `other` is wrong, and the other way round."""
    won, lost = (sum(x and not y for x, y in zip(a, b, strict=True)) for a, b in ((arm, other), (other, arm)))
    return Duel(won, lost, wins_needed(won + lost))


class Scoreboard:
    """The trials of a lab: shows each when it is added, and all of them at the end."""

    def __init__(self) -> None:
        """A board without trials."""
        self.trials: dict[str, dict[str, list[bool]]] = {}

    def add(self, name: str, right: Right, **columns: Sequence[str]) -> None:
        """Keep and show what each arm of a trial got right, and its wins against the first arm.

        Args:
            name: the trial's.
            right: for each arm, whether each input was answered rightly; the same inputs in the same order.
            columns: further columns of the table, a text for each arm; an underscore in a name is shown as a space.

        Raises:
            LabError: the arms have different numbers of inputs.
        """
        if len({len(hits) for hits in right.values()}) != 1:
            raise LabError("The arms have different numbers of inputs: ask every arm about the same ones.")
        self.trials[name] = {arm: list(hits) for arm, hits in right.items()}
        first = next(iter(right.values()))
        rows = []
        for n, (arm, hits) in enumerate(right.items()):
            span, (won, lost, needed) = wilson_interval(sum(hits), len(hits)), duel(hits, first)
            verdict = f"{won} won, {lost} lost, {needed or 'more inputs'} needed" if n else ""
            share = f"{span.low:.0%} to {span.high:.0%}"
            rows.append((arm, f"{sum(hits)} of {len(hits)}", share, verdict, *(column[n] for column in columns.values())))
        header = ("arm", "right", "95 % interval", "against the first arm", *(key.replace("_", " ") for key in columns))
        show_table(header, rows, name)
        record(f"principle: {name}", {arm: f"{sum(hits)} of {len(hits)}" for arm, hits in right.items()})

    def ends(self) -> dict[str, Duel]:
        """For each trial its last arm against its first."""
        return {name: duel(list(arms.values())[-1], next(iter(arms.values()))) for name, arms in self.trials.items()}

    def show_ends(self) -> None:
        """Show a table of `ends`."""
        rows = [
            (
                name,
                len(next(iter(self.trials[name].values()))),
                d.won,
                d.lost,
                d.needed or "more inputs",
                "yes" if d.passed else "no",
            )
            for name, d in self.ends().items()
        ]
        show_table(
            ("trial", "inputs", "won by the last arm", "lost", "wins needed", "helps beyond chance?"),
            rows,
            "Last arm against first",
        )
