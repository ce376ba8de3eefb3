"""Top-k and top-p: what may be drawn at all.

Where logits tie for the last place, which of them stays depends on the sort. No case of top-k asks it; for top-p each choice is right.
"""

from __future__ import annotations

import math
import random
from itertools import combinations

import torch
from torch import Tensor

from labutils.exercises.lab02.logits import (
    CAKE,
    MINUS_INFINITY,
    NEGATIVE,
    PLAIN,
    SHUFFLED,
    keep,
    random_logits,
    rank,
)
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.transformer import decoding

# ----------------------------------------------------------------------------------------------- 2.3 top-k


def top_k_cases() -> Cases:
    return [
        (PLAIN, 3),
        (SHUFFLED, 2),
        (CAKE, 1),
        (SHUFFLED, 6),
        (NEGATIVE, 2),
        (float64(0.5, 2.0, 0.5, 2.0, 1.0).float(), 3),  # equal logits that stay, and equal ones that go
        (float64(1.0, MINUS_INFINITY, 0.0, 2.0), 2),
        (float64(-1.5), 1),
    ]


def random_top_k(rng: random.Random, size: int) -> tuple[Tensor, int]:
    count = 1 + size
    logits, k = random_logits(rng, count).sort(descending=True).values, rng.randint(1, count)
    if size % 3 == 2 and k >= 2:
        logits[1] = logits[0]
    if size % 3 == 2 and k + 1 < count:
        logits[k + 1] = logits[k]
    return logits[torch.tensor(rng.sample(range(count), count))], k


def keeps_the_smallest(logits: Tensor, k: int) -> Tensor:
    return keep(logits, rank(-logits) < k)


def keeps_one_too_few(logits: Tensor, k: int) -> Tensor:
    return keep(logits, rank(logits) < k - 1)


def keeps_one_too_many(logits: Tensor, k: int) -> Tensor:
    return keep(logits, rank(logits) < k + 1)


def zeroes_the_removed(logits: Tensor, k: int) -> Tensor:
    return logits.masked_fill(rank(logits) >= k, 0.0)


def keeps_the_first_places(logits: Tensor, k: int) -> Tensor:
    return keep(logits, torch.arange(len(logits)) < k)


def drops_the_last_that_stays(logits: Tensor, k: int) -> Tensor:
    return logits.masked_fill(logits <= logits.topk(k).values[-1], MINUS_INFINITY)


def returns_sorted_top_k(logits: Tensor, k: int) -> Tensor:
    return decoding.top_k_filter(logits.sort(descending=True).values, k)


def takes_tokens_for_ranks(logits: Tensor, k: int) -> Tensor:
    return keep(logits, logits.argsort(descending=True) < k)


def returns_top_k_probabilities(logits: Tensor, k: int) -> Tensor:
    return decoding.softmax(decoding.top_k_filter(logits, k))


def removes_the_largest(logits: Tensor, k: int) -> Tensor:
    return keep(logits, rank(logits) >= k)


def hides_with_a_large_negative_number(logits: Tensor, k: int) -> Tensor:
    return logits.masked_fill(logits < logits.topk(k).values[-1], -1e9)


def keeps_the_largest_sizes(logits: Tensor, k: int) -> Tensor:
    return keep(logits, rank(logits.abs()) < k)


# ------------------------------------------------------------------------------------- 2.4 top-p (nucleus)


def top_p_cases() -> Cases:
    quarters = float64(math.log(0.25), math.log(0.5), math.log(0.25))  # the probabilities are exact, so 0.5 reaches 0.5
    return [
        (PLAIN, 0.7),
        (SHUFFLED, 0.6),
        (CAKE, 0.75),
        (PLAIN, 0.1),
        (SHUFFLED, 0.95),
        (quarters, 0.5),
        (quarters.float(), 0.5),
        (NEGATIVE, 0.8),
        (SHUFFLED / 4, 1.0),
        (float64(1.0, MINUS_INFINITY, 0.0, 2.0, MINUS_INFINITY).float(), 0.9),
        (float64(0.0, 3.0, 3.0, 0.0), 0.7),
        (float64(2.5), 0.3),
        (float64(0.0, 2.0, 0.0, 0.0), 0.85),  # two of three equal logits are needed
        (torch.zeros(4), 0.6),
        *((logits, 1.0) for logits in NEVER_QUITE_ONE),
    ]


# Their probabilities add up to a hair less than 1 in float32, which p = 1 must not stumble over.
NEVER_QUITE_ONE = tuple(
    torch.tensor(logits)
    for logits in (
        (-1.46, -1.13, 1.86, -0.26),
        (0.59, 1.11, -1.72, -1.13, -0.98),
        (-0.73, -0.43, -0.87, -1.47, -1.0, 1.92),
    )
)


def other_nuclei(logits: Tensor, p: float) -> list[Tensor]:
    """The filtered logits (V,) with each choice among the equal logits of which some stay and some go."""
    kept = decoding.top_p_filter(logits, p).isfinite()
    tied = logits == logits[kept].min()
    places, sure = tied.nonzero().flatten().tolist(), kept & ~tied
    if bool(kept[tied].all()):
        return []
    choices = []
    for chosen in combinations(places, int(kept[tied].sum())):
        choice = sure.clone()
        choice[list(chosen)] = True
        choices.append(keep(logits, choice))
    return choices


def random_top_p(rng: random.Random, size: int) -> tuple[Tensor, float]:
    """Different logits, or some that tie, and a p that is clearly reached or clearly not, whatever the rounding."""
    logits = random_logits(rng, 1 + size) / rng.choice((1, 1, 3))
    if size % 4 == 3:
        logits[rng.sample(range(1 + size), 3)] = logits.max() - rng.choice((0.0, 0.5))
    mass = logits.double().softmax(-1).sort(descending=True).values.cumsum(-1)
    while True:
        p = round(rng.uniform(0.05, 0.97), 2)
        if (mass - p).abs().min() > 1e-4:
            return logits, p


def drops_the_crossing_token(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(descending=True)
    mass = decoding.softmax(logits)[order].cumsum(-1)
    return keep(logits, (mass <= p)[order.argsort()])


def collects_from_the_least_probable(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort()
    probs = decoding.softmax(logits)[order]
    return keep(logits, (probs.cumsum(-1) - probs < p)[order.argsort()])


def compares_single_probabilities_with_p(logits: Tensor, p: float) -> Tensor:
    return keep(logits, decoding.softmax(logits) >= p)


def returns_probabilities(logits: Tensor, p: float) -> Tensor:
    return decoding.softmax(decoding.top_p_filter(logits, p))


def kept_in_order(logits: Tensor, p: float) -> Tensor:
    """True for the sorted tokens that stay."""
    probs = decoding.softmax(logits).sort(descending=True).values
    return probs.cumsum(-1) - probs < p


def forgets_the_permutation(logits: Tensor, p: float) -> Tensor:
    return keep(logits, kept_in_order(logits, p))


def returns_sorted_logits(logits: Tensor, p: float) -> Tensor:
    return keep(logits.sort(descending=True).values, kept_in_order(logits, p))


def permutes_the_wrong_way(logits: Tensor, p: float) -> Tensor:
    return keep(logits, kept_in_order(logits, p)[logits.argsort(descending=True)])


def never_sorts(logits: Tensor, p: float) -> Tensor:
    probs = decoding.softmax(logits)
    return keep(logits, probs.cumsum(-1) - probs < p)


def counts_the_token_in(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(descending=True)
    mass = decoding.softmax(logits)[order].cumsum(-1)
    return keep(logits, (mass < p)[order.argsort()])


def keeps_only_the_first_beyond_p(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(descending=True)
    dropped = decoding.softmax(logits)[order].cumsum(-1) >= p
    dropped[0] = False
    return keep(logits, ~dropped[order.argsort()])


def adds_up_the_logits(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(descending=True)
    ranked = logits[order]
    return keep(logits, (ranked.cumsum(-1) - ranked < p)[order.argsort()])


def keeps_equal_logits_together(logits: Tensor, p: float) -> Tensor:
    kept = decoding.top_p_filter(logits, p).isfinite()
    return logits.masked_fill(logits < logits[kept].min(), MINUS_INFINITY)


def keeps_one_where_none_crosses(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(descending=True)
    crossing = int((decoding.softmax(logits)[order].cumsum(-1) >= p).double().argmax())
    return keep(logits, order.argsort() <= crossing)


def zeroes_the_tail(logits: Tensor, p: float) -> Tensor:
    return decoding.top_p_filter(logits, p).nan_to_num(neginf=0.0)


def goes_on_where_p_is_reached(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(descending=True)
    probs = decoding.softmax(logits)[order]
    return keep(logits, (probs.cumsum(-1) - probs <= p)[order.argsort()])


EXERCISES = {
    "2.3": ExerciseFunctions(
        decoding.top_k_filter,
        top_k_cases,
        (
            keeps_the_smallest,
            keeps_one_too_few,
            drops_the_last_that_stays,
            keeps_one_too_many,
            zeroes_the_removed,
            keeps_the_first_places,
            keeps_the_largest_sizes,
            returns_sorted_top_k,
            takes_tokens_for_ranks,
            returns_top_k_probabilities,
            removes_the_largest,
            hides_with_a_large_negative_number,
        ),
        random_top_k,
    ),
    "2.4": ExerciseFunctions(
        decoding.top_p_filter,
        top_p_cases,
        (
            drops_the_crossing_token,
            counts_the_token_in,
            keeps_only_the_first_beyond_p,
            collects_from_the_least_probable,
            compares_single_probabilities_with_p,
            returns_probabilities,
            forgets_the_permutation,
            returns_sorted_logits,
            permutes_the_wrong_way,
            never_sorts,
            goes_on_where_p_is_reached,
            adds_up_the_logits,
            keeps_equal_logits_together,
            keeps_one_where_none_crosses,
            zeroes_the_tail,
        ),
        random_top_p,
        other_nuclei,
    ),
}
