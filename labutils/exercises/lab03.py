"""Exercises and quizzes of lab 03: prompts with shots, scored labels, budgets, leaks, and what can be read from a completion."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from labutils.exercises.registry import Exercise, Mistake, Quiz
from labutils.prompting.likelihoods import calibrated

if TYPE_CHECKING:
    from torch import Tensor

Shots = Sequence[tuple[str, str]]


def _t(rows: Any) -> Any:
    import torch

    return torch.tensor(rows, dtype=torch.float64)


def _block(text: str, label: str) -> str:
    return f"Review: {text}\nSentiment:{label}"


def _few_shot(instruction: str, shots: Shots, text: str) -> str:
    blocks = [_block(review, f" {label}") for review, label in shots]
    return "\n\n".join([instruction, *blocks, _block(text, "")])


def _label_log_prob(log_probs: Tensor, label_ids: list[int]) -> float:
    return float(sum(float(row[i]) for row, i in zip(log_probs, label_ids, strict=True)))


def _calibrate(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return calibrated(log_likelihoods, content_free)


def _lost(parts: dict[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    over = sum(parts.values()) + max_new_tokens - window
    lost = {}
    for name, tokens in parts.items() if side == "left" else reversed(parts.items()):
        if over > 0:
            lost[name] = min(tokens, over)
            over -= tokens
    return lost


def _lost_by_part(parts: dict[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    """Whole parts only, as if a cut fell between them."""
    return {name: parts[name] for name in _lost(parts, max_new_tokens, window, side)}


def _fit_shots(lengths: list[int], fixed: int, max_new_tokens: int, window: int) -> int:
    used, count = fixed + max_new_tokens, 0
    for length in lengths:
        used += length
        if used > window:
            break
        count += 1
    return count


def _fit_skipping(lengths: list[int], fixed: int, max_new_tokens: int, window: int) -> int:
    used, count = fixed + max_new_tokens, 0
    for length in lengths:
        if used + length <= window:
            used, count = used + length, count + 1
    return count


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _leaked(shots: list[str], test: list[str]) -> list[int]:
    known = [_words(text) for text in test]
    return [n for n, shot in enumerate(shots) if _words(shot) in known]


def _json_at(text: str, start: int) -> dict:
    """The object that begins at a brace; {} where none can be read."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except ValueError:
        return {}


def _first_json(text: str) -> dict:
    found = (_json_at(text, match.start()) for match in re.finditer("{", text))
    return next((value for value in found if value), {})


def _json_whole(text: str) -> dict:
    return json.loads(text) if text.startswith("{") and text.endswith("}") else {}


def _json_between(text: str, pattern: str) -> dict:
    found = re.search(pattern, text, re.DOTALL)
    try:
        return json.loads(found[0]) if found else {}
    except ValueError:
        return {}


def _read_answer(text: str) -> str:
    return _number(re.findall(r"Answer:\D*?(-?\d[\d,]*)", text), 0)


def _number(found: Sequence[str], place: int) -> str:
    return found[place].replace(",", "") if found else ""


@cache
def _exercises() -> tuple[Exercise, ...]:
    order = "Positive or negative?"
    two = [("Lovely soup.", "positive"), ("The lamp broke.", "negative")]
    spread = _t([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]]).log()
    scores = _t([[0.7, 0.3], [0.85, 0.15], [0.4, 0.6]]).log()
    three = _t([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]).log()
    parts = {"instruction": 12, "shot 1": 40, "shot 2": 35, "query": 30}
    return (
        Exercise(
            id="3.1",
            title="A prompt with shots",
            reference=_few_shot,
            cases=((order, two[:1], "It rained in."), (order, [], "It rained in."), (order, two, "The bread was fresh.")),
            mistakes=(
                Mistake(
                    "The text that is asked about is missing: it stands last, with an open answer.",
                    lambda i, s, t: "\n\n".join([i, *(_block(a, f" {b}") for a, b in s)]),
                ),
                Mistake(
                    "It ends in a blank. A label is a token that begins with its blank, so the prompt must end at the colon.",
                    lambda i, s, t: _few_shot(i, s, t) + " ",
                ),
                Mistake(
                    "The shots stand after the text that is asked about: the model answers what comes last.",
                    lambda i, s, t: "\n\n".join([i, _block(t, ""), *(_block(a, f" {b}") for a, b in s)]),
                ),
                Mistake(
                    "The shots are there without their answers.",
                    lambda i, s, t: _few_shot(i, [(a, "") for a, _ in s], t).replace(": \n", ":\n"),
                ),
                Mistake(
                    "One line break between the blocks: put an empty line, so that the model sees where an example ends.",
                    lambda i, s, t: "\n".join([i, *(_block(a, f" {b}") for a, b in s), _block(t, "")]),
                ),
            ),
            hints=(
                "Make a list of blocks: the instruction, one block a shot, and one for the text with nothing after the colon. Then join it.",
                'A shot is `f"Review: {review}\\nSentiment: {label}"`, the last block `f"Review: {text}\\nSentiment:"`, the glue `"\\n\\n".join(blocks)`.',
            ),
        ),
        Exercise(
            id="3.2",
            title="The likelihood of a label",
            reference=_label_log_prob,
            cases=((spread[:1], [0]), (spread[:2], [0, 2]), (spread, [1, 1, 2])),
            mistakes=(
                Mistake(
                    "It takes the label's first token alone: a label goes on to its last token.",
                    lambda p, ids: float(p[0, ids[0]]),
                ),
                Mistake(
                    "It adds probabilities: they multiply, so their logarithms add.",
                    lambda p, ids: float(sum(row[i].exp() for row, i in zip(p, ids, strict=True))),
                ),
                Mistake(
                    "It gives the mean over the tokens; the likelihood of the whole label is the sum.",
                    lambda p, ids: _label_log_prob(p, ids) / len(ids),
                ),
                Mistake(
                    "It reads every token from the first row: row t is the distribution for the label's token t.",
                    lambda p, ids: float(sum(p[0, i] for i in ids)),
                ),
                Mistake(
                    "The size is right and the sign is not: a log-probability is below zero.",
                    lambda p, ids: -_label_log_prob(p, ids),
                ),
            ),
            hints=(
                "The probability of a label is that of its first token, times that of its second after the first, and so on. What does a product become in logarithms?",
                "Row t belongs to token t: add `log_probs[t, label_ids[t]]` for every t, and make a plain number of the sum with `float`.",
            ),
        ),
        Exercise(
            id="3.3",
            title="Calibration by an empty text",
            reference=_calibrate,
            cases=((scores, _t([0.8, 0.2]).log()), (three, _t([0.6, 0.2, 0.2]).log()), (scores, _t([0.5, 0.5]).log())),
            mistakes=(
                Mistake(
                    "It multiplies by what the empty text gives; divide by it.",
                    lambda z, c: (z + c).softmax(-1),
                ),
                Mistake(
                    "The quotients are right and do not add up to one yet: divide each row by its sum.",
                    lambda z, c: (z - c).exp(),
                ),
                Mistake(
                    "It subtracts probabilities: they are divided (or their logarithms subtracted).",
                    lambda z, c: z.exp() - c.exp(),
                ),
                Mistake("The empty text is never used.", lambda z, c: z.softmax(-1)),
                Mistake(
                    "Each column adds up to one, and each row should: sum over the labels.",
                    lambda z, c: (z - c).softmax(0),
                ),
            ),
            hints=(
                "If the empty text already gives a label 0.8, then 0.7 on a real text speaks against it. Compare the two by their quotient.",
                "`weights = (log_likelihoods - content_free).exp()` are the quotients (N, L); divide each row by its sum, with `keepdim=True`.",
            ),
        ),
        Exercise(
            id="3.4",
            title="The leak alarm",
            reference=_leaked,
            cases=(
                (["Fine soup.", "The lamp broke."], ["The lamp broke.", "It rained in."]),
                (["Fine soup.", "the  lamp broke"], ["The lamp broke.", "It rained in."]),
                (["It Rained in.", "In it rained."], ["It rained in."]),
                (["Lamp!", "It rained in."], ["The lamp broke.", "Soup, fine."]),
                (["IT RAINED IN", "Fine soup", "The lamp broke"], ["The lamp broke!", "It rained in."]),
            ),
            mistakes=(
                Mistake(
                    "It finds exact copies only: a copy with another case, another blank or without its full stop is a leak too.",
                    lambda s, t: [n for n, x in enumerate(s) if x in t],
                ),
                Mistake(
                    "Case is taken care of, punctuation and blanks are not: compare the lists of words.",
                    lambda s, t: [n for n, x in enumerate(s) if x.lower() in [y.lower() for y in t]],
                ),
                Mistake(
                    "It sounds the alarm for a shot that is only part of a test text, such as one shared word.",
                    lambda s, t: [n for n, x in enumerate(s) if any(set(_words(x)) <= set(_words(y)) for y in t)],
                ),
                Mistake(
                    "The order of the words is lost: other words in another order are another text.",
                    lambda s, t: [n for n, x in enumerate(s) if sorted(_words(x)) in [sorted(_words(y)) for y in t]],
                ),
                Mistake(
                    "It numbers the test texts; the shots that leak are wanted.",
                    lambda s, t: [n for n, y in enumerate(t) if _words(y) in [_words(x) for x in s]],
                ),
            ),
            hints=(
                "Bring both sides into one form first: lower case, and words only. Then compare.",
                "`re.findall(r'\\w+', text.lower())` is the list of words. Collect those of all test texts; keep each n for which the words of `shots[n]` are among them.",
            ),
        ),
        Exercise(
            id="3.5",
            title="What a cut takes",
            reference=_lost,
            cases=(
                (parts, 10, 100, "left"),
                (parts, 10, 100, "right"),
                (parts, 3, 120, "left"),
                (parts, 60, 100, "left"),
                (parts, 60, 100, "right"),
            ),
            mistakes=(
                Mistake(
                    "The completion is not counted: prompt and completion share the window.",
                    lambda p, m, w, s: _lost(p, 0, w, s),
                ),
                Mistake(
                    "The sides are exchanged: a cut from the left takes the first parts.",
                    lambda p, m, w, s: _lost(p, m, w, "right" if s == "left" else "left"),
                ),
                Mistake(
                    "It takes whole parts: a cut falls between two tokens, and a part may lose some of its own.", _lost_by_part
                ),
                Mistake(
                    "It gives what is left of the parts, not what is lost.",
                    lambda p, m, w, s: {n: c - _lost(p, m, w, s).get(n, 0) for n, c in p.items()},
                ),
                Mistake(
                    "Parts that lose nothing are listed with 0: leave them out.",
                    lambda p, m, w, s: {n: _lost(p, m, w, s).get(n, 0) for n in p},
                ),
            ),
            hints=(
                "First: how many tokens are there too many? Then walk through the parts from the side of the cut until that many are gone.",
                "`over = sum(parts.values()) + max_new_tokens - window`; each part loses `min(tokens, over)`, and `over` shrinks by that. For the right side walk through `reversed(list(parts.items()))`.",
            ),
        ),
        Exercise(
            id="3.6",
            title="As many shots as fit",
            reference=_fit_shots,
            cases=(
                ([40, 30, 50], 35, 5, 120),
                ([40, 30, 50], 35, 5, 110),
                ([40, 90, 20], 35, 5, 120),
                ([40, 30, 50], 35, 5, 70),
                ([40, 30], 35, 5, 512),
                ([30, 30, 30], 20, 40, 130),
            ),
            mistakes=(
                Mistake(
                    "The completion is not counted: it needs its room in the window too.",
                    lambda n, f, m, w: _fit_shots(n, f, 0, w),
                ),
                Mistake(
                    "The instruction and the query are not counted (`fixed`).",
                    lambda n, f, m, w: _fit_shots(n, 0, m, w),
                ),
                Mistake(
                    "It leaves out a long shot and goes on with the next; the shots are to be the first ones, in their order.",
                    _fit_skipping,
                ),
                Mistake(
                    "A prompt that fills the window to the last token fits: compare with <=.",
                    lambda n, f, m, w: _fit_shots(n, f, m, w - 1),
                ),
                Mistake(
                    "It returns the tokens in use; how many shots is the question.",
                    lambda n, f, m, w: f + m + sum(n[: _fit_shots(n, f, m, w)]),
                ),
            ),
            hints=(
                "Start with what is always there, the fixed tokens and the completion, and add shots one by one.",
                "`used = fixed + max_new_tokens`; for each length, stop if `used + length > window`, else add it and count one.",
            ),
        ),
        Exercise(
            id="3.7",
            title="The first JSON object in a text",
            reference=_first_json,
            cases=(
                ('Here you are: {"name": "Pepper"} Anything else?',),
                ('{"a": {"b": 1}, "c": [2, 3]}',),
                ('```json\n{"n": 1}\n``` and {"n": 2}',),
                ("There is no object here.",),
                ('{"name": "Pepper", "place":',),
                ('As {asked}: {"ok": true}',),
            ),
            mistakes=(
                Mistake("It reads JSON only where the whole text is JSON: models add words before and after.", _json_whole),
                Mistake(
                    "It goes from the first brace to the last one in the text, over anything between two objects.",
                    lambda text: _json_between(text, r"\{.*\}"),
                ),
                Mistake(
                    "It stops at the first closing brace, which may close an inner object.",
                    lambda text: _json_between(text, r"\{.*?\}"),
                ),
                Mistake(
                    "It tries the first brace only; prose may hold braces of its own, so go on to the next.",
                    lambda text: _json_at(text, max(0, text.find("{"))),
                ),
            ),
            hints=(
                "At each opening brace, try to read an object from there; the first place where that works is the answer.",
                "`json.JSONDecoder().raw_decode(text, start)` reads one value from `start` on and returns (value, end); it raises ValueError where there is none. Loop over the places of `{`.",
            ),
        ),
        Exercise(
            id="3.8",
            title="The answer behind its delimiter",
            reference=_read_answer,
            cases=(
                ("Steps: 3 * 6 = 18; 18 - 4 = 14\nAnswer: 14",),
                ("Steps: 5 * 20 = 100\nAnswer: 70\n\nQuestion: A bus has 12 seats.\nAnswer: 9",),
                ("140 * 8 = 1120\nAnswer: 1,120 euros",),
                ("Steps: 3 * 6 = 18; 18 - 4 =",),
                ("Answer: -5 degrees",),
                ("Answer: the sum is 12, because 3 * 4 = 12, not 13",),
            ),
            mistakes=(
                Mistake(
                    "It takes the last number in the text: the model may go on with a question of its own.",
                    lambda text: _number(re.findall(r"-?\d[\d,]*", text), -1),
                ),
                Mistake(
                    "It takes the first number in the text, which is part of the steps.",
                    lambda text: _number(re.findall(r"-?\d[\d,]*", text), 0),
                ),
                Mistake(
                    'It reads the last "Answer:"; the first one belongs to the question that was asked.',
                    lambda text: _number(re.findall(r"Answer:\D*?(-?\d[\d,]*)", text), -1),
                ),
                Mistake(
                    "1,120 became 1: a comma can stand inside a number.",
                    lambda text: _number(re.findall(r"Answer:\D*?(-?\d+)", text), 0),
                ),
                Mistake("The minus sign is lost.", lambda text: _number(re.findall(r"Answer:\D*(\d[\d,]*)", text), 0)),
            ),
            hints=(
                'Find the first "Answer:"; only what stands after it counts, and there the first number.',
                r"`re.search(r'Answer:\D*?(-?\d[\d,]*)', text)` finds both at once; take group 1 without its commas, and "
                " if there is no match.",
            ),
        ),
    )


EXERCISES = _exercises()

QUIZZES = (
    Quiz(
        id="3.a",
        question="A prompt is longer than the window the model was trained with, and nothing in your program cuts it. What happens?",
        options=(
            "The tokens beyond the window are ignored",
            "All tokens are read, at distances that the model was never trained on, and its predictions get worse",
            "The model always stops with an error",
            "The oldest tokens fall out by themselves",
        ),
        right=1,
        why=(
            "Nothing ignores them: they go through every layer and take part in the attention. That is why they can do harm.",
            "The weights accept any number of positions. What they compute at distances they were never trained on is unreliable.",
            "Some programs check the length and refuse, and models with a fixed table of positions fail. With rotary positions nothing fails.",
            "That takes a program that drops them: a tokenizer told to cut, a server, or a model with a sliding window. Know which you have.",
        ),
    ),
    Quiz(
        id="3.b",
        question="With four shots a model calls every review negative. Shown a text without any content, it says negative too, with 90 %. What do you try first?",
        options=(
            "Fine-tune the model",
            "Divide by what the empty text gets, and change the order of the shots",
            "Raise the temperature",
        ),
        right=1,
        why=(
            "Perhaps later. The model may know the difference and be held back by a bias of the prompt, which costs nothing to remove.",
            "The bias comes from the prompt: its labels, and which of them stands last. Both are free to mend.",
            "That makes the answers more random; the bias stays.",
        ),
    ),
    Quiz(
        id="3.c",
        question="Eight shots are hardly better than four, each request has grown by a hundred tokens, and you have 500 labelled examples. What now?",
        options=(
            "Put all 500 into the prompt",
            "Fine-tune on them (lab 05), and keep these prompts as the baseline to beat",
            "Use eight shots for ever: more is always better",
        ),
        right=1,
        why=(
            "Each request pays for every token again, the window ends somewhere, and the curve was flat already.",
            "After about five shots a prompt has said what it can. Examples beyond that are worth more in the weights.",
            "The curve says otherwise, and the tokens are paid for at each request.",
        ),
    ),
)
