"""How long the statistics of lab 06 take: a bootstrap of 10,000 resamples of 100 examples, and what stands beside it.

    python benchmarks/intervals.py                    the best of five runs of each
    python benchmarks/intervals.py --examples 1000    on a larger test set

Prints milliseconds; nothing is written.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from labutils.evaluation import comparisons, intervals


def best_of(function: Callable[[], Any], runs: int) -> float:
    """The shortest of several runs, in milliseconds: what the machine can do when nothing else wants it."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1_000 * min(times)


def main() -> None:
    """Time each function on scores of random systems."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    a = rng.random(options.examples)
    b = a + rng.normal(0.01, 0.1, options.examples)
    n = options.resamples
    functions: dict[str, Callable[[], Any]] = {
        "bootstrap_interval": lambda: intervals.bootstrap_interval(a, n),
        "paired_bootstrap": lambda: comparisons.paired_bootstrap(a, b, n),
        "approximate_randomization": lambda: comparisons.approximate_randomization(a, b, n),
        "compare": lambda: comparisons.compare(a, b, resamples=n),
        "wrong_winner_rate (size 10)": lambda: comparisons.wrong_winner_rate(a, b, 10, n),
    }
    print(f"{n:,} draws of {options.examples:,} examples, best of {options.runs}")
    for name, function in functions.items():
        print(f"  {name:<28} {best_of(function, options.runs):8.1f} ms")


if __name__ == "__main__":
    main()
