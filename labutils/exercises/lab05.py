"""Exercises and quizzes of lab 05: labels, losses, learning rates, low-rank changes, and a clinic for broken runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from labutils.exercises.registry import Exercise, Mistake, Quiz

if TYPE_CHECKING:
    from torch import Tensor

Ids = list[int]
IGNORE = -100


def _t(*values: Any) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------ labels and their loss


def _label_pair(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    return [*prompt_ids, *completion_ids, end_id], [*[IGNORE] * len(prompt_ids), *completion_ids, end_id]


def _labels(*values: int) -> Any:
    import torch

    return torch.tensor(values)


def _completion_loss(logits: Tensor, labels: Tensor) -> float:
    import torch

    return torch.nn.functional.cross_entropy(logits[:-1], labels[1:], ignore_index=IGNORE).item()


def _loss(logits: Tensor, labels: Tensor, reduction: str = "mean") -> float:
    """Cross-entropy of logits and labels that are aligned already."""
    import torch

    return torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction=reduction).item()


# ------------------------------------------------------------------------------------------------ learning rate


def _rate_at(step: int, steps: int, peak: float, warmup: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step) / (steps - warmup)


# ------------------------------------------------------------------------------------------------ low rank


def _zeros(rows: int, columns: int) -> Any:
    import torch

    return torch.zeros(rows, columns)


def _lora_start(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return noise, _zeros(n_out, noise.shape[0])


def _lora_forward(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return x @ weight.T + alpha / a.shape[0] * x @ a.T @ b.T


def _merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return weight + alpha / a.shape[0] * b @ a


# ------------------------------------------------------------------------------------------------ what is trained


def _trained_names(sizes: Mapping[str, int], method: str) -> list[str]:
    if method == "lora":
        return [name for name in sizes if "lora_" in name]
    own = [name for name in sizes if "lora_" not in name]
    return [name for name in own if name.endswith("bias")] if method == "bitfit" else own


def _trained_numbers(sizes: Mapping[str, int], method: str) -> int:
    return sum(sizes[name] for name in _trained_names(sizes, method))


def _trained_with(method: str, keep: Any) -> Any:
    """`_trained_numbers` with another choice of names for one method."""

    def wrong(sizes: Mapping[str, int], asked: str) -> int:
        if asked != method:
            return _trained_numbers(sizes, asked)
        return sum(count for name, count in sizes.items() if keep(name, sizes))

    return wrong


def _own(name: str) -> bool:
    return "lora_" not in name


def _has_bias(name: str, sizes: Mapping[str, int]) -> bool:
    return f"{name.rpartition('.')[0]}.bias" in sizes


# ------------------------------------------------------------------------------------------------ soft prompts


def _cosines(vector: Tensor, embeddings: Tensor) -> Tensor:
    return embeddings @ vector / (embeddings.norm(dim=1) * vector.norm())


def _nearest_word(vector: Tensor, embeddings: Tensor) -> int:
    return int(_cosines(vector, embeddings).argmax())


@cache
def _exercises() -> tuple[Exercise, ...]:
    import torch

    generator = torch.Generator().manual_seed(5)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    three = _t([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [0.0, 4.0, 1.0])
    two = _t([2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 2.0])
    down, up = _t([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]), _t([1.0, 2.0])
    adapted = {"up.base_layer.weight": 6, "up.lora_A.weight": 2, "up.lora_B.weight": 3}
    biased = {"up.weight": 6, "up.bias": 3, "norm.weight": 2}
    block = {
        "embed_tokens.weight": 1000,
        "layers.0.relative_attention_bias.weight": 32,
        "layers.0.q_proj.base_layer.weight": 64,
        "layers.0.q_proj.base_layer.bias": 8,
        "layers.0.q_proj.lora_A.weight": 16,
        "layers.0.q_proj.lora_B.weight": 17,
        "layers.0.up_proj.base_layer.weight": 192,
        "layers.0.up_proj.base_layer.bias": 24,
        "layers.0.up_proj.lora_A.weight": 18,
        "layers.0.up_proj.lora_B.weight": 48,
        "layers.0.norm.weight": 9,
    }
    opposite = _t([5.0, 4.0], [1.0, 0.5], [-3.0, 0.0], [0.5, 0.05])
    short = _t([4.0, 4.0], [0.3, 0.9], [1.0, -0.5], [0.1, 0.2])
    wide = _t([10.0, 0.2], [0.1, 0.9], [1.0, 1.5], [-2.0, 1.0])
    return (
        Exercise(
            id="5.1",
            title="Ids and labels of a pair",
            reference=_label_pair,
            cases=(([5, 6], [7, 8], 2), ([5, 6, 7], [6, 9], 2), ([4], [8, 8, 3], 1), ([3, 1, 4, 1, 5], [9], 0)),
            mistakes=(
                Mistake(
                    "The prompt is not masked, so the model also learns to write prompts: its positions get the label -100.",
                    lambda p, c, e: (_label_pair(p, c, e)[0], _label_pair(p, c, e)[0]),
                ),
                Mistake(
                    "The end token is missing, so the model never learns to stop: it closes both lists.",
                    lambda p, c, e: ([*p, *c], [*[IGNORE] * len(p), *c]),
                ),
                Mistake(
                    "The end token is masked. It often happens by accident, where it also serves as padding: the model then "
                    "never learns to stop.",
                    lambda p, c, e: (_label_pair(p, c, e)[0], [*[IGNORE] * len(p), *c, IGNORE]),
                ),
                Mistake(
                    "The end token has an id and no label: the two lists are equally long.",
                    lambda p, c, e: (_label_pair(p, c, e)[0], [*[IGNORE] * len(p), *c]),
                ),
                Mistake(
                    "The completion is masked in place of the prompt, so the model learns the very part that it is given.",
                    lambda p, c, e: (_label_pair(p, c, e)[0], [*p, *[IGNORE] * (len(c) + 1)]),
                ),
                Mistake(
                    "The labels are shifted already: labels[i] belongs to ids[i] here, and the loss shifts them, once.",
                    lambda p, c, e: (_label_pair(p, c, e)[0], [*_label_pair(p, c, e)[1][1:], IGNORE]),
                ),
                Mistake(
                    "One position too few is masked: the last id of the prompt is still prompt, even if what it predicts is not.",
                    lambda p, c, e: (_label_pair(p, c, e)[0], [*[IGNORE] * (len(p) - 1), p[-1], *c, e]),
                ),
                Mistake(
                    "The mask is 0, and 0 is a token like any other: -100 is the value that the loss leaves out.",
                    lambda p, c, e: (_label_pair(p, c, e)[0], [*[0] * len(p), *c, e]),
                ),
                Mistake(
                    "It masks by id, so a word of the completion that also stands in the prompt is lost: mask by position.",
                    lambda p, c, e: (_label_pair(p, c, e)[0], [IGNORE if i in p else i for i in [*p, *c, e]]),
                ),
            ),
            hints=(
                "Join the ids first. Then make a list of the same length in which only the completion and the end token can be "
                "read.",
                "`[-100] * len(prompt_ids)` is the first part of the labels; the rest is the rest of the ids.",
            ),
        ),
        Exercise(
            id="5.2",
            title="Loss on the completion",
            reference=_completion_loss,
            cases=(
                (three, _labels(IGNORE, 1, 2)),
                (two, _labels(IGNORE, IGNORE, 1, 0)),
                (random(6, 5), _labels(IGNORE, IGNORE, IGNORE, 4, 1, 3)),
                (3 * random(7, 4), _labels(IGNORE, 2, 3, 1, 0, IGNORE, IGNORE)),
            ),
            mistakes=(
                Mistake(
                    "It is not shifted, so each position is asked for the token that it can see: position t "
                    "predicts label t + 1.",
                    lambda logits, labels: _loss(logits, labels),
                ),
                Mistake(
                    "It is shifted twice, so each position is asked for the token after the next: position t "
                    "predicts label t + 1.",
                    lambda logits, labels: _loss(logits[:-2], labels[2:]),
                ),
                Mistake(
                    "It is shifted the wrong way, so each position is asked for the token before it: drop the last row of the "
                    "logits and the first label.",
                    lambda logits, labels: _loss(logits[1:], labels[:-1]),
                ),
                Mistake(
                    "The sum is right and divided by all T - 1 positions, so a long prompt makes the loss look small: divide by "
                    "the number of labelled ones.",
                    lambda logits, labels: _loss(logits[:-1], labels[1:], "sum") / (len(labels) - 1),
                ),
                Mistake(
                    "The sum is right and divided by T, the length of the labels: divide by how many are not -100.",
                    lambda logits, labels: _loss(logits[:-1], labels[1:], "sum") / len(labels),
                ),
                Mistake(
                    "It is the sum, which grows with the length of the completion: take the mean over the labelled positions.",
                    lambda logits, labels: _loss(logits[:-1], labels[1:], "sum"),
                ),
                Mistake(
                    "It is in bits, by the logarithm to base 2: nats come from the natural logarithm.",
                    lambda logits, labels: _completion_loss(logits, labels) / math.log(2),
                ),
                Mistake(
                    "The masked positions are counted as token 0, so the model is taught to write it: leave them out.",
                    lambda logits, labels: _loss(logits[:-1], labels[1:].clamp(min=0)),
                ),
                Mistake(
                    "The minus sign is missing: logarithms of probabilities are below zero, a cross-entropy is above.",
                    lambda logits, labels: -_completion_loss(logits, labels),
                ),
                Mistake(
                    "The softmax is taken twice: `cross_entropy` wants logits and makes probabilities of them itself.",
                    lambda logits, labels: _completion_loss(logits.softmax(-1), labels),
                ),
            ),
            hints=(
                "Which row of the logits was computed when the model had seen everything before label t, but not label t itself?",
                "Pair `logits[:-1]` with `labels[1:]`, keep the pairs whose label is not -100, and take the mean of minus the "
                "log-softmax at the label.",
            ),
        ),
        Exercise(
            id="5.3",
            title="Warm-up and decay",
            reference=_rate_at,
            cases=(
                (0, 10, 0.8, 4),
                (2, 10, 0.8, 4),
                (3, 10, 0.8, 4),
                (4, 10, 0.8, 4),
                (7, 10, 0.8, 4),
                (9, 10, 0.8, 4),
                (1, 5, 2.0, 1),
                (4, 5, 2.0, 1),
                (0, 4, 0.5, 0),
            ),
            mistakes=(
                Mistake(
                    "The warm-up begins at 0, so the first step does nothing: step 0 is the first of the warm-up steps already.",
                    lambda s, n, p, w: p * s / w if s < w else _rate_at(s, n, p, w),
                ),
                Mistake(
                    "It never decays, so the last steps are as coarse as the first: after the warm-up it falls in a straight "
                    "line.",
                    lambda s, n, p, w: _rate_at(s, n, p, w) if s < w else p,
                ),
                Mistake(
                    "The decay runs from step 0, so the rate jumps down where the warm-up ends: divide by steps - warmup.",
                    lambda s, n, p, w: _rate_at(s, n, p, w) if s < w else p * (n - s) / n,
                ),
                Mistake(
                    "The decay is stretched over all steps, so it ends too high: it has only steps - warmup of them.",
                    lambda s, n, p, w: _rate_at(s, n, p, w) if s < w else p * (1 - (s - w) / n),
                ),
                Mistake(
                    "It reaches zero at the last step, which is then wasted: zero comes one step after it.",
                    lambda s, n, p, w: _rate_at(s, n, p, w) if s < w else p * (n - 1 - s) / (n - 1 - w),
                ),
                Mistake(
                    "The decay is one step ahead: the first step after the warm-up still has the peak.",
                    lambda s, n, p, w: _rate_at(s, n, p, w) if s < w else p * (n - 1 - s) / (n - w),
                ),
                Mistake(
                    "There is no warm-up: the first steps, when Adam's averages are still rough, already go at the peak.",
                    lambda s, n, p, w: p if s < w else _rate_at(s, n, p, w),
                ),
                Mistake(
                    "The warm-up is one step too long and overshoots the peak: its steps are 0 ... warmup - 1.",
                    lambda s, n, p, w: p * (s + 1) / max(1, w) if s <= w else _rate_at(s, n, p, w),
                ),
                Mistake(
                    "It is the share of the peak, between 0 and 1: multiply by the peak.",
                    lambda s, n, p, w: _rate_at(s, n, 1.0, w),
                ),
            ),
            hints=(
                "Two straight lines that meet at the peak. Which share of the peak does each have at this step?",
                "Going up the share is `(step + 1) / warmup`. Going down, count the steps that are left, this one included, and "
                "divide by how many there were at the peak.",
            ),
            atol=1e-9,
        ),
        Exercise(
            id="5.4",
            title="How LoRA starts",
            reference=_lora_start,
            cases=(
                (torch.tensor([[0.5, -1.0, 2.0]]), 1),
                (torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]]), 4),
                (random(3, 5).float(), 5),
            ),
            mistakes=(
                Mistake(
                    "B is not zero, so the model is changed before the first step: B A must be 0 at the start.",
                    lambda noise, n_out: (noise, _zeros(n_out, len(noise)) + 1),
                ),
                Mistake(
                    "Both are zero: the gradient of each holds the other as a factor, so neither ever moves.",
                    lambda noise, n_out: (torch.zeros_like(noise), _zeros(n_out, len(noise))),
                ),
                Mistake(
                    "B lies on its side: its shape is (n_out, r), so that B A has the shape of the weight, (n_out, n_in).",
                    lambda noise, n_out: (noise, _zeros(len(noise), n_out)),
                ),
                Mistake(
                    "B has n_in rows, the inputs of the layer: it makes the outputs, so it needs n_out.",
                    lambda noise, n_out: (noise, _zeros(noise.shape[1], len(noise))),
                ),
                Mistake(
                    "The roles are exchanged: with A zero and B constant, all columns of B say the same and the noise is lost.",
                    lambda noise, n_out: (torch.zeros_like(noise), _zeros(n_out, len(noise)) + 1),
                ),
                Mistake(
                    "The two come in the wrong order: A, which reads the input, is first.",
                    lambda noise, n_out: _lora_start(noise, n_out)[::-1],
                ),
            ),
            hints=(
                "A product is zero if one factor is. Which of the two must stay different from zero, so that there is something "
                "to learn?",
                "A is the noise as it stands. B has one row for each output and one column for each row of A, all zero.",
            ),
        ),
        Exercise(
            id="5.5",
            title="A layer with LoRA",
            reference=_lora_forward,
            cases=(
                (_t([1.0, 0.0, 2.0]), _t([1.0, 1.0, 1.0]), down, up, 4),
                (random(2, 5), random(4, 5), random(3, 5), random(4, 3), 6),
                (random(3, 6), random(5, 6), random(2, 6), random(5, 2), 16),
            ),
            mistakes=(
                Mistake(
                    "The factor alpha / r is missing, so the size of the change depends on the rank.",
                    lambda x, w, a, b, alpha: _lora_forward(x, w, a, b, len(a)),
                ),
                Mistake(
                    "The change is multiplied by alpha and not divided by r, so it grows with the rank.",
                    lambda x, w, a, b, alpha: _lora_forward(x, w, a, b, alpha * len(a)),
                ),
                Mistake(
                    "The factor is upside down: it is alpha / r, so that a larger alpha makes a larger change.",
                    lambda x, w, a, b, alpha: _lora_forward(x, w, a, b, len(a) ** 2 / alpha),
                ),
                Mistake(
                    "The frozen layer is missing: the adapter is added to what the layer gives, it does not replace it.",
                    lambda x, w, a, b, alpha: _lora_forward(x, torch.zeros_like(w), a, b, alpha),
                ),
                Mistake(
                    "It divides by n_in, the columns of A: the rank r is the number of its rows.",
                    lambda x, w, a, b, alpha: _lora_forward(x, w, a, b, alpha * len(a) / a.shape[1]),
                ),
                Mistake(
                    "It divides by n_out, the rows of B: the rank r is the number of its columns.",
                    lambda x, w, a, b, alpha: _lora_forward(x, w, a, b, alpha * len(a) / len(b)),
                ),
                Mistake(
                    "The frozen layer is scaled too: alpha / r belongs to the adapter alone.",
                    lambda x, w, a, b, alpha: alpha / len(a) * _lora_forward(x, w, a, b, len(a)),
                ),
            ),
            hints=(
                "Two paths from x to the output: the frozen weight, and A followed by B. Only the second is scaled.",
                "`x @ a.T` has the shape (T, r), and another `@ b.T` brings it to (T, n_out); r is `a.shape[0]`.",
            ),
        ),
        Exercise(
            id="5.6",
            title="How many numbers are trained",
            reference=_trained_numbers,
            cases=((adapted, "lora"), (adapted, "full"), (biased, "bitfit"), (block, "lora"), (block, "full"), (block, "bitfit")),
            mistakes=(
                Mistake(
                    "With LoRA everything is counted, so the model itself would be trained too: it is frozen.",
                    _trained_with("lora", lambda name, sizes: True),
                ),
                Mistake(
                    "With LoRA only B is counted: A is trained as well.",
                    _trained_with("lora", lambda name, sizes: "lora_B" in name),
                ),
                Mistake(
                    "With LoRA only A is counted: B is trained as well.",
                    _trained_with("lora", lambda name, sizes: "lora_A" in name),
                ),
                Mistake(
                    "With LoRA the layers under the adapters are counted too: what is called base_layer is the model's own, and "
                    "frozen.",
                    _trained_with("lora", lambda name, sizes: "lora_" in name or "base_layer" in name),
                ),
                Mistake(
                    "Full fine-tuning counts the adapter too: it trains the model's own numbers, and those with lora_ are not.",
                    _trained_with("full", lambda name, sizes: True),
                ),
                Mistake(
                    "Full and LoRA both count everything: the one trains the model's own numbers, the other those with lora_.",
                    lambda sizes, method: _trained_numbers(sizes, method) if method == "bitfit" else sum(sizes.values()),
                ),
                Mistake(
                    "BitFit counts the norms too: where a model has biases, they are all that it trains.",
                    _trained_with("bitfit", lambda name, sizes: name.endswith("bias") or "norm" in name),
                ),
                Mistake(
                    "BitFit counts whole layers that have a bias: their weights stay frozen.",
                    _trained_with("bitfit", lambda name, sizes: _own(name) and _has_bias(name, sizes)),
                ),
                Mistake(
                    "BitFit counts all of the model's own numbers: it trains those whose name ends in bias.",
                    _trained_with("bitfit", lambda name, sizes: _own(name)),
                ),
                Mistake(
                    "BitFit counts a name with bias in the middle: relative_attention_bias.weight is a table of weights. Look "
                    "at the end of the name.",
                    _trained_with("bitfit", lambda name, sizes: "bias" in name),
                ),
                Mistake(
                    "It counts tensors: add up how many numbers each of them holds.",
                    lambda sizes, method: len(_trained_names(sizes, method)),
                ),
            ),
            hints=(
                "The name tells whose a number is. Which names does each method choose?",
                'An adapter\'s names have `"lora_" in name`; a bias is found by `name.endswith("bias")`. Add up the counts, '
                "`sizes[name]`.",
            ),
        ),
        Exercise(
            id="5.7",
            title="Merge the adapter",
            reference=_merge,
            cases=(
                (_t([1.0, 1.0, 1.0]), down, up, 4),
                (random(4, 5), random(3, 5), random(4, 3), 6),
                (random(5, 6), random(1, 6), random(5, 1), 3),
            ),
            mistakes=(
                Mistake(
                    "The change is added twice, as when an adapter stays switched on after it was merged: once is enough.",
                    lambda w, a, b, alpha: _merge(w, a, b, 2 * alpha),
                ),
                Mistake(
                    "The factor alpha / r is missing, so the merged layer is not the one that was trained.",
                    lambda w, a, b, alpha: _merge(w, a, b, len(a)),
                ),
                Mistake(
                    "The change is subtracted, which is how a merged adapter is taken out again: add it.",
                    lambda w, a, b, alpha: _merge(w, a, b, -alpha),
                ),
                Mistake(
                    "The change is multiplied by alpha and not divided by r, the number of rows of A.",
                    lambda w, a, b, alpha: _merge(w, a, b, alpha * len(a)),
                ),
                Mistake(
                    "The factor is upside down: it is alpha / r.", lambda w, a, b, alpha: _merge(w, a, b, len(a) ** 2 / alpha)
                ),
                Mistake(
                    "It divides by n_in, the columns of A: the rank r is the number of its rows.",
                    lambda w, a, b, alpha: _merge(w, a, b, alpha * len(a) / a.shape[1]),
                ),
                Mistake(
                    "It divides by n_out, the rows of B: the rank r is the number of its columns.",
                    lambda w, a, b, alpha: _merge(w, a, b, alpha * len(a) / len(b)),
                ),
                Mistake(
                    "It is the change alone: a merged weight is the frozen one and the change.",
                    lambda w, a, b, alpha: _merge(torch.zeros_like(w), a, b, alpha),
                ),
            ),
            hints=(
                "Look at the layer with LoRA: which one matrix would give the same output for every x?",
                "`b @ a` has the shape of the weight. Scale it as in the layer, and make a new tensor: `weight + ...`, not "
                "`weight += ...`.",
            ),
        ),
        Exercise(
            id="5.8",
            title="The nearest word",
            reference=_nearest_word,
            cases=((_t(1.0, 0.0), opposite), (_t(0.0, 2.0), short), (_t(1.0, 2.0), wide), (random(4), random(9, 4))),
            mistakes=(
                Mistake(
                    "It takes the largest dot product, where long vectors win: divide by the lengths.",
                    lambda v, e: int((e @ v).argmax()),
                ),
                Mistake(
                    "It takes the smallest Euclidean distance, which depends on the lengths: the cosine compares directions "
                    "only.",
                    lambda v, e: int((e - v).norm(dim=1).argmin()),
                ),
                Mistake(
                    "It takes the smallest cosine, which is the word that points the other way: take the largest.",
                    lambda v, e: int(_cosines(v, e).argmin()),
                ),
                Mistake(
                    "The cosine has lost its sign, so an opposite direction passes for a near one.",
                    lambda v, e: int(_cosines(v, e).abs().argmax()),
                ),
                Mistake(
                    "It divides by the square of the length, so short vectors win: take the root.",
                    lambda v, e: int((e @ v / e.square().sum(1)).argmax()),
                ),
                Mistake(
                    "It divides by the lengths of the columns: each word is a row, so the norm runs along dim=1.",
                    lambda v, e: int((e / e.norm(dim=0) @ v).argmax()),
                ),
            ),
            hints=(
                "The cosine is the dot product of two vectors of length one. Which lengths matter when only the order of the "
                "rows counts?",
                "`embeddings @ vector` holds all dot products, `embeddings.norm(dim=1)` all lengths; `int(....argmax())` is the "
                "row.",
            ),
        ),
    )


EXERCISES = _exercises()

# ------------------------------------------------------------------------------------------------ the clinic

FAULTS = (
    "The padding is counted in the loss",
    "The learning rate is far too high and constant",
    "The baseline is the trained model itself: it was trained in place",
    "The prompt is counted in the loss",
    "Nothing is wrong",
)

QUIZZES = (
    Quiz(
        id="5.a",
        question="Why is the loss taken on the completion only?",
        options=(
            "The tokens of a prompt are wrong answers",
            "The prompt is given when the model is used: it has to learn what comes after",
            "Only because it saves memory",
            "Without a label the model could not see the prompt",
        ),
        right=1,
        why=(
            "They are text like any other, and a model can learn from them. They are not what we want it to write.",
            "With the prompt in the loss, most of the steps would go into writing dialogues, which nobody will ask for.",
            "It does save the logits of the prompt, which is welcome. The aim is another: what is in the loss is what gets "
            "learned.",
            "It sees every id to its left, labelled or not. A label of -100 only says that no loss is taken there.",
        ),
    ),
    Quiz(
        id="5.b",
        question="Patient 1: the loss begins far below that of the other runs and falls further, while the loss on the completions "
        "alone stays about where it was. What is wrong?",
        options=FAULTS,
        right=0,
        why=(
            "After one filler comes the next: most positions ask for that, and it is learned in a few steps. The mean then says "
            "little about the completions, and so does the gradient.",
            "Then the loss would rise or jump; this one falls, and smoothly.",
            "Then the training curve would look healthy, and the results before and after would be identical.",
            "Then it would fall slowly and not far: each dialogue is new text, which no few steps can teach.",
            "In a healthy run the loss on the completions falls along with the training loss; here they part.",
        ),
    ),
    Quiz(
        id="5.c",
        question="Patient 2: at once or after some steps the loss rises above its start, and the norms of the gradients jump. "
        "What is wrong?",
        options=FAULTS,
        right=1,
        why=(
            "Then the loss would begin far below that of the other runs, and fall; this one rises.",
            "Each step goes so far that the gradient says nothing about where it lands. Lower the rate, warm up, decay.",
            "Then the training curve would look healthy, and the results before and after would be identical.",
            "Then the loss would still fall, and the outputs would still be language.",
            "A healthy loss is noisy from step to step, but it does not end above its start, and the outputs stay language.",
        ),
    ),
    Quiz(
        id="5.d",
        question="Patient 3: before and after the training, the results are identical to the last digit, on every example. What "
        "is wrong?",
        options=FAULTS,
        right=2,
        why=(
            "Then the loss would begin far below that of the other runs, and fall further; two models would still be compared.",
            "Then the results after the training would be far worse, not equal.",
            "Two names, one model: training changed it in place, and the baseline was measured afterwards. Measure it before, "
            "or load a fresh one.",
            "Then the model would have learned something else, but it would have changed, and some of the results with it.",
            "Even training that does not help changes a word here and there. Equal results on every example mean that one model "
            "was asked twice.",
        ),
    ),
    Quiz(
        id="5.e",
        question="Where do most of a transformer's parameters sit?",
        options=("In attention", "In the feed-forward layers", "In the embeddings", "In the norms"),
        right=1,
        why=(
            "Attention gives the architecture its fame, and holds about a third of a typical block; a fifth of the course's "
            "model.",
            "They widen every vector and narrow it again, with large matrices: about three fifths of the course's model. LoRA "
            "on attention alone leaves them out.",
            "In a small model with a large vocabulary they can be a fifth, as in the course's model. In a large model it is "
            "little.",
            "A norm has one number for each dimension, a matrix one for each pair of them: together the norms are far below one "
            "per cent.",
        ),
    ),
    Quiz(
        id="5.f",
        question="What is prompt tuning?",
        options=(
            "Rewriting a prompt until the answers are good",
            "Training a few vectors that stand before the input, with the model frozen",
            "Searching by gradient for the best words of a prompt",
            "Fine-tuning the model on many prompts",
        ),
        right=1,
        why=(
            "That is prompt engineering: no number is trained.",
            "Some twenty vectors of the embedding's size are all that is trained; the model reads them as if they were tokens.",
            "The vectors are free: they need not be the embedding of any word, and their nearest words seldom make a sentence.",
            "That is instruction tuning: it changes the model. Here the model stays frozen.",
        ),
    ),
)
