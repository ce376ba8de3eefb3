"""Reading answers: labels, and JSON against the jsonschema library."""

from __future__ import annotations

import json

import jsonschema
import pytest

from labutils.course.corpora import load_prompting
from labutils.errors import LabError
from labutils.prompting.parsing import check_json, extract_json, read_label

LABELS = ["positive", "negative"]
EXTRACT = [json.loads(row["meta"]) for row in load_prompting() if row["kind"] == "extract"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (" positive", "positive"),
        ("Negative. The room was damp.", "negative"),
        ("The review is negative, not positive.", "negative"),
        ("It is nonpositive", None),
        ("", None),
    ],
)
def test_the_first_label_counts(text, label):
    assert read_label(text, LABELS) == label


@pytest.mark.parametrize("wrap", ["{}", "Sure!\n```json\n{}\n```\nDone [1].", "See [1] and {{x}}: {} {{}}"])
def test_json_is_found_whatever_stands_around_it(wrap):
    for value in ({"a": [1, {"b": '} ] " é'}], "c": None}, [{"a": 1}], ["x", "y"]):
        assert extract_json(wrap.format(json.dumps(value))) == value


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("no braces at all", "no JSON"),
        ("prose {like this} only", "no JSON"),
        ('{"a": {"b": 1}', "max_new_tokens"),
        ('{"a": "unfinis', "max_new_tokens"),
        ('{"a": {"b": 1},}', "not valid"),
        ("{'a': 1}", "not valid"),
        ('{"a": NaN}', "NaN"),
        ('{"a":' * 100_000, "not valid"),
    ],
)
def test_what_is_no_json_is_one_sentence(text, word, says):
    with pytest.raises(LabError) as error:
        extract_json(text)
    says(error.value, word)
    assert check_json(text, {}).errors == [str(error.value)]


@pytest.mark.parametrize("item", EXTRACT)
def test_verdicts_are_those_of_jsonschema(item, says):
    answer, schema = item["answer"], item["schema"]
    first, *others = answer
    variants = [answer, {name: answer[name] for name in others}, {**answer, "extra": 1}, {**answer, first: ["x"]}, [answer], {}]
    verdicts = []
    for value in variants:
        checked = check_json(f"Here: {json.dumps(value)}", schema)
        verdicts.append(checked.valid)
        assert checked.value == value
        if checked.valid:
            jsonschema.validate(value, schema)
        else:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(value, schema)
        for error in checked.errors:
            says(error)
    assert verdicts == [True] + [False] * 5


def test_errors_name_the_place_and_a_bad_schema_is_refused(says):
    schema = {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"properties": {"price": {"type": "number"}}}}},
    }
    checked = check_json('{"items": [{"price": 1}, {"price": "two"}]}', schema)
    assert len(checked.errors) == 1 and not checked.valid
    says(checked.errors[0], "items[1].price", "number")
    says(check_json(json.dumps({"items": "word " * 500}), schema).errors[0], "items", "…")
    with pytest.raises(LabError) as error:
        check_json("{}", {"type": "objekt"})
    says(error.value, "objekt")
