"""From files to a running model: loading in seconds, LABS_MODEL for any other."""

from __future__ import annotations

import errno
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labutils.course import assets
from labutils.errors import AssetError, LabError, NotEnoughMemory
from labutils.machine import settings
from labutils.machine.disk import error_number
from labutils.machine.memory_guard import guard

LLAMA_BLOCKS, LLAMA_HEAD = 30, 64  # what lab 01 takes for granted of a Llama


def _own_model(name: str) -> tuple[str, bool]:
    """LABS_MODEL as (what from_pretrained takes, whether it is a local folder)."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
            raise AssetError(
                f"LABS_MODEL={name}: the folder holds an adapter without its base model; give one that holds the merged model "
                "(`merge_and_unload`, then save_pretrained)."
            )
        if not (folder / "config.json").exists():
            raise AssetError(f"LABS_MODEL={name}: the folder has no config.json, so it is not a saved transformers model.")
        if not any(folder.glob("*.safetensors")) and (pickled := sorted(folder.glob("pytorch_model*.bin"))):
            raise AssetError(
                f"LABS_MODEL={name}: the folder's weights are a pickle ({pickled[0].name}), which may run code and is never opened here; "
                "save the model anew with save_pretrained, which writes safetensors."
            )
        return str(folder), True
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise AssetError(
            f"LABS_MODEL={name}: there is no such folder; give a folder saved with save_pretrained, or a hub id such as google/flan-t5-base."
        )
    return name, False


@contextmanager
def _reading(part: str, source: str, own: str | None, local: bool) -> Iterator[None]:
    """Name the part of a model that cannot be read, and the fix.

    Args:
        part: "configuration", "tokenizer" or "weights".
        source: what from_pretrained takes.
        own: LABS_MODEL, where it names the model.
        local: whether `source` is a folder.
    """
    try:
        yield
    except (LabError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file provokes: the tokenizers library raises bare Exceptions
        if error_number(error) == errno.ENOMEM:
            raise NotEnoughMemory("Loading the model takes more memory than is free here: shut down other kernels.") from error
        what = type(error).__name__
        if not own:
            raise AssetError(f"The {part} of the model in {source} cannot be read ({what}): run `labs fetch --deep`.") from error
        if "trust_remote_code" in str(error):
            reason = "it asks to run Python code of its own, which the labs never do"
        elif not local:
            reason = f"not a local folder, and the hub did not deliver it ({what})"
        elif part == "tokenizer":
            reason = f"the folder has no tokenizer that transformers can load ({what}); save one there with save_pretrained"
        else:
            reason = f"the folder's {part} cannot be loaded by transformers ({what})"
        raise AssetError(f"LABS_MODEL={own}: {reason}; unset LABS_MODEL to use the course's model.") from error


def prepare_transformers() -> None:
    """Silence what is not for learners.

    Raises:
        LabError: Python runs without docstrings, from which transformers builds its classes.
    """
    if sys.flags.optimize > 1:
        raise LabError("Python runs without docstrings here, and transformers needs them: unset PYTHONOPTIMIZE.")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def _require_generator(config: Any, own: str) -> None:
    """Refuse an encoder, which transformers would load as a decoder without a word."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    reads_both_ways = type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    if reads_both_ways and not config.is_encoder_decoder:
        raise AssetError(
            f"LABS_MODEL={own}: this {config.model_type} is an encoder, which reads a text both ways and cannot write one; name a "
            "decoder or an encoder-decoder, or unset LABS_MODEL."
        )


def _require_all_weights(model: Any, info: dict[str, Any], own: str) -> None:
    """Refuse weights that are not those of the configuration: transformers makes up the missing ones and leaves out the others.

    Args:
        model: as loaded.
        info: what from_pretrained says of its loading.
        own: LABS_MODEL.
    """
    kinds = {re.sub(r"\d+", "#", name) for name in model.state_dict()}
    left_out = [name for name in info["unexpected_keys"] if re.sub(r"\d+", "#", name) in kinds]  # of a block that the model lacks
    for what, names in (("lack", sorted(info["missing_keys"])), ("have more than", sorted(left_out))):
        if names:
            raise AssetError(
                f"LABS_MODEL={own}: the folder's weights {what} what its config.json asks for, {len(names)} tensors such as {names[0]}; "
                "take both from one model, or unset LABS_MODEL."
            )


def _require_kind(needs: str, config: Any, own: str) -> None:
    """Refuse a model of one's own that a lab cannot take apart, before its weights are read."""
    if needs and getattr(config, "is_encoder_decoder", False):
        raise AssetError(
            f"LABS_MODEL={own}: this lab needs a decoder, and this is an encoder-decoder; unset LABS_MODEL, or name a decoder."
        )
    if needs == "llama":
        llama = config.model_type == "llama"
        size = (getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads) if llama else 0
        if not llama or size != LLAMA_HEAD or config.num_hidden_layers < LLAMA_BLOCKS:
            what = f" with heads of {size} and {config.num_hidden_layers} blocks" if llama else ""
            raise AssetError(
                f"LABS_MODEL={own}: this lab runs the model by your own functions, which are those of a Llama with heads of "
                f"{LLAMA_HEAD} numbers and at least {LLAMA_BLOCKS} blocks; this is a {config.model_type}{what}; unset LABS_MODEL."
            )
    if needs == "blocks" and not _built_like_a_llama(config):
        raise AssetError(
            f"LABS_MODEL={own}: this lab works on linear layers that are named as a Llama's (q_proj, v_proj, up_proj, down_proj), and "
            f"this {config.model_type} has others; unset LABS_MODEL, or name a Llama, Mistral, Qwen or Gemma."
        )


def _built_like_a_llama(config: Any) -> bool:
    """Whether the first block of a decoder has a Llama's linear layers, by name; no weight is read for it."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception:  # whatever an architecture raises that cannot be built so: it is none of those that the lab knows
        return False
    named = dict(model.named_modules())
    parts = ("self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj", "mlp.down_proj")
    return all(isinstance(named.get(f"model.layers.0.{part}"), torch.nn.Linear) for part in parts)


def load_model(dtype: Any = None, needs: str = "") -> tuple[Any, Any]:
    """The course's language model and its tokenizer, or those that LABS_MODEL names.

    Args:
        dtype: a torch dtype; float32 by default, on which the labs' equalities are stated.
        needs: what a lab asks of a model that LABS_MODEL names: "decoder"; "blocks" for a decoder with linear layers named as a
            Llama's; or "llama" for one that the functions of lab 01 can run.

    Returns:
        (model, tokenizer): the model in eval mode on `settings.device()`. An encoder-decoder is loaded as one
        (`model.config.is_encoder_decoder` is True).

    Raises:
        AssetError: the default model is missing, truncated or altered, or LABS_MODEL cannot be loaded. A model that brings
            Python code of its own is never run, and a pickle never opened. Or it is an encoder, its weights are not those of its
            configuration, or it is not what the lab `needs`.
        NotEnoughMemory: the float32 weights do not fit.
    """
    prepare_transformers()
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    own = os.environ.get("LABS_MODEL")
    source, local = _own_model(own) if own else (str(assets.require(assets.model_for("decoder"))), True)
    options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _reading("configuration", source, own, local):
            config = AutoConfig.from_pretrained(source, **options)
        if own:
            _require_generator(config, own)
            _require_kind(needs, config, own)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        with _reading("tokenizer", source, own, local):
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
        with guard("Loading the model", 0.7 if not own else 0.0), _reading("weights", source, own, local):
            # Weights are read from safetensors alone: a pickle may run code.
            options |= {"use_safetensors": True, "output_loading_info": True}
            loaded: Any = kind.from_pretrained(source, dtype=dtype or torch.float32, **options)
            model, info = loaded
        if own:
            _require_all_weights(model, info, own)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right" if config.is_encoder_decoder else "left"
    return model.to(settings.device()).eval(), tokenizer


def load_encoder() -> tuple[Any, Any]:
    """The course's sentence encoder (all-MiniLM-L6-v2, 384 numbers per sentence) and its tokenizer, in eval mode.

    Raises:
        AssetError: it is missing, truncated or altered.
    """
    prepare_transformers()
    from transformers import AutoModel, AutoTokenizer

    folder = str(assets.require(assets.model_for("encoder")))
    with _reading("tokenizer", folder, None, True):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    with _reading("weights", folder, None, True):
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return model.to(settings.device()).eval(), tokenizer
