"""The other end of `run_arm`: a process that trains one arm, measures it and writes its texts. Started by labutils.tuning.arms.

Usage: python -m labutils.tuning.arm_process JOB.json ANSWER.json
"""

from __future__ import annotations

import _thread
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from labutils.course.loading import load_model
from labutils.errors import LabError
from labutils.machine import footprint, limits, settings
from labutils.machine.files import write_atomically
from labutils.machine.footprint import tensor_bytes
from labutils.prompting.likelihoods import generate_texts
from labutils.tuning.arms import PATIENCE_SECONDS
from labutils.tuning.catch_up import saved_bytes
from labutils.tuning.checkpoints import Interrupted
from labutils.tuning.examples import Example, collate, micro_batches, token_losses
from labutils.tuning.loop import History, train, training_mode
from labutils.tuning.methods import prepare, trainable_count
from labutils.tuning.probes import mean_loss
from labutils.tuning.recipe import Recipe

SAVES, SMALL_BYTES = 10, 100_000_000  # so many times in a run, where a checkpoint is no larger than that


def step_bytes(model: Any, examples: Sequence[Example], recipe: Recipe) -> dict[str, int]:
    """Bytes of tensors in one training step on the longest of the examples, cut as the recipe says.

    Two steps are made with PyTorch's AdamW at a learning rate of 0, so that the weights stay as they are. The second one, when the
    optimizer's state exists, is measured.

    Args:
        model: from `prepare`.
        examples: all that will be trained on.
        recipe: its batch, micro-batch, checkpointing and frugality count.

    Returns:
        "weights", "gradients", "optimizer", "activations" (what the forward pass of the largest micro-batch leaves, the loss's
        log-softmax included) and "peak", the most that all of it took at once.
    """
    device, trained = next(model.parameters()).device, [p for p in model.parameters() if p.requires_grad]
    step = sorted(examples, key=lambda example: example.length)[-recipe.batch :]
    parts = micro_batches(step, recipe.micro_batch or len(step))  # the longest come last
    labelled = sum(len(example.completion) for example in step)
    with training_mode(model, recipe, device):
        optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0, fused=True)

        def forward(part: Sequence[Example]) -> Any:
            return token_losses(model, collate(part, model)).sum() / labelled

        forward(step[:1]).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state = [tensor for moments in optimizer.state.values() for tensor in moments.values()]
        weights = [*model.parameters(), *model.buffers()]
        with footprint.measure([*weights, *state]) as found:
            for part in parts[:-1]:
                forward(part).backward()
            before = tensor_bytes(p.grad for p in trained if p.grad is not None)
            loss = forward(parts[-1])
            found.mark("forward")
            loss.backward()
            gradients = tensor_bytes(p.grad for p in trained if p.grad is not None)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    return {
        "weights": tensor_bytes(weights),
        "gradients": gradients,
        "optimizer": tensor_bytes(state),
        "activations": dict(found.marks)["forward"] - before,
        "peak": found.total_allocated,
    }


def work(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do a job of `Arm.as_json`; see `run_arm` for what comes back."""
    learn, held_out = ([Example(*pair) for pair in job[name]] for name in ("train", "validation"))
    recipe, checkpoint = Recipe(**job["recipe"]), Path(job["checkpoint"]) if job["checkpoint"] else None
    model, tokenizer = load_model()
    tuned = prepare(model, job["method"], seed=recipe.seed)
    trained = trainable_count(tuned)
    measured = step_bytes(tuned, learn, recipe) if job["measure"] else {}

    # The validation loss at some steps. A run that goes on has the earlier ones in a file beside its checkpoint.
    steps = recipe.epochs * -(-len(learn) // recipe.batch)
    looks = {steps, *(round(steps * k / (job["looks"] - 1)) for k in range(job["looks"] - 1))}
    kept = checkpoint.with_suffix(".curve") if checkpoint else None
    goes_on = checkpoint is not None and os.path.exists(checkpoint)
    curve = _earlier_looks(kept) if kept and goes_on else []

    def look(done: int) -> None:
        if held_out and done in looks and done not in dict(curve):
            curve.append((done, mean_loss(tuned, held_out)))
            if kept:
                with suppress(LabError):  # a full disk costs a point of the curve of a run that goes on, and not the run
                    write_atomically(kept, json.dumps(curve))

    def on_step(number: int, history: History) -> None:
        report(number + 1, history)
        look(number + 1)

    if not goes_on:
        look(0)
    # Weights and AdamW's two means. Those of an adapter are soon written, against a process that the system kills.
    small = 3 * 4 * trained <= SMALL_BYTES and checkpoint is not None and limits.disk_free(checkpoint) > 3 * SMALL_BYTES
    history = train(
        tuned, learn, recipe, checkpoint=checkpoint, save_every=max(1, steps // SAVES) if small else None, keep_checkpoint=True,
        on_step=on_step,
    )  # fmt: skip
    look(steps)
    disk, unsaved = 0, ""
    if job["save"]:
        try:
            disk = saved_bytes(tuned, Path(job["save"]), keep=job["keep_weights"])
        except LabError as error:
            unsaved = str(error)
    if hasattr(tuned, "merge_and_unload"):
        tuned = tuned.merge_and_unload()
    texts = generate_texts(tuned, tokenizer, job["prompts"], job["max_new_tokens"]) if job["prompts"] else []
    return {
        "texts": [" ".join(text.split()) for text in texts],
        "history": vars(history),
        "seconds": history.seconds,
        "curve": sorted(curve),
        "trained": trained,
        "disk": disk,
        "unsaved": unsaved,
        "bytes": measured,
        "peak_rss": limits.peak_rss(),
    }


def _earlier_looks(kept: Path) -> list[tuple[int, float]]:
    """Steps done and validation loss, as far as a run that goes on had come; nothing where the file is missing or damaged."""
    try:
        return [(int(done), float(loss)) for done, loss in json.loads(kept.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def report(done: int, history: History) -> None:
    """Tell the kernel how far it is, in one line of JSON."""
    told = {
        "done": done,
        "losses": history.losses[-1:],
        "tokens_per_second": history.tokens_per_second,
        "peak_rss": history.peak_rss,
        "peak_allocated": history.peak_allocated,
    }
    with suppress(OSError):  # a kernel that is gone does not listen
        print(json.dumps(told), flush=True)


def _end_with_the_kernel() -> None:
    """End this process when the kernel that started it is gone: its end of stdin closes then. A run with a checkpoint saves first."""

    def watch() -> None:
        sys.stdin.read()
        _thread.interrupt_main()  # what the Interrupt button does
        time.sleep(PATIENCE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(job: str, answer: str) -> None:
    """Read the job, do it, write the answer: a result, or the sentence of a refusal."""
    _end_with_the_kernel()
    torch.set_num_threads(limits.cores())
    settings.seed_everything(0)
    task = json.loads(Path(job).read_text(encoding="utf-8"))
    try:
        found: dict[str, Any] = {"result": work(task)}
    except Interrupted as stopped:
        found = {"interrupted": str(stopped)}
    except KeyboardInterrupt:
        kept = task["checkpoint"] and Path(task["checkpoint"]).exists()
        again = "to go on from its last step" if kept else "to start anew"
        found = {"interrupted": f"Interrupted outside the steps of “{task['method']}”: run it again {again}."}
    except LabError as refusal:
        found = {"refused": str(refusal)}
    write_atomically(Path(answer), json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
