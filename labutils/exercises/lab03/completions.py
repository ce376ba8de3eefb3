"""What is read from a completion: the first JSON object, and the answer behind its delimiter."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

from labutils.exercises.registry import Cases, ExerciseFunctions

# --------------------------------------------------------------------- 3.7 the first JSON object in a text


def first_json(text: str) -> dict[str, Any]:
    objects = (json_at(text, match.start()) for match in re.finditer("{", text))
    return next((value for value in objects if value is not None), {})


def json_at(text: str, start: int) -> dict[str, Any] | None:
    """The object that begins at a brace; None where none can be read."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except ValueError:
        return None


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
        ('{"a": {"b": {"c": {"d": [{"e": null}]}}}} {"f": 1}',),
        ('```json\n{"n": 1}\n``` and {"n": 2}',),
        ("There is no object here.",),
        ('{"name": "Pepper", "place":',),
        ('As {asked}: {"ok": true}',),
        ("",),
        ('{} {"a": 1}',),  # an empty object is an object
        ('{"text": "a } in { quotes, and \\"one\\" more }", "n": -1.5}',),
        ('[{"a": 1}, {"b": 2}]',),
        ('{"text": "two  blanks,  \\ttabs"}',),
        ('{\'a\': 1} {"b": 2,} {"c": "d\\n"}',),
        ('{\n  "place": "Sète",\n  "open": false\n}\n}',),
        ('{"a": {"b": 1}, "c": ',),  # the inner one is whole
        ('{ "a" : 1 , "a" : 2 }{"b": 3}',),
    ]


def random_json(rng: random.Random, depth: int) -> Any:
    """A value as JSON can hold it: an object of other values, or at depth 0 a plain one."""
    if depth == 0:
        return rng.choice(
            (None, True, rng.randrange(100), -2.5, "", "a } b", "{", " two  blanks ", 'say "so"', "é\n", [1, {"k": "v"}], {})
        )
    keys = rng.sample(("name", "place", "open", "n", "{x}", "", "tags"), rng.randint(1, 3))
    return {key: random_json(rng, rng.randint(0, depth - 1)) for key in keys}


def random_first_json(rng: random.Random, size: int) -> tuple[str]:
    """Objects, whole or cut off, between words that hold braces of their own."""
    pieces = []
    for _ in range(size // 3):
        text = json.dumps(random_json(rng, rng.randint(0, 1 + size // 6)), indent=rng.choice((None, None, 2)), ensure_ascii=False)
        prose = rng.choice(("Here:", "As {asked}", "}", "```json\n", "{", "and {'a': 1}", '"', "{}", "[", "{ so"))
        pieces.append(rng.choice((text, text, text[: rng.randrange(len(text) + 1)], prose, prose)))
    return (rng.choice((" ", "", "\n")).join(pieces),)


def reads_the_whole_text_only(text: str) -> dict[str, Any]:
    return json_between(text, r"\A.*\Z")


def first_brace_to_last_brace(text: str) -> dict[str, Any]:
    return json_between(text, r"\{.*\}")


def stops_at_the_first_closing_brace(text: str) -> dict[str, Any]:
    return json_between(text, r"\{.*?\}")


def tries_the_first_brace_only(text: str) -> dict[str, Any]:
    return json_at(text, text.find("{")) or {} if "{" in text else {}


def one_level_of_nesting(text: str) -> dict[str, Any]:
    return json_between(text, r"\{(?:[^{}]|\{[^{}]*\})*\}")


def passes_over_empty_objects(text: str) -> dict[str, Any]:
    objects = (json_at(text, match.start()) for match in re.finditer("{", text))
    return next((value for value in objects if value), {})


def counts_braces_in_strings(text: str) -> dict[str, Any]:
    for match in re.finditer("{", text):
        depth = 0
        for end, character in enumerate(text[match.start() :], match.start() + 1):
            depth += (character == "{") - (character == "}")
            if depth == 0:
                try:
                    return json.loads(text[match.start() : end])
                except ValueError:
                    break
    return {}


def last_object(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    end = 0
    for match in re.finditer("{", text):
        value = json_at(text, match.start()) if match.start() >= end else None
        if value is not None:
            found, end = value, json.JSONDecoder().raw_decode(text, match.start())[1]
    return found


def keeps_what_the_last_brace_gives(text: str) -> dict[str, Any]:
    found = (json_at(text, match.start()) for match in re.finditer("{", text))
    return ([value for value in found if value is not None] or [{}])[-1]


def innermost_object(text: str) -> dict[str, Any]:
    found = (json_at(piece, 0) for piece in re.findall(r"\{[^{}]*\}", text))
    return next((value for value in found if value is not None), {})


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
        ("",),
        ("Answer:",),
        ("No delimiter, only 12.",),
        ("Answer: 0",),
        ("Answer: 20480 bytes",),
        ("Answer:7",),
        ("12 + 8 = 20\nAnswer:\n\n  20.",),
        ("Answer: none yet\nQuestion: 5 + 1\nAnswer: 6",),
        ("Answer: $-12,345,678, roughly",),
        ("Answer: well, that, I think, makes 21.",),
        ("The answer: easy. 3 + 4, so\nAnswer: 7, as 3 + 4 = 7",),
        ("Answer 4: see below. Answer: 15%",),
        ("Answer: +12",),  # a plus sign is no digit
        ("Answer: 3, 4 or 5",),  # these commas stand between numbers
        ("Answer: a three-digit sum - in euros - is 40",),  # these dashes are no minus signs
    ]


def random_read_answer(rng: random.Random, size: int) -> tuple[str]:
    def number() -> str:
        return f"{rng.choice((-1, 1, 1)) * rng.randrange(10 ** rng.randint(1, 1 + size // 3)):{rng.choice(('', ','))}}"

    lines = []
    for _ in range(size // 4):
        before = rng.choice(("", "it is ", "about $", "the total is\n", "x = ", "so, "))
        after = rng.choice(("", ".", ", I think", " euros, not 13", "\n\nQuestion: A bus has 12 seats."))
        steps = f"Steps: {number()} * {number()} = {number()}"
        lines.append(rng.choice((f"Answer: {before}{number()}{after}", f"Answer: {number()}", steps, "Answer: unknown")))
    return ("\n".join(lines),)


def last_number(text: str) -> str:
    return number_of(re.findall(r"-?\d[\d,]*", text), -1)


def first_number(text: str) -> str:
    return number_of(re.findall(r"-?\d[\d,]*", text), 0)


def last_answer(text: str) -> str:
    return number_of(re.findall(r"Answer:\D*?(-?\d[\d,]*)", text), -1)


def after_the_last_delimiter(text: str) -> str:
    return first_number(text.rpartition("Answer:")[2]) if "Answer:" in text else ""


def stops_at_the_comma(text: str) -> str:
    return number_of(re.findall(r"Answer:\D*?(-?\d+)", text), 0)


def loses_the_minus_sign(text: str) -> str:
    return number_of(re.findall(r"Answer:\D*(\d[\d,]*)", text), 0)


def keeps_the_commas(text: str) -> str:
    return (re.findall(r"Answer:\D*?(-?\d[\d,]*)", text) or [""])[0]


def looks_at_the_next_word_only(text: str) -> str:
    return number_of(re.findall(r"^.*?Answer:\s*(-?\d[\d,]*)", text, re.DOTALL), 0)


def last_number_after_the_delimiter(text: str) -> str:
    return last_number(text.partition("Answer:")[2])


def the_whole_text_without_a_delimiter(text: str) -> str:
    return first_number(text.split("Answer:", 1)[-1])


def reads_one_line_only(text: str) -> str:
    return first_number(text.partition("Answer:")[2].partition("\n")[0])


def dot_ends_at_a_line_break(text: str) -> str:
    return number_of(re.findall(r"Answer:.*?(-?\d[\d,]*)", text), 0)


def any_dash_is_a_minus_sign(text: str) -> str:
    before, number, _ = re.split(r"(\d[\d,]*|$)", text.partition("Answer:")[2], maxsplit=1)
    return ("-" if "-" in before and number else "") + number.replace(",", "")


def gives_up_at_a_dash(text: str) -> str:
    return number_of(re.findall(r"Answer:[^\d-]*(-?\d[\d,]*)", text), 0)


def takes_all_commas_and_blanks_out_first(text: str) -> str:
    return number_of(re.findall(r"-?\d+", re.sub(r",\s*", "", text.partition("Answer:")[2])), 0)


EXERCISES = {
    "3.7": ExerciseFunctions(
        first_json,
        first_json_cases,
        (
            reads_the_whole_text_only,
            first_brace_to_last_brace,
            stops_at_the_first_closing_brace,
            tries_the_first_brace_only,
            one_level_of_nesting,
            passes_over_empty_objects,
            counts_braces_in_strings,
            last_object,
            keeps_what_the_last_brace_gives,
            innermost_object,
        ),
        random_first_json,
    ),
    "3.8": ExerciseFunctions(
        read_answer,
        read_answer_cases,
        (
            last_number,
            first_number,
            last_answer,
            after_the_last_delimiter,
            stops_at_the_comma,
            loses_the_minus_sign,
            keeps_the_commas,
            looks_at_the_next_word_only,
            last_number_after_the_delimiter,
            the_whole_text_without_a_delimiter,
            reads_one_line_only,
            dot_ends_at_a_line_break,
            any_dash_is_a_minus_sign,
            gives_up_at_a_dash,
            takes_all_commas_and_blanks_out_first,
        ),
        random_read_answer,
    ),
}
