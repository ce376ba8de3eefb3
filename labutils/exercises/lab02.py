"""Exercises and quizzes of lab 02: each check with the mistakes that people really make."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from labutils.exercises.registry import Exercise, Mistake, Quiz
from labutils.transformer import decoding

if TYPE_CHECKING:
    from torch import Tensor

NEGATIVE = float("-inf")


def _t(*values: float) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.float64)


def _ids(*values: int) -> Any:
    import torch

    return torch.tensor(values)


def _stop_at(text: str, stops: list[str]) -> str:
    return decoding.stop_at(text, stops)


def _softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    return decoding.softmax(logits, temperature)


def _keep(logits: Tensor, kept: Any) -> Tensor:
    return logits.masked_fill(~kept, NEGATIVE)


def _rank(logits: Tensor) -> Tensor:
    """0 for the largest logit, 1 for the next, and so on."""
    return logits.argsort(descending=True).argsort()


def _top_p_without_crossing(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(descending=True)
    mass = decoding.softmax(logits)[order].cumsum(-1)
    return _keep(logits, (mass <= p)[order.argsort()])


def _top_p_ascending(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort()
    probs = decoding.softmax(logits)[order]
    return _keep(logits, (probs.cumsum(-1) - probs < p)[order.argsort()])


def _draw_largest_sum_below(probs: Tensor, u: float) -> int:
    return max(0, int((probs.cumsum(-1) <= u).sum()) - 1)


def _choose(order: str) -> Any:
    """`choose` with its steps in another order: r repetition, t temperature, k top-k, p top-p."""

    def wrong(logits: Tensor, ids: Tensor, u: float, temperature: float, k: int, p: float, penalty: float) -> int:
        for step in order:
            if step == "r":
                logits = decoding.repetition_penalty(logits, ids, penalty)
            elif step == "t":
                logits = logits / temperature
            elif step == "k":
                logits = decoding.top_k_filter(logits, k)
            else:
                logits = decoding.top_p_filter(logits, p)
        return decoding.draw(decoding.softmax(logits), u)

    return wrong


@cache
def _exercises() -> tuple[Exercise, ...]:
    cake = _t(math.log(0.20), math.log(0.10), math.log(0.02), math.log(0.01), math.log(0.67))
    plain = _t(2.0, 1.0, 0.0, -1.0)
    shuffled = _t(-1.0, 3.0, 0.5, 2.0, 2.5, -4.0)
    huge = _t(1000.0, 999.0, 0.0)
    bowls = _t(0.2, 0.5, 0.3)
    words = _t(0.05, 0.0, 0.25, 0.3, 0.4)
    return (
        Exercise(
            id="2.1",
            title="Softmax with a temperature",
            reference=_softmax,
            cases=((plain, 1.0), (plain, 2.0), (cake, 0.5), (huge, 1.0)),
            mistakes=(
                Mistake("It looks as if you multiplied by the temperature: divide by it.", lambda z, t: decoding.softmax(z * t)),
                Mistake(
                    "It looks as if the temperature came after the exponential: divide the logits, then take exp.",
                    lambda z, t: decoding.softmax(z) / t,
                ),
                Mistake(
                    "The exponentials are right but not divided by their sum yet.", lambda z, t: ((z / t) - (z / t).max()).exp()
                ),
                Mistake("The temperature is never used.", lambda z, t: decoding.softmax(z)),
            ),
            hints=(
                "Two steps: scale the logits, then turn them into positive numbers that sum to one.",
                "`scaled = logits / temperature`, then subtract `scaled.max()` so that exp cannot overflow, then `exp`, then divide by the sum.",
            ),
        ),
        Exercise(
            id="2.2",
            title="Draw by weight",
            reference=decoding.draw,
            cases=((bowls, 0.1), (bowls, 0.2), (bowls, 0.65), (bowls, 0.999), (words, 0.05), (words, 0.29), (words, 0.31)),
            mistakes=(
                Mistake(
                    "It always returns the most probable token: that is greedy decoding, whatever u is.",
                    lambda p, u: int(p.argmax()),
                ),
                Mistake(
                    "It picks every token equally often: u has to be compared with the running sum of the probabilities.",
                    lambda p, u: int(u * len(p)),
                ),
                Mistake(
                    "It is one token too early: you want the first running sum that exceeds u, not the last one below it.",
                    _draw_largest_sum_below,
                ),
                Mistake(
                    "It compares u with each probability instead of with their running sum (`cumsum`).",
                    lambda p, u: int((p > u).double().argmax()),
                ),
            ),
            hints=(
                "Lay the probabilities end to end on a line from 0 to 1. In which piece does u fall?",
                "`probs.cumsum(0)` gives where each piece ends. The token is the first whose end is greater than u: count the ends that are not.",
            ),
        ),
        Exercise(
            id="2.3",
            title="Top-k",
            reference=decoding.top_k_filter,
            cases=((plain, 3), (shuffled, 2), (cake, 1), (shuffled, 6)),
            mistakes=(
                Mistake("It keeps the k smallest: sort the other way.", lambda z, k: _keep(z, _rank(-z) < k)),
                Mistake("It keeps one token too few.", lambda z, k: _keep(z, _rank(z) < k - 1)),
                Mistake("It keeps one token too many.", lambda z, k: _keep(z, _rank(z) < k + 1)),
                Mistake(
                    "Removed logits are set to 0, which is a respectable logit: use minus infinity, whose exponential is 0.",
                    lambda z, k: z.masked_fill(_rank(z) >= k, 0.0),
                ),
                Mistake(
                    "It keeps the first k places instead of the k largest logits.",
                    lambda z, k: _keep(z, _ids(*range(len(z))) < k),
                ),
            ),
            hints=(
                "Find the smallest logit that may stay; everything below it goes to minus infinity.",
                "`kept = logits.topk(k).values` are the k largest; `logits.masked_fill(logits < kept[-1], float('-inf'))`.",
            ),
        ),
        Exercise(
            id="2.4",
            title="Top-p (nucleus)",
            reference=decoding.top_p_filter,
            cases=((plain, 0.7), (shuffled, 0.6), (cake, 0.75), (plain, 0.1), (shuffled, 0.95)),
            mistakes=(
                Mistake(
                    "It drops the token that crosses p: that token stays, so that the kept mass is at least p.",
                    _top_p_without_crossing,
                ),
                Mistake("It collects from the least probable token upwards: sort in descending order.", _top_p_ascending),
                Mistake(
                    "It compares each probability with p; compare the running sum of the sorted probabilities.",
                    lambda z, p: _keep(z, decoding.softmax(z) >= p),
                ),
                Mistake(
                    "It returns probabilities: filter the logits, so that later steps can go on with them.",
                    lambda z, p: decoding.softmax(decoding.top_p_filter(z, p)),
                ),
            ),
            hints=(
                "Sort the probabilities from large to small. A token stays if the mass collected before it has not reached p yet.",
                "`order = logits.argsort(descending=True)`, `mass_before = probs[order].cumsum(0) - probs[order]`; the tokens `order[mass_before >= p]` go to minus infinity, in a clone.",
            ),
        ),
        Exercise(
            id="2.5",
            title="Frequency and presence penalty",
            reference=decoding.frequency_presence_penalty,
            cases=(
                (plain, _ids(0, 2, 1, 0), 0.5, 0.0),
                (plain, _ids(0, 2, 1, 0), 0.0, 0.5),
                (shuffled, _ids(3, 0, 1, 5, 0, 2), 0.3, 1.2),
            ),
            mistakes=(
                Mistake(
                    "The sign is the wrong way round: a penalty lowers the logit.", lambda z, c, f, a: z + f * c + a * (c > 0)
                ),
                Mistake(
                    "The presence penalty grows with the count: it is taken off once, however often the token came.",
                    lambda z, c, f, a: z - f * c - a * c,
                ),
                Mistake(
                    "The frequency penalty is flat: it is taken off once for each occurrence.",
                    lambda z, c, f, a: z - f * (c > 0) - a * (c > 0),
                ),
                Mistake(
                    "The two are exchanged: frequency goes with the count, presence with whether the count is above 0.",
                    lambda z, c, f, a: z - a * c - f * (c > 0),
                ),
            ),
            hints=(
                "Two things are taken off a logit: one grows with the token's count, the other is the same for any count above zero.",
                "`logits - frequency * counts - presence * (counts > 0)`: a comparison counts as 0 or 1 here.",
            ),
        ),
        Exercise(
            id="2.6",
            title="Repetition penalty",
            reference=decoding.repetition_penalty,
            cases=((plain, _ids(0, 3), 2.0), (shuffled, _ids(1, 1, 5, 2), 1.5), (plain, _ids(1), 1.0)),
            mistakes=(
                Mistake(
                    "It divides negative logits too, which makes those tokens more likely: multiply where the logit is below 0.",
                    lambda z, i, r: z.scatter(0, i, z[i] / r),
                ),
                Mistake(
                    "It works the other way round: it rewards what was seen.",
                    lambda z, i, r: decoding.repetition_penalty(z, i, 1 / r),
                ),
                Mistake(
                    "A token that occurs twice is penalised twice: once is enough here.", lambda z, i, r: _penalise_each(z, i, r)
                ),
                Mistake(
                    "It penalises every token, not only those in `ids`.",
                    lambda z, i, r: z.where(z < 0, z / r).where(z > 0, z * r),
                ),
            ),
            hints=(
                "A positive logit becomes smaller by division. What does division do to a negative one?",
                "Take `seen = logits[ids]`; the new values are `torch.where(seen < 0, seen * penalty, seen / penalty)`; write them into a clone at `ids`.",
            ),
        ),
        Exercise(
            id="2.7",
            title="Stop sequences",
            reference=_stop_at,
            cases=(
                ("1. tea\n2. ink\n3. rye", ["3."]),
                ("yes; no. maybe", [".", ";"]),
                ("no stop here", ["END"]),
                ("END at once", ["END"]),
                ("a--b--c", ["--"]),
            ),
            mistakes=(
                Mistake("The stop sequence itself is still there: cut before it.", lambda t, s: _cut(t, s, keep=True)),
                Mistake(
                    "It cuts at the first stop of the list; cut at whichever comes earliest in the text.",
                    lambda t, s: _cut_by_list(t, s),
                ),
                Mistake(
                    "It cuts at the last occurrence; generation would have stopped at the first.", lambda t, s: _cut_last(t, s)
                ),
                Mistake(
                    "Where no stop occurs the last character is lost: `find` returns -1 then, which is no place to cut.",
                    lambda t, s: t[: min(t.find(x) for x in s)],
                ),
            ),
            hints=(
                "For each stop sequence, where does it first occur? The earliest of these places is where to cut.",
                "`text.find(stop)` is -1 when it does not occur. Collect the places that are not -1; `min(places, default=len(text))`.",
            ),
        ),
        Exercise(
            id="2.8",
            title="The whole chain in the right order",
            reference=decoding.choose,
            # Chosen so that each wrong order picks another token on at least one of them.
            cases=(
                (_t(3.0, 2.5, 2.0, 1.0), _ids(0), 0.5, 1.0, 4, 1.0, 1.0),
                (_t(2.0, 1.5, 1.0, 0.0, -1.0), _ids(3), 0.97, 2.0, 5, 0.8, 1.0),
                (_t(4.0, 3.0, 2.9, -1.0), _ids(0, 3), 0.2, 1.0, 2, 1.0, 2.0),
                (_t(4.0, 3.0, 2.9, -1.0), _ids(0, 3), 0.9, 0.7, 2, 0.9, 1.6),
                (_t(1.0, 0.9, 0.8, 0.7, 0.6), _ids(4), 0.95, 1.0, 3, 0.65, 1.0),
                (_t(1.0, 0.9, 0.8, 0.7, 0.6), _ids(4), 0.97, 0.25, 5, 0.7, 1.0),
                (_t(4.0, 3.0, 2.9, -1.0), _ids(0), 0.3, 1.0, 3, 1.0, 2.0),
            ),
            mistakes=(
                Mistake(
                    "The temperature comes after top-p in your chain: it has to reshape the distribution before the nucleus is cut out of it.",
                    _choose("rkpt"),
                ),
                Mistake(
                    "The repetition penalty comes last in your chain: it belongs first, before the filters choose who survives.",
                    _choose("tkpr"),
                ),
                Mistake("The repetition penalty is missing.", _choose("tkp")),
                Mistake(
                    "top-p comes before top-k in your chain; in transformers the nucleus is cut out of what top-k left.",
                    _choose("rtpk"),
                ),
            ),
            hints=(
                "Use what you wrote: penalty, temperature, top-k, top-p, softmax, draw. Each takes the result of the one before.",
                "Logits go through `repetition_penalty`, `/ temperature`, `top_k_filter`, `top_p_filter`; then `softmax(..., 1.0)` gives probabilities and `draw` takes u.",
            ),
        ),
    )


def _penalise_each(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    for i in ids:
        logits = decoding.repetition_penalty(logits, i[None], penalty)
    return logits


def _cut(text: str, stops: list[str], keep: bool) -> str:
    found = [(text.find(stop), stop) for stop in stops if stop in text]
    return text if not found else text[: min(found)[0] + (len(min(found)[1]) if keep else 0)]


def _cut_by_list(text: str, stops: list[str]) -> str:
    return next((text[: text.find(stop)] for stop in stops if stop in text), text)


def _cut_last(text: str, stops: list[str]) -> str:
    return text[: min((text.rfind(stop) for stop in stops if stop in text), default=len(text))]


EXERCISES = _exercises()

QUIZZES = (
    Quiz(
        id="2.a",
        question="You set max_new_tokens=50. How long is the completion?",
        options=("Exactly 50 words", "Exactly 50 tokens", "At most 50 tokens", "At most 50 words"),
        right=2,
        why=(
            "The cap counts tokens, not words, and it is a cap, not a target.",
            "An end token may come earlier: it is a cap, not a target.",
            "It is a cap, in tokens. The end token or a stop sequence may end the text earlier.",
            "It is a cap, but it counts tokens. A word is often more than one.",
        ),
    ),
    Quiz(
        id="2.b",
        question="Which of these changes the model's weights?",
        options=("A higher temperature", "A smaller top_k", "A frequency penalty", "None of them"),
        right=3,
        why=(
            "The temperature divides the logits after the model has computed them; the weights stay as they are.",
            "top_k removes tokens from one draw; the weights stay as they are.",
            "The penalty is taken off the logits of one request; the weights stay as they are.",
            "They are inference parameters: they act on the logits of one request. Training parameters, such as the learning rate, change weights.",
        ),
    ),
    Quiz(
        id="2.c",
        question="top_p is 0.9. You raise the temperature from 0.7 to 1.5. What happens to the number of tokens that survive?",
        options=("It stays the same: top_p is unchanged", "It grows or stays the same", "It shrinks or stays the same"),
        right=1,
        why=(
            "The mass that must be reached is the same, but the distribution it is taken from is flatter.",
            "A flatter distribution needs more tokens to reach the same mass. That is why the order of the steps matters.",
            "A higher temperature flattens: each token has less mass, so more of them are needed.",
        ),
    ),
)
