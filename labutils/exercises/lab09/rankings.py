"""How good a ranking is, and two rankings made into one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.retrieval import ranking as library

Ranking = Sequence[str]  # passages by name, best first
Gold = Sequence[str]

NAMES = "abcdefghijklmnopqrstuvwxyz"

# --------------------------------------------------------------------- 9.5 recall at k


def recall_at_k(ranking: Ranking, gold: Gold, k: int) -> float:
    return library.recall_at_k(ranking, gold, k)


def recall_at_k_cases() -> Cases:
    return [
        (["b", "a", "c"], ["a"], 2),
        (["b", "a", "c", "d"], ["a", "d"], 3),
        (["a", "b", "c"], ["a", "b", "c"], 2),
        (["c", "b", "a"], ["a"], 2),
        (["c", "b", "a"], ["a"], 3),
        (["a", "b"], ["y", "z"], 2),
        (["a", "b"], ["a"], 5),
        (["d", "c", "b", "a"], ["a", "b", "c"], 3),
    ]


def random_ranking(rng: random.Random, size: int) -> tuple[list[str], list[str]]:
    """A ranking, and gold passages of which one may be missing from it."""
    names = NAMES[: 3 + size // 2]
    ranking = rng.sample(names, rng.randint(2, len(names)))
    return ranking, rng.sample(names, rng.randint(1, min(4, len(names))))


def random_recall_at_k(rng: random.Random, size: int) -> tuple[list[str], list[str], int]:
    ranking, gold = random_ranking(rng, size)
    return ranking, gold, rng.randint(1, len(ranking) + 1)


def _found(ranking: Ranking, gold: Gold, k: int) -> int:
    return len(set(ranking[:k]) & set(gold))


def precision(ranking: Ranking, gold: Gold, k: int) -> float:
    return _found(ranking, gold, k) / k


def any_of_them(ranking: Ranking, gold: Gold, k: int) -> float:
    return float(_found(ranking, gold, k) > 0)


def all_of_them(ranking: Ranking, gold: Gold, k: int) -> float:
    return float(_found(ranking, gold, k) == len(gold))


def one_place_too_many(ranking: Ranking, gold: Gold, k: int) -> float:
    return _found(ranking, gold, k + 1) / len(gold)


def one_place_too_few(ranking: Ranking, gold: Gold, k: int) -> float:
    return _found(ranking, gold, k - 1) / len(gold)


def the_whole_ranking(ranking: Ranking, gold: Gold, k: int) -> float:
    return _found(ranking, gold, len(ranking)) / len(gold)


def at_most_k_gold(ranking: Ranking, gold: Gold, k: int) -> float:
    return _found(ranking, gold, k) / min(k, len(gold))


def counts_without_dividing(ranking: Ranking, gold: Gold, k: int) -> float:
    return float(_found(ranking, gold, k))


# --------------------------------------------------------------------- 9.6 the reciprocal rank


def reciprocal_rank(ranking: Ranking, gold: Gold) -> float:
    return library.reciprocal_rank(ranking, gold)


def reciprocal_rank_cases() -> Cases:
    return [
        (["b", "a", "c"], ["a"]),
        (["a", "b", "c"], ["a"]),
        (["b", "c", "a"], ["a", "z"]),
        (["b", "a", "d", "c"], ["c", "a"]),
        (["a", "b"], ["z"]),
        (["d", "c", "b", "a"], ["a"]),
        (["a", "b", "c"], ["c", "b", "a"]),
        (list(NAMES[::-1]), ["a"]),  # there may be many places
    ]


def random_reciprocal_rank(rng: random.Random, size: int) -> tuple[list[str], list[str]]:
    return random_ranking(rng, size)


def _places(ranking: Ranking, gold: Gold) -> list[int]:
    return [place for place, passage in enumerate(ranking, 1) if passage in gold]


def one_place_too_far(ranking: Ranking, gold: Gold) -> float:
    places = _places(ranking, gold)
    return 1 / (places[0] + 1) if places else 0.0


def counts_from_zero(ranking: Ranking, gold: Gold) -> float:
    places = _places(ranking, gold)
    return 1 / max(1, places[0] - 1) if places else 0.0


def the_place_itself(ranking: Ranking, gold: Gold) -> float:
    places = _places(ranking, gold)
    return float(places[0]) if places else 0.0


def last_gold_passage(ranking: Ranking, gold: Gold) -> float:
    places = _places(ranking, gold)
    return 1 / places[-1] if places else 0.0


def mean_over_gold(ranking: Ranking, gold: Gold) -> float:
    places = _places(ranking, gold)
    return fmean(1 / place for place in places) if places else 0.0


def sum_over_gold(ranking: Ranking, gold: Gold) -> float:
    return sum((1 / place for place in _places(ranking, gold)), 0.0)


def missing_at_the_end(ranking: Ranking, gold: Gold) -> float:
    places = _places(ranking, gold)
    return 1 / places[0] if places else 1 / (len(ranking) + 1)


def hit_or_not(ranking: Ranking, gold: Gold) -> float:
    return float(bool(_places(ranking, gold)))


def place_of_one_gold_passage(ranking: Ranking, gold: Gold) -> float:
    return reciprocal_rank(ranking, gold[:1])


def first_places_only(ranking: Ranking, gold: Gold) -> float:
    return reciprocal_rank(ranking[:10], gold)


def first_place_or_nothing(ranking: Ranking, gold: Gold) -> float:
    return float(ranking[0] in gold)


# --------------------------------------------------------------------- 9.7 reciprocal rank fusion


def fused_scores(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return _sums(rankings, lambda place: 1 / (constant + place))


def _sums(rankings: Sequence[Ranking], part: object) -> dict[str, float]:
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, passage in enumerate(ranking, 1):
            scores[passage] = scores.get(passage, 0.0) + part(place)  # type: ignore[operator]
    return scores


def fused_scores_cases() -> Cases:
    return [
        ([["a", "b"], ["b", "a"]], 60),
        ([["a", "b", "c"], ["c", "a", "b"]], 60),
        ([["a", "b"], ["c", "a"]], 60),
        ([["a", "b", "c"]], 10),
        ([["b", "a"], ["b", "c"], ["d"]], 1),
        ([["a", "b", "c", "d"], ["d", "c"], ["a", "d"]], 60),
        ([["a", "b"], ["b", "c"]],),
        ([list(NAMES), list(NAMES[::-1])],),
    ]


def random_fused_scores(rng: random.Random, size: int) -> tuple[list[list[str]], int]:
    names = NAMES[: 2 + size // 2]
    rankings = [rng.sample(names, rng.randint(1, len(names))) for _ in range(1 + size // 4)]
    return rankings, rng.choice((1, 10, 60))


def places_from_zero(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return _sums(rankings, lambda place: 1 / (constant + place - 1))


def without_the_constant(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return _sums(rankings, lambda place: 1 / place)


def place_outside_the_quotient(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return _sums(rankings, lambda place: 1 / constant + place)


def always_sixty(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return fused_scores(rankings)


def last_ranking_only(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return {passage: 1 / (constant + place) for ranking in rankings for place, passage in enumerate(ranking, 1)}


def scores_of_the_last_ranking(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return fused_scores(rankings[-1:], constant)


def first_part_only(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return {passage: 1 / (constant + where[0]) for passage, where in _all_places(rankings).items()}


def best_place_only(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return {passage: 1 / (constant + min(where)) for passage, where in _all_places(rankings).items()}


def _all_places(rankings: Sequence[Ranking]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for ranking in rankings:
        for place, passage in enumerate(ranking, 1):
            places.setdefault(passage, []).append(place)
    return places


def mean_of_the_parts(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return {passage: score / len(rankings) for passage, score in fused_scores(rankings, constant).items()}


def first_ranking_s_passages_only(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    scores = fused_scores(rankings, constant)
    return {passage: scores[passage] for passage in rankings[0]}


def sum_of_places(rankings: Sequence[Ranking], constant: int = 60) -> dict[str, float]:
    return {passage: 1 / (constant + sum(where)) for passage, where in _all_places(rankings).items()}


EXERCISES = {
    "9.5": ExerciseFunctions(
        recall_at_k,
        recall_at_k_cases,
        (
            precision,
            any_of_them,
            all_of_them,
            one_place_too_many,
            one_place_too_few,
            the_whole_ranking,
            at_most_k_gold,
            counts_without_dividing,
        ),
        random_recall_at_k,
    ),
    "9.6": ExerciseFunctions(
        reciprocal_rank,
        reciprocal_rank_cases,
        (
            one_place_too_far,
            counts_from_zero,
            the_place_itself,
            last_gold_passage,
            mean_over_gold,
            sum_over_gold,
            missing_at_the_end,
            hit_or_not,
            place_of_one_gold_passage,
            first_places_only,
            first_place_or_nothing,
        ),
        random_reciprocal_rank,
    ),
    "9.7": ExerciseFunctions(
        fused_scores,
        fused_scores_cases,
        (
            places_from_zero,
            without_the_constant,
            place_outside_the_quotient,
            always_sixty,
            last_ranking_only,
            scores_of_the_last_ranking,
            first_part_only,
            best_place_only,
            mean_of_the_parts,
            first_ranking_s_passages_only,
            sum_of_places,
        ),
        random_fused_scores,
    ),
}
