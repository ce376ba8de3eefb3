"""What differs is what a message shows."""

from __future__ import annotations

import copy

import numpy
import torch
from made_exercises import exercise, wrong


def returning(want, got) -> str:
    return wrong(exercise(lambda x: want, (1,)), lambda x: got)


def test_small_matrices_are_shown_as_rows() -> None:
    message = returning(torch.tensor([[1, 2], [3, 4], [5, 6]]), torch.tensor([[1, 2], [3, 4], [5, 7]]))
    assert "expected [[1, 2], [3, 4], [5, 6]], got [[1, 2], [3, 4], [5, 7]]." in message


def test_an_array_is_shown_on_one_line_and_told_how_to_become_a_tensor() -> None:
    message = returning(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), numpy.array([[1.0, 2.0], [3.0, 4.0]]))
    assert "\n" not in message and "of type ndarray (`torch.tensor(...)` makes a tensor of it)." in message


def test_a_large_tensor_is_shown_where_it_differs() -> None:
    want = torch.arange(200.0).reshape(5, 40)
    got = want.clone()
    got[1, 37] = 0
    message = returning(want, got)
    assert "1 of 200 numbers, first at [1, 37]" in message
    assert "[..., 74, 75, 76, 77, 78, 79]" in message and "[..., 74, 75, 76, 0, 78, 79]" in message


def test_a_long_list_is_shown_where_it_differs() -> None:
    got = list(range(300))
    got[100] = -1
    message = returning(list(range(300)), got)
    assert "at [100]" in message and "99, 100, 101" in message and "99, -1, 101" in message and "300" not in message
    assert "yours has 299" in returning(list(range(300)), list(range(299)))


def test_long_texts_are_shown_around_the_first_difference() -> None:
    want = "word " * 100
    message = returning(want, want[:301] + "#" + want[302:])
    assert "character 301" in message and "#" in message and len(message) < 300


def test_numbers_that_round_to_the_same_are_shown_with_more_digits() -> None:
    assert "expected 1, got 1.0002." in wrong(exercise(lambda x: 1.0, (1,)), lambda x: 1.0002)


def test_a_place_deep_inside_is_named() -> None:
    want = {"rows": [{"id": n, "text": "x" * 20} for n in range(20)]}
    got = copy.deepcopy(want)
    got["rows"][13]["text"] = "y"
    message = returning(want, got)
    assert "at ['rows'][13]['text']" in message and "'y'" in message
