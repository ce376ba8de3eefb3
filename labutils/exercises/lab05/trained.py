"""What each method trains, counted from the names of the parameters."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from labutils.exercises.registry import Cases, ExerciseFunctions

# ------------------------------------------------------------------------ 5.6 how many numbers are trained


def trained_numbers(sizes: Mapping[str, int], method: str) -> int:
    return sum(sizes[name] for name in trained_names(sizes, method))


def trained_names(sizes: Mapping[str, int], method: str) -> list[str]:
    if method == "lora":
        return [name for name in sizes if "lora_" in name]
    own = [name for name in sizes if "lora_" not in name]
    return [name for name in own if name.endswith("bias")] if method == "bitfit" else own


def count_otherwise(sizes: Mapping[str, int], method: str, changed: str, trains: Callable[[str], bool]) -> int:
    """`trained_numbers` with another choice of names for the method `changed`."""
    if method != changed:
        return trained_numbers(sizes, method)
    return sum(count for name, count in sizes.items() if trains(name))


def trained_numbers_cases() -> Cases:
    adapted = {"up.base_layer.weight": 6, "up.lora_A.weight": 2, "up.lora_B.weight": 3}
    biased = {"up.weight": 6, "up.bias": 3, "norm.weight": 2}
    block = {
        "embed_tokens.weight": 1000,
        "layers.0.relative_attention_bias.weight": 32,
        "layers.0.q_proj.base_layer.weight": 64,
        "layers.0.q_proj.base_layer.bias": 8,
        "layers.0.q_proj.lora_A.weight": 16,
        "layers.0.q_proj.lora_B.weight": 17,
        "layers.0.up_proj.base_layer.weight": 192,
        "layers.0.up_proj.base_layer.bias": 24,
        "layers.0.up_proj.lora_A.weight": 18,
        "layers.0.up_proj.lora_B.weight": 48,
        "layers.0.norm.weight": 9,
    }
    library = {
        "wte.base_layer.weight": 50,
        "wte.lora_embedding_A": 4,
        "wte.lora_embedding_B": 20,
        "attn.bias": 12,
        "attn.lora_magnitude_vector": 3,
    }
    return [
        (adapted, "lora"),
        (adapted, "full"),
        (biased, "bitfit"),
        (block, "lora"),
        (block, "full"),
        (block, "bitfit"),
        ({"explora.weight": 5, "explora.lora_A.bias": 7, "explora.bias": 5, "bias_table.lora_B.weight": 5}, "lora"),
        ({"explora.weight": 5, "explora.lora_A.bias": 7, "explora.bias": 5, "bias_table.lora_B.weight": 5}, "full"),
        ({"explora.weight": 5, "explora.lora_A.bias": 7, "explora.bias": 5, "bias_table.lora_B.weight": 5}, "bitfit"),
        (biased, "lora"),
        ({}, "full"),
        (library, "lora"),
        (library, "full"),
        (library, "bitfit"),
    ]


PARTS = ("q_proj", "up_proj", "norm", "relative_attention_bias", "lm_head", "explora", "bias_gate")
ENDS = ("weight", "bias", "base_layer.weight", "base_layer.bias", "lora_A.weight", "lora_B.weight", "lora_B.bias")


def random_trained_numbers(rng: random.Random, size: int) -> tuple[dict[str, int], str]:
    """Names of a model with an adapter, in any order; few different sizes, so that some are alike."""
    names = {f"layers.{rng.randrange(1 + size // 4)}.{rng.choice(PARTS)}.{rng.choice(ENDS)}" for _ in range(1 + size)}
    sizes = {name: rng.choice((rng.randint(1, 4), rng.randint(1, 999))) for name in rng.sample(sorted(names), len(names))}
    return sizes, ("bitfit", "lora", "full")[size % 3]


def lora_counts_everything(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "lora", lambda name: True)


def lora_counts_b_only(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "lora", lambda name: "lora_B" in name)


def lora_counts_a_only(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "lora", lambda name: "lora_A" in name)


def lora_counts_base_layers(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "lora", lambda name: "lora_" in name or "base_layer" in name)


def full_counts_the_adapter(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "full", lambda name: True)


def full_and_lora_count_everything(sizes: Mapping[str, int], method: str) -> int:
    return trained_numbers(sizes, method) if method == "bitfit" else sum(sizes.values())


def bitfit_counts_norms(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "bitfit", lambda name: name.endswith("bias") or "norm" in name)


def bitfit_counts_whole_layers(sizes: Mapping[str, int], method: str) -> int:
    def in_a_layer_with_bias(name: str) -> bool:
        return "lora_" not in name and f"{name.rpartition('.')[0]}.bias" in sizes

    return count_otherwise(sizes, method, "bitfit", in_a_layer_with_bias)


def bitfit_counts_the_whole_model(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "bitfit", lambda name: "lora_" not in name)


def bitfit_counts_bias_anywhere(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "bitfit", lambda name: "bias" in name)


def bitfit_counts_own_bias_anywhere(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "bitfit", lambda name: "lora_" not in name and "bias" in name)


def bitfit_counts_biases_of_the_adapter(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "bitfit", lambda name: name.endswith("bias"))


def lora_without_its_biases(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "lora", lambda name: "lora_" in name and name.endswith("weight"))


def full_counts_weights_only(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "full", lambda name: "lora_" not in name and name.endswith("weight"))


def full_without_base_layers(sizes: Mapping[str, int], method: str) -> int:
    return count_otherwise(sizes, method, "full", lambda name: "lora_" not in name and "base_layer" not in name)


def equal_sizes_counted_once(sizes: Mapping[str, int], method: str) -> int:
    return sum({sizes[name] for name in trained_names(sizes, method)})


def counts_tensors(sizes: Mapping[str, int], method: str) -> int:
    return len(trained_names(sizes, method))


def counts_every_bias(sizes: Mapping[str, int]) -> int:
    """What BitFit trains, for an answer that forgets that an adapter can have biases too."""
    return bitfit_counts_biases_of_the_adapter(sizes, "bitfit")


def full_and_bitfit_count_the_adapter(sizes: Mapping[str, int], method: str) -> int:
    return counts_every_bias(sizes) if method == "bitfit" else full_counts_the_adapter(sizes, method)


def lora_everything_and_bitfit_every_bias(sizes: Mapping[str, int], method: str) -> int:
    return counts_every_bias(sizes) if method == "bitfit" else full_and_lora_count_everything(sizes, method)


def counts_tensors_with_every_bias(sizes: Mapping[str, int], method: str) -> int:
    return sum(name.endswith("bias") for name in sizes) if method == "bitfit" else counts_tensors(sizes, method)


EXERCISES = {
    "5.6": ExerciseFunctions(
        trained_numbers,
        trained_numbers_cases,
        (
            lora_counts_everything,
            lora_counts_b_only,
            lora_counts_a_only,
            lora_counts_base_layers,
            full_counts_the_adapter,
            full_and_lora_count_everything,
            bitfit_counts_norms,
            bitfit_counts_whole_layers,
            bitfit_counts_the_whole_model,
            bitfit_counts_bias_anywhere,
            bitfit_counts_own_bias_anywhere,
            bitfit_counts_biases_of_the_adapter,
            lora_without_its_biases,
            full_counts_weights_only,
            full_without_base_layers,
            equal_sizes_counted_once,
            counts_tensors,
            full_and_bitfit_count_the_adapter,
            lora_everything_and_bitfit_every_bias,
            counts_tensors_with_every_bias,
        ),
        random_trained_numbers,
    ),
}
