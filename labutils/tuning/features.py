"""Feature-based transfer, a frozen model's vectors; and the bytes that a packed frozen model holds (lab 07)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labutils.prompting.prompts import encode_prompt
from labutils.tuning.examples import IGNORE_INDEX, Example, collate

BATCH = 16  # prompts in a pass


@torch.no_grad()
def last_hidden_states(model: Any, tokenizer: Any, prompts: Sequence[str]) -> Tensor:
    """The last layer's vector at the last token of each prompt: (prompts, D), float32, on the CPU.

    For a decoder the last token is the one that has seen all others.
    """
    states = []
    asked = [Example(encode_prompt(tokenizer, prompt), [0]) for prompt in prompts]
    for first in range(0, len(asked), BATCH):
        batch = collate(asked[first : first + BATCH], model)  # padded on the right, where no token of a prompt looks
        if model.config.is_encoder_decoder:
            mask = batch.inputs["attention_mask"]  # (B, T)
            hidden = model.get_encoder()(input_ids=batch.inputs["input_ids"], attention_mask=mask).last_hidden_state
            states.append(hidden[range(len(mask)), mask.sum(-1) - 1])  # (B, D)
        else:
            out = model(**batch.inputs, use_cache=False, output_hidden_states=True, logits_to_keep=1)
            states.append(out.hidden_states[-1][batch.targets != IGNORE_INDEX])  # one label a row, at the prompt's last token
    return torch.cat(states).float().cpu()


def held_bytes(model: Any) -> dict[str, int]:
    """Bytes of a QLoRA model's tensors, by what they are: "4-bit", "embedding and norms", "adapters".

    A tensor with two names, as an embedding tied to the output matrix, counts once.
    """
    held = {"4-bit": 0, "embedding and norms": 0, "adapters": 0}
    for name, tensor in {tensor.data_ptr(): (name, tensor) for name, tensor in model.state_dict().items()}.values():
        packed = name.rpartition(".")[2] in ("qweight", "scale_codes", "scale_low", "scale_step")
        held["adapters" if "lora_" in name else "4-bit" if packed else "embedding and norms"] += tensor.nbytes
    return held
