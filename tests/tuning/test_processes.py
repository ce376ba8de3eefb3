"""Two processes on this machine against one, at the same global batch: losses, norms, weights; the launch program; a job's files.

Run by torchrun this file is the worker (see `work`); pytest starts it once and compares what it wrote.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from paths import ROOT
from tiny_models import BLOCKS, tiny
from torch import distributed

from labutils.course import assets
from labutils.course.loading import load_model
from labutils.errors import LabError, NotEnoughMemory
from labutils.machine import limits
from labutils.memory import Shape
from labutils.tuning import launch, processes
from labutils.tuning.checkpoints import Interrupted
from labutils.tuning.examples import Example
from labutils.tuning.loop import Recipe, train
from labutils.tuning.methods import Method, prepare, trained
from labutils.tuning.plan import plan_training
from labutils.tuning.processes import Group

JOB = ROOT / "deploy" / "sagemaker"
TOLERANCE = 1e-5  # relative, of losses and norms in float32; sums are taken in another order; at most 3e-7 was seen
ABSOLUTE = 1e-5  # of weights after six AdamW steps of up to 3e-3; at most 3e-6 was seen

EXAMPLES = [
    Example([3 + (5 * i + j) % 90 for j in range(1 + i % 4)], [3 + (7 * i + 3 * j) % 90 for j in range(i % 6)] + [1])
    for i in range(19)
]
QLORA = Method("qlora", lora_targets=("q_proj", "v_proj", "up_proj"))
# name -> model, method, how it is wrapped, examples, recipe. Of 19 examples, steps of 8 leave 3 and steps of 7 leave 5.
ARMS = {
    "full ddp": ("tied", "full", "ddp", 19, dict(batch=8)),
    "full fsdp": ("tied", "full", "fsdp", 19, dict(batch=8)),
    "lora ddp": ("tied", "lora", "ddp", 19, dict(batch=8, micro_batch=1)),
    "lora fsdp": ("tied", "lora", "fsdp", 19, dict(batch=8, micro_batch=1)),
    "uneven ddp": ("untied", "full", "ddp", 19, dict(batch=7, micro_batch=2, checkpointing=True)),
    "uneven fsdp": ("untied", "full", "fsdp", 19, dict(batch=7, micro_batch=2, checkpointing=True)),
    "one left ddp": ("tied", "lora", "ddp", 9, dict(batch=4, micro_batch=1)),
    "one left fsdp": ("tied", "lora", "fsdp", 9, dict(batch=4, micro_batch=1)),
    "qlora ddp": ("tied", QLORA, "ddp", 19, dict(batch=8)),
    "qlora fsdp": ("tied", QLORA, "fsdp", 19, dict(batch=8)),
    "soft prompt fsdp": ("tied", "prompt_tuning", "fsdp", 19, dict(batch=8, micro_batch=3)),
    "bitfit fsdp": ("tied", "bitfit", "fsdp", 19, dict(batch=8, micro_batch=3)),
    "adapters fsdp": ("tied", "adapters", "fsdp", 19, dict(batch=8, micro_batch=3)),
    "t5 ddp": ("t5", "full", "ddp", 19, dict(batch=8, micro_batch=3)),
    "t5 fsdp": ("t5", "full", "fsdp", 19, dict(batch=8, micro_batch=3)),
}


def model_of(kind="tied"):
    return tiny("t5") if kind == "t5" else tiny("llama", tied=kind == "tied")


def recipe(**settings):
    return Recipe(3e-3, epochs=2, weight_decay=0.01, **settings)


def tuned(arm):
    """What each arm starts from: the same in every process."""
    kind, method, *_ = ARMS[arm]
    return prepare(model_of(kind), method)


def said(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except LabError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


# In each of two processes.


def work(folder):
    """Run every arm and write FOLDER/RANK.pt: losses, norms and weights by arm, and what else the tests ask about."""
    distributed.init_process_group("gloo")
    group = processes.current()
    found = {arm: run(arm) for arm in ARMS}
    found["group"] = [group.rank, group.size, group.sum(group.rank + 0.5), group.gather(f"rank {group.rank}")]
    found["together"] = [group.together(lambda: 10 + group.rank), said(group.together, lambda: fail_in(1, group))]
    alone = processes.wrap(tuned("lora ddp"))
    found["batch"] = said(train, alone, EXAMPLES, recipe(batch=1))
    split = processes.wrap(tuned("full fsdp"), "fsdp")
    found["split"] = said(train, split, EXAMPLES, recipe(batch=8), checkpoint=folder / "split.pt", save_every=1)
    found["resumed"] = resume(folder / "run.pt", group)
    torch.save(found, folder / f"{group.rank}.pt")
    distributed.destroy_process_group()


def run(arm):
    _, _, how, count, settings = ARMS[arm]
    whole = tuned(arm)
    names, total = [name for name, _ in trained(whole)], sum(p.numel() for p in whole.parameters())
    model, exchanged = processes.wrap(whole, how), []
    if how == "ddp":
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

        model.register_comm_hook(None, lambda state, bucket: (exchanged.append(bucket.index()), allreduce_hook(state, bucket))[1])
        held = total
    else:
        held = sum(p.to_local().numel() for p in model.parameters())
    history = train(model, EXAMPLES[:count], recipe(**settings))
    state = dict(whole.named_parameters()) if how == "ddp" else processes.whole_state(model)
    return {
        "losses": history.losses,
        "norms": history.gradient_norms,
        "weights": {name: state[name].detach() for name in names if name in state},
        "exchanges": exchanged.count(0),
        "numbers": (held, total),
        "split": sum(type(module).__name__.startswith("FSDP") for module in model.modules()),
    }


def fail_in(rank, group):
    if group.rank == rank:
        raise NotEnoughMemory("Too little, here: buy more.")


def resume(path, group):
    """Losses of a run that was interrupted after its third step in both processes and then went on from its checkpoint."""

    def interrupt(number, history):
        if number == 2:
            raise KeyboardInterrupt

    def again(**options):
        return train(processes.wrap(tuned("lora ddp")), EXAMPLES, recipe(batch=8, micro_batch=1), checkpoint=path, **options)

    sentence = said(again, on_step=interrupt)
    group.gather(None)  # wait for rank 0, which writes
    seen, losses = path.exists(), again().losses
    group.gather(None)
    return {"said": sentence, "seen": seen, "left": path.exists(), "losses": losses}


# Compared here.


def environment(**extra):
    return {
        **os.environ, "OMP_NUM_THREADS": "1", "LABS_PROGRESS": "0", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **extra,
    }  # fmt: skip


def torchrun(*command, **extra):
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*start, *map(str, command)], env=environment(**extra), cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(__file__, folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("arm", ARMS)
def test_two_processes_do_what_one_does_at_the_same_batch(two, arm):
    _, _, how, count, settings = ARMS[arm]
    model = tuned(arm)
    before = {name: p.detach().clone() for name, p in trained(model)}
    alone, (mine, other) = train(model, EXAMPLES[:count], recipe(**settings)), (rank[arm] for rank in two)
    assert len(alone.losses) == 6 and len(set(alone.losses)) == 6
    for found in (mine, other):
        torch.testing.assert_close(found["losses"], alone.losses, rtol=TOLERANCE, atol=0)
        torch.testing.assert_close(found["norms"], alone.gradient_norms, rtol=TOLERANCE, atol=0)
    expected = {name: p.detach() for name, p in trained(model)}
    torch.testing.assert_close(mine["weights"], expected, rtol=0, atol=ABSOLUTE)
    assert max(float((expected[name] - before[name]).abs().max()) for name in before) > 100 * ABSOLUTE  # they did move
    if how == "ddp":
        assert all(torch.equal(mine["weights"][name], other["weights"][name]) for name in expected)
        assert mine["exchanges"] == len(alone.losses)  # once a step, however many micro-batches


@pytest.mark.slow
@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm.endswith("fsdp")])
def test_fsdp_splits_every_parameter_and_each_block_apart(two, arm):
    (mine, total), (other, _) = (rank[arm]["numbers"] for rank in two)
    assert mine + other == total and abs(mine - other) < 0.1 * total
    blocks = BLOCKS["t5" if arm.startswith("t5") else "llama"]  # of encoder and decoder
    assert two[0][arm]["split"] == 1 + blocks  # the whole and its blocks


@pytest.mark.slow
def test_a_group_knows_its_members_and_shares_their_errors(two, says):
    for rank, found in enumerate(two):
        assert found["group"] == [rank, 2, 2.0, ["rank 0", "rank 1"]]
        assert found["together"][0] == 10 + rank
        assert found["together"][1] == "NotEnoughMemory: Too little, here: buy more."


@pytest.mark.slow
def test_a_batch_smaller_than_the_group_is_refused_in_every_process(two, says):
    for found in two:
        says(found["batch"], "1 examples", "2 processes", "at least 2")


@pytest.mark.slow
def test_a_split_model_is_not_checkpointed_and_says_so(two, says):
    for found in two:
        says(found["split"], "--wrap ddp")


@pytest.mark.slow
def test_two_processes_go_on_after_an_interrupt_as_if_there_was_none(two, says):
    for found in two:
        says(found["resumed"]["said"], Interrupted.__name__, "after step 3 of 6")
        assert (found["resumed"]["seen"], found["resumed"]["left"]) == (True, False)
        torch.testing.assert_close(found["resumed"]["losses"], found["lora ddp"]["losses"], rtol=TOLERANCE, atol=0)


def test_shares_hold_every_example_once_in_equally_many_micro_batches():
    for count, size, micro in itertools.product(range(1, 14), range(1, 6), range(1, 6)):
        shares = [Group(rank, size).share(range(count), micro) for rank in range(size)]
        assert sorted(i for share in shares for part in share for i in part) == list(range(count))
        assert len({len(share) for share in shares}) == 1
        assert max(len(part) for share in shares for part in share) <= micro
        taken = [sum(map(len, share)) for share in shares]
        assert max(taken) - min(taken) <= 1


def test_a_plain_group_is_this_process(says):
    group = processes.current()
    assert (group.rank, group.size, group.plain) == (0, 1, True)
    assert group.sum(1.5) == 1.5 and group.gather("a") == ["a"] and group.together(lambda: 3) == 3
    with pytest.raises(LabError) as caught:
        processes.wrap(model_of())
    says(caught.value, "torchrun", "accelerate launch")
    with pytest.raises(LabError) as caught:
        processes.wrap(model_of(), "zero")
    says(caught.value, "'zero'", "ddp", "fsdp")


# The launch program.


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A random model with the course's tokenizer, saved as LABS_MODEL takes it."""
    folder = tmp_path_factory.mktemp("small")
    model = tiny(vocabulary=49152, hidden=16, tied=True)
    model.save_pretrained(folder)
    for file in assets.model_for("decoder").folder.iterdir():
        if file.name.startswith(("tokenizer", "special_tokens", "chat_template", "vocab", "merges")):
            shutil.copy(file, folder)
    assert (folder / "tokenizer.json").exists(), "there is no model to take the tokenizer from: run `make setup` first"
    return folder


def options(out, method="lora", batch=7, **more):
    extra = [text for name, value in more.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return ["--method", method, "--out", str(out), "--batch", str(batch), "--examples", "10", *extra]


def history(out):
    return json.loads((out / "history.json").read_text())


def in_this_process(monkeypatch, *arguments):
    """What `python -m labutils.tuning.launch` comes to: its exit status or, in words, what it said."""
    monkeypatch.setattr(sys, "argv", ["launch", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        launch.main()
    return left.value.code


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
    assert in_this_process(monkeypatch, *options(tmp_path / "alone", method)) == 0
    port = ["--main_process_port", str(free_port())] if "--multi_gpu" in start else []
    command = [sys.executable, "-m", *start, *port, "-m", "labutils.tuning.launch", *options(tmp_path / "two", method, wrap=wrap)]
    done = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    alone, pair = history(tmp_path / "alone"), history(tmp_path / "two")
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
    says(in_this_process(monkeypatch, *options(tmp_path / "full")), "launch:", "not empty")
    says(in_this_process(monkeypatch, *options(tmp_path / "full" / "kept.txt")), "launch:", "cannot be used")
    says(in_this_process(monkeypatch, *options(tmp_path / "new", "magic")), "launch:", "'magic'", "lora")
    says(in_this_process(monkeypatch, *options(tmp_path / "new", wrap="zero")), "launch:", "'zero'", "ddp or fsdp")
    assert not (tmp_path / "new").exists()
    says(in_this_process(monkeypatch, *options(tmp_path / "new")), "launch:", "LABS_MODEL")


@pytest.mark.slow
def test_what_adapters_leave_behind_puts_them_back(small, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    monkeypatch.setenv("LABS_MODEL", str(small))
    assert in_this_process(monkeypatch, *options(tmp_path / "out", "adapters", micro_batch=2)) == 0
    model = prepare(load_model()[0], "adapters")
    kept, fresh = load_file(tmp_path / "out" / "adapters.safetensors"), {name for name, _ in trained(model)}
    assert set(kept) == fresh and not model.load_state_dict(kept, strict=False).unexpected_keys
    assert all(bool(kept[name].any()) for name in kept if "adapter_up" in name)  # they start at zero
    assert history(tmp_path / "out")["recipe"]["micro_batch"] == 2


def fitted(method, wrap, size, gib, batch=8):
    model, examples = model_of(), EXAMPLES[:8]
    return launch._fitted(model, examples, Method(method), recipe(batch=batch), wrap, gib, Group(0, size))


def test_each_process_plans_for_its_share_of_a_step():
    assert fitted("full", "ddp", 1, 1.0).micro_batch == 8
    assert fitted("full", "ddp", 2, 1.0).micro_batch == fitted("full", "fsdp", 2, 1.0).micro_batch == 4
    assert fitted("lora", "ddp", 3, 1.0, batch=7).micro_batch == 3
    flagged = launch._fitted(model_of(), EXAMPLES, Method("full"), recipe(batch=8, checkpointing=True), "ddp", 1.0, Group())
    assert flagged.checkpointing and not fitted("full", "ddp", 1, 1.0).checkpointing


@pytest.mark.parametrize(("wrap", "gib"), [("ddp", 6e-4), ("fsdp", 4e-4)])
def test_the_program_plans_for_its_processes(wrap, gib):
    shape = Shape.of(model_of())
    plan = plan_training(shape, EXAMPLES[:8], "full", batch=16, memory_gib=gib, processes=4, wrap=wrap)
    assert fitted("full", wrap, 4, gib, 16) == plan.apply(recipe(batch=16))
    assert fitted("full", wrap, 4, 1.0, 16) != plan.apply(recipe(batch=16))  # the memory was short enough to matter


def test_processes_of_one_machine_share_its_memory(monkeypatch):
    monkeypatch.setattr(limits, "memory_available", lambda: 6 * limits.GIB)
    assert launch._free("cpu") == 6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert launch._free("cpu") == 2


def test_more_processes_than_cuda_devices_are_refused(monkeypatch, tmp_path, says):
    monkeypatch.setattr(torch, "cuda", SimpleNamespace(is_available=lambda: True, device_count=lambda: 1))
    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    says(in_this_process(monkeypatch, *options(tmp_path / "new")), "launch:", "1 CUDA devices")


# A SageMaker training job.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def job_folder(where, hosts, this):
    """A folder laid out as /opt/ml of a host, with the course in its channel."""
    (where / "input" / "config").mkdir(parents=True)
    (where / "input" / "data").mkdir()
    (where / "input" / "data" / "course").symlink_to(ROOT, target_is_directory=True)
    found = {"current_host": this, "hosts": hosts, "network_interface_name": "lo0" if sys.platform == "darwin" else "lo"}
    (where / "input" / "config" / "resourceconfig.json").write_text(json.dumps(found))
    return where


def test_the_job_s_request_has_what_is_required_and_the_program_knows_its_arguments():
    from typer.main import get_command

    request = json.loads((JOB / "training-job.json").read_text())
    required = {"TrainingJobName", "AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition"}
    assert required <= request.keys() and request.keys() - required == {"InputDataConfig", "CheckpointConfig"}
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", request["TrainingJobName"])
    how = request["AlgorithmSpecification"]
    assert how.keys() == {"TrainingImage", "TrainingInputMode", "ContainerEntrypoint", "ContainerArguments"}
    channel = request["InputDataConfig"][0]["ChannelName"]
    script = f"/opt/ml/input/data/{channel}/{(JOB / 'train.sh').relative_to(ROOT).as_posix()}"
    assert how["ContainerEntrypoint"] == ["bash", script] and os.access(JOB / "train.sh", os.X_OK)
    assert request["ResourceConfig"] == {"InstanceType": "ml.g5.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50}
    where = request["CheckpointConfig"]["LocalPath"]
    command = get_command(launch.app)
    parsed = command.make_context("launch", ["--out", "/opt/ml/model", *how["ContainerArguments"]]).params
    assert Path(where) in parsed["checkpoint"].parents and parsed["method"] == "lora"
    marks = re.findall(r"REPLACE_ME_[A-Z_]+", (JOB / "training-job.json").read_text())
    readme = (JOB / "README.md").read_text()
    assert set(marks) == {"REPLACE_ME_ROLE_ARN", "REPLACE_ME_IMAGE_URI", "REPLACE_ME_BUCKET"}
    assert all(mark in readme for mark in marks) and "been run on SageMaker" in readme


def start_job(where, tmp_path, **settings):
    """The lines of what train.sh would start; its Python says that instead of doing it, and does the rest."""
    stub = tmp_path / "python"
    told = 'case "${2:-}" in pip | labutils.cli | torch.distributed.run) echo "$@" && exit ;; esac'
    stub.write_text(f'#!/usr/bin/env bash\n{told}\nexec {sys.executable} "$@"\n')
    stub.chmod(0o755)
    known = {name: value for name, value in environment().items() if not name.startswith(("SM_", "LABS_"))}
    known |= {"PYTHON": str(stub), "ML_ROOT": str(where), "TMPDIR": str(tmp_path), **settings}
    done = subprocess.run(["bash", JOB / "train.sh", "--method", "lora"], env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_each_host_knows_its_place_and_starts_a_process_for_each_gpu(tmp_path):
    def started(hosts, this, **settings):
        where = job_folder(tmp_path / f"ml-{this}-{len(settings)}", hosts, this)
        (line,) = start_job(where, tmp_path, INSTALL="no", LABS_MODEL="any", **settings)
        assert line.endswith(f"-m labutils.tuning.launch --out {where}/model --method lora")
        return re.findall(r"--(?:nnodes|node-rank|nproc-per-node|master-addr) (\S+)", line)

    assert started(["algo-1"], "algo-1", SM_NUM_GPUS="0") == ["1", "0", "1", "127.0.0.1"]
    assert started(["algo-2", "algo-1"], "algo-2", SM_NUM_GPUS="4") == ["2", "1", "4", "algo-1"]
    toolkit = {"SM_HOSTS": '["b", "c", "a"]', "SM_CURRENT_HOST": "c", "SM_NUM_GPUS": "8"}
    assert started(["x"], "x", **toolkit) == ["3", "2", "8", "a"]


def test_a_job_installs_a_copy_of_the_course_and_fetches_the_models_first(tmp_path):
    where = job_folder(tmp_path / "ml", ["algo-1"], "algo-1")
    channels = where / "input" / "data"
    (channels / "course").unlink()
    (channels / "course").mkdir()
    (channels / "course" / "requirements.lock").write_text("")
    install, fetch, run = start_job(where, tmp_path, SM_NUM_GPUS="1")
    copy = Path(install.split()[-1])
    assert copy.parent == tmp_path and (copy / "requirements.lock").exists()
    assert install == f"-m pip install --quiet --constraint {copy}/requirements.lock --editable {copy}"
    assert fetch == "-m labutils.cli fetch" and "labutils.tuning.launch" in run
    (channels / "models").mkdir()
    assert start_job(where, tmp_path, SM_NUM_GPUS="1")[1] == f"-m labutils.cli fetch --from {channels}/models"
    assert len(start_job(where, tmp_path, SM_NUM_GPUS="1", LABS_MODEL="any")) == 2  # another model needs no fetching


@pytest.mark.slow
def test_two_hosts_train_one_model(small, tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_MODEL", str(small))
    assert in_this_process(monkeypatch, *options(tmp_path / "alone")) == 0
    hosts, port, running = ["127.0.0.1", "localhost"], str(free_port()), []
    for this in hosts:
        where = job_folder(tmp_path / this, hosts, this)
        settings = environment(PYTHON=sys.executable, INSTALL="no", ML_ROOT=str(where), MASTER_PORT=port, SM_NUM_GPUS="0")
        out = options(where / "model")
        arguments = [text for i, text in enumerate(out) if "--out" not in out[max(0, i - 1) : i + 1]]
        running.append(
            subprocess.Popen(
                ["bash", JOB / "train.sh", *arguments], env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    ended = [(process.communicate(), process.returncode) for process in running]
    assert [code for _, code in ended] == [0, 0], [texts[1][-2000:] for texts, _ in ended]
    pair = history(tmp_path / hosts[0] / "model")
    assert pair["world_size"] == 2 and not (tmp_path / hosts[1] / "model").exists()  # the first host writes
    torch.testing.assert_close(pair["losses"], history(tmp_path / "alone")["losses"], rtol=TOLERANCE, atol=0)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
