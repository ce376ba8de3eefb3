"""Plans against the predictions that they rest on and against measured memory."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from tiny_models import tiny
from transformers import BartConfig, LlamaConfig, LlamaForCausalLM, T5Config

from labutils.errors import LabError, NotEnoughMemory
from labutils.machine import limits
from labutils.machine.footprint import measure
from labutils.memory import Shape
from labutils.tuning.examples import Example, micro_batches, step_order
from labutils.tuning.loop import train
from labutils.tuning.methods import METHODS, Method, prepare
from labutils.tuning.plan import FRAGMENTATION, MARGIN, StepConfig, TrainingPlan, plan_training, predict_step_memory, step_configs
from labutils.tuning.recipe import Recipe

MIB = 2**20
BILLION = LlamaConfig(
    hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8, vocab_size=128256,
    max_position_embeddings=131072, tie_word_embeddings=True,
)  # fmt: skip
SMALL = LlamaConfig(
    hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, vocab_size=49152,
    max_position_embeddings=8192, tie_word_embeddings=True,
)  # fmt: skip
T5 = T5Config(d_model=512, d_kv=64, d_ff=1024, num_layers=8, num_heads=6, vocab_size=32128, decoder_start_token_id=0)
BART = BartConfig(d_model=768, encoder_layers=6, decoder_layers=6, encoder_ffn_dim=3072, decoder_ffn_dim=3072, vocab_size=50265)
CONFIGS = {"billion": BILLION, "small": SMALL, "t5": T5, "bart": BART}
SHAPES = {name: Shape.of(config) for name, config in CONFIGS.items()}
EXAMPLES = [Example([5] * (60 + 9 * i % 200), [6] * (10 + 7 * i % 40)) for i in range(40)]
GRID = [0.05 * 1.12**i for i in range(75)]  # 0.05 to 220 GiB


def planned(shape, method, memory, **options):
    """The place of the chosen setting among all, or None; and the plan or the error."""
    try:
        plan = plan_training(shape, EXAMPLES, method, memory_gib=memory, **options)
    except NotEnoughMemory as error:
        return None, error
    return step_configs(options.get("batch", 8)).index((plan.micro_batch, plan.checkpointing, plan.frugal)), plan


# --- the choice


def test_the_settings_are_the_even_cuts_each_once_and_the_fastest_first():
    for batch in range(1, 12):
        found = step_configs(batch)
        sizes = {max(len(part) for part in micro_batches(range(batch), size)) for size in range(1, batch + 1)}
        assert sorted(found) == sorted(itertools.product(sizes, (False, True), (False, True)))
        speeds = [setting.relative_speed for setting in found]
        assert speeds == sorted(speeds, reverse=True) and found[0] == (batch, False, False)
        assert sorted(step_configs(batch, "cuda")) == sorted(s for s in found if not s.frugal)


def test_each_economy_costs_speed_and_the_estimate_is_near_what_was_measured():
    """Relative speeds of the labs' model on two cores (full and LoRA); a rough order is all that is asked for."""
    for size in (1, 2, 4, 8):
        plain = StepConfig(size, False, False).relative_speed
        assert plain > StepConfig(size, True, False).relative_speed > StepConfig(size, True, True).relative_speed
        assert plain > StepConfig(size, False, True).relative_speed and StepConfig(size + 1, False, False).relative_speed > plain
    for size, full, lora in ((1, 114, 161), (2, 137, 208), (4, 186, 251)):
        estimate = StepConfig(size, False, False).relative_speed / StepConfig(8, False, False).relative_speed
        assert estimate == pytest.approx((full / 202 + lora / 275) / 2, abs=0.1)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("method", METHODS)
def test_more_memory_never_gives_a_slower_setting_and_the_plan_fits(name, method):
    places = []
    for memory in GRID:
        place, plan = planned(SHAPES[name], method, memory)
        if place is None:
            assert not places  # refusals come before every plan
            continue
        assert plan.ledger.gib <= memory
        places.append(place)
    assert places == sorted(places, reverse=True) and places[-1] == 0 and len(set(places)) > 1


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("method", ["full", "lora", "prompt_tuning"])
def test_with_more_memory_a_step_of_the_same_kind_is_never_smaller(name, method):
    plans = [plan for memory in GRID for place, plan in [planned(SHAPES[name], method, memory)] if place is not None]
    for kind in itertools.product((False, True), (False, True)):
        sizes = [plan.micro_batch for plan in plans if (plan.checkpointing, plan.frugal) == kind]
        assert sizes == sorted(sizes)


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_what_is_faster_did_not_fit(method):
    """Weights, and what comes and goes with the room that it needs, by the prediction alone."""
    shape, seen = SHAPES["small"], set()
    for memory in GRID:
        place, _ = planned(shape, method, memory)
        for size, again, thrifty in step_configs(8)[: place or 0]:
            ledger = predict_step_memory(shape, EXAMPLES, Method(method), size, again, accumulation=size < 8)
            assert ledger.gib * (1 + (MARGIN if thrifty else FRAGMENTATION)) > memory  # the margin is on a part of it only
            seen.add((size, again, thrifty))
    assert len(seen) > 5


@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_free_is_kept_free(method):
    """A tenth of what comes and goes where freed memory is given back; where it is kept, as much again and a half."""
    for memory in GRID:
        place, plan = planned(SHAPES["small"], method, memory)
        if place is not None:
            terms = [plan.ledger.at_peak.get(term, 0.0) for term in ("activations", "logits", "temporaries")]
            assert plan.ledger.gib + (0.1 if plan.frugal else 1.5) * limits.gib(sum(terms)) <= memory


def test_a_step_smaller_than_the_batch_is_not_planned_for():
    assert plan_training(SHAPES["small"], EXAMPLES[:3], "lora", memory_gib=100).micro_batch == 3
    assert plan_training(SHAPES["small"], EXAMPLES, "lora", memory_gib=100, batch=1).micro_batch == 1


@pytest.mark.parametrize("name", ["small", "t5"])
@pytest.mark.parametrize("method", ["full", "lora", "prompt_tuning"])
@pytest.mark.parametrize("mixture", ["even", "long answers in short pairs", "short answers in long pairs"])
def test_no_micro_batch_of_the_run_needs_more_than_the_plan_says(name, method, mixture):
    """The prediction for what the loop puts through the model at once, against the one that the plan was made with."""
    examples = {
        "even": EXAMPLES,
        "long answers in short pairs": [Example([5] * 150, [6] * 2)] * 10 + [Example([5] * 2, [6] * 140)] * 10,
        "short answers in long pairs": [Example([5] * 100, [6] * 50)] * 10 + [Example([5] * 2, [6] * 149)] * 10 + EXAMPLES[:9],
    }[mixture]
    shape = SHAPES[name]
    everything = plan_training(shape, examples, method, memory_gib=100).ledger.gib
    for memory in (everything + 0.01, everything * 0.8, everything * 0.6):
        try:
            plan = plan_training(shape, examples, method, memory_gib=memory)
        except NotEnoughMemory:
            continue
        for step in step_order(examples, 8):
            for part in micro_batches([examples[i] for i in step], plan.micro_batch):
                ledger = predict_step_memory(
                    shape, part, Method(method), len(part), plan.checkpointing, accumulation=len(part) < len(step)
                )
                assert ledger.gib <= plan.ledger.gib * (1 + 1e-3), (part[0].length, len(part))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora", "bitfit", "prompt_tuning"])
def test_a_run_stays_within_its_plan(method):
    """Tensors while training, counted by PyTorch's dispatcher, against the memory that the plan was asked to keep to."""
    config = LlamaConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=4, vocab_size=2048,
        max_position_embeddings=256,
    )  # fmt: skip
    shape, examples, chosen = Shape.of(config), EXAMPLES[:16], set()
    roomy = plan_training(shape, examples, method, memory_gib=100).ledger.gib
    for share in (1.1, 0.75, 0.5):
        memory = share * roomy
        try:
            plan = plan_training(shape, examples, method, memory_gib=memory)
        except NotEnoughMemory:
            continue
        chosen.add((plan.micro_batch, plan.checkpointing))
        torch.manual_seed(0)
        model = prepare(LlamaForCausalLM(config), method)
        with measure(model.parameters()) as found:
            train(model, examples, plan.apply(Recipe(1e-3)))
        assert 0.5 * plan.ledger.gib < limits.gib(found.total_allocated) <= memory
    assert len(chosen) > 1


# --- what does not fit


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("method", METHODS)
def test_what_does_not_fit_is_refused_with_what_it_needs(name, method, says):
    shape = SHAPES[name]
    with pytest.raises(NotEnoughMemory) as refused:
        plan_training(shape, EXAMPLES, method, memory_gib=0.05)
    says(refused.value, method, "0.05 GiB", "smaller model")
    needed = float(re.search(r"needs ([\d.]+) GiB", str(refused.value))[1])
    plan = plan_training(shape, EXAMPLES, method, memory_gib=needed + 0.01)
    assert plan.ledger.gib <= needed + 0.01
    with pytest.raises(NotEnoughMemory):
        plan_training(shape, EXAMPLES, method, memory_gib=needed - 0.01)


@pytest.mark.parametrize("method", METHODS)
def test_the_method_that_is_named_does_fit(method, says):
    shape, named = SHAPES["billion"], set()
    for memory in GRID:
        place, error = planned(shape, method, memory)
        if place is None and (found := re.search(r"(\w+) needs ([\d.]+) GiB and would fit", str(error))):
            says(error, f"{memory:.2f} GiB")
            assert float(found[2]) <= memory + 0.01 and found[1] != method
            assert plan_training(shape, EXAMPLES, found[1], memory_gib=memory).ledger.gib <= memory
            named.add(found[1])
    assert named == {"full": {"lora", "qlora"}, "qlora": set()}.get(method, named) and (named or method == "qlora")


@pytest.mark.parametrize(("examples", "batch"), [([], 8), (EXAMPLES, 0), (EXAMPLES, -1)])
def test_nothing_to_plan_is_said(examples, batch, says):
    with pytest.raises(LabError) as refused:
        plan_training(SHAPES["small"], examples, batch=batch, memory_gib=10)
    says(refused.value, "at least one example", "batch")


# --- models, defaults, and what becomes of a plan


@pytest.mark.parametrize("method", METHODS)
def test_a_model_is_planned_as_its_shape(method):
    model = tiny()
    assert plan_training(model, EXAMPLES, method, memory_gib=1) == plan_training(Shape.of(model), EXAMPLES, method, memory_gib=1)


def test_half_the_bytes_a_number_make_a_smaller_plan():
    full, half = (
        plan_training(tiny().to(dtype), EXAMPLES, memory_gib=1).ledger["weights"].n_bytes
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert full == 2 * half


def test_by_default_there_is_what_is_free_and_what_the_model_takes(monkeypatch):
    model = tiny()
    taken = sum(p.numel() * p.element_size() for p in model.parameters())
    for free in (2 * MIB, 5 * MIB, 2**33):
        monkeypatch.setattr(limits, "memory_available", lambda free=free: free)
        asked = plan_training(model, EXAMPLES, "lora", memory_gib=limits.gib(free + taken))
        assert plan_training(model, EXAMPLES, "lora") == asked
    monkeypatch.setattr(limits, "memory_available", lambda: 0)
    with pytest.raises(NotEnoughMemory):
        plan_training(model, EXAMPLES, "lora")


def test_a_method_s_own_sizes_count():
    shape = SHAPES["small"]
    small, large = (plan_training(shape, EXAMPLES, Method("lora", lora_rank=r), memory_gib=100).ledger for r in (1, 64))
    assert large["optimizer"].n_bytes == 64 * small["optimizer"].n_bytes


def test_the_longest_example_decides():
    plan = plan_training(SHAPES["small"], EXAMPLES, "lora", memory_gib=100)
    assert plan.length == max(len(e.prompt) + len(e.completion) for e in EXAMPLES)
    longer = plan_training(SHAPES["small"], [*EXAMPLES, Example([5] * 500, [6] * 20)] * 8, "lora", memory_gib=100)
    assert longer.length == 520 and longer.ledger.gib > plan.ledger.gib


def test_thrift_is_asked_for_where_memory_is_short_and_only_there():
    flags = [plan.frugal for memory in GRID for place, plan in [planned(SHAPES["small"], "lora", memory)] if place is not None]
    assert flags[0] and not flags[-1] and not plan_training(SHAPES["small"], EXAMPLES, "lora", memory_gib=1000).frugal


def test_a_smaller_part_is_preferred_to_thrift_where_it_is_faster():
    plenty = plan_training(SHAPES["small"], EXAMPLES, "lora", batch=4, memory_gib=1000)
    short = plan_training(SHAPES["small"], EXAMPLES, "lora", batch=4, memory_gib=plenty.ledger.gib * 1.2)
    assert plenty.micro_batch == 4 and (short.micro_batch, short.checkpointing, short.frugal) == (2, False, False)


def test_several_processes_share_a_step_and_hold_more_or_less_than_one():
    def least(**options):
        low, high = 0.0, 10.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if planned(SHAPES["small"], "full", middle, **options)[0] is None else (low, middle)
        return high

    alone, copy = least(batch=4), limits.gib(4 * SHAPES["small"].parameters)  # of the weights, in float32
    assert least(batch=8, processes=2) - alone == pytest.approx(copy, rel=1e-3)  # DDP's buckets
    assert alone - least(batch=8, processes=2, wrap="fsdp") == pytest.approx(copy, rel=1e-3)  # half of AdamW's two means
    assert alone - least(batch=16, processes=4, wrap="fsdp") == pytest.approx(1.5 * copy, rel=1e-3)


def test_apply_cuts_the_recipe_and_leaves_the_rest():
    recipe = Recipe(3e-4, batch=6, epochs=2, warmup=0.2, decay=False, clip=0.5, weight_decay=0.1, seed=4, bf16=False)
    ledger = plan_training(SHAPES["small"], EXAMPLES, memory_gib=100).ledger
    cut = TrainingPlan(3, True, True, ledger, 10).apply(recipe)
    assert (cut.micro_batch, cut.checkpointing, cut.frugal) == (3, True, True) and recipe.micro_batch is None
    assert TrainingPlan(1, False, False, ledger, 10).apply(cut) == Recipe(
        3e-4, batch=6, epochs=2, warmup=0.2, decay=False, clip=0.5, weight_decay=0.1, seed=4, micro_batch=1, bf16=False
    )


def test_a_plan_is_one_sentence(says):
    ledger = plan_training(SHAPES["small"], EXAMPLES, memory_gib=100).ledger
    says(TrainingPlan(1, False, False, ledger, 10), "1 example at", f"{ledger.gib:.2f} GiB")
    says(TrainingPlan(8, True, False, ledger, 10), "8 examples at", "checkpointed")
    says(TrainingPlan(8, False, True, ledger, 10), "8 examples at", "given back")
    assert "checkpointed" not in str(TrainingPlan(8, False, True, ledger, 10)) and "back" not in str(
        TrainingPlan(8, True, False, ledger, 10)
    )
