"""What came of an answer to an exercise or a quiz, and how a notebook shows it."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Literal

from labutils.exercises.captured import Captured, printable

# Status -> colour of the card's edge, word in its heading.
STATUS_STYLES = {"passed": ("#009E73", "passed"), "open": ("#E69F00", "open"), "wrong": ("#D55E00", "not yet")}

# The kinds of a wrong answer that is none of an exercise's known mistakes, and what each means.
KINDS = {
    "value": "The numbers or texts differ, by none of the known mistakes.",
    "type": "The result is of another type.",
    "dtype": "The tensor holds another type of number.",
    "shape": "The tensor has another shape.",
    "length": "The list is too long or too short.",
    "keys": "The dictionary has other keys.",
    "nan": "The result holds NaN.",
    "derivative": "The values are right, and their derivatives are missing or wrong.",
    "none": "The function returned None.",
    "raised": "The function raised an error.",
    "signature": "It is no function, or does not take the stub's arguments.",
    "time": "The function took too long.",
    "memory": "The function took too much memory.",
    "input": "The function changed its arguments.",
}


@dataclass(frozen=True)
class Verdict:
    """What came of an answer, with what the answer printed and the call in which it did.

    `kind` names a wrong answer without quoting it: the mistake's name in labNN.toml, the option of a quiz, or one of
    KINDS.
    """

    status: Literal["passed", "open", "wrong"]
    message: str
    printed: Captured = field(default_factory=Captured)
    call: str = ""
    kind: str = ""


def show_verdict(id: str, title: str, verdict: Verdict, nudge: str = "") -> None:
    """Show a verdict, and after a wrong answer the nudge, as a card in a notebook and as a line elsewhere.

    What the answer printed comes before it, so that the verdict stands last.
    """
    from IPython import get_ipython
    from IPython.display import display

    colour, word = STATUS_STYLES[verdict.status]
    nudge = f" {nudge}" if nudge and verdict.status == "wrong" else ""
    message = printable(verdict.message)
    if verdict.printed:
        verdict.printed.show(f"Your function printed{verdict.call and f' for {verdict.call}'}:")
    plain = f"{id} {title}: {word}{'.' if verdict.status == 'wrong' else ','} {message}{nudge}"
    card = (
        f'<div role="status" style="border-left: 5px solid {colour}; padding: 4px 12px; margin: 4px 0;">'
        f"<b>{html.escape(id)} {html.escape(title)}: {word}.</b> {html.escape(message[:1].upper() + message[1:] + nudge)}</div>"
    )
    if get_ipython() is None:
        print(plain)
    else:
        display({"text/html": card, "text/plain": plain}, raw=True)
