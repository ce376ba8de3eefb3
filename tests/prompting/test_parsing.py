"""Reading answers: labels, JSON against the jsonschema library, and the Wilson interval against its own equation."""

from __future__ import annotations

import json
from statistics import NormalDist

import jsonschema
import pytest

from labutils.course.corpora import load_prompting
from labutils.errors import LabError
from labutils.evaluation.intervals import ACCURACY_HEADER, accuracy_rows, wilson_interval
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


@pytest.mark.parametrize("count", [1, 2, 16, 126])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_ends_solve_the_score_equation(count, level):
    z = NormalDist().inv_cdf((1 + level) / 2)
    for right in {0, 1, count // 2, count}:
        share, low, high = wilson_interval(right, count, level)
        assert share == right / count and 0 <= low <= share <= high <= 1
        for p in (low, high):  # |p - share| is z standard errors at p itself
            assert (share - p) ** 2 == pytest.approx(z * z * p * (1 - p) / count, abs=1e-12)


def test_wilson_refuses_what_is_no_accuracy():
    for right, count in [(0, 0), (3, 2), (-1, 2)]:
        with pytest.raises(LabError):
            wilson_interval(right, count)


def test_accuracy_rows_are_ready_for_a_table():
    rows = accuracy_rows({"0 shots": [True] * 11 + [False] * 5, "6 shots": [True] * 16})
    assert rows == [("0 shots", "11 of 16", "69%", "44% to 86%"), ("6 shots", "16 of 16", "100%", "81% to 100%")]
    assert len(ACCURACY_HEADER) == len(rows[0])
