"""Other methods: which parameters BitFit selects, a bottleneck adapter, and how many numbers each method trains."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, batch_shape, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

Names = Sequence[str]
Shapes = Sequence[tuple[int, int]]

# ---------------------------------------------------------------------------- 7.3 what BitFit selects


def bitfit_names(names: Names) -> list[str]:
    return biases(names) or norms(names)


def biases(names: Names) -> list[str]:
    return [name for name in names if name.endswith("bias")]


def norms(names: Names) -> list[str]:
    return [name for name in names if "norm" in name]


def bitfit_names_cases() -> Cases:
    llama = ["embed_tokens.weight", "layers.0.input_layernorm.weight", "layers.0.mlp.up_proj.weight", "norm.weight"]
    gpt = ["wte.weight", "h.0.ln_1.weight", "h.0.ln_1.bias", "h.0.attn.c_attn.weight", "h.0.attn.c_attn.bias"]
    mixed = ["layers.0.q_proj.weight", "layers.0.q_proj.bias", "layers.0.input_layernorm.weight", "norm.weight"]
    table = ["block.0.relative_attention_bias.weight", "block.0.layer_norm.weight", "block.0.wi.weight"]
    return [
        (llama,),
        (gpt,),
        (mixed,),
        (table,),
        (["norm.weight", "norm.bias"],),
        (["norm1.weight", "proj.weight", "norm_out.scale"],),
        (["proj.weight"],),
        ([],),
    ]


PARTS = ("q_proj", "up_proj", "input_layernorm", "post_attention_layernorm", "relative_attention_bias", "bias_gate")


def random_bitfit_names(rng: random.Random, size: int) -> tuple[list[str]]:
    ends = ("weight", "bias") if rng.random() < 0.5 else ("weight",)
    return ([f"layers.{rng.randrange(1 + size // 2)}.{rng.choice(PARTS)}.{rng.choice(ends)}" for _ in range(1 + size)],)


def biases_and_norms(names: Names) -> list[str]:
    return [name for name in names if name.endswith("bias") or "norm" in name]


def biases_alone(names: Names) -> list[str]:
    return biases(names)


def norms_alone(names: Names) -> list[str]:
    return norms(names)


def norms_before_biases(names: Names) -> list[str]:
    return norms(names) or biases(names)


def bias_anywhere_in_the_name(names: Names) -> list[str]:
    return [name for name in names if "bias" in name] or norms(names)


def names_that_stay_frozen(names: Names) -> list[str]:
    return [name for name in names if name not in bitfit_names(names)]


def whole_layers_with_a_bias(names: Names) -> list[str]:
    layers = {name.rpartition(".")[0] for name in biases(names)}
    return [name for name in names if name.rpartition(".")[0] in layers] or norms(names)


def number_of_names(names: Names) -> int:
    return len(bitfit_names(names))


# ------------------------------------------------------------------------------ 7.4 a bottleneck adapter


def bottleneck(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return y + path(y, down, down_bias, up, up_bias)


def path(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    """What the adapter adds."""
    return torch.relu(y @ down.T + down_bias) @ up.T + up_bias


def bottleneck_cases() -> Cases:
    return [
        (
            float64([1.0, 2.0, -1.0]),
            float64([1.0, 0.0, 2.0]),
            float64(0.5),
            float64([2.0], [1.0], [-1.0]),
            float64(0.0, 1.0, 0.0),
        ),
        (float64([1.0, 2.0, 1.0]), float64([1.0, 0.0, 2.0]), float64(0.5), float64([2.0], [1.0], [-1.0]), float64(0.0, 1.0, 0.0)),
        tuple(normal(74, (3, 4), (2, 4), (2,), (4, 2), (4,))),
        tuple(normal(741, (5, 3), (3, 3), (3,), (3, 3), (3,))),  # square weights
        tuple(tensor.float() for tensor in normal(742, (2, 3, 4), (2, 4), (2,), (4, 2), (4,))),
        (*normal(743, (2, 3)), torch.zeros(2, 3, dtype=torch.float64), *normal(744, (2,)), *normal(745, (3, 2), (3,))),
        (
            *normal(746, (2, 3), (2, 3), (2,)),
            torch.zeros(3, 2, dtype=torch.float64),
            torch.zeros(3, dtype=torch.float64),
        ),  # as it starts
    ]


def random_bottleneck(rng: random.Random, size: int) -> tuple[Tensor, ...]:
    hidden, narrow, dtype = rng.randint(1, 2 + size // 3), rng.randint(1, 1 + size // 4), rng.choice(DTYPES)
    shapes = (
        (*batch_shape(rng, size), rng.randint(1, 2 + size // 3), hidden),
        (narrow, hidden),
        (narrow,),
        (hidden, narrow),
        (hidden,),
    )
    return tuple(drawn(rng, *shape, dtype=dtype) for shape in shapes)


def no_way_around(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return path(y, down, down_bias, up, up_bias)


def no_relu(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return y + (y @ down.T + down_bias) @ up.T + up_bias


def relu_at_the_end(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return y + torch.relu((y @ down.T + down_bias) @ up.T + up_bias)


def relu_over_the_sum(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return torch.relu(bottleneck(y, down, down_bias, up, up_bias))


def bias_after_the_relu(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return y + (torch.relu(y @ down.T) + down_bias) @ up.T + up_bias


def without_the_narrow_bias(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return bottleneck(y, down, torch.zeros_like(down_bias), up, up_bias)


def without_the_last_bias(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return bottleneck(y, down, down_bias, up, torch.zeros_like(up_bias))


def adds_y_twice(y: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    return y + bottleneck(y, down, down_bias, up, up_bias)


# --------------------------------------------------------------------- 7.5 how many numbers each method trains


def trained_by(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    if method == "lora":
        return layers * sum(size * (n_out + n_in) for n_out, n_in in linears)
    if method == "adapters":
        return layers * (2 * size * hidden + size + hidden)
    return size * hidden


def trained_by_cases() -> Cases:
    square, real = [(4, 4)], [(576, 576), (192, 576), (192, 576), (576, 576), (1536, 576), (1536, 576), (576, 1536)]
    return [
        ("lora", 1, 2, 4, [(4, 4), (8, 4)]),
        ("adapters", 2, 3, 4, square),
        ("prompt tuning", 5, 2, 4, square),
        ("lora", 8, 30, 576, real),
        ("adapters", 32, 30, 576, real),
        ("prompt tuning", 20, 30, 576, real),
        ("lora", 2, 1, 6, [(3, 6)]),
        ("adapters", 1, 1, 1, square),
    ]


def random_trained_by(rng: random.Random, size: int) -> tuple[str, int, int, int, list[tuple[int, int]]]:
    linears = [(rng.randint(1, 3 + size), rng.randint(1, 3 + size)) for _ in range(1 + size // 4)]
    method = ("prompt tuning", "lora", "adapters")[size % 3]
    return method, rng.randint(1, 2 + size), rng.randint(1, 2 + size), rng.randint(1, 3 + size), linears


def lora_as_one_matrix(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    if method != "lora":
        return trained_by(method, size, layers, hidden, linears)
    return layers * sum(size * n_out * n_in for n_out, n_in in linears)


def lora_b_alone(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    if method != "lora":
        return trained_by(method, size, layers, hidden, linears)
    return layers * sum(size * n_out for n_out, _ in linears)


def lora_a_alone(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    if method != "lora":
        return trained_by(method, size, layers, hidden, linears)
    return layers * sum(size * n_in for _, n_in in linears)


def one_layer_only(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    return trained_by(method, size, 1, hidden, linears)


def lora_in_one_block(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    return trained_by(method, size, 1 if method == "lora" else layers, hidden, linears)


def adapters_without_biases(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    if method != "adapters":
        return trained_by(method, size, layers, hidden, linears)
    return layers * 2 * size * hidden


def adapters_without_the_narrow_bias(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    return trained_by(method, size, layers, hidden, linears) - (layers * size if method == "adapters" else 0)


def adapters_without_the_last_bias(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    return trained_by(method, size, layers, hidden, linears) - (layers * hidden if method == "adapters" else 0)


def adapters_with_one_matrix(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    if method != "adapters":
        return trained_by(method, size, layers, hidden, linears)
    return layers * (size * hidden + size + hidden)


def adapters_at_every_matrix(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    count = trained_by(method, size, layers, hidden, linears)
    return count * len(linears) if method == "adapters" else count


def prompts_in_every_layer(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    count = trained_by(method, size, layers, hidden, linears)
    return count * layers if method == "prompt tuning" else count


def prompts_count_vectors(method: str, size: int, layers: int, hidden: int, linears: Shapes) -> int:
    return size if method == "prompt tuning" else trained_by(method, size, layers, hidden, linears)


EXERCISES = {
    "7.3": ExerciseFunctions(
        bitfit_names,
        bitfit_names_cases,
        (
            biases_and_norms,
            biases_alone,
            norms_alone,
            norms_before_biases,
            bias_anywhere_in_the_name,
            names_that_stay_frozen,
            whole_layers_with_a_bias,
            number_of_names,
        ),
        random_bitfit_names,
    ),
    "7.4": ExerciseFunctions(
        bottleneck,
        bottleneck_cases,
        (
            no_way_around,
            no_relu,
            relu_at_the_end,
            relu_over_the_sum,
            bias_after_the_relu,
            without_the_narrow_bias,
            without_the_last_bias,
            adds_y_twice,
        ),
        random_bottleneck,
    ),
    "7.5": ExerciseFunctions(
        trained_by,
        trained_by_cases,
        (
            lora_as_one_matrix,
            lora_b_alone,
            lora_a_alone,
            one_layer_only,
            lora_in_one_block,
            adapters_without_biases,
            adapters_without_the_narrow_bias,
            adapters_without_the_last_bias,
            adapters_with_one_matrix,
            adapters_at_every_matrix,
            prompts_in_every_layer,
            prompts_count_vectors,
        ),
        random_trained_by,
    ),
}
