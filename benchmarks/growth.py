"""How the cost of what the course computes grows with its input: exponents of seconds against size, measured.

    python benchmarks/growth.py

Each line doubles an input several times and takes the shortest of several runs at each size. The exponent is the slope of a straight
line through the logarithms. "Needed" is what the algorithm asks for. A cost that does not depend on the input has 0, a proportional
one 1. Writes build/growth.json, which `make proof` reads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from labutils.course.corpora import load_dialogues
from labutils.evaluation.bleu_score import bleu
from labutils.evaluation.comparisons import paired_bootstrap
from labutils.evaluation.intervals import bootstrap_interval
from labutils.evaluation.rouge import rouge_l
from labutils.memory.inference import predict_inference
from labutils.memory.setup import TrainingSetup
from labutils.memory.shape import Shape
from labutils.memory.training import predict_training
from labutils.transformer.bpe import train_bpe
from labutils.tuning.examples import Example
from labutils.tuning.loop import train
from labutils.tuning.recipe import Recipe

RESULT = Path(__file__).resolve().parent.parent / "build" / "growth.json"
Job = Callable[[], Any]


@dataclass(frozen=True)
class Growth:
    """How one cost grew: its exponent, the one that the algorithm needs, and the seconds by size."""

    what: str
    needed: float
    exponent: float
    seconds: dict[int, float]


def fastest(job: Job, runs: int) -> float:
    """The shortest of several runs after one that warms up, in seconds: other work on the machine only adds."""
    job()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def growth(what: str, needed: float, sizes: list[int], prepare: Callable[[int], Job], runs: int = 3) -> Growth:
    """Time the prepared job at each size, and fit the exponent."""
    seconds = {size: fastest(prepare(size), runs) for size in sizes}
    slope = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0]
    return Growth(what, needed, round(float(slope), 2), {size: round(value, 5) for size, value in seconds.items()})


def tiny_model(layers: int = 2) -> Any:
    """A small decoder with random weights."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=512,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=65536,
            pad_token_id=0,
        )
    )


def training(count: int) -> Job:
    """One epoch over so many examples of equal length, in steps of four."""
    ids = torch.randint(1, 512, (count, 96), generator=torch.Generator().manual_seed(0)).tolist()
    examples = [Example(row[:64], row[64:]) for row in ids]
    model = tiny_model()
    return lambda: train(model, examples, Recipe(epochs=1, batch=4, learning_rate=1e-4))


def memory_by_layers(layers: int) -> Job:
    """A prediction for a model with so many layers, its shape at hand."""
    shape = Shape.of(tiny_model(layers))
    return lambda: [predict_training(shape, TrainingSetup(batch=4, length=256)) for _ in range(20)]


def memory_by_length(length: int) -> Job:
    """A prediction for so many positions."""
    shape = Shape.of(tiny_model())
    return lambda: [predict_inference(shape, batch=1, length=length) for _ in range(20)]


def words(count: int, seed: int) -> str:
    """A text of so many words out of a hundred."""
    return " ".join(f"w{number}" for number in np.random.default_rng(seed).integers(0, 100, count))


def scores(count: int) -> list[float]:
    """So many scores between 0 and 1."""
    return np.random.default_rng(count).random(count).tolist()


def all_growths() -> list[Growth]:
    """Every line of the table."""
    dialogues = load_dialogues()
    text = "\n".join(row["dialogue"] for split in dialogues.values() for row in split)
    doubled = [2**k for k in range(5)]
    bytes_ = [20_000 * k for k in doubled[: max(1, (len(text) // 20_000).bit_length())]]
    return [
        growth("training, by examples", 1, [16 * k for k in doubled], training),
        growth("memory prediction, by layers", 1, [2 * k for k in doubled], memory_by_layers),
        growth("memory prediction, by length", 0, [64 * k for k in doubled], memory_by_length, 5),
        growth(
            "ROUGE-L, by pairs",
            1,
            [25 * k for k in doubled],
            lambda n: lambda: [rouge_l(words(20, k), words(20, -k % 7)) for k in range(n)],
        ),
        growth(
            "ROUGE-L of one pair, by words", 2, [100 * k for k in doubled], lambda n: lambda: rouge_l(words(n, 0), words(n, 1))
        ),
        growth(
            "BLEU, by sentences",
            1,
            [50 * k for k in doubled],
            lambda n: lambda: bleu([words(20, k) for k in range(n)], [[words(20, k + 1)] for k in range(n)]),
        ),
        growth("bootstrap, by examples", 1, [500 * k for k in doubled], lambda n: lambda: bootstrap_interval(scores(n), 2_000)),
        growth("bootstrap, by resamples", 1, [2_000 * k for k in doubled], lambda n: lambda: bootstrap_interval(scores(500), n)),
        growth(
            "paired bootstrap, by examples",
            1,
            [500 * k for k in doubled],
            lambda n: lambda: paired_bootstrap(scores(n), scores(n)[::-1], 2_000),
        ),
        growth("BPE training, by bytes", 1, bytes_, lambda n: lambda: train_bpe(text[:n], 200), 2),
    ]


def main() -> None:
    """Print the table and keep it."""
    found = all_growths()
    print(f"{'what':34} {'needed':>7} {'measured':>9}   seconds")
    for line in found:
        print(
            f"{line.what:34} {line.needed:7g} {line.exponent:9.2f}   " + ", ".join(f"{n}: {s:g}" for n, s in line.seconds.items())
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([asdict(line) for line in found], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
