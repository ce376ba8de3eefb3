"""Reading and judging what a model said (lab 03): labels, JSON against a schema, and accuracies with their intervals."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

from labutils.errors import LabError
from labutils.intervals import Interval

ACCURACY_HEADER = ("prompt", "right", "accuracy", "95 % interval")
LONGEST = 160  # characters of a schema error that are shown


def read_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that a completion names first, whatever its case; None if it names none.

    >>> read_label(" Positive. The staff were kind.", ["positive", "negative"])
    'positive'
    """
    places = {label: re.search(rf"\b{re.escape(label)}\b", text, re.IGNORECASE) for label in labels}
    found = {label: match.start() for label, match in places.items() if match}
    return min(found, key=lambda label: found[label]) if found else None


def extract_json(text: str) -> Any:
    """The first JSON object, or array of objects or texts, in a text, whatever stands around it (prose, ``` fences).

    Raises:
        LabError: there is none, it breaks off before its end, or it is not JSON after all (single quotes, a comma too many, NaN).

    >>> extract_json('Here you are: {"animal": "cat"} Anything else?')
    {'animal': 'cat'}
    """
    decoder = json.JSONDecoder(parse_constant=_refuse)
    for start in re.finditer(r"\{|\[(?=\s*[\[{\"])", text):
        try:
            return decoder.raw_decode(text, start.start())[0]
        except (ValueError, RecursionError) as error:
            if not re.match(r"[\[{]\s*([\[{\"']|$)", text[start.start() :]):
                continue  # a brace in prose
            message, place = (error.msg, error.pos) if isinstance(error, json.JSONDecodeError) else (str(error), 0)
            if place >= len(text.rstrip()) or message.startswith("Unterminated string"):
                raise LabError("The JSON breaks off before its end: raise max_new_tokens, or ask for fewer fields.") from None
            raise LabError(
                f"The JSON is not valid ({_sentence(message)[:-1]}): show a shot with the form that you want."
            ) from None
    raise LabError("There is no JSON in the completion: ask for it, name the fields, and show a shot.")


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")  # Python would read NaN and Infinity; the standard has neither


class Checked(NamedTuple):
    """A completion read as JSON: its value (None if there is none) and what is wrong with it, one sentence each."""

    value: Any
    errors: list[str]

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.errors


def check_json(text: str, schema: Mapping[str, Any]) -> Checked:
    """Read the JSON in a completion and hold it against a schema.

    Args:
        text: the completion.
        schema: JSON Schema, draft 2020-12 (json-schema.org), checked by the jsonschema library.

    Raises:
        LabError: the schema itself is not valid.

    Example: `check_json('{"age": "ten"}', {"properties": {"age": {"type": "integer"}}}).errors` holds one sentence on "age".
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise LabError(f"The schema is not a valid JSON Schema: {_sentence(error.message)}") from None
    try:
        value = extract_json(text)
    except LabError as error:
        return Checked(None, [str(error)])
    errors = sorted(
        Draft202012Validator(schema).iter_errors(value), key=lambda error: [str(step) for step in error.absolute_path]
    )
    return Checked(value, [f"{_place(error.absolute_path)}: {_sentence(error.message)}" for error in errors])


def _place(path: Sequence[str | int]) -> str:
    """Where in the value: "items[0].price", or "The whole" for the value itself."""
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return steps.lstrip(".") or "The whole"


def _sentence(message: str) -> str:
    one_line = " ".join(message.split())
    return f"{one_line if len(one_line) <= LONGEST else one_line[:LONGEST] + ' …'}."


def wilson_interval(right: int, count: int, level: float = 0.95) -> Interval:
    """The accuracy right / count and its Wilson score interval.

    Unlike the bootstrap's, it does not shrink to a point when all answers are right: 16 of 16 is 0.81 to 1.

    Source: Wilson 1927 (JASA 22, 209-212); recommended for small n by Brown, Cai and DasGupta 2001 (Statistical Science 16, 101-133).

    Raises:
        LabError: no examples, or more right answers than examples.

    Example: 8 of 10 is 0.49 to 0.94.
    """
    if not 0 <= right <= count or count < 1 or not 0 < level < 1:
        raise LabError(
            f"{right} right of {count} at the level {level} makes no accuracy: give 0 to n right of n >= 1, and a level in 0..1."
        )
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, shrink = right / count, 1 + z * z / count
    centre = (share + z * z / (2 * count)) / shrink
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / shrink
    # Rounding must not put the accuracy outside its own interval.
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def accuracy_rows(correct: Mapping[str, Sequence[bool]], level: float = 0.95) -> list[tuple[str, str, str, str]]:
    """Rows for `show_table(ACCURACY_HEADER, ...)`: name, right of all, accuracy, Wilson interval (both in per cent, whole numbers)."""
    rows = []
    for name, answers in correct.items():
        right, count = sum(map(bool, answers)), len(answers)
        share, low, high = wilson_interval(right, count, level)
        rows.append((name, f"{right} of {count}", f"{share:.0%}", f"{low:.0%} to {high:.0%}"))
    return rows
