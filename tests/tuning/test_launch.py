"""The launch program: alone, in two processes, what it refuses, and what a full disk leaves."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from launching import environment, free_port, options, run_launch, saved_history, torchrun
from two_processes import ABSOLUTE, EXAMPLES, TOLERANCE, model_of, recipe

from labutils.course.loading import load_model
from labutils.machine import limits
from labutils.memory import Shape
from labutils.tuning import launch
from labutils.tuning.methods import Method, named_trainable_parameters, prepare
from labutils.tuning.plan import plan_training
from labutils.tuning.processes import Group


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "method", "wrap"),
    [
        (["torch.distributed.run", "--standalone", "--nproc-per-node", "2"], "full", "fsdp"),
        (["accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes", "2"], "lora", "ddp"),
    ],
    ids=["torchrun, FSDP", "accelerate, DDP"],
)
def test_the_program_gives_the_same_in_two_processes_as_alone(small, tmp_path, monkeypatch, start, method, wrap):
    monkeypatch.setenv("LABS_MODEL", str(small))
    assert run_launch(monkeypatch, *options(tmp_path / "alone", method)) == 0
    port = ["--main_process_port", str(free_port())] if "--multi_gpu" in start else []
    command = [sys.executable, "-m", *start, *port, "-m", "labutils.tuning.launch", *options(tmp_path / "two", method, wrap=wrap)]
    done = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    alone, pair = saved_history(tmp_path / "alone"), saved_history(tmp_path / "two")
    assert (alone["world_size"], alone["wrap"], pair["world_size"], pair["wrap"]) == (1, None, 2, wrap)
    torch.testing.assert_close(pair["losses"], alone["losses"], rtol=TOLERANCE, atol=0)
    for same in ("learning_rates", "tokens", "labelled", "examples"):
        assert pair[same] == alone[same]
    assert len(pair["losses"]) == 2 and len(pair["peaks"]) == 2 and min(peak["rss"] for peak in pair["peaks"]) > 0
    assert pair["tokens_per_second"] == pytest.approx(pair["tokens"] / pair["seconds"])
    assert pair["recipe"]["micro_batch"] == 4 and alone["recipe"]["micro_batch"] == 7  # each process's share of the step

    from safetensors.torch import load_file

    name = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    torch.testing.assert_close(load_file(tmp_path / "two" / name), load_file(tmp_path / "alone" / name), rtol=0, atol=ABSOLUTE)
    if method == "full":
        monkeypatch.setenv("LABS_MODEL", str(tmp_path / "two"))
        model, tokenizer = load_model()
        assert model.lm_head.weight is model.model.embed_tokens.weight and tokenizer.chat_template
        assert model.config.architectures == ["LlamaForCausalLM"]


@pytest.mark.slow
def test_the_program_says_once_what_is_wrong(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    done = torchrun("-m", "labutils.tuning.launch", *options(tmp_path))
    lines = [line for line in done.stderr.splitlines() if line.startswith("launch:")]
    assert done.returncode == 1
    assert len(lines) == 1 and "is not empty" in lines[0] and lines[0].endswith("name a new folder.")
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]


def test_the_program_refuses_before_it_loads_a_model(tmp_path, monkeypatch, says):
    monkeypatch.setenv("LABS_MODEL", str(tmp_path / "none"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.txt").write_text("mine")
    says(run_launch(monkeypatch, *options(tmp_path / "full")), "launch:", "not empty")
    says(run_launch(monkeypatch, *options(tmp_path / "full" / "kept.txt")), "launch:", "cannot be used")
    says(run_launch(monkeypatch, *options(tmp_path / "new", "magic")), "launch:", "'magic'", "lora")
    says(run_launch(monkeypatch, *options(tmp_path / "new", wrap="zero")), "launch:", "'zero'", "ddp or fsdp")
    assert not (tmp_path / "new").exists()
    says(run_launch(monkeypatch, *options(tmp_path / "new")), "launch:", "LABS_MODEL")


@pytest.mark.slow
def test_what_adapters_leave_behind_puts_them_back(small, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    monkeypatch.setenv("LABS_MODEL", str(small))
    assert run_launch(monkeypatch, *options(tmp_path / "out", "adapters", micro_batch=2)) == 0
    model = prepare(load_model()[0], "adapters")
    kept, fresh = load_file(tmp_path / "out" / "adapters.safetensors"), {name for name, _ in named_trainable_parameters(model)}
    assert set(kept) == fresh and not model.load_state_dict(kept, strict=False).unexpected_keys
    assert all(bool(kept[name].any()) for name in kept if "adapter_up" in name)  # they start at zero
    assert saved_history(tmp_path / "out")["recipe"]["micro_batch"] == 2


@pytest.mark.slow
@pytest.mark.fault("the disk is full where a training writes its result")
def test_a_full_disk_at_the_end_costs_nothing_but_the_writing(small, tmp_path, monkeypatch, says):
    """The second run of the same command trains no step, and writes what a run without a fault writes."""
    from peft import PeftModel
    from safetensors.torch import load_file

    monkeypatch.setenv("LABS_MODEL", str(small))
    out, checkpoint = tmp_path / "out", tmp_path / "run.pt"
    command = options(out, batch=4, micro_batch=2, checkpoint=checkpoint, save_every=2)

    def full(self, folder, **_):
        (folder / "README.md").write_text("half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PeftModel, "save_pretrained", full)
        says(run_launch(monkeypatch, *command), "launch:", "No space left", "run again")
    assert checkpoint.exists() and not any(out.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", lambda *_: pytest.fail("the training was done"))
        assert run_launch(monkeypatch, *command) == 0
    assert not checkpoint.exists()
    assert run_launch(monkeypatch, *options(tmp_path / "plain", batch=4, micro_batch=2)) == 0
    found, plain = saved_history(out), saved_history(tmp_path / "plain")
    assert found["losses"] == plain["losses"] and len(found["losses"]) == 3
    weights, expected = (load_file(folder / "adapter_model.safetensors") for folder in (out, tmp_path / "plain"))
    assert weights.keys() == expected.keys() and all(torch.equal(weights[name], expected[name]) for name in expected)


def fitted(method, wrap, size, gib, batch=8):
    model, examples = model_of(), EXAMPLES[:8]
    return launch._fit_to_memory(model, examples, Method(method), recipe(batch=batch), wrap, gib, Group(0, size))


def test_each_process_plans_for_its_share_of_a_step():
    assert fitted("full", "ddp", 1, 1.0).micro_batch == 8
    assert fitted("full", "ddp", 2, 1.0).micro_batch == fitted("full", "fsdp", 2, 1.0).micro_batch == 4
    assert fitted("lora", "ddp", 3, 1.0, batch=7).micro_batch == 3
    flagged = launch._fit_to_memory(
        model_of(), EXAMPLES, Method("full"), recipe(batch=8, checkpointing=True), "ddp", 1.0, Group()
    )
    assert flagged.checkpointing and not fitted("full", "ddp", 1, 1.0).checkpointing


@pytest.mark.parametrize(("wrap", "gib"), [("ddp", 6e-4), ("fsdp", 4e-4)])
def test_the_program_plans_for_its_processes(wrap, gib):
    shape = Shape.of(model_of())
    plan = plan_training(shape, EXAMPLES[:8], "full", batch=16, memory_gib=gib, processes=4, wrap=wrap)
    assert fitted("full", wrap, 4, gib, 16) == plan.apply(recipe(batch=16))
    assert fitted("full", wrap, 4, 1.0, 16) != plan.apply(recipe(batch=16))  # the memory was short enough to matter


def test_processes_of_one_machine_share_its_memory(monkeypatch):
    monkeypatch.setattr(limits, "memory_available", lambda: 6 * limits.GIB)
    assert launch._free_gib("cpu") == 6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert launch._free_gib("cpu") == 2


def test_more_processes_than_cuda_devices_are_refused(monkeypatch, tmp_path, says):
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(is_available=lambda: True, device_count=lambda: 1))
    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    says(run_launch(monkeypatch, *options(tmp_path / "new")), "launch:", "1 CUDA devices")
