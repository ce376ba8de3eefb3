"""Every exercise: its solution passes, its stub is open, its mistakes are told apart; every quiz is complete."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
import torch

from labutils import scoring
from labutils.exercises.checking import judge
from labutils.exercises.registry import answer, exercises, find, quizzes

IDS = [exercise.id for exercise in exercises()]
# What the cells above an exercise have defined.
SPACE = {"torch": torch, "math": math, "Counter": Counter, "grams": scoring.ngrams}


def run(code: str) -> object:
    """Run a cell's code after the functions that its lab defined before it, and return its own function."""
    space: dict = {**SPACE}
    wanted = code.split("def ")[-1].split("(")[0]
    for id in IDS:
        exec(answer(id)["solution"], space)
    exec(code, space)
    return space[wanted]


@pytest.mark.parametrize("id", IDS)
def test_the_solution_in_the_notebook_passes(id):
    verdict = judge(find(id), run(answer(id)["solution"]))
    assert verdict.status == "passed", verdict.message


@pytest.mark.parametrize("id", IDS)
def test_the_stub_in_the_notebook_is_open(id):
    assert judge(find(id), run(answer(id)["stub"])).status == "open"


@pytest.mark.parametrize("id", IDS)
def test_each_mistake_is_named_by_its_own_message(id):
    exercise = find(id)
    assert len(exercise.mistakes) >= 2
    assert len({mistake.message for mistake in exercise.mistakes}) == len(exercise.mistakes)
    for mistake in exercise.mistakes:
        verdict = judge(exercise, mistake.function)
        assert verdict.status == "wrong" and mistake.message in verdict.message
        assert "expected" in verdict.message and "got" in verdict.message


# Wrong answers as a person would type them, written apart from the declared mistakes, with a word that the verdict must hold.
TYPED = [
    ("2.1", "def f(logits, temperature=1.0):\n e = (logits * temperature).exp()\n return e / e.sum()", "multiplied"),
    ("2.1", "def f(logits, temperature=1.0):\n e = (logits / temperature).exp()\n return e / e.sum()", "NaN"),
    ("2.1", "def f(logits, temperature=1.0):\n return (logits / temperature).softmax(0).tolist()", "tensor"),
    ("2.2", "def f(probs, u):\n return probs.argmax().item()", "greedy"),
    ("2.2", "def f(probs, u):\n return torch.searchsorted(probs.cumsum(0), u)", "int"),
    (
        "2.3",
        "def f(logits, k):\n out = torch.zeros_like(logits)\n i = logits.topk(k).indices\n out[i] = logits[i]\n return out",
        "minus infinity",
    ),
    ("2.3", "def f(logits, k):\n return logits.topk(k).values", "shape"),
    ("2.3", "def f(logits, k):\n logits[logits < logits.topk(k).values[-1]] = -torch.inf\n return logits", "in place"),
    (
        "2.4",
        "def f(logits, p):\n o = logits.argsort(descending=True)\n m = logits.softmax(0)[o].cumsum(0)\n out = logits.clone()\n"
        " out[o[m > p]] = -torch.inf\n return out",
        "crosses p",
    ),
    (
        "2.5",
        "def f(logits, counts, frequency, presence):\n return logits + frequency * counts + presence * counts.clamp(max=1)",
        "sign",
    ),
    ("2.6", "def f(logits, ids, penalty):\n out = logits.clone()\n out[ids] /= penalty\n return out", "negative"),
    ("2.7", "def f(text, stops):\n return text.split(stops[0])[0]", "earliest"),
    (
        "2.8",
        "def f(logits, ids, u, temperature, k, p, penalty):\n"
        " z = top_p_filter(top_k_filter(repetition_penalty(logits, ids, penalty), k), p) / temperature\n return draw(softmax(z), u)",
        "temperature comes after",
    ),
    (
        "6.1",
        "def f(candidate, reference, n):\n a, b = grams(candidate, n), grams(reference, n)\n"
        " return sum(a[g] for g in a if g in b), sum(a.values()), sum(b.values())",
        "Clipping",
    ),
    (
        "6.1",
        "def f(candidate, reference, n):\n a, b = grams(candidate, n), grams(reference, n)\n"
        " return sum(min(a[g], b[g]) for g in a), sum(b.values()), sum(a.values())",
        "exchanged",
    ),
    (
        "6.1",
        "def f(candidate, reference, n):\n return len(set(candidate) & set(reference)), len(candidate), len(reference)",
        "expected (2, 7, 6)",
    ),
    (
        "6.2",
        "def f(m, c, r):\n p, q = (m / r if r else 0.0), (m / c if c else 0.0)\n return p, q, (2 * p * q / (p + q) if m else 0.0)",
        "recall divides by the reference's",
    ),
    ("6.2", "def f(m, c, r):\n p, q = m / max(c, 1), m / max(r, 1)\n return p, q, (p + q) / 2", "harmonic"),
    ("6.2", "def f(m, c, r):\n p, q = m / c, m / r\n return p, q, 2 * p * q / (p + q)", "ZeroDivisionError"),
    (
        "6.3",
        "def f(a, b):\n best = 0\n for i in range(len(a)):\n  for j in range(len(b)):\n   k = 0\n"
        "   while i + k < len(a) and j + k < len(b) and a[i + k] == b[j + k]:\n    k += 1\n   best = max(best, k)\n return best",
        "substring",
    ),
    ("6.3", "def f(a, b):\n return sum((Counter(a) & Counter(b)).values())", "order"),
    (
        "6.4",
        "def f(candidate, references, n):\n most = Counter()\n for r in references:\n  most += grams(r, n)\n"
        " return sum((grams(candidate, n) & most).values()), max(0, len(candidate) - n + 1)",
        "sum over the references",
    ),
    (
        "6.4",
        "def f(candidate, references, n):\n g = grams(candidate, n)\n return sum((g & grams(references[0], n)).values()), sum(g.values())",
        "first reference",
    ),
    ("6.5", "def f(c, r):\n return 1.0 if c < r else math.exp(1 - c / r)", "inverted"),
    ("6.5", "def f(c, r):\n return min(1, math.exp(1 - c / r))", "expected"),
    ("6.5", "def f(c, r):\n return c / r if c < r else 1.0", "plain ratio"),
    ("6.6", "def f(pairs, c, r):\n return 100 * brevity(c, r) * sum(m / t for m, t in pairs) / 4", "plain average"),
    ("6.6", "def f(pairs, c, r):\n return 100 * math.prod(m / t for m, t in pairs) ** 0.25", "penalty is missing"),
    (
        "6.6",
        "def f(pairs, c, r):\n return 100 * brevity(c, r) * math.exp(sum(math.log(m / t) for m, t in pairs) / 4)",
        "ValueError",
    ),
    (
        "6.7",
        "def f(a, b, draws):\n return sum(sum(a[i] for i in d) < sum(b[i] for i in d) for d in draws) / len(draws)",
        "not always the worse one",
    ),
    (
        "6.7",
        "def f(a, b, draws):\n if sum(a) > sum(b):\n  a, b = b, a\n return sum(sum(a[i] - b[i] for i in d) >= 0 for d in draws) / len(draws)",
        "tie",
    ),
]


@pytest.mark.parametrize("id, code, word", TYPED)
def test_typed_wrong_answers_get_a_telling_message(id, code, word):
    space: dict = {**SPACE}
    for other in IDS:
        exec(answer(other)["solution"], space)
    exec(code, space)
    verdict = judge(find(id), space["f"])
    assert verdict.status == "wrong" and word in verdict.message, verdict.message


@pytest.mark.parametrize("exercise", exercises(), ids=IDS)
def test_hints_do_not_repeat_one_another(exercise):
    assert exercise.hints[0] != exercise.hints[1] and all(len(hint) > 20 for hint in exercise.hints)


@pytest.mark.parametrize("item", quizzes(), ids=[quiz.id for quiz in quizzes()])
def test_each_quiz_option_says_why(item):
    assert len(item.why) == len(item.options) >= 3 and 0 <= item.right < len(item.options)
    assert len(set(item.why)) == len(item.why)


def test_hints_go_from_nudge_to_solution_and_stay(tmp_path, monkeypatch):
    from labutils.exercises import hints, store

    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    shown: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda item: shown.append(item.data))
    for _ in range(4):
        hints.hint("2.1")
    exercise = find("2.1")
    assert exercise.hints[0] in shown[0] and exercise.hints[1] in shown[1]
    assert answer("2.1")["solution"] in shown[2] and answer("2.1")["solution"] in shown[3]
    assert store.load().get("2.1").hints == 3


def test_a_quiz_widget_judges_a_choice_and_notes_it(tmp_path, monkeypatch):
    from labutils.exercises import quizzes as module
    from labutils.exercises import store
    from labutils.exercises.registry import find_quiz

    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    item = find_quiz("2.a")
    box = module.widget(item)
    buttons, feedback = box.children[1], box.children[2]
    buttons.value = 0
    assert "Not quite" in feedback.value and not store.load().get("2.a").passed
    buttons.value = item.right
    assert "Right" in feedback.value and store.load().get("2.a").passed
    assert all(option in module.static(item) for option in item.options)


def test_answers_hold_no_check_call():
    for id in IDS:
        assert "check(" not in json.dumps(answer(id))
