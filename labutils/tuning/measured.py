"""Predicted beside measured: one real run of a model, term by term. Lab 04 shows it on the course's model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from labutils.errors import LabError
from labutils.machine.footprint import Footprint, measure, tensor_bytes
from labutils.memory.inference import predict_inference
from labutils.memory.ledger import Ledger
from labutils.memory.setup import TrainingSetup
from labutils.memory.shape import Shape
from labutils.memory.training import predict_training
from labutils.tuning.methods import Method, prepare, set_checkpointing

SMALLEST_TOKEN = 5  # ids below are often special (padding, end of text)


@dataclass(frozen=True)
class TermRow:
    """One term of a memory ledger: bytes predicted and bytes measured."""

    term: str
    predicted: float
    measured: float

    @property
    def residual(self) -> float:
        """Predicted against measured as a share: 0.1 is a tenth too much."""
        return self.predicted / self.measured - 1 if self.measured else 0.0


@dataclass(frozen=True)
class Comparison:
    """A prediction, what was measured, and both side by side. The row "peak" counts tensors; `footprint` has the resident set."""

    ledger: Ledger
    footprint: Footprint
    rows: tuple[TermRow, ...]

    def __getitem__(self, term: str) -> TermRow:
        """The row of a term.

        Raises:
            LabError: that term was not measured.
        """
        for row in self.rows:
            if row.term == term:
                return row
        raise LabError(f"No term {term!r} was measured: there are {', '.join(row.term for row in self.rows)}.")


def _ids(model: Any, batch: int, length: int) -> Any:
    import torch

    generator = torch.Generator().manual_seed(0)
    high = model.config.get_text_config(decoder=True).vocab_size
    return torch.randint(SMALLEST_TOKEN, high, (batch, length), generator=generator).to(model.device)


def compare_inference(model: Any, batch: int, length: int, new_tokens: int = 8) -> Comparison:
    """Read a prompt, generate `new_tokens`, and compare weights, KV cache and the peak with the prediction.

    Args:
        model: a transformers model; an encoder reads and generates nothing.
        batch, length: of the prompt, random tokens.
        new_tokens: tokens generated greedily, 1 or more.
    """
    import torch

    shape = Shape.of(model)
    dtype = str(model.dtype).removeprefix("torch.")
    attention = "eager" if model.config._attn_implementation == "eager" else "sdpa"
    generates = shape.kind != "encoder"
    ids = _ids(model, batch, length)
    weights = list(model.parameters())
    was_training = model.training
    model.eval()
    # The last token made is never read, so that its keys and values are not cached.
    ledger = predict_inference(shape, batch, length, new_tokens - 1 if generates else 0, dtype, attention=attention)
    cached = 0
    with torch.inference_mode(), measure([*weights, *model.buffers(), ids]) as found:
        if generates:
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=new_tokens, max_new_tokens=new_tokens,
                return_dict_in_generate=True, pad_token_id=0,
            )  # fmt: skip
            cached = tensor_bytes(_cache_tensors(out.past_key_values))
        else:
            model(input_ids=ids)
    model.train(was_training)
    rows = [
        TermRow("weights", ledger["weights"].n_bytes, tensor_bytes(weights)),
        TermRow("KV cache", ledger["KV cache"].n_bytes, cached),
    ]
    return Comparison(ledger, found, (*rows, TermRow("peak", ledger.total, found.total_allocated)))


def _cache_tensors(cache: Any) -> Iterator[Any]:
    """The key and value tensors of a DynamicCache, or of an EncoderDecoderCache's two."""
    if hasattr(cache, "self_attention_cache"):
        yield from _cache_tensors(cache.self_attention_cache)
        yield from _cache_tensors(cache.cross_attention_cache)
        return
    for layer in cache.layers:
        if layer.keys is not None:  # made for a layer that the decoder does not have
            yield from (layer.keys, layer.values)


@contextmanager
def _prepared(
    model: Any, method: str, checkpointing: bool, lora_rank: int, lora_targets: str | Sequence[str], virtual_tokens: int
) -> Iterator[Any]:
    """The model set up for a method; afterwards it is as it was."""
    how = Method(
        method,
        lora_rank=lora_rank,
        lora_targets=lora_targets if isinstance(lora_targets, str) else tuple(lora_targets),
        virtual_tokens=virtual_tokens,
    )
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    was_training = model.training
    tuned = prepare(model, how)
    set_checkpointing(tuned, checkpointing)
    try:
        yield tuned
    finally:
        set_checkpointing(tuned, False)
        if method == "lora":
            tuned.unload()
        for name, p in model.named_parameters():
            p.requires_grad_(before[name])
        model.train(was_training)


def compare_training(
    model: Any,
    batch: int,
    length: int,
    method: str = "full",
    *,
    checkpointing: bool = False,
    lora_rank: int = 16,
    lora_targets: str | Sequence[str] = "all-linear",
    virtual_tokens: int = 20,
    labelled: int | None = None,
) -> Comparison:
    """One real training step with PyTorch's AdamW, compared with the prediction term by term.

    Two steps are made, at a learning rate of 0 so that the weights stay as they are; the second, when the optimizer's state exists,
    is measured. Gradients are set to None between steps, as PyTorch does by default.

    Args:
        model: a transformers model in float32, bfloat16 or float16.
        batch, length: of random tokens, each its own label.
        method, checkpointing, lora_rank, lora_targets, virtual_tokens, labelled: as in `TrainingSetup`.

    Returns:
        rows "weights", "gradients", "optimizer", "activations" (with the log-softmax that the loss keeps) and "peak".

    Raises:
        LabError: prompt tuning of an encoder, which peft does not offer, or what `TrainingSetup` refuses.
    """
    import torch

    shape = Shape.of(model)
    if method == "prompt_tuning" and shape.kind == "encoder":
        raise LabError(
            f"{shape.name} is an encoder, for which peft has no prompt tuning of a language model: choose lora or bitfit."
        )
    dtype = str(model.dtype).removeprefix("torch.")
    attention = "eager" if model.config._attn_implementation == "eager" else "sdpa"
    setup = TrainingSetup(
        batch, length, method=method, dtype=dtype, checkpointing=checkpointing, lora_rank=lora_rank, lora_targets=lora_targets,
        virtual_tokens=virtual_tokens, labelled=labelled, attention=attention, device=model.device.type,
    )  # fmt: skip
    ledger = predict_training(shape, setup)
    ids = _ids(model, batch, length)
    options = {} if shape.kind == "encoder" else {"use_cache": False}
    with _prepared(model, method, checkpointing, lora_rank, lora_targets, virtual_tokens) as tuned:
        trained = [p for p in tuned.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=0.0)

        def loss_of() -> Any:
            if labelled is None:
                return tuned(input_ids=ids, labels=ids, **options).loss
            logits = tuned(input_ids=ids, logits_to_keep=labelled, **options).logits
            return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, -labelled:].flatten())

        def step(found: Footprint | None = None) -> int:
            loss = loss_of()
            if found:
                found.mark("forward")
            loss.backward()
            made = tensor_bytes(p.grad for p in trained if p.grad is not None)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            return made

        step()
        weights = list(tuned.parameters())
        state = [tensor for moments in optimizer.state.values() for tensor in moments.values()]
        with measure([*weights, *tuned.buffers(), *state, ids]) as found:
            gradients = step(found)
        weight_bytes = tensor_bytes(weights)
    kept = ledger["activations"].n_bytes + ledger.moments["backward, at the loss"]["logits"]
    rows = (
        TermRow("weights", ledger["weights"].n_bytes, weight_bytes),
        TermRow("gradients", ledger["gradients"].n_bytes, gradients),
        TermRow("optimizer", ledger["optimizer"].n_bytes, tensor_bytes(state)),
        TermRow("activations", kept, dict(found.marks)["forward"]),
        TermRow("peak", ledger.total, found.total_allocated),
    )
    return Comparison(ledger, found, rows)


def measure_step(model: Any, length: int, batch: int = 1) -> tuple[Footprint, dict[str, int]]:
    """One training step of a decoder with PyTorch's AdamW, its second, with its stages marked.

    The weights that require gradients are trained. The footprint's marks are "logits" and "loss" (the end of the forward pass) and
    "backward"; its curve has the live bytes after every operation.

    Args:
        model: a decoder, in training mode; the first step changes its weights a little.
        length, batch: of random tokens, each its own label.

    Returns:
        (footprint, sizes): bytes of "weights", "gradients", "optimizer", "activations" (what the forward pass keeps until the logits)
        and "logits" (with their log-softmax, which the loss keeps).
    """
    import torch
    from torch.nn import functional

    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    ids = _ids(model, batch, length)
    labels = functional.pad(ids, (0, 1), value=-100)[:, 1:]  # the next token; nothing follows the last

    def loss_of(found: Footprint | None = None) -> tuple[Any, int]:
        logits = model(input_ids=ids, use_cache=False).logits  # (B, T, V)
        if found:
            found.mark("logits")
        return functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten()), logits.nbytes

    loss_of()[0].backward()
    optimizer.step()
    optimizer.zero_grad()
    state = [tensor for held in optimizer.state.values() for tensor in held.values()]
    with measure([*model.parameters(), *model.buffers(), *state, ids, labels]) as found:
        loss, n_logits = loss_of(found)
        found.mark("loss")
        loss.backward()
        found.mark("backward")
        n_gradients = tensor_bytes(p.grad for p in trained if p.grad is not None)
        optimizer.step()
        optimizer.zero_grad()
    at = dict(found.marks)
    sizes = {"weights": tensor_bytes(model.parameters()), "gradients": n_gradients, "optimizer": tensor_bytes(state)}
    # After the loss the logits are gone and their log-softmax is kept.
    return found, sizes | {"activations": at["logits"] - n_logits, "logits": at["loss"] - at["logits"] + 2 * n_logits}


def one_pass(model: Any, length: int, batch: int = 1) -> float:
    """Seconds of one forward and one backward pass over random tokens; the first one of a model takes longer than the next."""
    ids = _ids(model, batch, length)
    before = time.perf_counter()
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    return time.perf_counter() - before


def seconds_of_a_pass(model: Any, length: int, batch: int = 1, passes: int = 3) -> float:
    """The median time of a forward and a backward pass over random tokens, in seconds, after one that is not counted."""
    _, *taken = [one_pass(model, length, batch) for _ in range(passes + 1)]
    return sorted(taken)[passes // 2]
