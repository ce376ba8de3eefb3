"""Memory before you run it: what a transformer needs to answer and to be trained, term by term, each with its formula.

Lab 04 builds the formulas by hand; lab 05 picks its micro-batch from them. `labutils.machine.footprint` measures the same terms.

    >>> from transformers import LlamaConfig
    >>> shape = Shape.of(LlamaConfig())  # 6.7 billion parameters; nothing is instantiated
    >>> round(predict_inference(shape, batch=1, length=2048, dtype="float16")["weights"].gb, 1)
    13.5
    >>> ledger = predict_training(shape, TrainingSetup(1, 2048, method="lora", dtype="bfloat16", weights="nf4 double"))
    >>> print(ledger)              # terms, in full and at the peak
    >>> ledger.total, ledger.gib   # the peak in bytes, in GiB
    >>> ledger["activations"].formula

Units: bytes; GB is 10**9 bytes, GiB is 2**30. B is the batch, T the length in tokens, D the hidden size, L the layers, V the
vocabulary.
"""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "calculator": ["Scenario", "explore_memory", "memory_view"],
    "inference": ["kv_cache_bytes", "predict_inference", "weights_bytes"],
    "ledger": ["Ledger", "Term", "WeightFormat", "dtype_bytes", "weight_format"],
    "methods": ["trainable_parameters"],
    "shape": ["Linear", "Shape"],
    "sharding": ["Fit", "fits", "largest_batch", "shard"],
    "rules": ["accelerate_estimate", "korthikanti_activations", "states_at_16_bytes", "states_at_18_bytes"],
    "setup": ["TrainingSetup"],
    "training": ["predict_training", "saved_activations"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
