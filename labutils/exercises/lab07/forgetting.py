"""What was lost and what was gained, question by question."""

from __future__ import annotations

import random
from collections.abc import Sequence

from labutils.exercises.registry import Cases, ExerciseFunctions

Right = Sequence[bool]
Shares = tuple[float, float]

# ------------------------------------------------------------------------------------ 7.1 lost and gained


def lost_and_gained(before: Right, after: Right) -> Shares:
    return share_of(before, [not y for y in after]), share_of([not x for x in before], after)


def share_of(among: Right, what: Right) -> float:
    """The share of the questions in `among` for which `what` holds; 0.0 where there are none."""
    chosen = [y for x, y in zip(among, what, strict=True) if x]
    return sum(chosen) / len(chosen) if chosen else 0.0


def lost_and_gained_cases() -> Cases:
    yes, no = True, False
    return [
        ([yes, yes, yes, no], [yes, no, yes, yes]),
        ([yes, no, no, no, no, yes, yes, yes], [no, no, yes, no, no, no, yes, yes]),
        ([yes, yes, yes], [no, no, yes]),
        ([no, no, no], [yes, no, no]),
        ([no, no, yes, yes, yes], [yes, yes, no, yes, no]),
        ([yes, yes], [yes, yes]),
        ([], []),
    ]


def random_lost_and_gained(rng: random.Random, size: int) -> tuple[list[bool], list[bool]]:
    known, kept = rng.choice((0.2, 0.5, 0.8)), rng.choice((0.3, 0.7))
    before = [rng.random() < known for _ in range(size + 1)]
    return before, [rng.random() < (kept if x else 1 - kept) for x in before]


def divides_by_all_questions(before: Right, after: Right) -> Shares:
    count = len(before) or 1
    pairs = list(zip(before, after, strict=True))
    return sum(x and not y for x, y in pairs) / count, sum(y and not x for x, y in pairs) / count


def difference_of_the_shares(before: Right, after: Right) -> Shares:
    net = (sum(after) - sum(before)) / (len(before) or 1)
    return max(0.0, -net), max(0.0, net)


def gained_comes_first(before: Right, after: Right) -> Shares:
    lost, gained = lost_and_gained(before, after)
    return gained, lost


def share_that_was_kept(before: Right, after: Right) -> Shares:
    return share_of(before, after), lost_and_gained(before, after)[1]


def everything_lost_where_nothing_was_known(before: Right, after: Right) -> Shares:
    lost, gained = lost_and_gained(before, after)
    return (lost if any(before) else 1.0), gained


def runs_exchanged(before: Right, after: Right) -> Shares:
    return lost_and_gained(after, before)


def divides_by_what_is_right_afterwards(before: Right, after: Right) -> Shares:
    pairs = list(zip(before, after, strict=True))
    lost, gained = sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
    return lost / (len(after) - sum(after) or 1), gained / (sum(after) or 1)


def counts_of_the_questions(before: Right, after: Right) -> Shares:
    pairs = list(zip(before, after, strict=True))
    return float(sum(x and not y for x, y in pairs)), float(sum(y and not x for x, y in pairs))


def both_divided_by_the_known(before: Right, after: Right) -> Shares:
    gained = sum(y and not x for x, y in zip(before, after, strict=True))
    return lost_and_gained(before, after)[0], gained / (sum(before) or 1)


EXERCISES = {
    "7.1": ExerciseFunctions(
        lost_and_gained,
        lost_and_gained_cases,
        (
            divides_by_all_questions,
            difference_of_the_shares,
            gained_comes_first,
            share_that_was_kept,
            everything_lost_where_nothing_was_known,
            runs_exchanged,
            divides_by_what_is_right_afterwards,
            counts_of_the_questions,
            both_divided_by_the_known,
        ),
        random_lost_and_gained,
    ),
}
