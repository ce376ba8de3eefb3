"""An assert that a learner would read before the result is found, and one below it is not."""

from __future__ import annotations

import pytest
from spoilers import spoilers


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["x = f()\nassert x == 16\nprint(x)"], ["cell 1", "x == 16", "above"]),
        (["assert f() > 8\nfor name in rows:\n    print(name)"], ["cell 1", "f() > 8"]),
        (['predict("1.p1")', "x = f()\nassert x == 16", 'print(x)\noutcome("1.p1", x)'], ["cell 2", "x == 16", "1.p1"]),
        (['y = 1\npredict("1.p1")', 'x = f()\nassert x < 0.5, "small"', "show_table(x)"], ["cell 2", "1.p1"]),
    ],
)
def test_a_spoiler_is_named(sources, words):
    (found,) = spoilers(sources)
    assert [word for word in words if word not in found] == []


@pytest.mark.parametrize(
    "sources",
    [
        ["x = f()\nprint(x)\nassert x == 16"],
        ["for n in (1, 2):\n    assert f(n) == n\nx = 3"],
        ["def show_it():\n    print(1)\nassert g() == 5"],
        ['predict("1.p1")', 'x = f()\noutcome("1.p1", x)\nassert x == 16', "assert x == 16"],
        ['predict("1.p1")', "rows = f()\nassert len(rows) == 16 and all(row > 0 for row in rows)", 'outcome("1.p1", rows)'],
    ],
)
def test_what_gives_nothing_away(sources):
    assert list(spoilers(sources)) == []
