"""Reading what a model wrote (lab 03): the label that it names, and JSON, checked against a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from labutils.errors import LabError

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


class JsonCheck(NamedTuple):
    """A completion read as JSON: its value (None if there is none) and what is wrong with it, one sentence each."""

    value: Any
    errors: list[str]

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.errors


def check_json(text: str, schema: Mapping[str, Any]) -> JsonCheck:
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
        return JsonCheck(None, [str(error)])
    errors = sorted(
        Draft202012Validator(schema).iter_errors(value), key=lambda error: [str(step) for step in error.absolute_path]
    )
    return JsonCheck(value, [f"{_place(error.absolute_path)}: {_sentence(error.message)}" for error in errors])


def _place(path: Sequence[str | int]) -> str:
    """Where in the value: "items[0].price", or "The whole" for the value itself."""
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return steps.lstrip(".") or "The whole"


def _sentence(message: str) -> str:
    one_line = " ".join(message.split())
    return f"{one_line if len(one_line) <= LONGEST else one_line[:LONGEST] + ' …'}."
