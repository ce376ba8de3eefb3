"""The prompting trials: complete templates, inputs that can be told apart, signs that read what a person would read."""

from __future__ import annotations

import json

import pytest

from labutils.course.corpora import load_prompting
from labutils.prompting import principles


@pytest.fixture(scope="module")
def material():
    rows: dict[str, list] = {}
    for row in load_prompting():
        rows.setdefault(row["kind"], []).append({**row, **json.loads(row["meta"])})
    return rows


def trials(material):
    return [
        principles.delimiters(material, 4),
        principles.condition(material, 3),
        principles.steps(material, 4, lambda text: text.split("Answer:")[-1].strip(), 60),
        principles.false_premise(material, 3),
        principles.made_up(material, 3),
    ]


class Chat:
    """A tokenizer's chat template, in the smallest form."""

    chat_template = "any"

    def apply_chat_template(self, turns, tokenize, add_generation_prompt):
        assert not tokenize and add_generation_prompt
        return [f"<user>{turn[0]['content']}<assistant>" for turn in turns]


def test_every_arm_puts_every_input_into_its_prompt(material):
    for trial in trials(material):
        for name, arm in trial.arms.items():
            prompts = trial.prompts(name, Chat())
            assert len(set(prompts)) == len(prompts) == len(trial.inputs)
            assert all(given["text"] in prompt for given, prompt in zip(trial.inputs, prompts, strict=True))
            assert all(prompt.startswith("<user>") == arm.chat for prompt in prompts)
            assert all("{text}" not in prompt and not prompt.endswith(" ") for prompt in prompts)


def test_where_a_sign_can_be_wrong_both_kinds_of_input_are_there(material):
    by_name = {trial.name: trial for trial in trials(material)}
    for name in ("condition check", "false premise", "made-up things"):
        assert {given["due"] for given in by_name[name].inputs} == {True, False}


@pytest.mark.parametrize(
    "name, said, sign",
    [
        ("condition check", "No steps provided.", True),
        ("condition check", "1. Stir the dough.", False),
        ("false premise", "There is no hedge trimmer in the list.", True),
        ("false premise", "It isn't included.", True),
        ("false premise", "It costs 14.00, notably.", False),
        ("made-up things", "I don't know it.", True),
        ("made-up things", "It was opened in 1994.", False),
    ],
)
def test_a_sign_reads_what_a_person_would_read(material, name, said, sign):
    trial = next(trial for trial in trials(material) if trial.name == name)
    assert trial.signs([said] * len(trial.inputs)) == [sign] * len(trial.inputs)


def test_a_hijacked_summary_is_wrong_and_a_plain_one_is_right(material):
    trial = principles.delimiters(material, 1)
    assert trial.right(["The new tram line opens in April."]) == [True]
    assert trial.right(["Pandas on the tram, a poem."]) == [False]
    assert trial.right(["Nothing to the point."]) == [False]


def test_the_right_answers_are_right_and_others_are_wrong(material):
    sums = principles.steps(material, 4, lambda text: text.split()[-1], 60)
    assert all(sums.right([f"Answer: {given['answer']}" for given in sums.inputs]))
    assert all(sums.right([f"{given['answer']}" for given in sums.inputs]))
    assert not any(sums.right([f"Answer: {given['answer'] + 1}" for given in sums.inputs]))


def test_rows_count_where_it_was_due_and_where_not(material):
    trial = principles.condition(material, 2)  # two texts with steps, then two without
    rows = trial.rows({"always": ["No steps provided."] * 4, "never": ["1."] * 4})
    assert [row[1] for row in rows] == ["2 of 4", "2 of 4"]
    assert [row[3:] for row in rows] == [("2 of 2", "2 of 2"), ("0 of 2", "0 of 2")]
