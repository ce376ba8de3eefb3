"""A loop in which a model may call tools, with a log of each step (lab 09)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from labutils.errors import LabError


class Step(NamedTuple):
    """One turn of the loop.

    Attributes:
        wrote: the model's line.
        tool: the tool that it called, "answer" at the end, or "" where the line is no call.
        argument: what it passed.
        result: what the tool returned, or why it was refused.
    """

    wrote: str
    tool: str
    argument: str
    result: str


def run_tools(
    write: Callable[[str], str], tools: Mapping[str, Callable[[str], str]], prompt: str, most_steps: int = 4
) -> list[Step]:
    """Let the model write a line, run the tool that it names, put the result below, and go on until it answers.

    A call is a line such as "Search: price of the ferry"; "Answer: ..." ends the loop. The program, not the model, decides which names
    are tools: a line that names no tool is noted and ends the loop, and an error of a tool is a result like any other.

    Args:
        write: from the text so far to the model's next line.
        tools: name in lower case -> function from a text to a text.
        prompt: the worked examples and the question.
        most_steps: the loop ends after so many lines, answered or not.

    Returns:
        The log, one step per line.

    Raises:
        LabError: no tools, or a limit below 1.

    Source: Yao et al. 2022, "ReAct" (arXiv:2210.03629), without the thoughts.
    """
    if not tools or most_steps < 1:
        raise LabError("The loop needs a tool and at least one step.")
    log: list[Step] = []
    text = prompt
    for _ in range(most_steps):
        line = write(text).strip()
        name, found, argument = line.partition(":")
        name, argument = name.strip().lower(), argument.strip()
        if not found or (name != "answer" and name not in tools):
            log.append(Step(line, "", "", "not a call: the loop ends"))
            break
        if name == "answer":
            log.append(Step(line, name, argument, ""))
            break
        try:
            result = tools[name](argument)
        except LabError as error:
            result = f"error: {error}"
        log.append(Step(line, name, argument, result))
        text += f"{line}\nResult: {result}\n"
    return log
