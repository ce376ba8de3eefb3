"""Every public function of labutils under odd input: a value, or the documented error. Never a raw one, never a number that is none.

The arguments are made from the annotations, so that a new function is tested without a line here. ODD holds, for each annotation, good
values beside odd ones: empty, negative, zero, huge, infinite, half of a surrogate pair, another dtype, another shape.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, LlamaConfig

from labutils.errors import LabError
from labutils.memory import Scenario, Shape, TrainingSetup, predict_inference
from labutils.memory.calculator import PRESETS
from labutils.transformer.bpe import BPETokenizer

PACKAGES = (
    "transformer", "transformer.attention", "evaluation", "memory", "tuning", "prompting", "quantization", "retrieval", "programs", "course",
    "machine", "pretraining", "preferences",
)  # fmt: skip
# What shows widgets, loads or trains models, or is asked by a person: tested with their own odd input elsewhere.
LEFT_OUT = {
    "check", "compare_inference", "compare_training", "embed", "guard", "hint", "load_encoder", "load_metric", "load_model", "outcome", "predict",
    "progress", "quiz", "record", "run_program", "seed_everything", "show", "show_block", "show_chain", "similarity", "start", "train_gpt",
    "translation_datasets", "write_atomically",
}  # fmt: skip
LLAMA = Shape.of(LlamaConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, vocab_size=300))
GPT2 = Shape.of(GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=300))

text = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            " ",
            "\ud800",
            "a\x00b",
            "the cat sat on the mat",
            "1/3",
            "é",
            "👩‍🔬",
            "a" * 400,
            "\n\n",
            "Answer: 5",
            '{"a": 1}',
            "float32",
        ]
    ),
)
size = st.one_of(st.integers(-2, 9), st.sampled_from([64, True, 2.5, math.nan]))
number = st.one_of(st.floats(width=32), st.sampled_from([0.0, -1.0, 0.5, 0.95, 1.0, 2.0, 1e308]))
tensor = st.sampled_from(
    [
        torch.zeros(0), torch.zeros(3), torch.zeros(2, 3), torch.tensor(1.0), torch.full((2, 3), math.nan), torch.full((3,), math.inf),
        torch.ones(1, 2, 4, 6), torch.ones(2, 4, 6), torch.arange(6), torch.ones(4, 4).bfloat16(), torch.tensor([1, 2], dtype=torch.uint8),
        torch.ones(4, 4).bool(),
    ]
)  # fmt: skip
dtype = st.sampled_from(
    ["float32", "bfloat16", "int8", "mixed", "nf4", "nf4 double", "", "float", torch.float32, torch.float16, None, 4]
)
shape = st.sampled_from([LLAMA, GPT2])


def rows(kind: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """A short list."""
    return st.lists(kind, max_size=6)


ODD: dict[str, st.SearchStrategy[Any]] = {
    "str": text,
    "int": size,
    "float": number,
    "bool": st.booleans(),
    "Tensor": tensor,
    "Shape": shape,
    "Ledger": st.builds(predict_inference, shape, st.integers(1, 3), st.integers(1, 9)),
    "Sequence[str]": rows(text),
    "Sequence[int]": rows(size),
    "Sequence[float]": rows(number),
    "Scores": rows(number),
    "Sequence[bool]": rows(st.booleans()),
    "Sequence[Hashable]": rows(text),
    "Collection[Hashable]": rows(text),
    "Sequence[Sequence[str]]": rows(rows(text)),
    "Iterable[Sequence[str]]": rows(rows(text)),
    "Sequence[Sequence[int]]": rows(rows(st.integers(0, 5))),
    "str | Iterable[str]": st.one_of(text, rows(text)),
    "str | Sequence[str]": st.one_of(text, rows(text)),
    "Mapping[str, Sequence[bool]]": st.dictionaries(text, rows(st.booleans()), max_size=3),
    "Mapping[str, float]": st.dictionaries(text, number, max_size=3),
    "tuple[str, str]": st.tuples(text, text),
    "Scheme": st.sampled_from(["absmax", "zeropoint", ""]),
    "Scheme4": st.sampled_from(["nf4", "int4", ""]),
    "Per": st.sampled_from(["tensor", "row", "block", ""]),
    "Tokenizer": st.just(str.split),
}
BY_NAME: dict[str, st.SearchStrategy[Any]] = {  # where the annotation is Any, or says too little
    "dtype": dtype, "kv_dtype": dtype, "weights": dtype, "name": dtype, "resamples": st.sampled_from([-1, 0, 1, 20]),
    "draws": st.sampled_from([-1, 0, 1, 20]), "rounds": st.sampled_from([-1, 0, 1, 20]), "merges": st.integers(-2, 20),
    "tokenizers": st.dictionaries(text, st.sampled_from([BPETokenizer([]), None, "gpt2"]), max_size=2),
}  # fmt: skip


def odd(parameter: inspect.Parameter) -> st.SearchStrategy[Any] | None:
    """Values for an argument, or None where nothing is known of it."""
    annotation = str(parameter.annotation).removesuffix(" | None")
    vague = annotation in ("Any", "str", "int", "Mapping[str, Any]")
    kind = BY_NAME.get(parameter.name) if vague else None
    kind = ODD.get(annotation) if kind is None else kind
    if kind is not None and str(parameter.annotation).endswith("| None"):
        kind = st.one_of(st.none(), kind)
    if parameter.default is not inspect.Parameter.empty:
        kind = st.just(parameter.default) if kind is None else st.one_of(st.just(parameter.default), kind)
    return kind


def public_functions() -> Iterator[Any]:
    """Each public function once, with a strategy for its arguments."""
    seen = set(LEFT_OUT)
    for package in PACKAGES:
        try:
            module = import_module(f"labutils.{package}")
        except ModuleNotFoundError:
            continue
        for name in sorted(dir(module)):
            function = getattr(module, name)
            if name in seen or name.startswith(("_", "lazy", "require", "explore")) or not inspect.isfunction(function):
                continue
            parameters = {n: odd(p) for n, p in inspect.signature(function).parameters.items()}
            if not str(function.__module__).startswith("labutils") or None in parameters.values():
                continue
            seen.add(name)
            yield pytest.param(function, st.fixed_dictionaries(parameters), id=name)


def not_a_number(value: Any) -> bool:
    """Whether a result is a number that is none, or holds one."""
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, tuple) and any(map(not_a_number, value))


def held(arguments: dict[str, Any]) -> bool:
    """Whether a number that is none, or infinite, or a number at the edge of what can be held went in."""
    flat = list(arguments.values())
    for value in flat:
        if isinstance(value, list | tuple):
            flat.extend(value)
        elif isinstance(value, dict):
            flat.extend(value.values())
        elif isinstance(value, torch.Tensor) and not bool(value.float().isfinite().all()):
            return True
    return any(isinstance(value, float) and not abs(value) < 1e100 for value in flat)


FUNCTIONS = list(public_functions())


def test_most_public_functions_are_fed() -> None:
    assert len(FUNCTIONS) >= 80


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("function", "arguments"), FUNCTIONS)
def test_odd_input_gives_a_value_or_the_documented_error(
    function: Callable[..., Any], arguments: st.SearchStrategy[dict[str, Any]]
) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(arguments)
    def fed(given_arguments: dict[str, Any]) -> None:
        try:
            result = function(**given_arguments)
            result = list(result) if inspect.isgenerator(result) else result
        except LabError as error:
            assert str(error).strip().endswith((".", ")", "?")), f"not a sentence: {error}"
            return
        assert held(given_arguments) or not not_a_number(result), f"{function.__name__} gave {result}"

    fed()


setups = st.fixed_dictionaries(
    {
        "batch": size,
        "length": size,
        "method": st.sampled_from(["full", "lora", "prompt_tuning", "bitfit", "", None]),
        "optimizer": st.sampled_from(["adamw", "adamw8bit", "momentum", "sgd", "adam"]),
        "dtype": dtype,
        "lora_rank": size,
        "lora_dropout": number,
        "labelled": st.one_of(st.none(), size),
        "virtual_tokens": size,
        "weights": st.one_of(st.none(), dtype),
        "attention": st.sampled_from(["sdpa", "eager", "flash"]),
        "device": st.sampled_from(["cpu", "cuda", "tpu"]),
    }
)


@settings(max_examples=400, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
@given(shape, setups)
def test_a_training_setup_is_predicted_or_refused(model: Shape, how: dict[str, Any]) -> None:
    from labutils.memory import predict_training

    try:
        total = predict_training(model, TrainingSetup(**how)).total
    except LabError:
        return
    assert 4 * model.parameters < total < 1e12 or how["weights"] or how["dtype"] not in ("float32", torch.float32)
    assert math.isfinite(total) and total > 0


@settings(max_examples=200, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
@given(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from([*PRESETS, "", "llama"]),
            "task": st.sampled_from(["LoRA", "full", "", "inference"]),
            "batch": size,
            "length": size,
            "new_tokens": size,
            "lora_rank": size,
            "devices": size,
            "scheme": st.sampled_from(["ddp", "zero3", ""]),
            "device": st.sampled_from(["cpu", "cuda", ""]),
        }
    )
)
def test_the_calculator_shows_or_refuses(asked: dict[str, Any]) -> None:
    from labutils.memory import memory_view

    try:
        assert memory_view(Scenario(**asked)).body()
    except LabError:
        return
