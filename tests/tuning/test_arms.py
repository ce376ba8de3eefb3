"""An arm in a process of its own: what it gives is what training here gives; a crash, a refusal and an interrupt are sentences."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
import torch
from launching import environment
from transformers import LlamaConfig, LlamaForCausalLM

from labutils.course.loading import load_model
from labutils.errors import LabError
from labutils.machine import limits
from labutils.memory import Shape
from labutils.tuning import Arm, Example, Method, Recipe, arm_process, arms, build_examples, prepare, run_arm, shared_plans, train
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


def test_one_look_at_the_validation_loss_is_the_one_at_the_end(own_model):
    _, tokenizer = own_model
    examples = build_examples(tokenizer, PAIRS)
    arm = Arm("lora", RECIPE, examples, examples[:3], looks=1, measure=False)
    many, one, blind = (
        run_arm(a)["curve"] for a in (dataclasses.replace(arm, looks=3), arm, dataclasses.replace(arm, validation=()))
    )
    assert one == [many[-1]] and many[-1][0] == 6 and blind == []


@pytest.mark.fault("Interrupt is pressed in an arm of lab 05's race")
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


ORPHANED = """
import sys, time
from labutils.tuning import arm_process
tell = arm_process.report
def slowly(done, history):
    tell(done, history)
    time.sleep(0.1)
arm_process.report = slowly
arm_process.main(*sys.argv[1:])
"""


@pytest.mark.fault("the kernel is killed in the middle of an arm of lab 05's race")
def test_an_arm_whose_kernel_dies_saves_its_last_step(own_model, tmp_path):
    """The arm's process ends by itself; run again, it trains the steps that were left and gives the losses of a run without a break."""
    _, tokenizer = own_model
    examples = build_examples(tokenizer, PAIRS * 4)
    arm = Arm("lora", RECIPE, examples, examples[:2], looks=3, checkpoint=tmp_path / "x.checkpoint", measure=False)
    job = tmp_path / "job.json"
    job.write_text(arm.as_json(), encoding="utf-8")
    command = [sys.executable, "-c", ORPHANED, str(job), str(tmp_path / "answer.json")]
    with subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert [json.loads(process.stdout.readline())["done"] for _ in range(3)] == [1, 2, 3]
        process.stdin.close()  # what the system does when a kernel dies: nobody writes any more, and nobody reads
        process.stdout.close()
        process.wait(60)
    assert (tmp_path / "x.checkpoint").exists()
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arm_process, "report", lambda done, history: steps.append(done))
        found = arm_process.work(json.loads(arm.as_json()))
    assert steps[0] >= 4 and steps[-1] == 24
    assert found["history"]["losses"] == pytest.approx(train(prepare(load_model()[0], "lora"), examples, RECIPE).losses, abs=1e-5)
    assert [done for done, _ in found["curve"]] == [0, 12, 24]


class Killed(BaseException):
    """The system kills the process here."""


@pytest.mark.fault("the process of an adapter's arm is killed")
def test_an_adapter_s_arm_that_is_killed_goes_on_from_its_last_tenth(own_model, tmp_path, monkeypatch):
    """Run again, it trains the steps that were left; whole models are too large to be written so often."""
    _, tokenizer = own_model
    examples = build_examples(tokenizer, PAIRS * 4)
    arm = Arm("lora", RECIPE, examples, examples[:2], looks=3, checkpoint=tmp_path / "x.checkpoint", measure=False)
    steps = []

    def dying(done, history):
        steps.append(done)
        if len(steps) == 15:
            raise Killed

    monkeypatch.setattr(arm_process, "report", dying)
    with pytest.raises(Killed):
        arm_process.work(json.loads(arm.as_json()))
    found = arm_process.work(json.loads(arm.as_json()))
    assert steps == [*range(1, 16), *range(15, 25)]  # saved after every second step
    assert found["history"]["losses"] == pytest.approx(train(prepare(load_model()[0], "lora"), examples, RECIPE).losses, abs=1e-5)
    (tmp_path / "x.checkpoint").unlink()
    monkeypatch.setattr(arm_process, "SMALL_BYTES", 0)
    steps.clear()
    with pytest.raises(Killed):
        arm_process.work(json.loads(arm.as_json()))
    assert not (tmp_path / "x.checkpoint").exists()


@pytest.mark.fault("the disk is full in the middle and at the end of an arm of lab 05's race")
def test_a_full_disk_costs_an_arm_its_weights_and_not_its_result(own_model, tmp_path, monkeypatch, says):
    """Losses, curve and texts come all the same, with the sentence that the weights are not kept; what had been saved stays."""
    _, tokenizer = own_model
    examples = build_examples(tokenizer, PAIRS)

    def full(path, text):
        raise LabError("The disk is full: free some space.")

    monkeypatch.setattr(arm_process, "write_atomically", full)
    monkeypatch.setattr(limits, "disk_free", lambda path: 10)
    monkeypatch.setattr(arm_process, "report", lambda done, history: None)
    arm = Arm(
        "lora", RECIPE, examples, examples[:2], ["1 + 1 ="], 3, 3, tmp_path / "x.checkpoint", tmp_path / "lora", measure=False
    )
    found = arm_process.work(json.loads(arm.as_json()))
    assert len(found["history"]["losses"]) == 6 and len(found["texts"]) == 1 and [done for done, _ in found["curve"]] == [0, 3, 6]
    says(found["unsaved"], "free", tmp_path / "lora")
    assert found["disk"] == 0 and not [*tmp_path.glob("x.*"), *tmp_path.glob("*lora*")]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
def test_an_arm_without_room_for_its_weights_says_so_and_keeps_its_checkpoint(monkeypatch, tmp_path, capsys, says):
    script, checkpoint = tmp_path / "python", tmp_path / "x.checkpoint"
    script.write_text("""#!/bin/sh\necho '{"result": {"disk": 0, "unsaved": "The disk is full."}}' > "$4"\n""")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    checkpoint.write_text("saved")
    assert run_arm(Arm("lora", RECIPE, [Example([5], [6])], checkpoint=checkpoint)) == {"disk": 0}
    says(capsys.readouterr().out, "“lora” is trained", "not kept", "disk is full")
    assert checkpoint.exists()


@pytest.mark.fault("the losses so far of an arm that goes on are damaged")
@pytest.mark.parametrize("content", [b"", b"{", b"[[0, 1.5], [3", b"\xff[]", b"7", b'[[0, "x"]]', None], ids=str)
def test_a_damaged_curve_is_begun_anew(content, tmp_path):
    """The run goes on; the curve has the points from there on."""
    kept = tmp_path / "x.curve"
    if content is not None:
        kept.write_bytes(content)
    assert arm_process._earlier_looks(kept) == []
    kept.write_text("[[0, 1.5], [3, 1.25]]")
    assert arm_process._earlier_looks(kept) == [(0, 1.5), (3, 1.25)]


def test_a_refusal_in_the_process_is_its_own_sentence(small, monkeypatch, tmp_path, says):
    monkeypatch.setenv("LABS_MODEL", str(tmp_path / "nowhere"))
    with pytest.raises(LabError) as refused:
        run_arm(Arm("lora", RECIPE, [Example([5], [6])]))
    says(refused.value, "LABS_MODEL", "nowhere")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
@pytest.mark.fault("the process of an arm is killed")
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
