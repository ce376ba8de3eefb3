"""Three ways to fine-tune the same model on the same examples: the widely taught recipe, a better collator, and the course's loop.

    python benchmarks/fine_tuning.py                    full and LoRA, 24 examples each: about seven minutes on two cores
    python benchmarks/fine_tuning.py --method lora --examples 8

a   every example padded to 512 tokens, loss over prompt, completion and padding, transformers' Trainer
b   Trainer with a collator that pads to the longest of the batch, loss on the completion
c   labutils.tuning, with as much memory as the machine has
c4  the same inside 2.6 GiB for weights, gradients, optimizer and activations: what fits a session of 4 GiB

All take steps of 8 examples with AdamW in float32 and the same learning rate, each in a process of its own. Prints a table and
writes build/fine_tuning.json. Seconds are those of the steps after the first. FLOP counts what the task needs: matrix products of
the tokens without padding, logits where a label is; the share is that of the speed of a 1024 x 1024 product, measured before each run.
"Done" is the same share with all that a way computes: padding, and logits that nobody asks for. Below the table
stands where way c's time goes, by kinds of operation, from one more step under PyTorch's profiler.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from labutils import load_model
from labutils.course import doctor
from labutils.course.corpora import load_dialogues
from labutils.machine import limits, settings
from labutils.memory import Shape
from labutils.tuning import LEARNING_RATES, Method, Recipe, build_examples, plan_training, prepare, train
from labutils.tuning.examples import IGNORE_INDEX, Example, micro_batches, step_order
from labutils.tuning.probes import mean_loss
from labutils.tuning.summaries import summary_pairs

ROOT = Path(__file__).resolve().parent.parent
WAYS = ("a", "b", "c", "c4")
BATCH, PADDED, SEED = 8, 512, 0
SESSION_GIB = 2.6


def useful_flop(shape: Shape, examples: list[Example], method: Method) -> float:
    """Floating-point operations that training once on the examples takes at least.

    2 for each weight and token forward, 2 for the gradient of the input, 2 for that of a trained weight; attention's two products
    take 4 T D a token and layer forward and twice that backward, over half the square, as a token looks left only.
    """
    tokens = sum(e.length for e in examples)
    rows = sum(len(e.completion) for e in examples)
    matrices = sum(x.parameters for x in shape.linears if x.role != "head")
    head = shape.vocabulary * shape.hidden
    squares = sum(e.length**2 for e in examples)
    attention = 12 * squares / 2 * shape.heads * shape.head_dim * shape.layers
    if method.name == "full":
        return 6 * matrices * tokens + 6 * head * rows + attention
    added = sum(method.lora_rank * (x.n_in + x.n_out) * x.count for x in shape.targeted())
    return (4 * matrices + 6 * added) * tokens + 4 * head * rows + attention


def as_computed(way: str, examples: list[Example], micro_batch: int) -> list[Example]:
    """The examples as a way puts them through the model: with its padding, and as completion what it computes logits for."""
    if way == "a":
        return [Example([], [0] * max(PADDED, e.length)) for e in examples]
    if way == "b":  # Trainer draws its steps at random: those of the given order pad about as much
        parts = [examples[i : i + BATCH] for i in range(0, len(examples), BATCH)]
    else:
        steps = [sorted((examples[i] for i in step), key=lambda e: e.length) for step in step_order(examples, BATCH, seed=SEED)]
        parts = [list(part) for step in steps for part in micro_batches(step, micro_batch)]
    found = []
    for part in parts:
        longest = max(e.length for e in part)
        for e in part:
            prompt = [*e.prompt, *[0] * (longest - e.length)]
            found.append(Example([], [*prompt, *e.completion]) if way == "b" else Example(prompt, e.completion))
    return found


class TrainerDataset(torch.utils.data.Dataset):
    """Examples as Trainer takes them: ids, mask and labels, for way a padded to 512 with labels everywhere."""

    def __init__(self, examples: list[Example], pad: int, padded: bool) -> None:
        """Tokens are laid out once."""
        self.rows = []
        for e in examples:
            ids, labels = [*e.prompt, *e.completion], [*[IGNORE_INDEX] * len(e.prompt), *e.completion]
            padding = max(0, PADDED - len(ids)) if padded else 0
            ids = [*ids, *[pad] * padding]
            mask = [1] * (len(ids) - padding) + [0] * padding
            self.rows.append({"input_ids": ids, "attention_mask": mask, "labels": list(ids) if padded else labels})

    def __len__(self) -> int:
        """How many."""
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """One row."""
        return self.rows[i]


def with_trainer(model: Any, tokenizer: Any, examples: list[Example], rate: float, padded: bool) -> list[float]:
    """Train with transformers' Trainer; seconds of each step."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback, TrainingArguments

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            ends.append(time.perf_counter())

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            ends[-1] = time.perf_counter() - ends[-1]

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=rate, warmup_steps=1, weight_decay=0.0,
            save_strategy="no", report_to=[], logging_strategy="no", disable_tqdm=True, seed=SEED, use_cpu=not torch.cuda.is_available(),
        )  # fmt: skip
        collator = DataCollatorForSeq2Seq(tokenizer, padding=True, label_pad_token_id=IGNORE_INDEX)
        rows = TrainerDataset(examples, tokenizer.pad_token_id, padded)
        Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator, callbacks=[Clock()]).train()
    return ends


def with_course_loop(model: Any, examples: list[Example], recipe: Recipe) -> list[float]:
    """Train with the course's loop; seconds of each step."""
    ends = [0.0]
    train(model, examples, recipe, on_step=lambda _, history: ends.append(history.seconds))
    return [after - before for before, after in itertools.pairwise(ends)]


KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "linear"),
    "attention": ("_scaled_dot_product", "_flash_attention"),
    "optimizer": ("_fused_adamw", "_foreach"),
    "copies and sums": ("copy_", "cat", "add", "add_", "sum", "fill_", "zero_", "clone", "index", "index_put"),
}


def where_time_goes(work: Callable[[], Any]) -> dict[str, float]:
    """Shares of the operations' own time while `work` runs, by the kinds above; the rest are mostly element-wise functions."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as seen:
        work()
    shares = dict.fromkeys([*KINDS, "other"], 0.0)
    for event in seen.key_averages():
        name = event.key.removeprefix("aten::")
        kind = next(
            (kind for kind, names in KINDS.items() if name in names or (name[0] == "_" and name.startswith(names))), "other"
        )
        shares[kind] += event.self_cpu_time_total
    total = sum(shares.values())
    return {kind: round(share / total, 3) for kind, share in shares.items()}


def run(way: str, name: str, count: int) -> dict[str, Any]:
    """One way, one method, in this process."""
    torch.set_num_threads(limits.cores())
    settings.seed_everything(SEED)
    peak = max(doctor.gflops(1.0) for _ in range(2))
    model, tokenizer = load_model()
    shape, method, rate = Shape.of(model), Method(name), LEARNING_RATES[name]
    data = load_dialogues()
    examples = build_examples(tokenizer, summary_pairs(tokenizer, data["train"].to_list()[:count]))
    validation = build_examples(tokenizer, summary_pairs(tokenizer, data["validation"].to_list()[:16]))
    plan = plan_training(model, examples, method, batch=BATCH, memory_gib=SESSION_GIB if way == "c4" else None)
    recipe = plan.apply(Recipe(rate, batch=BATCH))
    model = prepare(model, method)
    if way in "ab":
        tokenizer.padding_side = "right"
        steps, cut = with_trainer(model, tokenizer, examples, rate, way == "a"), "8 at a time"
    else:
        steps, cut = with_course_loop(model, examples, recipe), str(plan)
    peak_rss, loss = limits.peak_rss(), mean_loss(model, validation)
    times = where_time_goes(lambda: train(model, examples[:BATCH], recipe)) if way == "c" else {}
    seconds = sum(steps[1:]) / (len(steps) - 1)
    speed = useful_flop(shape, examples, method) / count * BATCH / seconds / 1e9
    done = useful_flop(shape, as_computed(way, examples, plan.micro_batch), method) / count * BATCH / seconds / 1e9
    return {
        "examples_per_second": round(BATCH / seconds, 3),
        "peak_gib": round(limits.gib(peak_rss), 2),
        "loss": round(loss, 3),
        "gflops": round(speed, 1),
        "matmul_gflops": round(peak, 1),
        "share": round(speed / peak, 3),
        "done": round(done / peak, 3),
        "cut": cut,
        "times": times,
    }


def main() -> None:
    """Run every way in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description="Three ways to fine-tune, side by side.")
    parser.add_argument("--examples", type=int, default=24, help="training examples, a multiple of 8, at least 16")
    parser.add_argument("--method", choices=("full", "lora"), help="one of the two (default: both)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.examples % BATCH or arguments.examples < 2 * BATCH:
        sys.exit("Give a multiple of 8 examples, at least 16: the first step is not timed.")
    if arguments.way:
        print("RESULT " + json.dumps(run(arguments.way, arguments.method, arguments.examples)))
        return
    found: dict[str, dict[str, Any]] = {}
    print(f"{'':10}{'examples/s':>12}{'peak GiB':>10}{'loss':>8}{'GFLOP/s':>10}{'of peak':>9}{'done':>7}   cut")
    for name in (arguments.method,) if arguments.method else ("full", "lora"):
        for way in WAYS:
            options = ["--way", way, "--method", name, "--examples", str(arguments.examples)]
            command = [sys.executable, "-W", "ignore", __file__, *options]
            out = subprocess.run(command, capture_output=True, text=True)
            if "RESULT " not in out.stdout:
                sys.exit(f"{name}, way {way}, failed: {out.stderr.strip().splitlines()[-1:]}")
            r = found[f"{name} {way}"] = json.loads(out.stdout.split("RESULT ")[1])
            speed, quality = f"{r['examples_per_second']:12.2f}{r['peak_gib']:10.2f}", f"{r['loss']:8.3f}"
            flop = f"{r['gflops']:10.1f}{r['share']:9.0%}{r['done']:7.0%}"
            print(f"{name + ' ' + way:10}{speed}{quality}{flop}   {r['cut']}", flush=True)
        rates = {way: found[f"{name} {way}"]["examples_per_second"] for way in WAYS}
        print(f"{name}: c is {rates['c'] / rates['a']:.1f} times a and {rates['c'] / rates['b']:.2f} times b.", end=" ")
        print("Time of c: " + ", ".join(f"{kind} {share:.0%}" for kind, share in found[f"{name} c"]["times"].items()), flush=True)
    path = ROOT / "build" / "fine_tuning.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"examples": arguments.examples, "runs": found}, indent=1) + "\n", encoding="utf-8")
    print(f"Written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
