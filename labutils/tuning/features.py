"""Feature-based transfer: a frozen model's vectors, and a small classifier on top of them (lab 07)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labutils.prompting.prompts import encode_prompt


@torch.no_grad()
def last_hidden_states(model: Any, tokenizer: Any, prompts: Sequence[str]) -> Tensor:
    """The last layer's vector at the last token of each prompt: (prompts, D), float32, on the CPU.

    For a decoder the last token is the one that has seen all others.
    """
    states = []
    for prompt in prompts:
        ids = torch.tensor([encode_prompt(tokenizer, prompt)], device=model.device)
        if model.config.is_encoder_decoder:
            states.append(model.get_encoder()(input_ids=ids).last_hidden_state[0, -1])
        else:
            states.append(model(ids, output_hidden_states=True, logits_to_keep=1).hidden_states[-1][0, -1])
    return torch.stack(states).float().cpu()


def fit_logistic(x: Tensor, y: Tensor, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Logistic regression: weights (D,) and bias () that minimise the cross-entropy plus decay · |weights|² / 2.

    Args:
        x: (N, D); standardise it first, so that the decay treats all columns alike.
        y: (N,) of 0.0 and 1.0.
        decay: the strength of the L2 penalty; without one, separable classes have no finite solution.
    """
    weights, bias = torch.zeros(x.shape[1], requires_grad=True), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(x @ weights + bias, y) + decay / 2 * weights @ weights
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach(), bias.detach()
