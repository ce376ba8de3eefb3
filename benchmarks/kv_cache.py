"""What the key-value cache is worth: tokens per second of the library's generate with and without it, at several lengths.

    python benchmarks/kv_cache.py                           prompts of 16 to 512 tokens, about two minutes on two cores
    python benchmarks/kv_cache.py --prompts 16 64 --new 8   a quick look

Without the cache every new token computes all positions again, so the ratio grows with the length. Both ways must write the same
tokens (greedy), which is checked. Figures depend on the machine; compare only what was measured side by side.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from labutils import load_model
from labutils.course.corpora import load_prose
from labutils.machine import limits, settings

PROMPTS = (16, 64, 256, 512)


def timed(model: Any, ids: torch.Tensor, new: int, use_cache: bool) -> tuple[float, list[int]]:
    """Seconds that generate takes for exactly `new` tokens after ids (1, T), and these tokens."""
    options = {"max_new_tokens": new, "min_new_tokens": new, "do_sample": False, "use_cache": use_cache}
    if ids.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    with torch.no_grad():
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    tokens = output[0, ids.shape[1] :].tolist()  # waits for the device
    return time.perf_counter() - start, tokens


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, nargs="+", default=PROMPTS, help="lengths of the prompts in tokens")
    parser.add_argument("--new", type=int, default=16, help="tokens to generate after each prompt")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the median counts")
    options = parser.parse_args()
    if settings.device() == "cpu":
        torch.set_num_threads(limits.cores())
    model, tokenizer = load_model()
    text = "\n\n".join(load_prose()["text"])
    stream = tokenizer(text, return_tensors="pt").input_ids.to(model.device)
    timed(model, stream[:, :8], 4, True)  # warm-up
    print(f"tokens/s on {model.device}, {options.new} new tokens, median of {options.repeats}")
    print(f"{'prompt':>8} {'with cache':>12} {'without':>12} {'ratio':>8} {'same tokens':>12}")
    for length in options.prompts:
        ids = stream[:, :length]
        # In turns, so that a slow moment of the machine falls on both.
        runs = [[timed(model, ids, options.new, cached) for cached in (True, False)] for _ in range(options.repeats)]
        cached, plain = (options.new / statistics.median(run[way][0] for run in runs) for way in (0, 1))
        same = all(run[0][1] == run[1][1] for run in runs)
        print(f"{length:>8} {cached:>12.1f} {plain:>12.1f} {cached / plain:>8.1f} {same!s:>12}")


if __name__ == "__main__":
    main()
