"""The allow-list computes arithmetic exactly, the grammar holds its lines, and the loop keeps its log."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from labutils.errors import LabError
from labutils.programs import ArithmeticGrammar, RefusedProgram, evaluate, read_number, run_tools
from labutils.programs.grammar import numbers_of


def test_random_expressions_equal_python_with_fractions() -> None:
    rng = random.Random(0)

    def expression(depth: int) -> tuple[str, str]:
        if depth == 0:
            number = rng.randint(0, 30)
            return str(number), f"Fraction({number})"
        (a, x), (b, y) = expression(depth - 1), expression(rng.randrange(depth))
        sign = rng.choice("+-*/")
        return f"({a} {sign} {b})", f"({x} {sign} {y})"

    for _ in range(300):
        text, python = expression(rng.randint(0, 4))
        try:
            wanted = eval(python, {"Fraction": Fraction})
        except ZeroDivisionError:
            with pytest.raises(RefusedProgram, match="zero"):
                evaluate(text)
        else:
            assert evaluate(text) == wanted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 3 * 4 ", 12),
        ("-3 + 1", -2),
        ("2 ** -2", Fraction(1, 4)),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("1_000", 1000),
        (".5", Fraction(1, 2)),
    ],
)
def test_what_is_read(text: str, value: Fraction) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "True",
        "'1'",
        "1e400",
        "1j",
        "1 if 1 else 2",
        "1 < 2",
        "3 // 2",
        "7 % 2",
        "0 ** -1",
        "1" * 501,
        "x := 3",
        "(1, 2)",
        "0x10",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(RefusedProgram):
        evaluate(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It is 17.", 17),
        ("3 * 4 = 12. The answer is 12.", 12),
        ("-2.5 degrees", Fraction(-5, 2)),
        ("1,120 euros", 1120),
        ("3/4 of it", Fraction(3, 4)),
        ("none", None),
        ("5/0", 5),
    ],
)
def test_the_last_number_of_a_text(text: str, number: Fraction | None) -> None:
    found = read_number(text)
    assert found == number or (text == "5/0" and found is not None)


@pytest.mark.parametrize("line", [" 3 + 4\n", " (3 + 4) * 5\n", " 12 / (4 - 1)\n", " 1+2\n", " ((1 + 2) * 3)\n"])
def test_lines_of_the_grammar_are_expressions(line: str) -> None:
    state = ArithmeticGrammar().after(line)
    assert state is not None and state.wants == "nothing"
    evaluate(line)


@pytest.mark.parametrize(
    "line", [" 3 4", " 3 +)", " + 3", " 3\n", " (3 + 4\n", "  3", " 03", " 3 + 4\n5", " 12345", " a", " (((1", " 1+1+1+1+1"]
)
def test_what_begins_no_line(line: str) -> None:
    assert ArithmeticGrammar().after(line) is None


def test_whatever_the_grammar_lets_through_can_be_evaluated() -> None:
    rng, grammar = random.Random(0), ArithmeticGrammar(numbers=frozenset({"7", "12", "140"}))
    for _ in range(300):
        text, state = "", grammar.after("")
        while state is not None and state.wants != "nothing":
            following = [c for c in " 0123456789+-*/()\n" if grammar.after(c, state) is not None]
            assert following, f"a dead end after {text!r}"
            character = rng.choice(following)
            text, state = text + character, grammar.after(character, state)
            assert len(text) < 60
        try:
            evaluate(text)
        except RefusedProgram as error:
            assert "zero" in str(error)


def test_numbers_of_a_text() -> None:
    assert numbers_of("5 bags of 12 and 5", ("2",)) == {"5", "12", "2"}


def test_the_loop_runs_tools_and_keeps_a_log() -> None:
    lines = iter(["Search: cats", "Calculate: 2 +", "Calculate: 2 + 3", "Answer: 5"])
    prompts: list[str] = []

    def write(text: str) -> str:
        prompts.append(text)
        return next(lines)

    tools = {"search": lambda words: f"ten {words}", "calculate": lambda text: str(evaluate(text))}
    log = run_tools(write, tools, "Question: ?\n", 6)
    assert [step.tool for step in log] == ["search", "calculate", "calculate", "answer"]
    assert log[0].result == "ten cats" and log[1].result.startswith("error: ") and log[2].result == "5"
    assert prompts[1] == "Question: ?\nSearch: cats\nResult: ten cats\n"


@pytest.mark.parametrize("line", ["delete: everything", "I think so", ""])
def test_a_line_that_names_no_tool_ends_the_loop(line: str) -> None:
    (step,) = run_tools(lambda text: line, {"search": str}, "")
    assert step.tool == "" and "ends" in step.result


def test_the_loop_ends_after_its_steps() -> None:
    assert len(run_tools(lambda text: "search: x", {"search": str}, "", 3)) == 3
    with pytest.raises(LabError):
        run_tools(str, {}, "")
