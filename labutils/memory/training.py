"""Memory of a training step: weights, gradients, optimizer state, activations, logits, and when each of them is held."""

from __future__ import annotations

from collections.abc import Sequence

from labutils.errors import LabError
from labutils.memory import activations
from labutils.memory.activations import Pass, Saved
from labutils.memory.inference import framework_term, need_counts, need_room, weights_term
from labutils.memory.ledger import DTYPES, Ledger, Term, dtype_bytes
from labutils.memory.methods import OPTIMIZERS, SOURCES, ZERO_MIXED, trainable_parameters
from labutils.memory.moments import backward_temporaries, moments_of
from labutils.memory.shape import Shape


def _pass(
    shape: Shape,
    method: str,
    n_bytes: int,
    attention: str,
    masked: bool,
    device: str,
    rank: int,
    targets: str | Sequence[str],
    drop: float,
    checkpointing: bool,
) -> Pass:
    if attention not in ("sdpa", "eager"):
        raise LabError(f"attention={attention!r} is unknown: choose sdpa or eager.")
    full = method == "full"
    return Pass(
        n_bytes=n_bytes,
        attention=attention,
        masked=masked,
        on_cuda=device == "cuda",
        trained=frozenset(["qkv", "attention out", "ff in", "ff out", "head", "other"] if full else []),
        checkpointing=checkpointing,
        norms=full or (method == "bitfit"),
        embeddings=full or method == "prompt_tuning",
        lora=shape.targeted(targets) if method == "lora" else (),
        rank=rank,
        lora_dropout=drop,
    )


def saved_activations(
    shape: Shape,
    batch: int,
    length: int,
    *,
    method: str = "full",
    dtype: str = "float32",
    lora_rank: int = 16,
    lora_targets: str | Sequence[str] = "all-linear",
    lora_dropout: float = 0.0,
    labelled: int | None = None,
    attention: str = "sdpa",
    masked: bool = False,
    target_length: int | None = None,
    checkpointing: bool = False,
    device: str = "cpu",
) -> dict[str, tuple[int, list[Saved]]]:
    """Every tensor that the forward pass keeps for the backward pass, logits not included.

    Takes what `predict_training` takes; `length` counts virtual tokens too.

    Returns:
        part -> (how many such parts, the tensors one of them keeps). Parts are "decoder block", "encoder block" and "around the
        blocks" (once for each stack).
    """
    n_bytes = 2 if dtype == "mixed" else dtype_bytes(dtype)
    how = _pass(shape, method, n_bytes, attention, masked, device, lora_rank, lora_targets, lora_dropout, checkpointing)
    if shape.kind != "encoder-decoder":
        rows = length if labelled is None else labelled
        part = f"{shape.kind} block"
        return {
            part: (shape.layers, activations.block(shape, how, batch, length)),
            "around the blocks": (1, activations.around(shape, how, batch, length, rows)),
        }
    target = target_length or length
    rows = target if labelled is None else labelled
    return {
        "encoder block": (shape.encoder_layers, activations.block(shape, how, batch, length, "encoder.")),
        "decoder block": (shape.layers, activations.block(shape, how, batch, target, "decoder.", length)),
        "around the encoder": (1, activations.around(shape, how, batch, length, 0)),
        "around the decoder": (1, activations.around(shape, how, batch, target, rows, length)),
    }


def _size(saved: list[Saved]) -> float:
    return sum(tensor.n_bytes for tensor in saved)


def predict_training(
    shape: Shape,
    batch: int,
    length: int,
    *,
    method: str = "full",
    optimizer: str = "adamw",
    dtype: str = "float32",
    checkpointing: bool = False,
    lora_rank: int = 16,
    lora_targets: str | Sequence[str] = "all-linear",
    lora_dropout: float = 0.0,
    labelled: int | None = None,
    virtual_tokens: int = 20,
    weights: str | None = None,
    attention: str = "sdpa",
    masked: bool = False,
    accumulation: bool = False,
    target_length: int | None = None,
    framework: bool = False,
    device: str = "cpu",
) -> Ledger:
    """Memory of one training step, from the second on (the optimizer's state exists).

    Args:
        shape: of the model.
        batch: sequences in a micro-batch.
        length: tokens of each (for an encoder-decoder: of the source).
        method: "full", "lora", "prompt_tuning" or "bitfit".
        optimizer: "adamw", "adamw8bit", "momentum" or "sgd".
        dtype: "float32", "bfloat16", "float16", or "mixed" (16-bit weights and gradients, float32 master copy and moments).
        checkpointing: keep only each layer's input and compute the rest again in the backward pass.
        lora_rank, lora_targets, lora_dropout: as in peft's LoraConfig. Adapters are float32, as peft makes them.
        labelled: positions of each sequence whose logits are computed (`logits_to_keep`); None means all.
        virtual_tokens: for prompt tuning; they lengthen the sequence.
        weights: how frozen weights are stored (see `weight_format`); `dtype` by default.
        attention: "sdpa" or "eager".
        masked: the batch holds padding, so that attention gets a mask.
        accumulation: gradients of earlier micro-batches are held during the forward pass.
        target_length: the decoder's tokens in an encoder-decoder; `length` by default.
        framework: add what Python and PyTorch take themselves, so as to compare with a process's resident set.
        device: "cpu" or "cuda".

    Returns:
        terms "weights", "gradients", "optimizer", "activations", "logits", "temporaries" and, if asked for, "framework".
        `ledger.total` is the peak: gradients arrive while activations leave, so it lies below `ledger.sum`.

    Raises:
        LabError: an unknown setting, a size below one, more tokens than positions, or quantized weights with "full".

    Example:
        >>> shape = Shape.of(LlamaConfig())
        >>> predict_training(shape, 1, 1, dtype="mixed")["optimizer"].n_bytes / shape.parameters
        12.0
    """
    need_counts(batch=batch, length=length, labelled_or_0=labelled, target_length=target_length)
    if optimizer not in OPTIMIZERS:
        raise LabError(f"optimizer={optimizer!r} is unknown: choose {', '.join(OPTIMIZERS)}.")
    if dtype != "mixed" and dtype not in DTYPES:
        raise LabError(f"dtype={dtype!r} is unknown: choose {', '.join(DTYPES)} or mixed.")
    trained = trainable_parameters(shape, method, lora_rank=lora_rank, lora_targets=lora_targets, virtual_tokens=virtual_tokens)
    if method in ("full", "bitfit") and weights not in (None, *DTYPES):
        raise LabError(
            f"method={method!r} trains the weights themselves, which {weights!r} cannot hold: choose lora or drop weights."
        )
    seq2seq, own = shape.kind == "encoder-decoder", method in ("full", "bitfit")
    asked = length
    length += virtual_tokens if method == "prompt_tuning" else 0  # before the source, in an encoder-decoder
    target = (target_length or asked) if seq2seq else length
    need_room(shape, length)
    labelled = target if labelled is None else labelled
    compute = "bfloat16" if dtype == "mixed" else dtype
    e = dtype_bytes(compute)
    parameter = e if own else 4  # peft's own parameters are float32
    frozen = weights_term(shape, weights, compute)
    added = 0 if own else 4 * trained
    state, told, source = OPTIMIZERS[optimizer]
    if dtype == "mixed" and own:
        state, told, source = state + 4, f"float32 master copy, {told}", ZERO_MIXED
    elif optimizer in ("adamw", "momentum"):
        state *= parameter / 4
    parts = saved_activations(
        shape, batch, length, method=method, dtype=dtype, lora_rank=lora_rank, lora_targets=lora_targets, lora_dropout=lora_dropout,
        labelled=labelled, attention=attention, masked=masked, target_length=target, checkpointing=checkpointing, device=device,
    )  # fmt: skip
    blocks = {name: (count, _size(kept)) for name, (count, kept) in parts.items() if "block" in name and "around" not in name}
    outside = sum(_size(kept) for name, (_, kept) in parts.items() if "around" in name)
    widths = {
        name: batch * (length if name.startswith("encoder") or not seq2seq else target) * shape.hidden * e for name in blocks
    }
    kept = sum(count * (widths[name] if checkpointing else size) for name, (count, size) in blocks.items()) + outside
    again = max(size for _, size in blocks.values()) if checkpointing else 0.0
    rows = batch * labelled if shape.head else 0
    # The library casts a decoder's logits to float32 for the loss; the others' stay as they are.
    loss_bytes = 4 if shape.kind == "decoder" else e
    log_softmax = rows * shape.vocabulary * loss_bytes
    logits = rows * shape.vocabulary * (e + (loss_bytes if loss_bytes > e else 0)) + log_softmax
    passing = 2 * log_softmax
    back = max(
        backward_temporaries(shape, kept_by, batch, length if part.startswith("encoder") else target, e)
        for part, (_, kept_by) in parts.items()
        if part in blocks
    )
    gradients = trained * parameter
    terms = {
        "weights": frozen.n_bytes + added,
        "gradients": gradients,
        "optimizer": trained * state,
        "activations": kept,
        "logits": logits,
    }
    last = max(widths[name] if checkpointing else size for name, (_, size) in blocks.items())
    moments = moments_of(shape, terms, method, e, accumulation, again + back, passing, log_softmax, last, device)
    terms["temporaries"] = max(held.get("temporaries", 0.0) for held in moments.values())
    if framework:
        terms["framework"] = framework_term(device).n_bytes
        moments = {name: {**held, "framework": terms["framework"]} for name, held in moments.items()}
    each = ", ".join(
        f"{count} · {size / 1e6:,.1f} MB a{'n' if name[0] == 'e' else ''} {name}" for name, (count, size) in blocks.items()
    )
    if checkpointing:
        each = ", ".join(
            f"{count} · {widths[name] / 1e6:,.1f} MB, the input of a{'n' if name[0] == 'e' else ''} {name}"
            for name, (count, _) in blocks.items()
        )
    texts = {
        "weights": (frozen.formula + (f" + {trained:,} · 4 bytes added" if added else ""), frozen.source),
        "gradients": (f"{trained:,} trained · {parameter} bytes", SOURCES[method]),
        "optimizer": (f"{trained:,} trained · {state:.4g} bytes ({told})", source),
        "activations": (
            f"{each}, and {outside / 1e6:,.1f} MB around them",
            "Chen et al. 2016, sec. 4" if checkpointing else activations.SOURCE,
        ),
        "logits": (
            f"{rows} positions · {shape.vocabulary} · {e} bytes, and their log-softmax of {loss_bytes} bytes",
            "output head and cross-entropy",
        ),
        "temporaries": (
            "the most at one moment: gradients of the logits or of one block's tensors, or the optimizer's scratch"
            + (" and that block computed again" if again else ""),
            "backward pass",
        ),
        "framework": (framework_term(device).formula, framework_term(device).source),
    }
    return Ledger(
        tuple(Term(name, n_bytes, *texts[name]) for name, n_bytes in terms.items()),
        moments,
        f"{shape.name}, {method}: batch {batch}, {length} tokens, {dtype}{', checkpointing' if checkpointing else ''}",
    )
