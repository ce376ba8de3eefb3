"""Soft prompts: the word whose embedding points in nearly the same direction."""

from __future__ import annotations

import random

from torch import Tensor
from torch.nn import functional as F

from labutils.exercises.draws import DTYPES, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

# ------------------------------------------------------------------------------------ 7.6 the nearest word


def nearest_word(vector: Tensor, embeddings: Tensor) -> int:
    return int(cosines(vector, embeddings).argmax())


def cosines(vector: Tensor, embeddings: Tensor) -> Tensor:
    return F.cosine_similarity(embeddings, vector, dim=-1)


def nearest_word_cases() -> Cases:
    opposite = float64([5.0, 4.0], [1.0, 0.5], [-3.0, 0.0], [0.5, 0.05])
    short = float64([4.0, 4.0], [0.3, 0.9], [1.0, -0.5], [0.1, 0.2])
    wide = float64([10.0, 0.2], [0.1, 0.9], [1.0, 1.5], [-2.0, 1.0])
    return [
        (float64(1.0, 0.0), opposite),
        (float64(0.0, 2.0), short),
        (float64(1.0, 2.0), wide),
        tuple(normal(58, (4,), (9, 4))),
        (float64(1.0, 0.2), float64([-1.0, 0.1], [-3.0, -3.0], [-0.2, 0.1])),  # all cosines are negative
        (float64(-2.0, -1.0, -0.5).float(), float64([9.0, 1.0, 1.0], [-0.1, -0.1, 0.0], [-5.0, 4.0, 1.0]).float()),
        (float64(0.5, 0.5), float64([3.0, -1.0])),
        (float64(0.03, 0.01), float64([0.002, 0.001], [2.0, 0.9], [0.003, 0.0009])),
    ]


def random_nearest_word(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    """Rows of very different lengths; the nearest one leads by a cosine that no rounding can change."""
    rows, columns, dtype = 1 + size // 2, 2 + size // 4, rng.choice(DTYPES)
    while True:
        lengths = drawn(rng, rows, 1, spread=1.0).exp()
        vector, embeddings = drawn(rng, columns, dtype=dtype), (drawn(rng, rows, columns) * lengths).to(dtype)
        best = cosines(vector, embeddings).sort(descending=True).values
        if bool(best.isfinite().all()) and (rows == 1 or best[0] - best[1] > 0.02):
            return vector, embeddings


def largest_dot_product(vector: Tensor, embeddings: Tensor) -> int:
    return int((embeddings @ vector).argmax())


def smallest_distance(vector: Tensor, embeddings: Tensor) -> int:
    return int((embeddings - vector).norm(dim=1).argmin())


def smallest_cosine(vector: Tensor, embeddings: Tensor) -> int:
    return int(cosines(vector, embeddings).argmin())


def cosine_without_its_sign(vector: Tensor, embeddings: Tensor) -> int:
    return int(cosines(vector, embeddings).abs().argmax())


def divides_by_squared_lengths(vector: Tensor, embeddings: Tensor) -> int:
    return int((embeddings @ vector / embeddings.square().sum(1)).argmax())


def row_with_the_largest_element(vector: Tensor, embeddings: Tensor) -> int:
    return int(embeddings.amax(1).argmax())


def divides_by_the_largest_element(vector: Tensor, embeddings: Tensor) -> int:
    return int((embeddings @ vector / embeddings.abs().amax(1)).argmax())


def divides_by_the_sum_of_magnitudes(vector: Tensor, embeddings: Tensor) -> int:
    return int((embeddings @ vector / embeddings.abs().sum(1)).argmax())


def largest_product_of_elements(vector: Tensor, embeddings: Tensor) -> int:
    return int((embeddings * vector).amax(1).argmax())


def normalizes_the_columns(vector: Tensor, embeddings: Tensor) -> int:
    return int((embeddings / embeddings.norm(dim=0) @ vector).argmax())


EXERCISES = {
    "7.6": ExerciseFunctions(
        nearest_word,
        nearest_word_cases,
        (
            largest_dot_product,
            smallest_distance,
            smallest_cosine,
            cosine_without_its_sign,
            divides_by_squared_lengths,
            row_with_the_largest_element,
            divides_by_the_largest_element,
            divides_by_the_sum_of_magnitudes,
            largest_product_of_elements,
            normalizes_the_columns,
        ),
        random_nearest_word,
    ),
}
