"""Losses and answers without training: how well a model predicts completions, and which of several it finds likeliest (labs 05 and 07)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from labutils.errors import LabError
from labutils.prompting.prompts import encode_prompt
from labutils.tuning.examples import IGNORE_INDEX, Example, build_examples, collate, labelled_logits_only, token_losses

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


@torch.no_grad()
def next_token_log_probs(model: Any, tokenizer: Any, prompts: Sequence[str]) -> torch.Tensor:
    """log p(token | prompt) for every token of the vocabulary: (prompts, V), float32, on the CPU. One pass through the model.

    Args:
        model: a decoder, tuned or not; a soft prompt stands before each prompt.
        tokenizer: the model's.
        prompts: texts that end before the blank of what follows.

    Raises:
        LabError: an encoder-decoder, or no prompts.
    """
    if model.config.is_encoder_decoder or not prompts:
        raise LabError("The next token is asked of a decoder, with at least one prompt.")
    asked = [Example(encode_prompt(tokenizer, prompt), [0]) for prompt in prompts]
    order = sorted(range(len(asked)), key=lambda i: -asked[i].length)
    found: list[Any] = [None] * len(asked)
    was_training = model.training
    model.eval()
    try:
        while order:
            size = max(1, BATCH_TOKENS // 4 // asked[order[0]].length)
            group, order = order[:size], order[size:]
            batch = collate([asked[i] for i in group], model)
            with labelled_logits_only(model, batch.targets != IGNORE_INDEX):  # one position per row: the prompt's last
                logits = model(**batch.inputs, use_cache=False).logits.float()
            for i, row in zip(group, logits.log_softmax(-1).cpu(), strict=True):
                found[i] = row
    finally:
        model.train(was_training)
    return torch.stack(found)


def first_tokens(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """The id of each text's first token after a blank."""
    return [tokenizer(f" {text}", add_special_tokens=False).input_ids[0] for text in texts]


def told_apart(tokenizer: Any, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The questions whose choices differ in their first tokens, so that `score_first_tokens` can tell them apart."""
    return [row for row in rows if len(set(first_tokens(tokenizer, row["choices"]))) == len(row["choices"])]


def score_first_tokens(model: Any, tokenizer: Any, rows: Sequence[Mapping[str, Any]]) -> MultipleChoiceScores:
    """Put questions to a model, and judge the first token of its answer: one pass of the prompts, so many times cheaper.

    Args:
        model, tokenizer: as `load_model` gives them, tuned or not.
        rows: with "prompt" and "answer". With "choices" the model chooses among them; without, among all of the vocabulary, so that
            the answer counts as right if it is what greedy decoding would begin to write.

    Raises:
        LabError: two choices of a row begin with the same token.
    """
    log_probs = next_token_log_probs(model, tokenizer, [row["prompt"] for row in rows])
    correct, log_likelihoods = [], []
    for row, scores in zip(rows, log_probs, strict=True):
        (answer,) = first_tokens(tokenizer, [row["answer"]])
        candidates = first_tokens(tokenizer, row["choices"]) if row.get("choices") else None
        if candidates and len(set(candidates)) < len(candidates):
            raise LabError(f"Two choices of {row['prompt']!r} begin alike: take `told_apart`, or score_multiple_choice.")
        likeliest = max(candidates, key=lambda i: float(scores[i])) if candidates else int(scores.argmax())
        correct.append(likeliest == answer)
        log_likelihoods.append(float(scores[answer]))
    return MultipleChoiceScores(correct, log_likelihoods)
