"""What the instructor's edition adds to the solutions: minutes, common errors, questions for the room, and shorter ways through.

All of it comes from what the course says elsewhere: the checks' own messages, the quizzes, the predictions, and the table
deploy/workshop/minutes.toml.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from labutils.exercises.registry import Prediction, Quiz, exercises, predictions, quizzes

ROOT = Path(__file__).resolve().parent.parent
MINUTES = ROOT / "deploy" / "workshop" / "minutes.toml"
CUTS = (30, 60, 90)
OPENING = "Opening"  # what stands before the first heading
MOST_ERRORS = 4  # named of an exercise
CALL = re.compile(r'\b(check|predict|quiz)\("([^"]+)"')


@dataclass
class Section:
    """A part of a lab under one heading of the second level, with the minutes that it takes a room."""

    heading: str
    cells: list[NotebookNode] = field(default_factory=list)
    minutes: float = 0.0
    measured: bool = False

    def ids(self, function: str) -> list[str]:
        """The ids that its code cells hand to `check`, `predict` or `quiz`, in order."""
        sources = (cell.source for cell in self.cells if cell.cell_type == "code")
        return [id for source in sources for name, id in CALL.findall(source) if name == function]

    @property
    def optional(self) -> bool:
        """Whether it lies outside of the core path."""
        return bool(self.cells) and all("optional" in cell.metadata.get("tags", []) for cell in self.cells)


@cache
def table() -> dict[str, Any]:
    """deploy/workshop/minutes.toml."""
    return tomllib.loads(MINUTES.read_text(encoding="utf-8"))


def split_at_headings(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells, with each text cell cut before a heading of the second level that stands inside it."""
    found = []
    for cell in cells:
        pieces = (
            re.split(r"\n+(?=## )", cell.source) if cell.cell_type == "markdown" and "```" not in cell.source else [cell.source]
        )
        for piece in pieces:
            copy = nbformat.from_dict({**cell, "source": piece}) if len(pieces) > 1 else cell
            found.append(copy)
    return found


def sections(cells: list[NotebookNode], lab: str) -> list[Section]:
    """The sections of a lab with their minutes.

    Args:
        cells: the instructor's edition, cut at the headings.
        lab: its number, such as "02".
    """
    found = [Section(OPENING)]
    for cell in cells:
        if cell.cell_type == "markdown" and (heading := re.match(r"## (.+)", cell.source)):
            found.append(Section(heading[1].strip()))
        found[-1].cells.append(cell)
    seconds = _seconds(lab)
    code = sum(cell.cell_type == "code" for cell in cells)
    own = table().get("labs", {}).get(lab, {}).get("sections", {})
    for section in found:
        here = sum(cell.cell_type == "code" for cell in section.cells)
        section.minutes = own.get(section.heading, _estimate(section) + seconds / 60 * here / max(1, code))
        section.measured = section.heading in own
    return found


def _seconds(lab: str) -> float:
    """The measured seconds that all cells of a lab take; 0 for a lab that was not measured yet."""
    budgets = json.loads((ROOT / "labs" / "budgets.json").read_text(encoding="utf-8"))["labs"]
    return next((budget["seconds"] for name, budget in budgets.items() if name.startswith(f"{lab}_")), 0.0)


def _estimate(section: Section) -> float:
    rates = table()["rates"]
    text = [cell.source for cell in section.cells if cell.cell_type == "markdown"]
    words = sum(len(source.split()) for source in text)
    tries = sum("**Try it" in source for source in text)
    posed = {name: len(section.ids(name)) for name in ("check", "predict", "quiz")}
    code = sum(cell.cell_type == "code" for cell in section.cells) - posed["check"]
    return (
        words / rates["words_per_minute"]
        + code * rates["code_cell"]
        + posed["check"] * rates["exercise"]
        + posed["predict"] * rates["prediction"]
        + posed["quiz"] * rates["quiz"]
        + tries * rates["try_it"]
    )


def cut(found: list[Section], lab: str, minutes: int) -> list[Section]:
    """The sections to teach in so many minutes: those that the table names or, where it names none, the first that fit.

    Raises:
        ValueError: the table names a section that the lab does not have.
    """
    core = [section for section in found if not section.optional and section.heading != OPENING]
    named = table().get("labs", {}).get(lab, {}).get("cuts", {}).get(str(minutes))
    if named is not None:
        missing = set(named) - {section.heading for section in core}
        if missing:
            raise ValueError(f"{MINUTES.name}: lab {lab} has no section {sorted(missing)[0]!r}")
        return [section for section in core if section.heading in named]
    chosen: list[Section] = []
    left = minutes - found[0].minutes
    for section in core:
        if section.minutes <= left:
            chosen.append(section)
            left -= section.minutes
    return chosen


def _whole(minutes: float) -> str:
    return f"{max(1, round(minutes))}"


def as_markdown(text: str) -> str:
    """A text that reads the same as Markdown: outside of `code`, marks of emphasis and of formulas are escaped."""
    pieces = text.split("`")
    return "`".join(piece if number % 2 else re.sub(r"([*_$<\\])", r"\\\1", piece) for number, piece in enumerate(pieces))


def overview(found: list[Section], lab: str) -> str:
    """The cell at the top: all sections with minutes, and the shorter ways through."""
    core = [section for section in found if not section.optional]
    lines = [
        f"**For the instructor.** The core path takes a room about {_whole(sum(one.minutes for one in core))} minutes. "
        "Minutes are estimated from what a section holds (`deploy/workshop/minutes.toml` says how), unless marked as timed.",
        "",
        "| section | minutes | exercises | to ask |",
        "| --- | --- | --- | --- |",
    ]
    for one in found:
        asked = ", ".join(one.ids("predict") + one.ids("quiz"))
        name = f"{one.heading} (optional)" if one.optional else one.heading
        timed = ", timed" if one.measured else ""
        lines.append(f"| {name} | {_whole(one.minutes)}{timed} | {', '.join(one.ids('check'))} | {asked} |")
    whole = sum(one.minutes for one in core)
    for minutes in CUTS:
        if whole <= minutes:
            lines += ["", f"**In {minutes} minutes:** the whole core path."]
            break
        chosen = cut(found, lab, minutes)
        names = "; ".join(f"*{one.heading}* ({_whole(one.minutes)})" for one in chosen)
        lines += [
            "",
            f"**In {minutes} minutes** (about {_whole(found[0].minutes + sum(one.minutes for one in chosen))}): run the opening, then {names}.",
        ]
    lines += [
        "",
        "In a shorter way, run the skipped cells too: an open exercise hands the course's own function to the cells below it.",
    ]
    return "\n".join(lines)


def box(section: Section) -> str:
    """The cell before a section: minutes, what to ask the room, common errors. "" where there is nothing to say but minutes."""
    minutes = "minute" if _whole(section.minutes) == "1" else "minutes"
    lines = [f"**For the instructor.** About {_whole(section.minutes)} {minutes}{'' if section.measured else ' (estimated)'}."]
    asked: dict[str, Prediction | Quiz] = {item.id: item for item in predictions()}
    asked |= {item.id: item for item in quizzes()}
    questions = [asked[id] for id in section.ids("predict") + section.ids("quiz") if id in asked]
    if questions:
        lines += ["", "Ask the room, and take a show of hands before you run the cell:", ""]
        lines += [_question(item) for item in questions]
    tasks = {item.id: item for item in exercises()}
    for id in section.ids("check"):
        if id not in tasks:
            continue
        messages = list(tasks[id].mistakes.values())
        lines += ["", f"Common errors in exercise {id}, {as_markdown(tasks[id].title)}, as the check names them:", ""]
        lines += [f"- {as_markdown(message)}" for message in messages[:MOST_ERRORS]]
        if len(messages) > MOST_ERRORS:
            lines.append(f"- and {len(messages) - MOST_ERRORS} more")
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _question(item: Prediction | Quiz) -> str:
    question = as_markdown(item.question)
    if isinstance(item, Quiz):
        wrong = as_markdown("; ".join(option for number, option in enumerate(item.options) if number != item.right))
        right = f"**Right:** {as_markdown(item.options[item.right])}. {as_markdown(item.why[item.right])}"
        return f"- Quiz {item.id}: {question} {right} Also offered: {wrong}."
    unit = f" ({as_markdown(item.unit)})" if item.unit else ""
    options = f" {as_markdown('; '.join(item.options))}." if item.options else ""
    return f"- Prediction {item.id}: {question}{unit}{options}"


def with_boxes(cells: list[NotebookNode], lab: str) -> list[NotebookNode]:
    """The cells of the instructor's edition with an overview after the title and a box before each section."""
    found = sections(split_at_headings(cells), lab)
    result: list[NotebookNode] = []
    for section in found:
        if section.heading == OPENING:
            title, *rest = section.cells
            result += [title, _text_cell(overview(found, lab)), *rest]
            continue
        heading, *rest = section.cells
        result += [_text_cell(box(section)), heading, *rest]
    return result


def _text_cell(source: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": ["instructor"]})
