"""From log-probabilities to labels: the likelihood of a label, and calibration."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.prompting.likelihoods import calibrated

# --------------------------------------------------------------------------- 3.2 the likelihood of a label


def label_log_prob(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(sum(row[i] for row, i in zip(log_probs, label_ids, strict=True)))


def label_log_prob_cases() -> Cases:
    log_probs = float64([0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]).log()
    return [
        (log_probs[:1], [0]),
        (log_probs[:2], [0, 2]),
        (log_probs, [1, 1, 2]),
        (log_probs.float(), [2, 0, 0]),
        (float64([1e-9, 0.25, 0.75 - 1e-9]).log().repeat(40, 1), [0] * 40),  # a long label: its probability is 0 in any float
        (float64([1.0]).log(), [0]),
    ]


def random_label_log_prob(rng: random.Random, size: int) -> tuple[Tensor, list[int]]:
    length, words = 1 + size // 2, 2 + size // 3
    logits = [[rng.gauss(0, 2) for _ in range(words)] for _ in range(length)]
    log_probs = torch.tensor(logits, dtype=torch.float64).log_softmax(-1).to(rng.choice(DTYPES))
    return log_probs, [rng.randrange(words) for _ in range(length)]


def first_token_only(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(log_probs[0, label_ids[0]])


def adds_probabilities(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(sum(row[i].exp() for row, i in zip(log_probs, label_ids, strict=True)))


def mean_over_the_tokens(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return label_log_prob(log_probs, label_ids) / len(label_ids)


def reads_the_first_row_only(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(sum(log_probs[0, i] for i in label_ids))


def wrong_sign(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return -label_log_prob(log_probs, label_ids)


def multiplies_log_probs(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(torch.stack([row[i] for row, i in zip(log_probs, label_ids, strict=True)]).prod())


def returns_the_probability(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(torch.tensor(label_log_prob(log_probs, label_ids)).exp())


def last_token_only(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(log_probs[-1, label_ids[-1]])


def starts_one_row_late(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return label_log_prob(log_probs.roll(-1, 0), label_ids)


def reads_the_last_row_only(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(sum(log_probs[-1, i] for i in label_ids))


def adds_every_row_s_number_for_every_token(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(log_probs[:, label_ids].sum())


# ------------------------------------------------------------------------ 3.3 calibration by an empty text


def calibrated_cases() -> Cases:
    two_labels = float64([0.7, 0.3], [0.85, 0.15], [0.4, 0.6]).log()
    three_labels = float64([0.5, 0.3, 0.2], [0.1, 0.1, 0.8]).log()
    return [
        (two_labels, float64(0.8, 0.2).log()),
        (three_labels, float64(0.6, 0.2, 0.2).log()),
        (two_labels, float64(0.5, 0.5).log()),
        (two_labels[:1], float64(0.1, 0.9).log()),
        (two_labels[:2].float(), float64(0.3, 0.7).log().float()),  # as many texts as labels
        # Labels of several tokens: the rows are no distributions over the labels.
        (float64([-9.5, -12.25, -11.0], [-30.0, -28.5, -29.0]), float64(-14.0, -11.5, -12.0)),
        (float64([-2.0], [-3.0]), float64(-1.0)),
    ]


def random_calibrated(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    texts, labels, dtype = 1 + size // 4, 1 + rng.randint(0 if size == 0 else 1, 1 + size // 5), rng.choice(DTYPES)
    if size % 5 == 4:
        texts = labels
    level = rng.choice((0.0, -5.0, -30.0))

    def scores(shift: float) -> list[float]:
        return [round(min(rng.gauss(-2, 1.5), 0) + shift, 2) for _ in range(labels)]

    rows = [scores(level + rng.uniform(-2, 0)) for _ in range(texts)]
    return torch.tensor(rows, dtype=dtype), torch.tensor(scores(level), dtype=dtype)


def multiplies_by_the_empty_text(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return (log_likelihoods + content_free).softmax(-1)


def not_normalized(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return (log_likelihoods - content_free).exp()


def subtracts_probabilities(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return log_likelihoods.exp() - content_free.exp()


def ignores_the_empty_text(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return log_likelihoods.softmax(-1)


def normalizes_the_columns(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return (log_likelihoods - content_free).softmax(0)


def softmax_of_the_quotients(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return (log_likelihoods - content_free).exp().softmax(-1)


def divides_by_the_sum_of_all(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    quotients = (log_likelihoods - content_free).exp()
    return quotients / quotients.sum()


def divides_logarithms(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    quotients = log_likelihoods / content_free
    return quotients / quotients.sum(-1, keepdim=True)


def divides_the_other_way(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return (content_free - log_likelihoods).softmax(-1)


def returns_logarithms(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    return (log_likelihoods - content_free).log_softmax(-1)


EXERCISES = {
    "3.2": ExerciseFunctions(
        label_log_prob,
        label_log_prob_cases,
        (
            first_token_only,
            adds_probabilities,
            mean_over_the_tokens,
            reads_the_first_row_only,
            wrong_sign,
            multiplies_log_probs,
            returns_the_probability,
            last_token_only,
            starts_one_row_late,
            reads_the_last_row_only,
            adds_every_row_s_number_for_every_token,
        ),
        random_label_log_prob,
    ),
    "3.3": ExerciseFunctions(
        calibrated,
        calibrated_cases,
        (
            multiplies_by_the_empty_text,
            not_normalized,
            subtracts_probabilities,
            ignores_the_empty_text,
            normalizes_the_columns,
            softmax_of_the_quotients,
            divides_by_the_sum_of_all,
            divides_logarithms,
            divides_the_other_way,
            returns_logarithms,
        ),
        random_calibrated,
    ),
}
