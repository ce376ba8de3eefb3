"""Feature-based transfer: a frozen model's vectors (lab 07)."""

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
