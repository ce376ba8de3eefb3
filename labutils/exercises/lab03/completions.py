"""What is read from a completion: the first JSON object, and the answer behind its delimiter."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from labutils.exercises.registry import Cases, ExerciseFunctions

# --------------------------------------------------------------------- 3.7 the first JSON object in a text


def first_json(text: str) -> dict[str, Any]:
    objects = (json_at(text, match.start()) for match in re.finditer("{", text))
    return next((value for value in objects if value), {})


def json_at(text: str, start: int) -> dict[str, Any]:
    """The object that begins at a brace; {} where none can be read."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except ValueError:
        return {}


def json_between(text: str, pattern: str) -> dict[str, Any]:
    """The object that is the first match of a pattern; {} where that is none."""
    found = re.search(pattern, text, re.DOTALL)
    try:
        return json.loads(found[0]) if found else {}
    except ValueError:
        return {}


def first_json_cases() -> Cases:
    return [
        ('Here you are: {"name": "Pepper"} Anything else?',),
        ('{"a": {"b": 1}, "c": [2, 3]}',),
        ('```json\n{"n": 1}\n``` and {"n": 2}',),
        ("There is no object here.",),
        ('{"name": "Pepper", "place":',),
        ('As {asked}: {"ok": true}',),
    ]


def reads_the_whole_text_only(text: str) -> dict[str, Any]:
    return json.loads(text) if text.startswith("{") and text.endswith("}") else {}


def first_brace_to_last_brace(text: str) -> dict[str, Any]:
    return json_between(text, r"\{.*\}")


def stops_at_the_first_closing_brace(text: str) -> dict[str, Any]:
    return json_between(text, r"\{.*?\}")


def tries_the_first_brace_only(text: str) -> dict[str, Any]:
    return json_at(text, max(0, text.find("{")))


# --------------------------------------------------------------------- 3.8 the answer behind its delimiter


def read_answer(text: str) -> str:
    return number_of(re.findall(r"Answer:\D*?(-?\d[\d,]*)", text), 0)


def number_of(found: Sequence[str], place: int) -> str:
    """One of the numbers found, without its commas; "" if none was."""
    return found[place].replace(",", "") if found else ""


def read_answer_cases() -> Cases:
    return [
        ("Steps: 3 * 6 = 18; 18 - 4 = 14\nAnswer: 14",),
        ("Steps: 5 * 20 = 100\nAnswer: 70\n\nQuestion: A bus has 12 seats.\nAnswer: 9",),
        ("140 * 8 = 1120\nAnswer: 1,120 euros",),
        ("Steps: 3 * 6 = 18; 18 - 4 =",),
        ("Answer: -5 degrees",),
        ("Answer: the sum is 12, because 3 * 4 = 12, not 13",),
    ]


def last_number(text: str) -> str:
    return number_of(re.findall(r"-?\d[\d,]*", text), -1)


def first_number(text: str) -> str:
    return number_of(re.findall(r"-?\d[\d,]*", text), 0)


def last_answer(text: str) -> str:
    return number_of(re.findall(r"Answer:\D*?(-?\d[\d,]*)", text), -1)


def stops_at_the_comma(text: str) -> str:
    return number_of(re.findall(r"Answer:\D*?(-?\d+)", text), 0)


def loses_the_minus_sign(text: str) -> str:
    return number_of(re.findall(r"Answer:\D*(\d[\d,]*)", text), 0)


EXERCISES = {
    "3.7": ExerciseFunctions(
        first_json,
        first_json_cases,
        (reads_the_whole_text_only, first_brace_to_last_brace, stops_at_the_first_closing_brace, tries_the_first_brace_only),
    ),
    "3.8": ExerciseFunctions(
        read_answer, read_answer_cases, (last_number, first_number, last_answer, stops_at_the_comma, loses_the_minus_sign)
    ),
}
