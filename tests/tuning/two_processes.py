"""The worker of test_processes.py, run by torchrun: each of two processes trains every arm and writes what came of it.

The arms stand here, too, for both sides to use.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tiny_models import tiny
from torch import distributed

from labutils.errors import LabError, NotEnoughMemory
from labutils.tuning import processes
from labutils.tuning.examples import Example
from labutils.tuning.loop import train
from labutils.tuning.methods import Method, named_trainable_parameters, prepare
from labutils.tuning.recipe import Recipe

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


def work(folder):
    """Run every arm and write FOLDER/RANK.pt: losses, norms and weights by arm, and what else the tests ask about."""
    distributed.init_process_group("gloo")
    group = processes.current_group()
    found = {arm: run(arm) for arm in ARMS}
    found["group"] = [group.rank, group.world_size, group.gather(f"rank {group.rank}")]
    found["together"] = [group.run_in_all(lambda: 10 + group.rank), said(group.run_in_all, lambda: fail_in(1, group))]
    alone = processes.wrap_model(tuned("lora ddp"))
    found["batch"] = said(train, alone, EXAMPLES, recipe(batch=1))
    split = processes.wrap_model(tuned("full fsdp"), "fsdp")
    found["split"] = said(train, split, EXAMPLES, recipe(batch=8), checkpoint=folder / "split.pt", save_every=1)
    found["resumed"] = resume(folder / "run.pt", group)
    torch.save(found, folder / f"{group.rank}.pt")
    distributed.destroy_process_group()


def run(arm):
    _, _, how, count, settings = ARMS[arm]
    whole = tuned(arm)
    names, total = [name for name, _ in named_trainable_parameters(whole)], sum(p.numel() for p in whole.parameters())
    model, exchanged = processes.wrap_model(whole, how), []
    if how == "ddp":
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

        model.register_comm_hook(None, lambda state, bucket: (exchanged.append(bucket.index()), allreduce_hook(state, bucket))[1])
        n_local = total
    else:
        n_local = sum(p.to_local().numel() for p in model.parameters())
    history = train(model, EXAMPLES[:count], recipe(**settings))
    state = dict(whole.named_parameters()) if how == "ddp" else processes.full_state_dict(model)
    return {
        "losses": history.losses,
        "norms": history.gradient_norms,
        "weights": {name: state[name].detach() for name in names if name in state},
        "exchanges": exchanged.count(0),
        "numbers": (n_local, total),
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
        return train(
            processes.wrap_model(tuned("lora ddp")), EXAMPLES, recipe(batch=8, micro_batch=1), checkpoint=path, **options
        )

    sentence = said(again, on_step=interrupt)
    group.gather(None)  # wait for rank 0, which writes
    seen, losses = path.exists(), again().losses
    group.gather(None)
    return {"said": sentence, "seen": seen, "left": path.exists(), "losses": losses}


if __name__ == "__main__":
    work(Path(sys.argv[1]))
