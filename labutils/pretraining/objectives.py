"""The library's side of the objectives that lab 08 writes by hand, and the arithmetic of T5's spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labutils.errors import LabError
from labutils.validation import require_whole_number


def _collator(tokenizer: Any, masked: bool, share: float) -> Any:
    from transformers import DataCollatorForLanguageModeling

    if not masked:
        return DataCollatorForLanguageModeling(tokenizer, mlm=False)
    return DataCollatorForLanguageModeling(
        tokenizer, mlm=True, mlm_probability=share, mask_replace_prob=0.8, random_replace_prob=0.1
    )


def library_causal(tokenizer: Any, ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """(inputs, labels), (T,) each, that transformers' collator makes of a text: both are the text, and the model shifts them itself.

    Raises:
        LabError: there are no ids.
    """
    return _collated(_collator(tokenizer, False, 0.0), ids)


def library_masked(tokenizer: Any, ids: Sequence[int], share: float = 0.15, seed: int = 0) -> tuple[list[int], list[int]]:
    """(inputs, labels), (T,) each, that transformers' collator makes of a text for a masked model: -100 where nothing is asked.

    Raises:
        LabError: there are no ids, a share outside 0..1, or a tokenizer without a mask token.
    """
    import torch

    if not 0 <= share <= 1:
        raise LabError(f"share={share!r} must lie between 0 and 1: it is the share of tokens that are asked for.")
    if tokenizer.mask_token is None:
        raise LabError("This tokenizer has no mask token: take one of an encoder.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _collated(_collator(tokenizer, True, share), ids)


def _collated(collator: Any, ids: Sequence[int]) -> tuple[list[int], list[int]]:
    if not len(ids):
        raise LabError("There are no tokens: give at least one id.")
    made = collator([{"input_ids": list(ids)}])
    return made["input_ids"][0].tolist(), made["labels"][0].tolist()


def t5_lengths(inputs_length: int, density: float, mean_span: float) -> tuple[int, int]:
    """(tokens of text, tokens of the target) such that the corrupted text with its sentinels and end token fills `inputs_length` exactly.

    Of n tokens, round(n * density) are noise in round(noise / mean_span) spans. The input keeps the others, a sentinel per span and the end
    token; the target holds the noise, a sentinel per span and the end token. The largest n that fits is taken.

    Raises:
        LabError: a length without room, a density outside 0..1, or a mean span below 1.

    Source: Raffel et al. 2020 (arXiv:1910.10683), section 3.1.4, and the code published with it.

    >>> t5_lengths(512, 0.15, 3)
    (568, 114)
    """
    require_whole_number("inputs_length", inputs_length, 4)
    if not 0 < density < 1 or not mean_span >= 1:
        raise LabError(f"density={density!r} must lie between 0 and 1 and mean_span={mean_span!r} be at least 1.")

    def lengths(n: int) -> tuple[int, int]:
        noise = round(n * density)
        spans = round(noise / mean_span)
        return n - noise + spans + 1, noise + spans + 1

    most = int(inputs_length / (1 - density)) + 1
    fitting = [n for n in range(2, most + 1) if lengths(n)[0] <= inputs_length]
    if not fitting:
        raise LabError(f"No text of two tokens fits into {inputs_length} with its sentinels: choose a longer input.")
    n = max(fitting)
    inputs, targets = lengths(n)
    if density == 0.5 and targets > inputs:  # the published code keeps the two equal there
        n, targets = n - 1, targets - 1
    return n, targets
