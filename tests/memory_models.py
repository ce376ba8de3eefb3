"""Small models of several architectures whose sizes are known, for the tests of labutils.memory."""

from __future__ import annotations

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    T5Config,
)

from labutils.memory import Shape

LLAMA = dict(
    hidden_size=96,
    intermediate_size=256,
    num_attention_heads=6,
    num_key_value_heads=2,
    vocab_size=1024,
    max_position_embeddings=512,
)
CONFIGS = {
    "llama": LlamaConfig(num_hidden_layers=3, tie_word_embeddings=True, **LLAMA),
    "llama untied": LlamaConfig(num_hidden_layers=3, tie_word_embeddings=False, **LLAMA),
    "gpt2": GPT2Config(n_embd=96, n_layer=3, n_head=6, vocab_size=1024, n_positions=512, bos_token_id=0, eos_token_id=0),
    "gpt2 without dropout": GPT2Config(
        n_embd=96, n_layer=3, n_head=6, vocab_size=1024, n_positions=512, bos_token_id=0, eos_token_id=0, attn_pdrop=0.0, resid_pdrop=0.0,
        embd_pdrop=0.0,
    ),
    "bert": BertConfig(hidden_size=96, num_hidden_layers=3, num_attention_heads=6, intermediate_size=384, vocab_size=1024),
    "t5": T5Config(
        d_model=96, d_kv=16, d_ff=320, num_layers=3, num_decoder_layers=2, num_heads=6, vocab_size=1024, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1,
    ),
    "t5 gated": T5Config(
        d_model=96, d_kv=16, d_ff=320, num_layers=2, num_decoder_layers=2, num_heads=6, vocab_size=1024, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    ),
}  # fmt: skip


def live(name, attention="sdpa"):
    """A model of one of CONFIGS with random weights, the same at each call."""
    config = CONFIGS[name]
    auto = {"bert": AutoModelForMaskedLM, "t5": AutoModelForSeq2SeqLM}.get(config.model_type, AutoModelForCausalLM)
    torch.manual_seed(0)
    return auto.from_config(config, attn_implementation=attention)


def llama7b():
    """The shape of Llama 7B: LlamaConfig's defaults."""
    return Shape.of(LlamaConfig())
