"""BM25's two parts: the weight of a word, and what a count is worth in a passage of some length."""

from __future__ import annotations

import math
import random

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.retrieval.lexical import idf_lucene

# --------------------------------------------------------------------- 9.1 the weight of a word


def idf(n: int, containing: int) -> float:
    return idf_lucene(n, containing)


def idf_cases() -> Cases:
    return [(80, 2), (80, 80), (80, 41), (10, 1), (3, 0), (1, 1), (1_000_000, 17), (4, 2)]


def random_idf(rng: random.Random, size: int) -> tuple[int, int]:
    n = rng.randint(1, 2 + size**2)
    return n, rng.randint(0, n)


def without_the_logarithm(n: int, containing: int) -> float:
    return 1 + (n - containing + 0.5) / (containing + 0.5)


def quotient_upside_down(n: int, containing: int) -> float:
    return math.log(1 + (containing + 0.5) / (n - containing + 0.5))


def without_the_one(n: int, containing: int) -> float:
    return math.log((n - containing + 0.5) / (containing + 0.5))


def logarithm_of_base_2(n: int, containing: int) -> float:
    return idf_lucene(n, containing) / math.log(2)


def logarithm_of_base_10(n: int, containing: int) -> float:
    return idf_lucene(n, containing) / math.log(10)


def without_the_halves(n: int, containing: int) -> float:
    return math.log(1 + (n - containing) / containing) if containing else 0.0


def ones_instead_of_halves(n: int, containing: int) -> float:
    return math.log(1 + (n - containing + 1) / (containing + 1))


def all_passages_over_those_with_it(n: int, containing: int) -> float:
    return math.log((n + 0.5) / (containing + 0.5))


def all_passages_and_one(n: int, containing: int) -> float:
    return math.log(1 + (n + 0.5) / (containing + 0.5))


def one_outside_the_logarithm(n: int, containing: int) -> float:
    return 1 + math.log((n - containing + 0.5) / (containing + 0.5))


# --------------------------------------------------------------------- 9.2 saturation and length


def saturated(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / (count + k1 * (1 - b + b * length / mean_length))


def saturated_cases() -> Cases:
    return [
        (1, 40, 40.0),
        (2, 80, 40.0),
        (3, 10, 40.0),
        (1, 60, 40.0, 1.2, 0.0),
        (1, 20, 40.0, 1.2, 1.0),
        (5, 33, 35.5, 2.0, 0.5),
        (4, 12, 30.0, 0.0, 0.75),
        (0, 25, 40.0),
    ]


def random_saturated(rng: random.Random, size: int) -> tuple[int, int, float, float, float]:
    k1, b = rng.choice((0.5, 1.0, 1.2, 2.0)), rng.choice((0.25, 0.5, 0.75, 1.0))
    return rng.randint(1, 1 + size), rng.randint(1 + size, 4 + 8 * size), rng.randint(4, 40) / 2, k1, b


def length_norm_inverted(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / (count + k1 * (1 - b + b * mean_length / length))


def norm_without_b(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / (count + k1 * length / mean_length)


def nothing_saturates(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / (1 + k1 * (1 - b + b * length / mean_length))


def k1_without_the_norm(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / (count + k1) if count + k1 else 0.0


def norm_times_the_count(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / (count * (1 - b + b * length / mean_length) + k1)


def without_k1_plus_one(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count / (count + k1 * (1 - b + b * length / mean_length))


def norm_over_everything(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / ((count + k1) * (1 - b + b * length / mean_length))


def usual_constants_only(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return saturated(count, length, mean_length)


def b_exchanged_with_its_rest(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return saturated(count, length, mean_length, k1, 1 - b)


def denominator_without_brackets(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / count + k1 * (1 - b + b * length / mean_length)


def norm_without_brackets(count: float, length: float, mean_length: float, k1: float = 1.2, b: float = 0.75) -> float:
    return count * (k1 + 1) / (count + k1 * 1 - b + b * length / mean_length)


EXERCISES = {
    "9.1": ExerciseFunctions(
        idf,
        idf_cases,
        (
            without_the_logarithm,
            quotient_upside_down,
            without_the_one,
            logarithm_of_base_2,
            logarithm_of_base_10,
            without_the_halves,
            ones_instead_of_halves,
            all_passages_over_those_with_it,
            all_passages_and_one,
            one_outside_the_logarithm,
        ),
        random_idf,
    ),
    "9.2": ExerciseFunctions(
        saturated,
        saturated_cases,
        (
            length_norm_inverted,
            norm_without_b,
            nothing_saturates,
            k1_without_the_norm,
            norm_times_the_count,
            without_k1_plus_one,
            norm_over_everything,
            usual_constants_only,
            b_exchanged_with_its_rest,
            denominator_without_brackets,
            norm_without_brackets,
        ),
        random_saturated,
    ),
}
