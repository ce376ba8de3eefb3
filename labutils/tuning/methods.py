"""What is trained: everything, chosen weights, or something small that is added (labs 05 and 07).

Selective methods train a part of the model's own weights (BitFit), reparameterized ones a low-rank change of them (LoRA), additive
ones new parts (bottleneck adapters, soft prompts). PEFT does LoRA and prompt tuning; what it lacks is here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from labutils.errors import LabError
from labutils.memory.shape import Shape

METHODS = ("full", "lora", "qlora", "prompt_tuning", "bitfit", "adapters")
FEED_FORWARD = {"mlp", "DenseReluDense"}  # names of a block's feed-forward part; BART and OPT have a bare `fc2` at its end


@dataclass(frozen=True)
class Method:
    """A method and its sizes.

    Attributes:
        name: one of METHODS. "bitfit" trains the biases, or the norms' scales in a model that has no biases.
        lora_rank, lora_alpha, lora_targets: for "lora" and "qlora"; alpha None means twice the rank, so that the scale
            alpha / rank stays 2.
        virtual_tokens: for "prompt_tuning".
        prompt_start: for "prompt_tuning", the ids of the tokens as whose embeddings the vectors begin, such as those of an
            instruction; there are then as many vectors as ids. None begins as `virtual_tokens` random words of the vocabulary.
        bottleneck: for "adapters", numbers in the narrow layer.
    """

    name: str = "full"
    lora_rank: int = 16
    lora_alpha: int | None = None
    lora_targets: str | tuple[str, ...] = "all-linear"
    virtual_tokens: int = 20
    prompt_start: tuple[int, ...] | None = None
    bottleneck: int = 32

    def __post_init__(self) -> None:
        """Refuse what does not exist.

        Raises:
            LabError: an unknown name or a size below one.
        """
        if self.name not in METHODS:
            raise LabError(f"method={self.name!r} is unknown: choose {', '.join(METHODS)}.")
        if min(self.lora_rank, self.virtual_tokens, self.bottleneck) < 1:
            raise LabError("The rank, the virtual tokens and the bottleneck must each be at least 1.")
        if self.prompt_start is not None and not self.prompt_start:
            raise LabError("The prompt's start has no tokens: give the ids of at least one, or None for random words.")

    @property
    def changes_base_weights(self) -> bool:
        """Whether the model's own weights change, so that a fresh start needs them loaded anew."""
        return self.name in ("full", "bitfit")

    @property
    def prompt_length(self) -> int:
        """Vectors of a soft prompt."""
        return len(self.prompt_start or ()) or self.virtual_tokens

    @property
    def memory_method(self) -> str:
        """The method that `labutils.memory` plans with; LoRA on every layer needs no less than adapters do."""
        return {"qlora": "lora", "adapters": "lora"}.get(self.name, self.name)


class Bottleneck(nn.Module):
    """A part of a block followed by a small residual network, y + up(relu(down(y))), which starts at zero.

    Source: Houlsby et al. 2019 (arXiv:1902.00751), section 2; one adapter a block, after the feed-forward part, as in
    Pfeiffer et al. 2021 (arXiv:2005.00247).
    """

    def __init__(self, part: nn.Module, hidden: int, bottleneck: int) -> None:
        """Wrap a part whose output has `hidden` numbers a token."""
        super().__init__()
        self.part = part
        like = next(part.parameters())
        self.adapter_down = nn.Linear(hidden, bottleneck, device=like.device, dtype=like.dtype)
        self.adapter_up = nn.Linear(bottleneck, hidden, device=like.device, dtype=like.dtype)
        nn.init.zeros_(self.adapter_up.weight)
        nn.init.zeros_(self.adapter_up.bias)

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        """(B, T, hidden) -> (B, T, hidden)."""
        y = self.part(*inputs, **options)
        return y + self.adapter_up(torch.relu(self.adapter_down(y)))


def _feed_forwards(model: nn.Module) -> list[str]:
    names = [name for name, _ in model.named_modules()]
    return [n for n in names if n.rpartition(".")[2] in FEED_FORWARD] or [n for n in names if n.rpartition(".")[2] == "fc2"]


def _add_adapters(model: Any, bottleneck: int) -> nn.Module:
    places = _feed_forwards(model)
    if not places:
        raise LabError("No feed-forward part was found in this model to put adapters after: choose lora.")
    model.requires_grad_(False)
    for place in places:
        parent, _, last = place.rpartition(".")
        part = model.get_submodule(place)
        setattr(model.get_submodule(parent), last, Bottleneck(part, model.config.hidden_size, bottleneck))
    return model


def _select_bitfit(model: nn.Module) -> nn.Module:
    biased = any(name.endswith("bias") for name, _ in model.named_parameters())
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith("bias") if biased else "norm" in name)
    return model


def _peft(model: Any, method: Method) -> nn.Module:
    from peft import LoraConfig, PromptTuningConfig, get_peft_model

    task = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM" if model.can_generate() else None
    if method.name == "prompt_tuning":
        config: Any = PromptTuningConfig(
            task_type=task, num_virtual_tokens=method.prompt_length, prompt_tuning_init="SAMPLE_VOCAB"
        )
    else:
        Shape.of(model).targeted(method.lora_targets)  # refuses a name that fits no layer
        targets: Any = [method.lora_targets] if isinstance(method.lora_targets, str) else list(method.lora_targets)
        if method.lora_targets == "all-linear":
            targets, head = "all-linear", model.get_output_embeddings()
            if method.name == "qlora":  # PEFT's "all-linear" would not find the packed ones
                targets = [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head]
        alpha = 2 * method.lora_rank if method.lora_alpha is None else method.lora_alpha
        config = LoraConfig(r=method.lora_rank, lora_alpha=alpha, target_modules=targets, task_type=task)
        if method.name == "qlora":
            from labutils.quantization.linear4bit import over_4bit, quantize_model

            quantize_model(model, skip=("lm_head", "wo"))  # T5 looks at the dtype of its `wo` and casts to it
            config = over_4bit(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's notices to its own authors
        tuned = get_peft_model(model, config)
    if method.prompt_start:
        _start_prompt(tuned, method.prompt_start)
    return tuned


def _start_prompt(tuned: Any, ids: tuple[int, ...]) -> None:
    """Let a soft prompt begin as the embeddings of these tokens."""
    table = tuned.get_base_model().get_input_embeddings().weight.detach()
    if not all(0 <= i < len(table) for i in ids):
        raise LabError(f"A token id of the prompt's start lies outside the vocabulary of {len(table):,}.")
    vectors = table[torch.tensor(ids, device=table.device)]
    prompt = tuned.prompt_encoder["default"].embedding.weight
    with torch.no_grad():  # an encoder-decoder has a prompt for each of its two parts
        prompt.copy_(vectors.repeat(len(prompt) // len(vectors), 1))


def prepare(model: Any, method: Method | str = "full", *, seed: int = 0) -> Any:
    """The model with the right parameters trainable, in training mode; what is new starts so that the outputs are unchanged.

    (A soft prompt is the exception: it begins as the vectors of words, and any text before the prompt changes the output.)

    Args:
        model: as `load_model` gives it; changed in place. "qlora" packs its weights into 4 bits.
        method: what to train, and its sizes.
        seed: of the new parameters.

    Returns:
        The model, or PEFT's wrapper around it.

    Raises:
        LabError: an unknown method, or a model that lacks the parts that a method needs.

    Example: `tuned = prepare(model, Method("lora", lora_rank=8))`
    """
    method = Method(method) if isinstance(method, str) else method
    # torch.manual_seed seeds every CUDA generator too, so all of them are put back afterwards.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        if method.name == "full":
            model.requires_grad_(True)
        elif method.name == "bitfit":
            _select_bitfit(model)
        elif method.name == "adapters":
            _add_adapters(model, method.bottleneck)
        else:
            model = _peft(model, method)
    return model.train()


def set_checkpointing(model: Any, on: bool) -> None:
    """Switch activation checkpointing: keep each block's input, and compute the rest again in the backward pass.

    With frozen embeddings the blocks' inputs must ask for a gradient, or none would flow.

    Source: Chen et al. 2016 (arXiv:1604.06174), section 4.
    """
    if on:
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.disable_input_require_grads()  # transformers has hooked them by itself, and would lose that hook
        model.enable_input_require_grads()
    elif any(getattr(module, "gradient_checkpointing", False) for module in model.modules()):
        model.activation_checkpointing_disable()
        model.disable_input_require_grads()


def named_trainable_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """(name, parameter) of what is trained."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def trainable_count(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for _, p in named_trainable_parameters(model))


def nearest_words(vectors: Tensor, embeddings: Tensor, tokenizer: Any, count: int = 1) -> list[list[tuple[str, float]]]:
    """The vocabulary's nearest tokens to some vectors, by cosine.

    Args:
        vectors: (n, D), such as a soft prompt.
        embeddings: (V, D), the model's.
        tokenizer: to name them.
        count: how many for each vector.

    Returns:
        For each vector, (token's text, cosine) pairs, the nearest first.

    Source: Lester et al. 2021 (arXiv:2104.08691), section 7.
    """
    unit = torch.nn.functional.normalize
    cosines = unit(vectors.detach().float(), dim=-1) @ unit(embeddings.detach().float(), dim=-1).T  # (n, V)
    values, ids = cosines.topk(count, dim=-1)
    return [
        [(tokenizer.decode([i]), v) for i, v in zip(row, best, strict=True)]
        for row, best in zip(ids.tolist(), values.tolist(), strict=True)
    ]
