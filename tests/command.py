"""Fixtures for the tests of the command: `labs` run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from labutils import cli


class Done(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def labs(monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., Done]:
    """Run `labs` with some arguments in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["labs", *map(str, arguments)])
            with pytest.raises(SystemExit) as left:
                cli.main()
        printed = capsys.readouterr()
        if isinstance(left.value.code, str):  # what the interpreter then prints, and the status it leaves with
            return Done(1, printed.out, printed.err + left.value.code)
        return Done(left.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def refused(labs, says) -> Callable[..., None]:
    """Run `labs` and require exit status 1 and one sentence on stderr that holds the given words."""

    def run(*arguments: object, words: list[object]) -> None:
        done = labs(*arguments)
        assert done.status == 1
        says(done.err, "labs: ", *words)
        assert done.out == ""

    return run
