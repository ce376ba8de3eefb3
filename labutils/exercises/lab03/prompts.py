"""Prompts with shots: the text, the likelihood of a label, calibration, and leaks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.prompting.likelihoods import calibrated
from labutils.prompting.prompts import SENTIMENT, few_shot_prompt, find_leaks

Shots = Sequence[tuple[str, str]]  # (review, label)


# --------------------------------------------------------------------------------- 3.1 a prompt with shots


def few_shot(instruction: str, shots: Shots, text: str) -> str:
    rows = [{"text": review, "label": label} for review, label in shots]
    return str(few_shot_prompt(replace(SENTIMENT, instruction=instruction), rows, {"text": text}))


def block(review: str, answer: str) -> str:
    return f"Review: {review}\nSentiment:{answer}"


def answered(shots: Shots) -> list[str]:
    return [block(review, f" {label}") for review, label in shots]


def few_shot_cases() -> Cases:
    instruction = "Positive or negative?"
    shots = [("Lovely soup.", "positive"), ("The lamp broke.", "negative")]
    return [
        (instruction, shots[:1], "It rained in."),
        (instruction, [], "It rained in."),
        (instruction, shots, "The bread was fresh."),
    ]


def omits_the_query(instruction: str, shots: Shots, text: str) -> str:
    return "\n\n".join([instruction, *answered(shots)])


def ends_in_a_blank(instruction: str, shots: Shots, text: str) -> str:
    return few_shot(instruction, shots, text) + " "


def shots_after_the_query(instruction: str, shots: Shots, text: str) -> str:
    return "\n\n".join([instruction, block(text, ""), *answered(shots)])


def shots_without_answers(instruction: str, shots: Shots, text: str) -> str:
    return few_shot(instruction, [(review, "") for review, _ in shots], text).replace(": \n", ":\n")


def single_line_breaks(instruction: str, shots: Shots, text: str) -> str:
    return "\n".join([instruction, *answered(shots), block(text, "")])


# --------------------------------------------------------------------------- 3.2 the likelihood of a label


def label_log_prob(log_probs: Tensor, label_ids: Sequence[int]) -> float:
    return float(sum(row[i] for row, i in zip(log_probs, label_ids, strict=True)))


def label_log_prob_cases() -> Cases:
    log_probs = float64([0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]).log()
    return [(log_probs[:1], [0]), (log_probs[:2], [0, 2]), (log_probs, [1, 1, 2])]


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


# ------------------------------------------------------------------------ 3.3 calibration by an empty text


def calibrated_cases() -> Cases:
    two_labels = float64([0.7, 0.3], [0.85, 0.15], [0.4, 0.6]).log()
    three_labels = float64([0.5, 0.3, 0.2], [0.1, 0.1, 0.8]).log()
    return [
        (two_labels, float64(0.8, 0.2).log()),
        (three_labels, float64(0.6, 0.2, 0.2).log()),
        (two_labels, float64(0.5, 0.5).log()),
    ]


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


# -------------------------------------------------------------------------------------- 3.4 the leak alarm


def leaked(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    leaks = find_leaks([{"text": shot} for shot in shots], [{"text": text} for text in test])
    return sorted({leak.shot for leak in leaks if leak.kind != "near"})


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def leaked_cases() -> Cases:
    return [
        (["Fine soup.", "The lamp broke."], ["The lamp broke.", "It rained in."]),
        (["Fine soup.", "the  lamp broke"], ["The lamp broke.", "It rained in."]),
        (["It Rained in.", "In it rained."], ["It rained in."]),
        (["Lamp!", "It rained in."], ["The lamp broke.", "Soup, fine."]),
        (["IT RAINED IN", "Fine soup", "The lamp broke"], ["The lamp broke!", "It rained in."]),
    ]


def exact_copies_only(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if shot in test]


def ignores_case_only(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if shot.lower() in [text.lower() for text in test]]


def flags_partial_matches(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if any(set(words(shot)) <= set(words(text)) for text in test)]


def ignores_word_order(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if sorted(words(shot)) in [sorted(words(text)) for text in test]]


def numbers_the_test_texts(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, text in enumerate(test) if words(text) in [words(shot) for shot in shots]]


EXERCISES = {
    "3.1": ExerciseFunctions(
        few_shot,
        few_shot_cases,
        (omits_the_query, ends_in_a_blank, shots_after_the_query, shots_without_answers, single_line_breaks),
    ),
    "3.2": ExerciseFunctions(
        label_log_prob,
        label_log_prob_cases,
        (first_token_only, adds_probabilities, mean_over_the_tokens, reads_the_first_row_only, wrong_sign),
    ),
    "3.3": ExerciseFunctions(
        calibrated,
        calibrated_cases,
        (multiplies_by_the_empty_text, not_normalized, subtracts_probabilities, ignores_the_empty_text, normalizes_the_columns),
    ),
    "3.4": ExerciseFunctions(
        leaked,
        leaked_cases,
        (exact_copies_only, ignores_case_only, flags_partial_matches, ignores_word_order, numbers_the_test_texts),
    ),
}
