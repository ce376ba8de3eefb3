"""Three objectives: the shift of a causal model, the masks of a masked one, the spans of T5."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

# --------------------------------------------------------------------- 8.1 the causal loss


def causal_loss(logits: Tensor, ids: Tensor) -> float:
    log_probs = logits[:-1].log_softmax(-1)
    return float(-log_probs[torch.arange(len(ids) - 1), ids[1:]].mean())


def causal_loss_cases() -> Cases:
    (logits,) = normal(8, (5, 7))
    sure = float64([0.0, 9.0, 0.0], [0.0, 0.0, 9.0], [9.0, 0.0, 0.0])
    return [
        (sure, torch.tensor([0, 1, 2])),
        (logits, torch.tensor([3, 0, 6, 6, 1])),
        (40 * logits, torch.tensor([1, 1, 1, 2, 5])),
        (logits[:2], torch.tensor([4, 2])),
        (logits.float(), torch.tensor([0, 1, 2, 3, 4])),
    ]


def random_causal_loss(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    length, vocabulary = 2 + size, 2 + size
    return 3 * drawn(rng, length, vocabulary), torch.tensor([rng.randrange(vocabulary) for _ in range(length)])


def _picked(logits: Tensor, ids: Tensor) -> Tensor:
    return -logits.log_softmax(-1)[torch.arange(len(ids)), ids]


def without_the_shift(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits, ids).mean())


def shifted_the_wrong_way(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[1:], ids[:-1]).mean())


def summed(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[1:]).sum())


def divided_by_all_tokens(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[1:]).sum() / len(ids))


def wrong_sign(logits: Tensor, ids: Tensor) -> float:
    return -causal_loss(logits, ids)


def in_bits(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[1:]).mean() / torch.tensor(2.0, dtype=torch.float64).log())


def logits_not_probabilities(logits: Tensor, ids: Tensor) -> float:
    return float(-logits[torch.arange(len(ids) - 1), ids[1:]].mean())


def mean_of_probabilities(logits: Tensor, ids: Tensor) -> float:
    return float(-logits[:-1].softmax(-1)[torch.arange(len(ids) - 1), ids[1:]].mean().log())


def perplexity(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[1:]).mean().exp())


# --------------------------------------------------------------------- 8.2 masks


def mask_tokens(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    inputs, labels = ids.clone(), ids.clone()
    labels[~chosen] = -100
    inputs[chosen & (dice < 0.8)] = mask_id
    swapped = chosen & (dice >= 0.8) & (dice < 0.9)
    inputs[swapped] = random_ids[swapped]
    return inputs, labels


def mask_tokens_cases() -> Cases:
    ids = torch.tensor([5, 6, 7, 8, 9, 5])
    return [
        (
            ids,
            torch.tensor([1, 0, 1, 0, 1, 0]).bool(),
            float64(0.1, 0.1, 0.85, 0.85, 0.95, 0.95),
            99,
            torch.tensor([1, 2, 3, 4, 1, 2]),
        ),
        (ids, torch.ones(6).bool(), float64(0.8, 0.9, 0.79, 0.89, 0.0, 1.0), 99, torch.tensor([1, 2, 3, 4, 1, 2])),
        (ids, torch.zeros(6).bool(), float64(0.5, 0.5, 0.85, 0.5, 0.95, 0.5), 99, torch.tensor([1, 2, 3, 4, 1, 2])),
        (ids[:1], torch.ones(1).bool(), float64(0.82), 0, torch.tensor([3])),
    ]


def random_mask_tokens(rng: random.Random, size: int) -> tuple[Tensor, Tensor, Tensor, int, Tensor]:
    n = 1 + size
    ids, other = (torch.tensor([rng.randrange(2, 30) for _ in range(n)]) for _ in range(2))
    chosen = torch.tensor([rng.random() < 0.5 for _ in range(n)])
    dice = float64(*(rng.choice((0.1, 0.5, 0.8, 0.85, 0.9, 0.95)) for _ in range(n)))
    return ids, chosen, dice, rng.choice((0, 103)), other


def labels_everywhere(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    return mask_tokens(ids, chosen, dice, mask_id, random_ids)[0], ids.clone()


def labels_of_the_others(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    return mask_tokens(ids, chosen, dice, mask_id, random_ids)[0], ids.masked_fill(chosen, -100)


def labels_only_where_hidden(
    ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor
) -> tuple[Tensor, Tensor]:
    inputs, labels = mask_tokens(ids, chosen, dice, mask_id, random_ids)
    return inputs, labels.masked_fill(dice >= 0.9, -100)


def masks_the_others(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    return mask_tokens(ids, ~chosen, dice, mask_id, random_ids)


def always_masks(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    return ids.masked_fill(chosen, mask_id), ids.masked_fill(~chosen, -100)


def not_only_the_chosen(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    return mask_tokens(ids, torch.ones_like(chosen), dice, mask_id, random_ids)[0], ids.masked_fill(~chosen, -100)


def random_and_left_exchanged(
    ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor
) -> tuple[Tensor, Tensor]:
    inputs = ids.masked_fill(chosen & (dice < 0.8), mask_id)
    return torch.where(chosen & (dice >= 0.9), random_ids, inputs), ids.masked_fill(~chosen, -100)


def random_up_to_one(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    inputs = ids.masked_fill(chosen & (dice < 0.8), mask_id)
    return torch.where(chosen & (dice >= 0.8), random_ids, inputs), ids.masked_fill(~chosen, -100)


def labels_hold_the_inputs(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    inputs = mask_tokens(ids, chosen, dice, mask_id, random_ids)[0]
    return inputs, inputs.masked_fill(~chosen, -100)


def bounds_included(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> tuple[Tensor, Tensor]:
    inputs = ids.masked_fill(chosen & (dice <= 0.8), mask_id)
    return torch.where(chosen & (dice > 0.8) & (dice <= 0.9), random_ids, inputs), ids.masked_fill(~chosen, -100)


# --------------------------------------------------------------------- 8.3 spans

Spans = list[tuple[int, int]]
TWO = ["a", "b", "c", "d", "e", "f", "g", "h"]


def corrupt_spans(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    inputs: list[str] = []
    targets: list[str] = []
    done = 0
    for number, (start, end) in enumerate(spans):
        inputs += [*words[done:start], f"<{number}>"]
        targets += [f"<{number}>", *words[start:end]]
        done = end
    return [*inputs, *words[done:], "</s>"], [*targets, "</s>"]


def corrupt_spans_cases() -> Cases:
    return [
        (TWO, [(1, 3), (5, 6)]),
        (TWO, [(0, 2), (3, 4), (6, 8)]),
        (TWO, [(2, 5)]),
        (TWO, []),
        (["x", "y", "x", "y"], [(0, 1), (2, 3)]),
        (TWO, [(0, 8)]),
        (TWO, [(0, 1), (1, 2)]),
    ]


def random_corrupt_spans(rng: random.Random, size: int) -> tuple[list[str], Spans]:
    words = [rng.choice("abcdefg") for _ in range(1 + 2 * size)]
    cuts = sorted(rng.sample(range(len(words) + 1), 2 * rng.randint(0, min(size, len(words)) // 2)))
    return words, [(cuts[i], cuts[i + 1]) for i in range(0, len(cuts), 2)]


def _spans(words: list[str], spans: Spans, name: list[str], end: bool = True) -> tuple[list[str], list[str]]:
    inputs: list[str] = []
    targets: list[str] = []
    done = 0
    for mark, (start, stop) in zip(name, spans, strict=False):
        inputs += [*words[done:start], mark]
        targets += [mark, *words[start:stop]]
        done = stop
    close = ["</s>"] if end else []
    return [*inputs, *words[done:], *close], [*targets, *close]


def sentinels_from_the_end(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    return _spans(words, spans, [f"<{len(spans) - 1 - n}>" for n in range(len(spans))])


def sentinels_from_one(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    return _spans(words, spans, [f"<{n + 1}>" for n in range(len(spans))])


def one_sentinel_for_all(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    return _spans(words, spans, ["<0>"] * len(spans))


def without_the_end_token(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    return _spans(words, spans, [f"<{n}>" for n in range(len(spans))], end=False)


def end_included(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    return corrupt_spans(words, [(start, min(end + 1, len(words))) for start, end in spans])


def span_stays_in_the_input(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    inputs: list[str] = []
    done = 0
    for number, (start, _) in enumerate(spans):
        inputs += [*words[done:start], f"<{number}>"]
        done = start
    return [*inputs, *words[done:], "</s>"], corrupt_spans(words, spans)[1]


def rest_is_lost(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    last = max((end for _, end in spans), default=0)
    return corrupt_spans(words[:last], spans)


def sentinel_behind_its_span(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    targets = [x for number, (start, end) in enumerate(spans) for x in (*words[start:end], f"<{number}>")]
    return corrupt_spans(words, spans)[0], [*targets, "</s>"]


def a_sentinel_per_word(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    return corrupt_spans(words, [(n, n + 1) for start, end in spans for n in range(start, end)])


def input_and_target_exchanged(words: list[str], spans: Spans) -> tuple[list[str], list[str]]:
    inputs, targets = corrupt_spans(words, spans)
    return targets, inputs


EXERCISES = {
    "8.1": ExerciseFunctions(
        causal_loss,
        causal_loss_cases,
        (
            without_the_shift,
            shifted_the_wrong_way,
            summed,
            divided_by_all_tokens,
            wrong_sign,
            in_bits,
            logits_not_probabilities,
            mean_of_probabilities,
            perplexity,
        ),
        random_causal_loss,
    ),
    "8.2": ExerciseFunctions(
        mask_tokens,
        mask_tokens_cases,
        (
            labels_everywhere,
            labels_of_the_others,
            labels_only_where_hidden,
            masks_the_others,
            always_masks,
            not_only_the_chosen,
            random_and_left_exchanged,
            random_up_to_one,
            labels_hold_the_inputs,
            bounds_included,
        ),
        random_mask_tokens,
    ),
    "8.3": ExerciseFunctions(
        corrupt_spans,
        corrupt_spans_cases,
        (
            sentinels_from_the_end,
            sentinels_from_one,
            one_sentinel_for_all,
            without_the_end_token,
            end_included,
            span_stays_in_the_input,
            rest_is_lost,
            sentinel_behind_its_span,
            a_sentinel_per_word,
            input_and_target_exchanged,
        ),
        random_corrupt_spans,
    ),
}
