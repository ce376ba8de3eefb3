"""A model of 1.7 billion parameters on one GPU: memory by term, predicted and measured, and a pass over all of the course's dialogues.

    python benchmarks/large_model.py                on a CUDA device with some 40 GiB
    python benchmarks/large_model.py --size tiny    anywhere, to see that it runs

The sizes are SmolLM2-1.7B's and the weights are random: neither memory nor speed depends on what the weights are. Prints two tables
and writes build/large_model.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path
from typing import Any

import torch

from labutils.course import assets
from labutils.course.corpora import load_dialogues
from labutils.machine import limits, settings
from labutils.tuning import LEARNING_RATES, Recipe, build_examples, plan_training, prepare, train
from labutils.tuning.measured import compare_training
from labutils.tuning.summaries import summary_pairs

ROOT = Path(__file__).resolve().parent.parent
SIZES = {
    "1.7b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24, "num_attention_heads": 32},
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4},
}
ARMS = ("full", "lora")


def build(size: str) -> Any:
    """A Llama with random weights of one of the SIZES, in float32, on the device."""
    from transformers import LlamaConfig, LlamaForCausalLM

    gc.collect()
    torch.manual_seed(0)
    config = LlamaConfig(**SIZES[size], vocab_size=49_152, max_position_embeddings=2048, tie_word_embeddings=True)
    with torch.device(settings.device()):
        return LlamaForCausalLM(config)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Memory and speed of a 1.7 B model on one GPU.")
    parser.add_argument("--size", choices=SIZES, default="1.7b")
    parser.add_argument("--examples", type=int, help="the first N dialogues (default: all)")
    arguments = parser.parse_args()
    if arguments.size != "tiny" and not torch.cuda.is_available():
        sys.exit("PyTorch sees no CUDA device here: take a machine with one, or --size tiny.")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(assets.require(assets.model_for("decoder")), local_files_only=True)
    rows = load_dialogues()["train"].to_list()[: arguments.examples]
    examples = build_examples(tokenizer, summary_pairs(tokenizer, rows))
    found: dict[str, Any] = {"size": arguments.size, "device": settings.device(), "examples": len(examples)}
    print(f"{'':8}{'term':14}{'predicted, GiB':>16}{'measured, GiB':>16}")
    for arm in ARMS:
        compared = compare_training(build(arguments.size), 4, 256, arm, labelled=48)
        found[f"{arm}: GiB predicted, measured"] = {
            row.term: [limits.gib(row.predicted), limits.gib(row.measured)] for row in compared.rows
        }
        for row in compared.rows:
            print(f"{arm:8}{row.term:14}{limits.gib(row.predicted):16.3f}{limits.gib(row.measured):16.3f}", flush=True)
    for arm in ARMS:
        model = build(arguments.size)
        plan = plan_training(model, examples, arm)
        model = prepare(model, arm)
        history = train(model, examples, plan.apply(Recipe(LEARNING_RATES[arm])))
        peak = limits.gib(history.peak_allocated or history.peak_rss)
        found[arm] = {
            "seconds": history.seconds,
            "tokens_per_second": history.tokens_per_second,
            "peak_gib": peak,
            "plan": str(plan),
        }
        print(
            f"{arm}: {history.seconds:.0f} s, {history.tokens_per_second:.0f} tokens/s, peak {peak:.2f} GiB; {plan}", flush=True
        )
        del model
    path = ROOT / "build" / "large_model.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"Written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
