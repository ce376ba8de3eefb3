"""Memory of a training step: weights, gradients, optimizer state, activations, logits, and when each of them is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labutils.memory import activations
from labutils.memory.activations import ForwardPass, SavedTensor
from labutils.memory.inference import framework_term, require_positions, weights_term
from labutils.memory.ledger import Ledger, Term
from labutils.memory.methods import OPTIMIZERS, SOURCES, ZERO_MIXED, trainable_parameters
from labutils.memory.moments import PassingTensors, backward_temporaries, moments_of
from labutils.memory.setup import TrainingSetup
from labutils.memory.shape import ROLES, Shape
from labutils.memory.unlike import BATCH, require_alike, require_known_attention


@dataclass(frozen=True)
class ModelPart:
    """A part of a model and what it keeps for the backward pass.

    Attributes:
        name: "decoder block", "encoder block", or what stands around the blocks.
        repeated: whether it is a block, of which there are several alike.
        count: how many.
        width: bytes of one tensor of the residual stream there: batch · positions · hidden · bytes.
        length: positions that it works on.
        tensors: what one such part keeps.
    """

    name: str
    repeated: bool
    count: int
    width: float
    length: int
    tensors: tuple[SavedTensor, ...]

    @property
    def n_bytes(self) -> float:
        """Bytes that one such part keeps."""
        return sum(tensor.n_bytes for tensor in self.tensors)


def _forward_pass(shape: Shape, setup: TrainingSetup) -> ForwardPass:
    full = setup.method == "full"
    return ForwardPass(
        n_bytes=setup.n_bytes,
        attention=setup.attention,
        masked=setup.masked,
        on_cuda=setup.device == "cuda",
        trained=frozenset(ROLES if full else ()),
        checkpointing=setup.checkpointing,
        norms=setup.trains_weights,
        embeddings=full or setup.method == "prompt_tuning",
        lora=shape.targeted(setup.lora_targets) if setup.method == "lora" else (),
        rank=setup.lora_rank,
        lora_dropout=setup.lora_dropout,
    )


def saved_activations(shape: Shape, setup: TrainingSetup) -> list[ModelPart]:
    """Every tensor that the forward pass keeps for the backward pass, part by part, logits not included."""
    how, batch, length = _forward_pass(shape, setup), setup.batch, setup.positions
    labelled = _labelled(shape, setup)

    def part(name: str, repeated: bool, count: int, length: int, tensors: Sequence[SavedTensor]) -> ModelPart:
        return ModelPart(name, repeated, count, batch * length * shape.hidden * setup.n_bytes, length, tuple(tensors))

    if shape.kind != "encoder-decoder":
        block = activations.block(shape, how, batch, length)
        around = activations.around(shape, how, batch, length, labelled)
        return [
            part(f"{shape.kind} block", True, shape.layers, length, block),
            part("around the blocks", False, 1, length, around),
        ]
    target = setup.target_length or setup.length
    encoder = activations.block(shape, how, batch, length, "encoder")
    decoder = activations.block(shape, how, batch, target, "decoder", length)
    return [
        part("encoder block", True, shape.encoder_layers, length, encoder),
        part("decoder block", True, shape.layers, target, decoder),
        part("around the encoder", False, 1, length, activations.around(shape, how, batch, length, 0)),
        part("around the decoder", False, 1, target, activations.around(shape, how, batch, target, labelled, length)),
    ]


def _all_trained(shape: Shape, length: int) -> float:
    """Bytes of the list for `BATCH` texts of some length, as `require_alike` compares it with a model on the meta device."""
    parts = saved_activations(shape, TrainingSetup(BATCH, length, attention="eager"))
    return sum(part.count * part.n_bytes for part in parts)


def _labelled(shape: Shape, setup: TrainingSetup) -> int:
    """Positions of each sequence whose logits are computed."""
    if setup.labelled is not None:
        return setup.labelled
    return (setup.target_length or setup.length) if shape.kind == "encoder-decoder" else setup.positions


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def predict_training(shape: Shape, setup: TrainingSetup, framework: bool = False) -> Ledger:
    """Memory of one training step, from the second on (the optimizer's state exists).

    Args:
        shape: of the model.
        setup: how it is trained.
        framework: add what Python and PyTorch take themselves, so as to compare with a process's resident set.

    Returns:
        terms "weights", "gradients", "optimizer", "activations", "logits", "temporaries" and, if asked for, "framework".
        `ledger.total` is the peak: gradients arrive while activations leave, so it lies below `ledger.sum`.

    Raises:
        LabError: more tokens than the model has positions, a LoRA target that names no layer, or an architecture whose layers are
            not the ones that the formulas know (see `labutils.memory.unlike`).

    Example:
        >>> shape = Shape.of(LlamaConfig())
        >>> predict_training(shape, TrainingSetup(batch=1, length=1, dtype="mixed"))["optimizer"].n_bytes / shape.parameters
        12.0
    """
    require_positions(shape, setup.positions)
    require_known_attention(shape, setup.attention, setup.positions)
    require_alike(shape, lambda length: _all_trained(shape, length))
    e = setup.n_bytes
    trained = trainable_parameters(
        shape,
        setup.method,
        lora_rank=setup.lora_rank,
        lora_targets=setup.lora_targets,
        virtual_tokens=setup.virtual_tokens,
    )
    added = 0 if setup.trains_weights else trained * setup.parameter_bytes
    frozen = weights_term(shape, setup.weights, setup.compute_dtype)
    weights = Term("weights", frozen.n_bytes + added, frozen.formula + _added(trained, added), frozen.source)
    gradients = Term(
        "gradients",
        trained * setup.parameter_bytes,
        f"{trained:,} trained · {setup.parameter_bytes} bytes",
        SOURCES[setup.method],
    )
    parts = saved_activations(shape, setup)
    activations_term = _activations(parts, setup.checkpointing)
    logits, log_softmax = _logits(shape, setup)
    terms = [weights, gradients, _optimizer(setup, trained), activations_term, logits]

    blocks = [part for part in parts if part.repeated]
    again = max(part.n_bytes for part in blocks) if setup.checkpointing else 0.0
    back = max(backward_temporaries(shape, list(part.tensors), setup.batch, part.length, e) for part in blocks)
    passing = PassingTensors(
        log_softmax=log_softmax,
        logit_gradients=2 * log_softmax,
        block=again + back,
        first_block=max(part.width if setup.checkpointing else part.n_bytes for part in blocks),
    )
    moments = moments_of(shape, setup, {term.name: term.n_bytes for term in terms}, passing)
    terms.append(
        Term(
            "temporaries",
            max(held.get("temporaries", 0.0) for held in moments.values()),
            "the most at one moment: gradients of the logits or of one block's tensors, or the optimizer's scratch"
            + (" and that block computed again" if again else ""),
            "backward pass",
        )
    )
    if framework:
        terms.append(framework_term(setup.device))
        moments = {name: {**held, "framework": terms[-1].n_bytes} for name, held in moments.items()}
    how = f"{setup.positions} tokens, {setup.dtype}{', checkpointing' if setup.checkpointing else ''}"
    unit = _largest_unit(shape, weights.n_bytes, gradients.n_bytes)
    return Ledger(tuple(terms), moments, f"{shape.name}, {setup.method}: batch {setup.batch}, {how}", unit)


def _largest_unit(shape: Shape, weights: float, gradients: float) -> tuple[float, float]:
    """Bytes of the weights and gradients of the largest part that is gathered at a time: a block, or the largest single matrix."""
    parameters = max(shape.block_parameters / (shape.layers + shape.encoder_layers), shape.largest)
    return tuple(n_bytes * parameters / shape.parameters for n_bytes in (weights, gradients))  # type: ignore[return-value]


def _added(trained: int, added: float) -> str:
    return f" + {trained:,} · 4 bytes added" if added else ""


def _optimizer(setup: TrainingSetup, trained: int) -> Term:
    """The optimizer's state: so many bytes for each trained parameter."""
    state, kept, source = OPTIMIZERS[setup.optimizer]
    if setup.dtype == "mixed" and setup.trains_weights:
        state, kept, source = state + 4, f"float32 master copy, {kept}", ZERO_MIXED
    elif setup.optimizer in ("adamw", "momentum"):
        state *= setup.parameter_bytes / 4
    return Term("optimizer", trained * state, f"{trained:,} trained · {state:.4g} bytes ({kept})", source)


def _activations(parts: Sequence[ModelPart], checkpointing: bool) -> Term:
    """What the forward pass keeps; with checkpointing each block's input alone."""
    blocks = [part for part in parts if part.repeated]
    outside = sum(part.n_bytes for part in parts if not part.repeated)
    inside = sum(part.count * (part.width if checkpointing else part.n_bytes) for part in blocks)
    if checkpointing:
        each = [f"{part.count} · {part.width / 1e6:,.1f} MB, the input of {_article(part.name)}" for part in blocks]
    else:
        each = [f"{part.count} · {part.n_bytes / 1e6:,.1f} MB {_article(part.name)}" for part in blocks]
    source = "Chen et al. 2016, sec. 4" if checkpointing else activations.SOURCE
    return Term("activations", inside + outside, f"{', '.join(each)}, and {outside / 1e6:,.1f} MB around them", source)


def _logits(shape: Shape, setup: TrainingSetup) -> tuple[Term, float]:
    """The logits with their log-softmax, and the bytes of the log-softmax alone.

    The library casts a decoder's logits to float32 for the loss; the others' stay as they are.
    """
    e = setup.n_bytes
    rows = setup.batch * _labelled(shape, setup) if shape.head else 0
    loss_bytes = 4 if shape.kind == "decoder" else e
    log_softmax = rows * shape.vocabulary * loss_bytes
    n_bytes = rows * shape.vocabulary * (e + (loss_bytes if loss_bytes > e else 0)) + log_softmax
    formula = f"{rows} positions · {shape.vocabulary} · {e} bytes, and their log-softmax of {loss_bytes} bytes"
    return Term("logits", n_bytes, formula, "output head and cross-entropy"), log_softmax
