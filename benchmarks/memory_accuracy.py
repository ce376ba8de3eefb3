"""How good is the memory prediction? Predicted beside measured, and beside `accelerate estimate-memory`.

    python benchmarks/memory_accuracy.py             five architectures, two lengths each, four methods: a few minutes
    python benchmarks/memory_accuracy.py --quick     without the course's model

Prints a table and writes build/memory_accuracy.json. Bytes are counted by PyTorch's dispatcher on a CPU, by the caching allocator
on CUDA; "resident" is how much the process's resident set grew.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import psutil
import torch
import typer
from accelerate.commands.estimate import estimate_training_usage
from accelerate.utils import calculate_maximum_sizes
from rich.console import Console
from rich.table import Table
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    T5Config,
)
from transformers.utils import logging as transformers_logging

from labutils import load_model
from labutils.machine import limits, settings
from labutils.memory import Shape
from labutils.tuning.measured import Comparison, compare_inference, compare_training

ROOT = Path(__file__).resolve().parent.parent
BATCH = 2
LENGTHS = (64, 256)
METHODS = ("full", "lora", "prompt_tuning", "bitfit")


def small_models() -> dict[str, Any]:
    """Four architectures unlike one another, with random weights and activations that matter beside the weights."""
    llama = LlamaConfig(
        hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2, vocab_size=4096,
        max_position_embeddings=512, tie_word_embeddings=False,
    )  # fmt: skip
    gpt2 = GPT2Config(n_embd=192, n_layer=4, n_head=6, vocab_size=4096, n_positions=512, bos_token_id=0, eos_token_id=0)
    bert = BertConfig(hidden_size=192, num_hidden_layers=4, num_attention_heads=6, intermediate_size=768, vocab_size=4096)
    t5 = T5Config(
        d_model=192, d_kv=32, d_ff=512, num_layers=3, num_decoder_layers=3, num_heads=6, vocab_size=4096, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return {
        "Llama-like, grouped-query": AutoModelForCausalLM.from_config(llama),
        "GPT-2": AutoModelForCausalLM.from_config(gpt2),
        "BERT": AutoModelForMaskedLM.from_config(bert),
        "T5": AutoModelForSeq2SeqLM.from_config(t5),
    }


def accelerate_says(config: Any) -> tuple[int, int]:
    """(weights, training with Adam) in bytes of float32, as `accelerate estimate-memory` computes them.

    The command itself looks a model up on the hub; these are the two functions that it calls on what it found there.
    """
    from transformers import AutoModel

    with torch.device("meta"):
        model = AutoModel.from_config(config)
    total, _ = calculate_maximum_sizes(model)
    return total, max(estimate_training_usage(total, "float32").values())


def rows_of(name: str, what: str, length: int, found: Comparison, console_table: Table) -> list[dict[str, Any]]:
    """The comparison's rows as records, put into the table as well."""
    records = []
    for row in found.rows:
        if row.predicted or row.measured:
            console_table.add_row(
                name, what, str(length), row.term, f"{row.predicted / 1e6:,.2f}", f"{row.measured / 1e6:,.2f}", f"{row.residual:+.1%}",
                f"{found.footprint.rss_above_start / 1e6:,.0f}" if row.term == "peak" else "",
            )  # fmt: skip
            records.append({"model": name, "run": what, "length": length, **vars(row), "residual": row.residual})
    return records


def main(quick: Annotated[bool, typer.Option(help="Leave out the course's model.")] = False) -> None:
    """Measure, print the tables, and write build/memory_accuracy.json."""
    warnings.simplefilter("ignore")
    transformers_logging.set_verbosity_error()
    device = settings.device()
    console = Console(width=150)
    console.print(f"device {device}; this process holds {psutil.Process().memory_info().rss / 1e6:,.0f} MB before any model")
    table = Table(
        "model", "run", "length", "term", "predicted MB", "measured MB", "residual", "resident MB", title="Predicted and measured"
    )
    beside = Table("model", "term", "labutils MB", "accelerate MB", "measured MB", title="Beside accelerate estimate-memory")
    records = []
    models = small_models()
    if not quick:
        models["SmolLM2-135M"] = load_model()[0]
    for name, model in models.items():
        model.to(device)
        real = name.startswith("SmolLM2")
        weights, adam = accelerate_says(model.config)
        for length in LENGTHS:
            batch = 1 if real else BATCH
            console.print(f"{name}, batch {batch}, length {length}")
            records += rows_of(name, "inference", length, compare_inference(model, batch, length), table)
            for method in METHODS:
                if method == "prompt_tuning" and name == "BERT":
                    continue  # peft has none for an encoder's language model
                for checkpointing in (False, True):
                    found = compare_training(model, batch, length, method, checkpointing=checkpointing)
                    records += rows_of(name, method + (", checkpointing" if checkpointing else ""), length, found, table)
                    if method == "full" and not checkpointing:
                        beside.add_row(
                            f"{name}, length {length}", "training peak", f"{found.ledger.total / 1e6:,.1f}", f"{adam / 1e6:,.1f}",
                            f"{found['peak'].measured / 1e6:,.1f}",
                        )  # fmt: skip
        beside.add_row(
            name,
            "weights",
            f"{4 * Shape.of(model).parameters / 1e6:,.1f}",
            f"{weights / 1e6:,.1f}",
            f"{found['weights'].measured / 1e6:,.1f}",
        )
    console.print(table)
    console.print(beside)
    worst = {term: max(abs(r["residual"]) for r in records if r["term"] == term) for term in sorted({r["term"] for r in records})}
    console.print("largest residual, either way: " + ", ".join(f"{term} {value:.1%}" for term, value in worst.items()))
    path = ROOT / "build" / "memory_accuracy.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps({"device": device, "memory_limit": limits.memory_limit(), "rows": records}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    typer.run(main)
