"""Memory to answer: published figures, real caches and live models."""

from __future__ import annotations

import pytest
from memory_models import CONFIGS, LLAMA, live, llama7b
from transformers import LlamaConfig

from labutils import memory
from labutils.errors import LabError
from labutils.machine.limits import GIB
from labutils.memory import Shape, TrainingSetup, predict_inference, predict_training
from labutils.tuning.measured import compare_inference


def test_figures_that_everyone_quotes():
    shape = llama7b()
    assert shape.parameters == 6_738_415_616
    assert memory.weights_bytes(shape, "float32") == 26_953_662_464  # the size of the published float32 files
    assert predict_inference(shape, 1, 1, dtype="float16")["weights"].gb == pytest.approx(13.48, abs=0.01)
    assert memory.kv_cache_bytes(shape, 1, 2048, "float16") == GIB  # 2 · 32 · 32 · 2048 · 128 · 2
    mixed = predict_training(shape, TrainingSetup(1, 1, dtype="mixed"))
    states = sum(mixed[name].n_bytes for name in ("weights", "gradients", "optimizer"))
    assert states == 16 * shape.parameters  # ZeRO, sec. 3.1


def test_grouped_queries_shrink_the_cache_by_the_group():
    grouped, full = (Shape.of(LlamaConfig(num_hidden_layers=2, **{**LLAMA, "num_key_value_heads": n})) for n in (2, 6))
    assert memory.kv_cache_bytes(full, 3, 50) == 3 * memory.kv_cache_bytes(grouped, 3, 50)
    assert memory.kv_cache_bytes(Shape.of(CONFIGS["bert"]), 3, 50) == 0


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("length", [48, 160])
def test_inference_is_predicted(name, length):
    found = compare_inference(live(name), 2, length, new_tokens=6)
    assert found["weights"].predicted == found["weights"].measured
    assert found["KV cache"].predicted == pytest.approx(found["KV cache"].measured, rel=0.02)
    assert found["peak"].predicted == pytest.approx(found["peak"].measured, rel=0.15)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"new_tokens": -1}, "new_tokens=-1"),
        ({"weights": "int3"}, "int4 block 32"),
        ({"weights": "int4 block 0"}, "int4 block 32"),
    ],
)
def test_bad_input_gets_one_sentence(options, words, says):
    with pytest.raises(LabError) as caught:
        predict_inference(Shape.of(CONFIGS["llama"]), 1, 8, **options)
    says(caught.value, words)
