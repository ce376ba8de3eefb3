"""Fine-tune the course's model from the command line: in one process, in several, or on several machines (lab 05).

    python -m labutils.tuning.launch --method lora --out tuned
    torchrun --nproc-per-node 2 -m labutils.tuning.launch --method lora --out tuned
    accelerate launch --multi_gpu --num_processes 2 -m labutils.tuning.launch --method lora --out tuned

(accelerate starts several processes with --multi_gpu only; in spite of the name that works without a GPU, too.)
The steps are the same whatever the number of processes, and so are the losses, up to rounding. A process takes one CUDA device
where there are any, else a share of the cores. Each loads the whole model first; what FSDP then splits is the state of training.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from labutils.errors import LabError
from labutils.machine import limits
from labutils.tuning import processes

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
GRACE = 3  # seconds; torchrun ends all processes as soon as one does, so the first gets the time to say why


@app.command()
def launch(
    out: Annotated[Path, typer.Option(help="An empty or new folder, for the adapter or the weights and history.json.")],
    method: Annotated[str, typer.Option(help="full, lora, qlora, prompt_tuning, bitfit or adapters.")] = "lora",
    wrap: Annotated[str, typer.Option(help="For several processes: ddp copies the model, fsdp splits it.")] = "ddp",
    examples: Annotated[Optional[int], typer.Option(min=1, help="The first N dialogues; all by default.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Examples a step, over all processes.")] = 8,
    epochs: Annotated[int, typer.Option(min=1, help="Times that each example is seen.")] = 1,
    learning_rate: Annotated[Optional[float], typer.Option(help="The highest; by default one that suits the method.")] = None,
    micro_batch: Annotated[
        Optional[int], typer.Option(min=1, help="Examples at once in a process; by default what fits into the memory.")
    ] = None,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Compute activations again in the backward pass.")
    ] = False,
    checkpoint: Annotated[
        Optional[Path], typer.Option(help="A file to go on from after a break, on a disk that every process sees; not with fsdp.")
    ] = None,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between two writings of the checkpoint.")] = 20,
    memory_gib: Annotated[Optional[float], typer.Option(help="GiB for each process; by default what is free.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the examples, of what is added to the model, and of dropout.")] = 0,
) -> None:
    """Fine-tune the course's model (LABS_MODEL) to summarize dialogues (LABS_DIALOGUES)."""
    from labutils.course.corpora import load_dialogues
    from labutils.course.loading import load_model
    from labutils.tuning import LEARNING_RATES, Method, Recipe, build_examples, prepare, train
    from labutils.tuning.summaries import summary_pairs

    group, how = processes.current(), Method(method)
    if wrap not in processes.WRAPS:
        raise LabError(f"--wrap {wrap!r} is unknown: choose {' or '.join(processes.WRAPS)}.")
    if batch < group.size:
        raise LabError(f"A step of {batch} examples is too small for {group.size} processes: take --batch {group.size} or more.")
    if wrap == "fsdp" and checkpoint and not group.plain:
        raise LabError("A model that FSDP has split is not checkpointed here: use --wrap ddp, or leave --checkpoint out.")
    group.together(lambda: _make_empty(out) if group.rank == 0 else None)
    if checkpoint and len(set(group.gather(checkpoint.exists()))) > 1:
        raise LabError(f"Only some processes see the checkpoint {checkpoint}: put it on a disk that all machines share.")

    model, tokenizer = group.together(load_model)
    rows = group.together(load_dialogues)["train"]
    pairs = summary_pairs(tokenizer, rows.select(range(min(examples or len(rows), len(rows)))))
    examples_ = build_examples(tokenizer, pairs, getattr(model.config, "max_position_embeddings", None))
    recipe = Recipe(
        learning_rate or LEARNING_RATES[how.name], batch, epochs, seed=seed, micro_batch=micro_batch, checkpointing=checkpointing
    )
    if micro_batch is None:
        recipe = _fitted(model, examples_, how, recipe, wrap, memory_gib, group)
    tuned = prepare(model, how, seed=seed)
    wrapped = tuned if group.plain else processes.wrap(tuned, wrap)
    history = train(wrapped, examples_, recipe, checkpoint=checkpoint, save_every=save_every)

    peaks = group.gather({"rss": history.peak_rss, "allocated": history.peak_allocated})
    state = processes.whole_state(wrapped) if wrap == "fsdp" and not group.plain else None
    if group.rank == 0:
        kept = asdict(history) | {
            "tokens_per_second": history.tokens_per_second,
            "peaks": peaks,
            "world_size": group.size,
            "wrap": None if group.plain else wrap,
            "method": how.name,
            "recipe": asdict(recipe),
        }
        _write(out, tuned, tokenizer, how, state, kept)
        print(
            f"{how.name}, {group.size} process{'es' * (not group.plain)}: {len(history.losses)} steps, "
            f"loss {history.losses[0]:.3f} to {history.losses[-1]:.3f}, {history.tokens_per_second:.0f} tokens/s, in {out}."
        )


def _make_empty(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        filled = any(out.iterdir())
    except OSError as error:
        raise LabError(f"--out {out} cannot be used ({error.strerror}): name a folder that you may write to.") from error
    if filled:
        raise LabError(f"--out {out} is not empty and nothing is overwritten: name a new folder.")


def _fitted(model: Any, examples: Any, method: Any, recipe: Any, wrap: str, memory_gib: float | None, group: Any) -> Any:
    """The recipe, cut to fit into the memory of the process that has least, so that all cut alike."""
    from labutils.tuning.plan import plan_training

    if memory_gib is None:
        weights = limits.gib(sum(p.numel() * p.element_size() for p in model.parameters()))
        memory_gib = min(group.gather(_free(model.device.type))) + weights
    plan = plan_training(model, examples, method, batch=recipe.batch, memory_gib=memory_gib, processes=group.size, wrap=wrap)
    fitted = plan.apply(recipe)
    return replace(fitted, checkpointing=fitted.checkpointing or recipe.checkpointing)


def _free(device: str) -> float:
    """GiB for this process besides the weights; those of one machine share its main memory."""
    if device == "cuda":
        import torch

        return limits.gib(torch.cuda.mem_get_info()[0])
    return limits.gib(limits.memory_available()) / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _write(out: Path, model: Any, tokenizer: Any, method: Any, state: Any, history: dict[str, Any]) -> None:
    """Save what was trained: a model of its own, PEFT's adapter, or the bottlenecks' weights alone, and the history."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from labutils.tuning.methods import trained

    try:
        if method.name == "adapters":
            weights = {name: state[name] if state else p.detach().cpu() for name, p in trained(model)}
            save_file(weights, out / "adapters.safetensors")
        else:
            model.save_pretrained(out, **({"state_dict": state} if state else {}))
        if method.own_weights:
            tokenizer.save_pretrained(out)
        (out / "history.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise LabError(f"--out {out} could not be written ({error}): free some disk space and run again.") from error


def _start_group() -> None:
    """Join the group that torchrun or accelerate describes in WORLD_SIZE, RANK and MASTER_ADDR; alone, do nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    import torch
    from torch import distributed

    cuda, local = torch.cuda.is_available(), int(os.environ.get("LOCAL_RANK", "0"))
    if cuda and local >= torch.cuda.device_count():
        raise LabError(f"This machine has {torch.cuda.device_count()} CUDA devices: start that many processes on it, or fewer.")
    if cuda:
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if cuda else "gloo")


def main() -> None:
    """Run the command; a LabError is one line from the first process and exit status 1."""
    from torch import distributed

    try:
        _start_group()
        app()
    except LabError as error:
        if processes.current().rank:
            time.sleep(GRACE)
            sys.exit(1)
        sys.exit(f"launch: {error}")
    finally:
        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


if __name__ == "__main__":
    main()
