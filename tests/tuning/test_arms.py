"""An arm in a process of its own: what it gives is what training here gives; a crash, a refusal and an interrupt are sentences."""

from __future__ import annotations

import dataclasses
import sys

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from labutils.course.loading import load_model
from labutils.errors import LabError
from labutils.memory import Shape
from labutils.tuning import Arm, Example, Method, Recipe, arms, build_examples, prepare, run_arm, shared_plans, train
from labutils.tuning.arm_process import step_bytes
from labutils.tuning.checkpoints import Interrupted
from labutils.tuning.plan import plan_training, predict_step_memory
from labutils.tuning.race_reports import TERMS, predicted_bytes

PAIRS = [(f"{n} + 1 =", f" {n + 1}") for n in range(2, 14)]
RECIPE = Recipe(1e-3, batch=2)


@pytest.fixture
def own_model(small, monkeypatch):
    """LABS_MODEL names the tiny model, here and in the process; its tokenizer."""
    monkeypatch.setenv("LABS_MODEL", str(small))
    return load_model()


def test_an_arm_trains_as_training_here_does_and_brings_its_texts(own_model, tmp_path):
    model, tokenizer = own_model
    examples = build_examples(tokenizer, PAIRS)
    arm = Arm(
        "lora", RECIPE, examples, examples[:3], ["1 + 1 =", "2 + 2 ="], 3, looks=3, checkpoint=tmp_path / "x.checkpoint",
        save=tmp_path / "lora",
    )  # fmt: skip
    found = run_arm(arm)
    here = train(prepare(model, "lora"), examples, RECIPE)
    assert found["history"]["losses"] == pytest.approx(here.losses, abs=1e-5)
    assert len(found["texts"]) == 2 and [done for done, _ in found["curve"]] == [0, 3, 6]
    assert found["bytes"]["peak"] > found["bytes"]["weights"] > 0 and found["peak_rss"] > found["bytes"]["peak"]
    assert found["trained"] == sum(p.numel() for p in prepare(load_model()[0], "lora").parameters() if p.requires_grad)
    assert (tmp_path / "lora" / "adapter_config.json").exists() and not list(tmp_path.glob("x.*"))


def test_an_interrupted_arm_goes_on_from_its_last_step(own_model, tmp_path, monkeypatch, says):
    _, tokenizer = own_model
    examples = build_examples(tokenizer, PAIRS * 4)
    arm = Arm("full", RECIPE, examples, examples[:2], looks=3, checkpoint=tmp_path / "x.checkpoint", measure=False)
    whole = run_arm(dataclasses.replace(arm, checkpoint=None))

    def one_line(process, arm):
        process.stdout.readline()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(arms, "_follow", one_line)
        with pytest.raises(Interrupted) as stopped:
            run_arm(arm)
    says(stopped.value, "Interrupted", "run it again")
    assert (tmp_path / "x.checkpoint").exists()
    again = run_arm(arm)
    assert again["history"]["losses"] == pytest.approx(whole["history"]["losses"], abs=1e-6)
    assert [done for done, _ in again["curve"]] == [0, 12, 24] and not list(tmp_path.glob("x.*"))


def test_a_refusal_in_the_process_is_its_own_sentence(small, monkeypatch, tmp_path, says):
    monkeypatch.setenv("LABS_MODEL", str(tmp_path / "nowhere"))
    with pytest.raises(LabError) as refused:
        run_arm(Arm("lora", RECIPE, [Example([5], [6])]))
    says(refused.value, "LABS_MODEL", "nowhere")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
@pytest.mark.parametrize("end, words", [("kill -9 $$", "memory"), ("echo 'no such thing' >&2; exit 3", "no such thing")])
def test_a_process_that_dies_is_one_sentence(end, words, monkeypatch, tmp_path, says):
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{end}\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(LabError) as died:
        run_arm(Arm("full", RECIPE, [Example([5], [6])]))
    says(died.value, "“full”", words)


def test_an_arm_without_examples_is_refused(says):
    with pytest.raises(LabError) as refused:
        run_arm(Arm("full", RECIPE, []))
    says(refused.value, "no examples")


# --- one plan for all, and what it holds


def middling():
    """A model whose activations count beside its weights."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512, hidden_size=128, intermediate_size=384, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=1024, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


EXAMPLES = [Example([5 + i % 90] * (40 + 7 * i), [6] * (8 + i)) for i in range(12)]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_plan_holds_the_step_for_texts_of_any_length(method, times):
    """What is predicted is measured, term by term, and what is measured stays inside the plan, also for texts twice as long."""
    examples = [Example(e.prompt * times, e.completion * times) for e in EXAMPLES]
    model = middling()
    smallest = predict_step_memory(Shape.of(model), examples, Method(method), 1, True, accumulation=True)
    plan = plan_training(model, examples, method, batch=4, memory_gib=1.3 * smallest.gib)
    found = step_bytes(prepare(model, method), examples, plan.apply(Recipe(1e-3, batch=4)))
    predicted = predicted_bytes(plan.ledger)
    assert plan.length == max(e.length for e in examples)
    assert found["peak"] <= 1.3 * smallest.total
    for term in TERMS:
        assert predicted[term] == pytest.approx(found[term], rel=0.15), term


def test_longer_texts_get_a_setting_that_needs_less():
    model = middling()
    long = [Example(e.prompt * 2, e.completion * 2) for e in EXAMPLES]
    memory = 1.25 * predict_step_memory(Shape.of(model), long, Method("full"), 4, True).gib
    short_plan, long_plan = (plan_training(model, e, "full", batch=4, memory_gib=memory) for e in (EXAMPLES, long))
    speeds = [plan.micro_batch * (1 if not plan.checkpointing else 0.5) for plan in (short_plan, long_plan)]
    assert speeds[0] >= speeds[1] and long_plan.ledger.gib <= memory


def test_a_shared_plan_is_that_of_the_hungriest():
    model = middling()
    memory = 1.1 * predict_step_memory(Shape.of(model), EXAMPLES, Method("full"), 4, True).gib
    alone = plan_training(model, EXAMPLES, "full", batch=4, memory_gib=memory)
    plans = shared_plans(model, EXAMPLES, ["lora", "full"], batch=4, memory_gib=memory)
    settings = {(p.micro_batch, p.checkpointing, p.frugal) for p in plans.values()}
    assert settings == {(alone.micro_batch, alone.checkpointing, alone.frugal)}
    assert plans["lora"].ledger.total < plans["full"].ledger.total == alone.ledger.total <= memory * 2**30


def test_measuring_a_step_leaves_weights_and_mode_alone():
    model = prepare(middling(), "full")
    before = [p.detach().clone() for p in model.parameters()]
    step_bytes(model, EXAMPLES, Recipe(1e-3, batch=4, micro_batch=2))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())
