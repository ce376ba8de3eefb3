"""Dense search: one vector per text, and the cosine of two."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

# --------------------------------------------------------------------- 9.3 mean pooling


def mean_pool(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    mask = attention_mask.unsqueeze(-1)
    return (hidden_states * mask).sum(dim=1) / mask.sum(dim=1)


def mean_pool_cases() -> Cases:
    (states,) = normal(9, (3, 5, 4))
    return [
        (float64([[1.0, 2.0], [3.0, 4.0], [8.0, 9.0]]), torch.tensor([[1, 1, 0]])),
        (float64([[1.0, 2.0], [3.0, 6.0]]), torch.tensor([[1, 1]])),
        (states, torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])),
        (states, torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]])),  # padding on the left
        (states.float(), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])),
    ]


def random_mean_pool(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    texts, length, width = 1 + size // 3, 1 + size // 2, 1 + size // 2
    mask = torch.tensor([[1] * real + [0] * (length - real) for real in (rng.randint(1, length) for _ in range(texts))])
    return drawn(rng, texts, length, width, dtype=rng.choice(DTYPES)), mask


def pools_over_the_padding(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    return hidden_states.mean(dim=1)


def sums_the_padding_too(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    return hidden_states.sum(dim=1) / attention_mask.sum(dim=1, keepdim=True)


def divides_by_all_tokens(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    return (hidden_states * attention_mask.unsqueeze(-1)).mean(dim=1)


def divides_by_the_tokens_of_all_texts(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    return (hidden_states * attention_mask.unsqueeze(-1)).sum(dim=1) / attention_mask.sum()


def sum_without_division(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    return (hidden_states * attention_mask.unsqueeze(-1)).sum(dim=1)


def first_token_only(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    return hidden_states[:, 0]


def last_token_only(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    return hidden_states[:, -1]


def padding_on_the_right_only(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    lengths = attention_mask.sum(dim=1).tolist()
    return torch.stack([states[:length].mean(dim=0) for states, length in zip(hidden_states, lengths, strict=True)])


def largest_value(hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
    return hidden_states.masked_fill(attention_mask.unsqueeze(-1) == 0, -torch.inf).amax(dim=1)


# --------------------------------------------------------------------- 9.4 the cosine


def cosines(query: Tensor, vectors: Tensor) -> Tensor:
    return vectors @ query / (vectors.norm(dim=-1) * query.norm())


def cosines_cases() -> Cases:
    query, vectors = normal(4, (6,), (5, 6))
    return [
        (float64(3.0, 4.0), float64([3.0, 4.0], [4.0, 3.0], [0.0, 2.0], [-6.0, -8.0])),
        (float64(1.0, 0.0), float64([10.0, 0.0], [0.5, 0.5])),
        (query, vectors),
        (query.float(), vectors.float()),
        (query, query[None] * 7),
    ]


def random_cosines(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    width, dtype = 2 + size // 2, rng.choice(DTYPES)
    return drawn(rng, width, spread=3, dtype=dtype) + 0.005, drawn(rng, 1 + size // 2, width, spread=3, dtype=dtype) + 0.005


def without_the_lengths(query: Tensor, vectors: Tensor) -> Tensor:
    return vectors @ query


def only_the_query_s_length(query: Tensor, vectors: Tensor) -> Tensor:
    return vectors @ query / query.norm()


def only_the_vectors_lengths(query: Tensor, vectors: Tensor) -> Tensor:
    return vectors @ query / vectors.norm(dim=-1)


def squared_lengths(query: Tensor, vectors: Tensor) -> Tensor:
    return vectors @ query / (vectors.norm(dim=-1) * query.norm()) ** 2


def multiplied_by_the_query_s_length(query: Tensor, vectors: Tensor) -> Tensor:
    return vectors @ query / vectors.norm(dim=-1) * query.norm()


def one_length_for_all(query: Tensor, vectors: Tensor) -> Tensor:
    return vectors @ query / (vectors.norm() * query.norm())


def distance(query: Tensor, vectors: Tensor) -> Tensor:
    return (vectors - query).norm(dim=-1)


def never_negative(query: Tensor, vectors: Tensor) -> Tensor:
    return cosines(query, vectors).abs()


def one_minus_the_cosine(query: Tensor, vectors: Tensor) -> Tensor:
    return 1 - cosines(query, vectors)


EXERCISES = {
    "9.3": ExerciseFunctions(
        mean_pool,
        mean_pool_cases,
        (
            pools_over_the_padding,
            sums_the_padding_too,
            divides_by_all_tokens,
            divides_by_the_tokens_of_all_texts,
            sum_without_division,
            first_token_only,
            largest_value,
            last_token_only,
            padding_on_the_right_only,
        ),
        random_mean_pool,
    ),
    "9.4": ExerciseFunctions(
        cosines,
        cosines_cases,
        (
            without_the_lengths,
            only_the_query_s_length,
            only_the_vectors_lengths,
            squared_lengths,
            multiplied_by_the_query_s_length,
            one_length_for_all,
            distance,
            never_negative,
            one_minus_the_cosine,
        ),
        random_cosines,
    ),
}
