"""From files to a running model: loading in seconds, LABS_MODEL for any other."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from labutils.course import assets
from labutils.errors import AssetError
from labutils.machine import settings
from labutils.machine.memory_guard import guard


def _own_model(name: str) -> tuple[str, bool]:
    """LABS_MODEL as (what from_pretrained takes, whether it is a local folder)."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise AssetError(f"LABS_MODEL={name}: the folder has no config.json, so it is not a saved transformers model.")
        return str(folder), True
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise AssetError(
            f"LABS_MODEL={name}: there is no such folder; give a folder saved with save_pretrained, or a hub id such as google/flan-t5-base."
        )
    return name, False


def load_model(dtype: Any = None) -> tuple[Any, Any]:
    """The course's language model and its tokenizer, or those that LABS_MODEL names.

    Args:
        dtype: a torch dtype; float32 by default, on which the labs' equalities are stated.

    Returns:
        (model, tokenizer): the model in eval mode on `runtime.device()`. An encoder-decoder is loaded as one
        (`model.config.is_encoder_decoder` is True).

    Raises:
        AssetError: the default model is missing, truncated or altered, or LABS_MODEL cannot be loaded.
        NotEnoughMemory: the float32 weights do not fit.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if own := os.environ.get("LABS_MODEL"):
        source, local = _own_model(own)
    else:
        source, local = str(assets.require(assets.model_for("decoder"))), True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = AutoConfig.from_pretrained(source, local_files_only=local)
            kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
            with guard("Loading the model", 0.7 if not own else 0.0):
                model: Any = kind.from_pretrained(source, dtype=dtype or torch.float32, local_files_only=local)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        if not own:
            raise AssetError(
                f"The model in {source} cannot be read ({type(error).__name__}): run `labs fetch --deep`."
            ) from error
        reason = (
            "the folder does not hold a model that transformers can load"
            if local
            else "not a local folder, and the hub did not deliver it"
        )
        raise AssetError(f"LABS_MODEL={own}: {reason}; unset LABS_MODEL to use the course's model.") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right" if config.is_encoder_decoder else "left"
    return model.to(settings.device()).eval(), tokenizer


def load_encoder() -> tuple[Any, Any]:
    """The course's sentence encoder (all-MiniLM-L6-v2, 384 numbers a sentence) and its tokenizer, in eval mode.

    Raises:
        AssetError: it is missing, truncated or altered.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    folder = assets.require(assets.model_for("encoder"))
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return AutoModel.from_pretrained(folder, local_files_only=True).to(settings.device()).eval(), tokenizer
