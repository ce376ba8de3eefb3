"""Lines with codes, as an instructor collects them: who is ready, who is not, and why."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labutils.course import doctor
from labutils.errors import LabError
from labutils.workshop.cohort import plain
from labutils.workshop.readiness import PREFIX, Facts, decode, obstacles

LARGEST_BYTES = 1_000_000  # of a file of codes
LONGEST_LINE = 1_000
# The word LABS and what follows it as a code may be written; a name stands before or after.
CODE = re.compile(rf"\b{PREFIX}[-\u2010-\u2015\u2212_0-9A-Z]{{6,80}}", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One participant.

    Attributes:
        who: what stood beside the code, or its place.
        facts: of their machine; None where the code is damaged.
        why: what keeps them from being ready; empty where nothing does.
    """

    who: str
    facts: Facts | None
    why: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether the labs can begin there."""
        return self.facts is not None and not self.why


def taught(labs: str) -> list[int]:
    """The numbers of the labs that will be taught, from a text such as "00,02"; all that were measured for "".

    Raises:
        LabError: there is no such lab.
    """
    known = sorted(int(name[:2]) for name in doctor.budgets().get("labs", {}))
    wanted = [word for word in re.split(r"[,\s]+", labs) if word]
    for word in wanted:
        if not word.isdigit() or int(word) not in known:
            raise LabError(f"There is no lab {word!r}: choose among {', '.join(f'{lab:02}' for lab in known)}, as in 00,02.")
    return [int(word) for word in wanted] or known


def gather(arguments: Sequence[str]) -> list[str]:
    """The lines to read: each argument is a code or a file of codes; "-", or no argument, is the standard input.

    Raises:
        LabError: a file cannot be read.
    """
    lines: list[str] = []
    for argument in arguments or ["-"]:
        if argument == "-":
            lines += sys.stdin.read(LARGEST_BYTES).splitlines()
        elif Path(argument).is_file():
            if Path(argument).stat().st_size > LARGEST_BYTES:
                raise LabError(f"{argument} is larger than 1 MB: give a file with one code a line.")
            lines += Path(argument).read_text(encoding="utf-8-sig", errors="replace").splitlines()
        else:
            lines.append(argument)
    return [line[:LONGEST_LINE] for line in lines if line.strip() and not line.lstrip().startswith("#")]


def read(lines: Iterable[str], labs: Sequence[int]) -> list[Line]:
    """Who is ready and who is not. A line that holds no code that can be read is damaged, and says why."""
    found = []
    for number, line in enumerate(lines, 1):
        match = CODE.search(line)
        name = plain((line[: match.start()] + " " + line[match.end() :]).strip(" \t:;,|-\"'")) if match else ""
        who = name or str(number)
        try:
            if match is None:
                raise LabError(
                    f"{plain(line, 60)} holds no code: a code begins with {PREFIX}-, as `labs doctor --code` prints it."
                )
            facts = decode(match[0])
            found.append(Line(who, facts, tuple(obstacles(facts, labs))))
        except LabError as error:
            found.append(Line(who, None, (str(error),)))
    return found
