"""Tiny random models of several architectures, for tests that need any model and no knowledge."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

VOCABULARY, HIDDEN = 97, 32
BLOCKS = {"llama": 2, "gpt2": 2, "opt": 2, "t5": 2 + 3, "bart": 3 + 2}  # encoder and decoder blocks together


def tiny(
    kind: str = "llama", *, hidden: int = HIDDEN, vocabulary: int = VOCABULARY, dropout: float = 0.0, tied: bool = False
) -> Any:
    """A model in eval mode, the same at each call: one of BLOCKS, 1,024 positions; tokens 0, 1, 2 start, end and pad."""
    torch.manual_seed(0)
    sizes = dict(vocab_size=vocabulary, bos_token_id=0, eos_token_id=1, pad_token_id=2)
    if kind == "llama":
        config = LlamaConfig(
            hidden_size=hidden, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=1024, attention_dropout=dropout, tie_word_embeddings=tied, **sizes,
        )  # fmt: skip
        return LlamaForCausalLM(config).eval()
    if kind == "gpt2":
        config = GPT2Config(
            n_embd=hidden, n_layer=2, n_head=4, n_positions=1024, resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=dropout, **sizes
        )  # fmt: skip
        return GPT2LMHeadModel(config).eval()
    if kind == "opt":
        config = OPTConfig(
            hidden_size=hidden, num_hidden_layers=2, num_attention_heads=4, ffn_dim=64, max_position_embeddings=1024,
            word_embed_proj_dim=hidden, dropout=dropout, **sizes,
        )  # fmt: skip
        return OPTForCausalLM(config).eval()
    if kind == "t5":
        config = T5Config(
            d_model=hidden, d_kv=8, d_ff=64, num_layers=2, num_decoder_layers=3, num_heads=4, decoder_start_token_id=0,
            dropout_rate=dropout, **sizes,
        )  # fmt: skip
        return T5ForConditionalGeneration(config).eval()
    config = BartConfig(
        d_model=hidden, encoder_layers=3, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64,
        decoder_ffn_dim=64, max_position_embeddings=1024, decoder_start_token_id=1, dropout=dropout, **sizes,
    )  # fmt: skip
    return BartForConditionalGeneration(config).eval()
