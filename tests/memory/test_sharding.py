"""Memory over several devices, against the figures of the ZeRO paper, and what fits."""

from __future__ import annotations

import math

import pytest
from memory_models import CONFIGS, llama7b
from transformers import LlamaConfig

from labutils import memory
from labutils.errors import LabError
from labutils.machine.limits import GIB
from labutils.memory import Shape, TrainingSetup, predict_training


@pytest.mark.parametrize("devices", [2, 8, 64])
def test_sharding_splits_what_its_stage_splits(devices):
    one = predict_training(llama7b(), TrainingSetup(1, 512, dtype="mixed"))
    psi = llama7b().parameters
    each = {"ddp": 16, "zero1": 4 + 12 / devices, "zero2": 2 + 14 / devices, "zero3": 16 / devices, "fsdp": 16 / devices}
    for scheme, per_parameter in each.items():
        split = memory.shard(one, devices, scheme)
        states = sum(split[name].n_bytes for name in ("weights", "gradients", "optimizer"))
        assert states == pytest.approx(per_parameter * psi, rel=1e-9), scheme  # ZeRO, fig. 1
        assert split["activations"] == one["activations"]
        assert split.total <= one.total


@pytest.mark.parametrize("devices", [2, 8, 64])
@pytest.mark.parametrize("scheme", ["ddp", "zero1", "zero2", "zero3", "fsdp"])
def test_the_optimizer_s_step_by_hand(devices, scheme):
    """On CUDA the step's scratch is as large as the gradients (2 bytes per parameter), and belongs to the optimizer's share."""
    psi = llama7b().parameters
    split = memory.shard(predict_training(llama7b(), TrainingSetup(1, 64, dtype="mixed", device="cuda")), devices, scheme)
    n = devices
    by_hand = {"ddp": 16 + 2, "zero1": 4 + 14 / n, "zero2": 2 + 16 / n, "zero3": 18 / n, "fsdp": 18 / n}[scheme] * psi
    assert sum(split.moments["optimizer step"].values()) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("scheme", ["zero1", "zero2", "zero3", "fsdp"])
def test_the_unit_that_is_gathered(scheme):
    """All but a device's own share of the largest unit, here a block of 202,383,360 parameters, in 2 bytes each."""
    one = predict_training(llama7b(), TrainingSetup(1, 512, dtype="mixed", device="cuda"))
    block = 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096
    assert one.unit == pytest.approx((2 * block, 2 * block), rel=1e-4)  # the last norm is shared out among the blocks
    split = memory.shard(one, 8, scheme)
    each = one.unit[0] * 7 / 8
    expected = {"zero1": (0, 0), "zero2": (0, each), "zero3": (each, 2 * each), "fsdp": (each, 2 * each)}[scheme]
    moments = ("end of the forward pass", "backward, at the last block")
    assert tuple(split.moments[moment].get("gathered", 0) for moment in moments) == pytest.approx(expected)
    assert "gathered" not in split.moments["optimizer step"]
    assert split.total == max(sum(held.values()) for held in split.moments.values())


def test_the_largest_matrix_is_gathered_where_it_is_larger_than_a_block():
    config = LlamaConfig(hidden_size=96, intermediate_size=256, num_hidden_layers=3, num_attention_heads=6, vocab_size=32_000)
    assert predict_training(Shape.of(config), TrainingSetup(1, 8)).unit == pytest.approx((4 * 32_000 * 96,) * 2)


def test_a_frozen_base_gathers_weights_and_few_gradients():
    one = predict_training(llama7b(), TrainingSetup(1, 512, method="lora", dtype="bfloat16"))
    assert one.unit[1] < one.unit[0] / 20
    assert memory.shard(one, 8, "fsdp")["gathered"].n_bytes == pytest.approx(7 / 8 * sum(one.unit))


def test_on_one_device_every_scheme_is_the_same():
    one = predict_training(llama7b(), TrainingSetup(1, 512))
    assert {memory.shard(one, 1, scheme).total for scheme in ("ddp", "zero1", "zero2", "zero3", "fsdp")} == {one.total}


def test_the_paper_s_example_of_zero():
    """7.5 billion parameters on 64 devices: 120, 31.4, 16.6 and 1.9 GB of model states (Rajbhandari et al. 2020, fig. 1)."""
    for scheme, gb in {"ddp": 120, "zero1": 31.4, "zero2": 16.6, "zero3": 1.9}.items():
        one = predict_training(llama7b(), TrainingSetup(1, 1, dtype="mixed"))
        split = memory.shard(one, 64, scheme)
        states = sum(split[name].n_bytes for name in ("weights", "gradients", "optimizer")) / llama7b().parameters * 7.5
        assert states == pytest.approx(gb, abs=0.06), scheme


def test_largest_batch_is_the_last_that_fits():
    shape = Shape.of(CONFIGS["llama"])

    def predict(batch):
        return predict_training(shape, TrainingSetup(batch, 128))

    room = predict(5).total
    assert memory.largest_batch(predict, room) == 5
    assert memory.largest_batch(predict, room - 1) == 4
    assert memory.largest_batch(predict, 1) == 0
    assert memory.largest_batch(predict, math.inf, limit=7) == 7


def test_what_does_not_fit_names_what_would(says):
    shape = llama7b()
    full = predict_training(shape, TrainingSetup(1, 512))
    smaller = {"LoRA": predict_training(shape, TrainingSetup(1, 512, method="lora")), "a 4-bit base": predict_training(shape, TrainingSetup(1, 512, method="lora", dtype="bfloat16", weights="nf4"))}  # fmt: skip
    fit = memory.fits(full, 16 * GIB, smaller)
    assert not fit
    says(fit, "GiB of 16.00 GiB and does not fit", "a 4-bit base needs", f"{full.total / GIB:.2f}")
    says(memory.fits(full, GIB, smaller), "no smaller setting")
    assert memory.fits(full, full.total)
    says(memory.fits(full, 2 * full.total), "and fits.")


def test_the_last_tenth_is_tight():
    ledger = predict_training(Shape.of(CONFIGS["llama"]), TrainingSetup(1, 64))
    verdicts = [memory.fits(ledger, ledger.total / share).verdict for share in (0.5, 0.89, 0.91, 1.0, 1.01)]
    assert verdicts == ["fits", "fits", "tight", "tight", "no"]
    assert "tight" in str(memory.fits(ledger, ledger.total)) and bool(memory.fits(ledger, ledger.total))


@pytest.mark.parametrize(("devices", "scheme", "words"), [(0, "ddp", "devices=0"), (2, "zero4", "zero3")])
def test_bad_input_gets_one_sentence(devices, scheme, words, says):
    with pytest.raises(LabError) as caught:
        memory.shard(predict_training(Shape.of(CONFIGS["llama"]), TrainingSetup(1, 8)), devices, scheme)
    says(caught.value, words)
