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
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from labutils.errors import LabError
from labutils.machine import limits
from labutils.tuning import processes

if TYPE_CHECKING:
    from labutils.tuning.examples import Example
    from labutils.tuning.loop import History
    from labutils.tuning.methods import Method
    from labutils.tuning.recipe import Recipe

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
GRACE = 3  # seconds; torchrun ends all processes as soon as one does, so the first gets the time to say why


@app.command()
def launch(
    out: Annotated[Path, typer.Option(help="An empty or new folder, for the adapter or the weights and history.json.")],
    method: Annotated[str, typer.Option(help="full, lora, qlora, prompt_tuning, bitfit or adapters.")] = "lora",
    wrap: Annotated[str, typer.Option(help="For several processes: ddp copies the model, fsdp splits it.")] = "ddp",
    examples: Annotated[Optional[int], typer.Option(min=1, help="The first N dialogues; all by default.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Examples per step, over all processes.")] = 8,
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
    from labutils.course.loading import load_model
    from labutils.tuning import LEARNING_RATES, Method, Recipe, prepare, train

    # 1. Refuse what cannot work, before a model is loaded.
    group, chosen = processes.current_group(), Method(method)
    several = group.world_size > 1
    _check_options(wrap, batch, checkpoint, group)
    group.run_in_all(lambda: _make_empty(out) if group.rank == 0 else None)
    _require_shared(checkpoint, group)

    # 2. The model and the examples, the same in every process.
    model, tokenizer = group.run_in_all(load_model)
    training_set = group.run_in_all(lambda: _load_examples(model, tokenizer, examples))

    # 3. The recipe, cut so that a step fits into the memory.
    recipe = Recipe(
        learning_rate or LEARNING_RATES[method], batch, epochs, seed=seed, micro_batch=micro_batch, checkpointing=checkpointing
    )
    if micro_batch is None:
        recipe = _fit_to_memory(model, training_set, chosen, recipe, wrap, memory_gib, group)

    # 4. Train. With several processes DDP or FSDP goes around the model.
    tuned = prepare(model, chosen, seed=seed)
    wrapped = processes.wrap_model(tuned, wrap) if several else tuned
    history = train(wrapped, training_set, recipe, checkpoint=checkpoint, save_every=save_every, keep_checkpoint=True)

    # 5. The first process writes. The checkpoint goes last, so that a full disk does not cost the training.
    peaks = group.gather({"rss": history.peak_rss, "allocated": history.peak_allocated})
    state = processes.full_state_dict(wrapped) if several and wrap == "fsdp" else None
    if group.rank == 0:
        run = {
            "tokens_per_second": history.tokens_per_second,
            "peaks": peaks,
            "world_size": group.world_size,
            "wrap": wrap if several else None,
            "method": method,
            "recipe": asdict(recipe),
        }
        _write(out, tuned, tokenizer, chosen, state, asdict(history) | run)
        if checkpoint:
            with suppress(OSError):
                checkpoint.unlink(missing_ok=True)
        print(_summary(out, method, history, group))


def _check_options(wrap: str, batch: int, checkpoint: Path | None, group: processes.Group) -> None:
    if wrap not in processes.WRAPPERS:
        raise LabError(f"--wrap {wrap!r} is unknown: choose {' or '.join(processes.WRAPPERS)}.")
    if batch < group.world_size:
        raise LabError(
            f"A step of {batch} examples is too small for {group.world_size} processes: take --batch {group.world_size} or more."
        )
    if wrap == "fsdp" and checkpoint and group.world_size > 1:
        raise LabError("A model that FSDP has split is not checkpointed here: use --wrap ddp, or leave --checkpoint out.")


def _make_empty(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        filled = any(out.iterdir())
    except OSError as error:
        raise LabError(f"--out {out} cannot be used ({error.strerror}): name a folder that you may write to.") from error
    if filled:
        raise LabError(f"--out {out} is not empty and nothing is overwritten: name a new folder.")


def _require_shared(checkpoint: Path | None, group: processes.Group) -> None:
    """Processes that go on from different checkpoints would train different models."""
    if checkpoint and len(set(group.gather(checkpoint.exists()))) > 1:
        raise LabError(f"Only some processes see the checkpoint {checkpoint}: put it on a disk that all machines share.")


def _load_examples(model: Any, tokenizer: Any, count: int | None) -> list[Example]:
    """The first `count` training dialogues as examples; None means all."""
    from labutils.course.corpora import load_dialogues
    from labutils.tuning.examples import build_examples
    from labutils.tuning.summaries import summary_pairs

    rows = load_dialogues()["train"]
    pairs = summary_pairs(tokenizer, rows.select(range(min(count or len(rows), len(rows)))))
    return build_examples(tokenizer, pairs, getattr(model.config, "max_position_embeddings", None))


def _fit_to_memory(
    model: Any,
    examples: Sequence[Example],
    method: Method,
    recipe: Recipe,
    wrap: str,
    memory_gib: float | None,
    group: processes.Group,
) -> Recipe:
    """The recipe, cut to fit into the memory of the process that has least, so that all cut alike."""
    from labutils.tuning.plan import plan_training

    if memory_gib is None:
        weights = limits.gib(sum(p.numel() * p.element_size() for p in model.parameters()))
        memory_gib = min(group.gather(_free_gib(model.device.type))) + weights
    plan = plan_training(
        model, examples, method, batch=recipe.batch, memory_gib=memory_gib, processes=group.world_size, wrap=wrap
    )
    fitted = plan.apply(recipe)
    return replace(fitted, checkpointing=fitted.checkpointing or recipe.checkpointing)


def _free_gib(device: str) -> float:
    """GiB for this process besides the weights; those of one machine share its main memory."""
    if device == "cuda":
        import torch

        return limits.gib(torch.cuda.mem_get_info()[0])
    return limits.gib(limits.memory_available()) / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _write(
    out: Path, model: Any, tokenizer: Any, method: Method, state: dict[str, Any] | None, history: Mapping[str, Any]
) -> None:
    """Save what was trained: a model of its own, PEFT's adapter, or the bottlenecks' weights alone, and the history.

    If that fails the folder is emptied again, so that the same command can be repeated.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from labutils.tuning.methods import named_trainable_parameters

    try:
        if method.name == "adapters":
            weights = {n: state[n] if state else p.detach().cpu() for n, p in named_trainable_parameters(model)}
            save_file(weights, out / "adapters.safetensors")
        else:
            model.save_pretrained(out, **({"state_dict": state} if state else {}))
        if method.changes_base_weights:
            tokenizer.save_pretrained(out)
        (out / "history.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        _empty(out)
        raise LabError(f"--out {out} could not be written ({error}): free some disk space and run again.") from error


def _empty(out: Path) -> None:
    """Delete what this run wrote into the folder, which was empty."""
    for entry in out.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with suppress(OSError):
                entry.unlink()


def _summary(out: Path, method: str, history: History, group: processes.Group) -> str:
    size, losses = group.world_size, history.losses
    return (
        f"{method}, {size} process{'es' * (size > 1)}: {len(losses)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}, "
        f"{history.tokens_per_second:.0f} tokens/s, in {out}."
    )


def main() -> None:
    """Run the command; a LabError is one line from the first process and exit status 1."""
    rank = 0
    try:
        with processes.process_group() as group:
            rank = group.rank
            app()
    except LabError as error:
        if rank:
            time.sleep(GRACE)
            sys.exit(1)
        sys.exit(f"launch: {error}")


if __name__ == "__main__":
    main()
