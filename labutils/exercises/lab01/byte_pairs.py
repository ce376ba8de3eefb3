"""Byte-pair encoding: merging a pair, and encoding by merges in their order."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.transformer.bpe import merge_pair

Pair = tuple[int, int]


# ---------------------------------------------------------------------------------------- 1.1 merge a pair


def merge_pair_cases() -> Cases:
    return [
        ([1, 2, 3, 1, 2], (1, 2), 9),
        ([1, 1, 1], (1, 1), 9),
        ([1, 2, 3], (1, 2), 9),
        ([2, 1, 2, 1], (1, 2), 9),
        ([4], (4, 4), 9),
        ([], (1, 2), 9),
        ([1, 2, 1, 2, 1], (1, 2), 300),
        ([7, 7, 7, 7, 7, 0, 7], (7, 7), 256),
        ([11, 2, 1, 12, 31, 23], (1, 2), 300),  # as digits, "11 2" and "1 12" hold the pair
        ([0, 1, 0, 0, 1], (0, 1), 257),
        ([5, 1, 3, 2, 5, 2, 1], (1, 2), 299),
        ([5, 0, 7], (7, 0), 258),  # what comes after the last id is nothing, and 0 is an id
        (list(range(1000, 1004)), (int("1001"), int("1002")), 5000),  # equal ids, which are not the same objects
    ]


def random_merge_pair(rng: random.Random, size: int) -> tuple[list[int], Pair, int]:
    alphabet = rng.sample(range(300), 2 + size // 8)
    first, second = rng.choices(alphabet, k=2) if size % 3 else alphabet[:1] * 2
    return rng.choices(alphabet, k=size), (first, second), rng.randrange(300, 2000)


def keeps_the_second_half(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    return [new if tuple(ids[i : i + 2]) == pair else ids[i] for i in range(len(ids))]


def merges_the_first_only(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    places = [i for i in range(len(ids)) if tuple(ids[i : i + 2]) == pair][:1]
    return [*ids[: places[0]], new, *ids[places[0] + 2 :]] if places else list(ids)


def merges_from_the_right(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    return merge_pair(ids[::-1], (pair[1], pair[0]), new)[::-1]


def loses_the_last_id(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    merged: list[int] = []
    i = 0
    while i < len(ids) - 1:
        found = (ids[i], ids[i + 1]) == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


def never_finds_the_pair(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    return list(ids)


def compares_with_is(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    same = any(a is pair[0] and b is pair[1] for a, b in pairwise(ids))
    return merge_pair(ids, pair, new) if same else list(ids)


def merges_both_orders(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    merged: list[int] = []
    i = 0
    while i < len(ids):
        found = sorted(ids[i : i + 2]) == sorted(pair)
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


def replaces_in_a_text(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    text = " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", str(new))
    return [int(number) for number in text.split()]


# ------------------------------------------------------------------- 1.2 encode with merges in their order


def encode(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    result = list(ids)
    for pair, new in merges.items():
        result = merge_pair(result, pair, new)
    return result


def encode_cases() -> Cases:
    learned = {(1, 2): 10, (2, 3): 11, (10, 3): 12, (11, 4): 13, (12, 12): 14, (3, 1): 15}
    return [
        ([1, 2, 3, 4], learned),
        ([3, 1, 2], learned),
        ([2, 3, 4], learned),
        ([1, 2, 3, 1, 2, 3], learned),
        ([0, 3, 1, 2, 3, 4], learned),
        ([7], learned),
        ([], learned),
        ([1, 2], {}),
        ([5, 5, 5, 5, 5], {(5, 5): 300, (300, 300): 301, (301, 5): 302}),
        ([3, 9, 20, 9], {(9, 20): 256, (3, 9): 257, (20, 9): 258}),  # not in the order of the pairs' ids
    ]


def random_encode(rng: random.Random, size: int) -> tuple[list[int], dict[Pair, int]]:
    """Merges learned from one text, in an order of their own, and another text of the same ids."""
    alphabet = rng.sample(range(256), 2 + size // 8)
    text, merges, new = rng.choices(alphabet, k=4 * size + 1), {}, 256
    for _ in range(size // 2):
        place = rng.randrange(max(1, len(text) - 1))
        pair = tuple(text[place : place + 2])
        if len(pair) == 2:
            new += rng.randint(1, 9)
            merges[pair] = new
            text = merge_pair(text, pair, new)
    return rng.choices(alphabet, k=size), merges


def merges_newest_first(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    return encode(ids, dict(reversed(list(merges.items()))))


def merges_leftmost_first(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    result = list(ids)
    while True:
        pair = next((pair for pair in pairwise(result) if pair in merges), None)
        if pair is None:
            return result
        result = merge_pair(result, pair, merges[pair])


def returns_in_the_loop(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    return encode(ids, dict(list(merges.items())[:1]))


def stops_where_a_pair_is_missing(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    result = list(ids)
    for pair, new in merges.items():
        if pair not in pairwise(result):
            break
        result = merge_pair(result, pair, new)
    return result


def stops_after_one_merge(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    for pair, new in merges.items():
        if pair in pairwise(ids):
            return merge_pair(ids, pair, new)
    return list(ids)


def never_merges_a_merge(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    result: list[int] = []
    i = 0
    while i < len(ids):
        new = merges.get((ids[i], ids[i + 1])) if i + 1 < len(ids) else None
        result.append(ids[i] if new is None else new)
        i += 1 if new is None else 2
    return result


def throws_each_round_away(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    return list(ids)


def keeps_the_last_round_only(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    result = list(ids)
    for pair, new in merges.items():
        result = merge_pair(ids, pair, new)
    return result


EXERCISES = {
    "1.1": ExerciseFunctions(
        merge_pair,
        merge_pair_cases,
        (
            keeps_the_second_half,
            merges_the_first_only,
            merges_from_the_right,
            loses_the_last_id,
            merges_both_orders,
            replaces_in_a_text,
            compares_with_is,
            never_finds_the_pair,
        ),
        random_merge_pair,
    ),
    "1.2": ExerciseFunctions(
        encode,
        encode_cases,
        (
            merges_newest_first,
            merges_leftmost_first,
            stops_after_one_merge,
            returns_in_the_loop,
            stops_where_a_pair_is_missing,
            never_merges_a_merge,
            throws_each_round_away,
            keeps_the_last_round_only,
        ),
        random_encode,
    ),
}
