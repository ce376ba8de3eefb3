"""Losses and answers without training: how well a model predicts completions, and which of several it finds likeliest (lab 05)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from labutils.tuning.examples import IGNORE_INDEX, Example, build_examples, collate, token_losses

BATCH_TOKENS = 2048  # tokens in a batch, padding included


def completion_losses(model: Any, examples: Sequence[Example]) -> list[tuple[float, int]]:
    """The cross-entropy of each example's completion.

    The model is in eval mode meanwhile, and nothing is trained.

    Returns:
        For each example, in their order: (nats summed over its completion, tokens of its completion).
    """
    order = sorted(range(len(examples)), key=lambda i: -examples[i].length)
    found = [(0.0, 0)] * len(examples)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            while order:
                size = max(1, BATCH_TOKENS // examples[order[0]].length)
                group, order = order[:size], order[size:]
                batch = collate([examples[i] for i in group], model)
                counts = (batch.targets != IGNORE_INDEX).sum(-1).tolist()
                for i, losses in zip(group, token_losses(model, batch).split(counts), strict=True):
                    found[i] = (float(losses.sum()), len(losses))
    finally:
        model.train(was_training)
    return found


def mean_loss(model: Any, examples: Sequence[Example]) -> float:
    """The mean cross-entropy over all completion tokens, in nats: what the training loss is, on examples held out."""
    found = completion_losses(model, examples)
    return sum(loss for loss, _ in found) / sum(count for _, count in found)


class MultipleChoiceScores(NamedTuple):
    """What a model says to n questions with choices.

    Attributes:
        correct: (n,) whether the likeliest choice is the right one.
        log_likelihoods: (n,) of the right answer, in nats, summed over its tokens: how probable it is, chosen or not. That says
            more than right or wrong, and it also falls where a model would say something else first.
    """

    correct: list[bool]
    log_likelihoods: list[float]


def score_multiple_choice(model: Any, tokenizer: Any, rows: Sequence[Mapping[str, Any]]) -> MultipleChoiceScores:
    """Put questions to a model: it chooses the answer with the largest log-likelihood, summed over its tokens.

    Args:
        model, tokenizer: as `load_model` gives them, tuned or not.
        rows: with "prompt", "choices" and "answer", such as the course's probes; a blank is put between prompt and choice.
    """
    pairs = [(row["prompt"], f" {choice}") for row in rows for choice in row["choices"]]
    losses = iter(completion_losses(model, build_examples(tokenizer, pairs, end=False)))
    correct, log_likelihoods = [], []
    for row in rows:
        scores = {choice: -next(losses)[0] for choice in row["choices"]}  # log p(choice | prompt)
        correct.append(max(scores, key=scores.__getitem__) == row["answer"])
        log_likelihoods.append(scores[row["answer"]])
    return MultipleChoiceScores(correct, log_likelihoods)
