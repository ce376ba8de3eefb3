"""Wins that chance does not explain, against SciPy-free binomial sums, and a board that counts what it is given."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from labutils.errors import LabError
from labutils.prompting import scoreboard
from labutils.prompting.scoreboard import Scoreboard, duel, wins_needed


@pytest.mark.parametrize(
    ("differing", "wins"), [(0, None), (5, None), (6, 6), (8, 8), (9, 8), (12, 10), (16, 13), (20, 15), (24, 18)]
)
def test_wins_needed_are_those_of_the_tables_of_the_sign_test(differing, wins):
    assert wins_needed(differing) == wins


@pytest.mark.parametrize("differing", range(6, 60, 7))
def test_one_win_fewer_would_be_within_chance(differing):
    def tail(wins):
        return sum(Fraction(comb(differing, k), 2**differing) for k in range(wins, differing + 1))

    wins = wins_needed(differing)
    assert 2 * tail(wins) <= Fraction(1, 20) < 2 * tail(wins - 1)


def test_a_duel_counts_what_differs():
    assert duel([True, True, False, True], [True, False, True, False]) == (2, 1, None)
    assert duel([True] * 6, [False] * 6).passed and not duel([False] * 6, [True] * 6).passed


def test_the_board_shows_arms_columns_and_ends(monkeypatch):
    tables: list = []
    monkeypatch.setattr(scoreboard, "show_table", lambda header, rows, caption: tables.append((header, rows, caption)))
    monkeypatch.setattr(scoreboard, "record", lambda *_: None)
    board = Scoreboard()
    board.add("fences", {"before": [False] * 8, "after": [True] * 8}, mean_odds=["-1", "+1"])
    header, rows, caption = tables[0]
    assert caption == "fences" and header[-1] == "mean odds"
    assert [row[1] for row in rows] == ["0 of 8", "8 of 8"] and rows[1][3:] == ("8 won, 0 lost, 8 needed", "+1")
    board.show_ends()
    assert tables[1][1] == [("fences", 8, 8, 0, 8, "yes")]


def test_arms_with_different_inputs_are_refused():
    with pytest.raises(LabError, match="different numbers of inputs"):
        Scoreboard().add("fences", {"before": [True], "after": [True, False]})
