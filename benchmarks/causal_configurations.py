"""Which causal models can be predicted? Every configuration that transformers has, with its default sizes: right or refused.

    python benchmarks/causal_configurations.py              all of them, about ten minutes on two cores
    python benchmarks/causal_configurations.py llama gemma2 some

Prints, for each model type, the key-value cache of 4,096 tokens in 16 bits and the peak of a training step of 256 tokens (plain attention,
float32), or the sentence with which one of them is refused, and counts at the end. Nothing is allocated: models are built on the meta
device. `tests/memory/test_unlike.py` compares every cache that is predicted with the one that transformers builds.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from transformers import AutoConfig
from transformers.models.auto import modeling_auto
from transformers.utils import logging as transformers_logging

from labutils.errors import LabError
from labutils.machine.limits import GIB
from labutils.memory import Shape, TrainingSetup, kv_cache_bytes, predict_training


def said(compute: Callable[[], float]) -> tuple[str, bool]:
    """GiB, or the sentence of a refusal."""
    try:
        return f"{compute() / GIB:,.2f} GiB", True
    except LabError as error:
        return str(error), False


def main(kinds: list[str]) -> None:
    """Print a line for each model type, and the counts."""
    transformers_logging.set_verbosity_error()
    counts: Counter[str] = Counter()
    for kind in kinds:
        try:
            config: Any = AutoConfig.for_model(kind)
        except Exception as error:  # a configuration without defaults
            counts["not made by transformers itself"] += 1
            print(f"{kind}: no default configuration ({type(error).__name__})", flush=True)
            continue
        if hasattr(config, "is_decoder"):
            config.is_decoder, config.is_encoder_decoder = True, False
        try:
            shape = Shape.of(config)
        except LabError as error:
            counts["shape refused"] += 1
            print(f"{kind}: refused. {error}", flush=True)
            continue
        cache, cache_known = said(lambda shape=shape: kv_cache_bytes(shape, 1, 4096, "bfloat16"))  # type: ignore[misc]
        step, step_known = said(lambda shape=shape: predict_training(shape, TrainingSetup(1, 256, attention="eager")).total)  # type: ignore[misc]
        counts["cache predicted" if cache_known else "cache refused"] += 1
        counts["training predicted" if step_known else "training refused"] += 1
        print(f"{kind}: {shape.parameters / 1e9:.2f} B; cache {cache}; training {step}", flush=True)
    print(dict(counts))


if __name__ == "__main__":
    main(sys.argv[1:] or sorted(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
