"""How fast the course computes: beside the plain library call, and beside what the machine can do.

    python benchmarks/speed.py     about three minutes on two quiet cores

The machine's limits come first: products of large matrices (GFLOP/s) and reading memory (GB/s). Then, in turns and in one process, the
course's way and the library's own call for the same result. The last column says how near the machine's limit that is, and the line
below where the rest of the time goes, from PyTorch's profiler. The operations of a training step are counted by PyTorch's own
FLOP counter, padding included. Writes build/speed.json, which `make proof` reads.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from scipy import stats
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import DataCollatorForSeq2Seq, PrinterCallback, Trainer, TrainingArguments

from labutils import load_model
from labutils.course import doctor
from labutils.course.corpora import load_dialogues
from labutils.evaluation.bleu_score import bleu
from labutils.evaluation.intervals import bootstrap_interval
from labutils.evaluation.rouge import rouge_l
from labutils.machine import limits, settings
from labutils.prompting.likelihoods import generate_texts
from labutils.tuning import Method, Recipe, build_examples, prepare, train
from labutils.tuning.examples import IGNORE_INDEX
from labutils.tuning.summaries import summary_pairs

RESULT = Path(__file__).resolve().parent.parent / "build" / "speed.json"
NEW, BATCH, TRAINED = 32, 16, 16  # tokens written, texts at once, examples of a training run
ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"
KINDS = {"matrix products": ("mm", "addmm", "bmm"), "attention": (ATTENTION, f"{ATTENTION}_backward"), "copies": ("cat", "copy_")}
Job = Callable[[], Any]


@dataclass(frozen=True)
class Speed:
    """One line: the rate of the course's way and of the library's call, in a unit, the share of a limit, and where the rest goes."""

    what: str
    unit: str
    ours: float
    plain: str
    theirs: float
    limit: str = ""
    share: float | None = None
    rest: str = ""


def read_bandwidth(mib: int = 512) -> float:
    """Gigabytes (1e9 bytes) a second that all cores read from memory: the best of several sums over one large tensor."""
    values = torch.ones(mib << 18)
    return max(values.nbytes / seconds_of(values.sum) / 1e9 for _ in range(5))


def seconds_of(job: Job) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def in_turns(ours: Job, theirs: Job, runs: int = 3) -> tuple[float, float]:
    """Median seconds of both, run in turns after one of each that warms up."""
    ours(), theirs()
    times = [(seconds_of(ours), seconds_of(theirs)) for _ in range(runs)]
    return statistics.median(a for a, _ in times), statistics.median(b for _, b in times)


def shares(job: Job) -> str:
    """Where the time of a call goes, by kind of operation, in percent of its own time on the CPU."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        job()
    spent = {row.key.removeprefix("aten::"): row.self_cpu_time_total for row in found.key_averages()}
    parts = {kind: sum(spent.get(name, 0) for name in names) for kind, names in KINDS.items()}
    total = sum(spent.values())
    parts["all else"] = total - sum(parts.values())
    return ", ".join(f"{kind} {value / total:.0%}" for kind, value in parts.items())


def decoding(model: Any, tokenizer: Any, texts: int, bandwidth: float) -> Speed:
    """Greedy tokens after short prompts: `generate_texts` against `generate`, and the bytes of weights that a step reads."""
    prompts = ["The old sailor looked at the sky and said"] * texts
    inputs = tokenizer(prompts, return_tensors="pt").to(model.device)

    @torch.no_grad()
    def theirs() -> Any:
        return model.generate(**inputs, max_new_tokens=NEW, do_sample=False)

    def ours() -> list[str]:
        return generate_texts(model, tokenizer, prompts, NEW)

    written = theirs().shape[1] - inputs.input_ids.shape[1]  # of each text: all are the same
    mine, plain = in_turns(ours, theirs)
    weights = sum(p.nbytes for p in model.parameters())
    return Speed(
        f"decoding, {texts} text{'s' * (texts > 1)} at once", "tokens/s", texts * written / mine, "transformers, generate",
        texts * written / plain, limit="of the memory's bandwidth" if texts == 1 else "", rest=shares(ours),
        share=weights * written / mine / 1e9 / bandwidth if texts == 1 else None,
    )  # fmt: skip


def training(model: Any, tokenizer: Any, method: str, peak: float) -> Speed:
    """One pass over some examples in steps of four: `train` against transformers' Trainer."""
    pairs = summary_pairs(tokenizer, load_dialogues()["train"].select(range(TRAINED)))
    examples = build_examples(tokenizer, pairs)
    rows = [{"input_ids": e.prompt + e.completion, "labels": [IGNORE_INDEX] * len(e.prompt) + e.completion} for e in examples]
    data, collator = Dataset.from_list(rows), DataCollatorForSeq2Seq(tokenizer)
    tuned, recipe = prepare(copy.deepcopy(model), Method(method)), Recipe(1e-4, batch=4)

    def ours() -> Any:
        return train(tuned, examples, recipe)

    def theirs() -> None:
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder, num_train_epochs=1, per_device_train_batch_size=4, learning_rate=1e-4, report_to=[], save_strategy="no",
                logging_strategy="no", disable_tqdm=True, use_cpu=settings.device() == "cpu", dataloader_pin_memory=False,
            )  # fmt: skip
            trainer = Trainer(tuned, arguments, train_dataset=data, data_collator=collator)
            trainer.remove_callback(PrinterCallback)
            trainer.train()

    tokens = sum(example.length for example in examples)
    mine, plain = in_turns(ours, theirs, 2)
    with FlopCounterMode(display=False) as counter:
        ours()
    return Speed(
        f"training, {method}, 4 examples at once", "tokens/s", tokens / mine, "transformers, Trainer", tokens / plain,
        "of the matrix peak", counter.get_total_flops() / mine / 1e9 / peak, shares(ours),
    )  # fmt: skip


def scoring() -> list[Speed]:
    """The metrics against their reference packages, and the bootstrap against SciPy's."""
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import corpus_bleu

    rows = list(load_dialogues()["test"])
    texts, references = [row["dialogue"] for row in rows], [row["summary"] for row in rows]
    scorer = RougeScorer(["rougeL"])
    values = np.random.default_rng(0).random(500)
    cases: list[tuple[str, int, str, Job, Job]] = [
        (
            "ROUGE-L, dialogue and summary", len(rows), "rouge_score",
            lambda: [rouge_l(t, r) for t, r in zip(texts, references, strict=True)],
            lambda: [scorer.score(r, t) for t, r in zip(texts, references, strict=True)],
        ),
        (
            "BLEU of a corpus", len(rows), "sacrebleu",
            lambda: bleu(texts, [[r] for r in references]),
            lambda: corpus_bleu(texts, [references]),
        ),
        (
            "bootstrap of a mean of 500, 10,000 times", 10_000, "SciPy, percentile",
            lambda: bootstrap_interval(values.tolist(), 10_000),
            lambda: stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile"),
        ),
    ]  # fmt: skip
    found = []
    for what, count, plain, ours, theirs in cases:
        mine, other = in_turns(ours, theirs)
        found.append(Speed(what, "a second", count / mine, plain, count / other))
    return found


def main() -> None:
    """Print the table and keep it."""
    os.environ["LABS_PROGRESS"] = "0"  # the table alone
    if settings.device() == "cpu":
        torch.set_num_threads(limits.cores())
    peak, bandwidth = doctor.gflops(2.0, 2048), read_bandwidth()
    print(f"{limits.cores()} cores: {peak:.0f} GFLOP/s in products of large matrices, {bandwidth:.0f} GB/s from memory")
    model, tokenizer = load_model()
    found = [decoding(model, tokenizer, texts, bandwidth) for texts in (1, BATCH)]
    found += [training(model, tokenizer, method, peak) for method in ("full", "lora")]
    found += scoring()
    for line in found:
        near = f", {line.share:.0%} {line.limit}" if line.share is not None else ""
        print(f"{line.what:44} {line.ours:9.1f} {line.unit:9} {line.ours / line.theirs:6.2f} times {line.plain}{near}")
        if line.rest:
            print(f"{'':44} {line.rest}")
    RESULT.parent.mkdir(exist_ok=True)
    facts = {"cores": limits.cores(), "gflops": peak, "GB a second": bandwidth, "lines": [asdict(line) for line in found]}
    RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
