"""What each form of the course's model takes and gives: bytes, perplexity on the course's prose, tokens a second at batch one.

    python benchmarks/quantization.py                  20 texts of 128 tokens, 20 timed tokens
    python benchmarks/quantization.py --texts 64       a surer perplexity

The model's weights were in 4 bits before (GGUF's Q4_1) and were expanded to float32, so these are losses of a second rounding.
Everything runs on the CPU, with all of its cores. Prints a table; nothing is written.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import torch

from labutils.course.corpora import load_prose
from labutils.course.loading import load_model
from labutils.evaluation.comparisons import paired_bootstrap
from labutils.machine import limits
from labutils.machine.footprint import tensor_bytes
from labutils.quantization.linear4bit import dynamic_int8, quantize_model


def model_bytes(model: Any) -> int:
    """Bytes of parameters, buffers and packed int8 weights, tied ones once."""
    packed = sum(
        int(module.weight().numel())
        for module in model.modules()
        if "quantized" in type(module).__module__ and hasattr(module, "weight")
    )
    return tensor_bytes([*model.parameters(), *model.buffers()]) + packed


@torch.no_grad()
def surprise(model: Any, texts: list[torch.Tensor]) -> list[float]:
    """The mean negative log-likelihood of a token in nats, for each text (1, T)."""
    values = []
    for ids in texts:
        log_probs = model(ids).logits[0, :-1].log_softmax(-1)
        values.append(float(-log_probs.gather(-1, ids[0, 1:, None]).mean()))
    return values


@torch.no_grad()
def tokens_per_second(model: Any, ids: torch.Tensor, steps: int) -> float:
    """The rate of the fastest of some decoding steps at batch one, with a key-value cache."""
    out = model(ids, use_cache=True)
    best = math.inf
    for _ in range(steps):
        start = time.perf_counter()
        out = model(out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
        best = min(best, time.perf_counter() - start)
    return 1 / best


def forms() -> dict[str, Callable[[Any], Any]]:
    """Name -> what makes that form of the float32 model, in place."""
    return {
        "fp32": lambda model: model,
        "int8 dynamic": dynamic_int8,
        "int8 dynamic, not down_proj": lambda model: dynamic_int8(model, ("down_proj",)),
        "int4, block 64, double": lambda model: quantize_model(model, scheme="int4"),
        "nf4, block 64": lambda model: quantize_model(model, double=False),
        "nf4, block 64, double": lambda model: quantize_model(model),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(limits.cores())
    tokenizer = load_model()[1]
    texts = [tokenizer(row["text"], return_tensors="pt").input_ids[:, : options.tokens] for row in load_prose()][: options.texts]
    original: list[float] = []
    print(f"{len(texts)} texts of {options.tokens} tokens, {torch.get_num_threads()} threads")
    print(f"{'form':<28} {'GB':>6} {'tokens/s':>9} {'perplexity':>11}   change against fp32 (95 % interval)")
    for name, make in forms().items():
        model = make(load_model()[0].cpu())
        nats = surprise(model, texts)
        original = original or nats
        change = paired_bootstrap(nats, original)
        interval = "" if nats is original else f"{math.exp(change.low) - 1:+.1%} to {math.exp(change.high) - 1:+.1%}"
        rate = tokens_per_second(model, texts[0][:, :8], options.steps)
        perplexity = math.exp(sum(nats) / len(nats))
        print(f"{name:<28} {model_bytes(model) / 1e9:6.3f} {rate:9.1f} {perplexity:11.1f}   {interval}", flush=True)


if __name__ == "__main__":
    main()
