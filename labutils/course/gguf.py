"""The one-time conversion of the 4-bit GGUF file that a wheel carries."""

from __future__ import annotations

import logging
from pathlib import Path

from labutils.course.loading import prepare_transformers


def convert_gguf(folder: Path, name: str) -> None:
    """Turn a 4-bit GGUF file in `folder` into float32 safetensors and tokenizer files beside it, and remove it.

    Each block of 32 weights w is stored as w = d * q + m, q in 0..15 (GGML's Q4_1); float32 holds the products exactly enough
    that every machine gets the same bits. Loading then takes about 2 s where the GGUF takes about 20.

    Raises:
        LabError: Python runs without docstrings.
    """
    prepare_transformers()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    logging.getLogger("transformers").setLevel(logging.ERROR)
    print(f"Converting {name} to float32 safetensors, once (about half a minute)...", flush=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32, local_files_only=True)
    # The weights are plain float32 now; with the quantization mark still on, save_pretrained refuses them.
    vars(model)["hf_quantizer"] = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / name).unlink()
