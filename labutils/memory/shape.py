"""What the memory formulas need to know about a model, read from its configuration without instantiating it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labutils.errors import LabError

ROLES = ("qkv", "attention out", "ff in", "ff out", "head", "other")
# What families call the projections that a module's kind or its sizes do not tell apart. Names are read here alone: the formulas
# go by the roles.
QKV = {"q_proj", "k_proj", "v_proj", "qkv_proj", "q", "k", "v", "query", "key", "value", "query_key_value", "c_attn"}
FF_IN = {"gate_proj", "up_proj", "fc_in", "fc1", "lin1", "c_fc", "wi", "wi_0", "wi_1", "dense_h_to_4h", "intermediate"}
CROSS_ATTENTION = {"EncDecAttention", "encoder_attn", "crossattention"}


@dataclass(frozen=True)
class Linear:
    """The linear layers of one name: `count` matrices of `n_out` x `n_in`, and what they are for.

    Attributes:
        name: the path without the layer's number, such as "model.layers.self_attn.q_proj".
        n_in, n_out, count: the size of each matrix, and how many there are.
        role: one of ROLES.
        stack: "encoder" or "decoder" in a model that has both, else empty.
        crossing: it belongs to the decoder's attention over the encoder's output.
    """

    name: str
    n_in: int
    n_out: int
    count: int
    role: str
    stack: str
    crossing: bool

    @property
    def parameters(self) -> int:
        """Weights in all `count` matrices, without biases."""
        return self.n_in * self.n_out * self.count


@dataclass(frozen=True)
class Shape:
    """A transformer's sizes.

    Attributes:
        name: the model's class.
        kind: "decoder", "encoder" or "encoder-decoder".
        layers: of the decoder, or of the only stack; `encoder_layers` those of the encoder beside a decoder, else 0.
        hidden, heads, kv_heads, head_dim, intermediate: D, query heads, key/value heads, numbers a head, feed-forward width.
        gated: the feed-forward layer multiplies two projections (SwiGLU and its kin).
        activation: of the feed-forward layer, as transformers names it.
        vocabulary: V. `head`: the model ends in logits over it.
        positions: the longest sequence; 0 if the model sets no limit.
        tied: the output head shares the embedding's matrix.
        norm: "rms" or "layer".
        dropout, attention_dropout: the rates in training.
        position_bias: a trained bias is added to the attention scores (T5).
        rotary: positions enter as rotations of queries and keys.
        head_transform: a dense layer and a norm stand before the output head (BERT).
        groups: (group, parameters): "embeddings", "attention", "feed-forward", "norms", "biases", "output head", "other".
        linears: the linear layers, by name.
        largest: parameters in the largest single tensor.
        source: the model's class and configuration, from which `labutils.memory.unlike` builds it anew without memory.
    """

    name: str
    kind: str
    layers: int
    encoder_layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    gated: bool
    activation: str
    vocabulary: int
    head: bool
    positions: int
    tied: bool
    norm: str
    dropout: float
    attention_dropout: float
    position_bias: bool
    rotary: bool
    head_transform: bool
    groups: tuple[tuple[str, int], ...]
    linears: tuple[Linear, ...]
    largest: int
    source: tuple[type, Any] = field(compare=False, repr=False)

    @property
    def parameters(self) -> int:
        """All parameters; a tied matrix counts once."""
        return sum(count for _, count in self.groups)

    def group(self, name: str) -> int:
        """Parameters in one group; 0 if the model has none of it."""
        return dict(self.groups).get(name, 0)

    @property
    def block_parameters(self) -> int:
        """Parameters inside the blocks: all but the embeddings and the output head."""
        return self.parameters - self.group("embeddings") - self.group("output head")

    def targeted(self, targets: str | Sequence[str] = "all-linear") -> tuple[Linear, ...]:
        """The linear layers that a LoRA configuration's `target_modules` names.

        Args:
            targets: "all-linear" (every one but the output head), one name, or several; a name fits the end of a path.

        Raises:
            LabError: no linear layer has such a name.
        """
        if targets == "all-linear":
            return tuple(linear for linear in self.linears if linear.role != "head")
        wanted = [targets] if isinstance(targets, str) else list(targets)
        leaves = sorted({linear.name.rsplit(".", 1)[-1] for linear in self.linears})
        for target in wanted:
            if not any(f".{linear.name}".endswith(f".{target}") for linear in self.linears):
                raise LabError(f"lora_targets: {self.name} has no linear layer {target!r}: choose from {', '.join(leaves)}.")
        return tuple(x for x in self.linears if any(f".{x.name}".endswith(f".{target}") for target in wanted))

    @classmethod
    def of(cls, config_or_model: Any) -> Shape:
        """The shape of a transformers configuration or of a live model.

        A configuration is built on PyTorch's "meta" device, which allocates nothing: 70 billion parameters take moments.
        Parameters are then counted on the model itself, so the count is exact for every architecture.

        Args:
            config_or_model: a PreTrainedConfig, or a PreTrainedModel (also one wrapped by peft, whose adapters are left out).

        Raises:
            LabError: it is neither, it is a mixture of experts, or it holds no transformer blocks.

        Example:
            >>> Shape.of(LlamaConfig(hidden_size=64, num_attention_heads=4)).head_dim
            16
        """
        try:
            return cls._read(_model(config_or_model))
        except LabError:
            raise
        except Exception as error:  # configurations whose defaults do not build, or whose layers have sizes of their own
            raise LabError(
                f"{type(config_or_model).__name__} cannot be read as a transformer of alike layers ({type(error).__name__}): "
                f"measure the model itself with labutils.machine.measure."
            ) from error

    @classmethod
    def _read(cls, model: Any) -> Shape:
        config = model.config.get_text_config(decoder=True)
        experts = _first(config, ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"), 0)
        if experts and experts > 1:
            raise LabError(f"{type(model).__name__} is a mixture of experts: the memory formulas cover dense transformers.")
        layers, heads = _first(config, ("num_decoder_layers", "num_hidden_layers", "n_layer", "decoder_layers")), _heads(config)
        hidden = _first(config, ("hidden_size", "d_model", "n_embd"))
        if not (layers and heads and hidden):
            raise LabError(
                f"{type(model).__name__} names no layers, heads or hidden size: it is not a transformer that Shape knows."
            )
        seq2seq = bool(config.is_encoder_decoder)
        linears, groups = _linears(model, hidden, seq2seq), _groups(model)
        intermediate = _first(config, ("intermediate_size", "d_ff", "n_inner", "ffn_dim", "decoder_ffn_dim")) or 4 * hidden
        if not isinstance(intermediate, int) or not isinstance(heads, int):
            raise LabError(
                f"The layers of {type(model).__name__} have widths of their own, which the memory formulas do not cover."
            )
        into = {x.name.rsplit(".", 1)[-1] for x in linears if x.role == "ff in" and x.n_out == intermediate}
        output = model.get_output_embeddings()
        kind = "encoder-decoder" if seq2seq else "decoder" if _is_causal(model) else "encoder"
        return cls(
            name=type(model).__name__,
            kind=kind,
            layers=layers,
            encoder_layers=_first(config, ("num_layers", "encoder_layers", "num_hidden_layers")) if seq2seq else 0,
            hidden=hidden,
            heads=heads,
            kv_heads=_kv_heads(config) or heads,
            head_dim=_first(config, ("head_dim", "d_kv")) or hidden // heads,
            intermediate=intermediate,
            gated=len(into) > 1 or any(x.role == "ff in" and x.n_out == 2 * intermediate for x in linears),
            activation=str(_first(config, ("dense_act_fn", "hidden_activation", "hidden_act", "activation_function"), "gelu")),
            vocabulary=config.vocab_size,
            head=output is not None,
            positions=_first(config, ("max_position_embeddings", "n_positions"), 0)
            if not seq2seq or hasattr(config, "max_position_embeddings")
            else 0,
            tied=output is not None and output.weight is model.get_input_embeddings().weight,
            norm="rms" if any(_is_rms(module) for module in model.modules()) else "layer",
            dropout=float(_first(config, ("hidden_dropout_prob", "resid_pdrop", "dropout_rate", "dropout"), 0.0)),
            attention_dropout=float(
                _first(config, ("attention_probs_dropout_prob", "attn_pdrop", "attention_dropout", "dropout_rate"), 0.0)
            ),
            position_bias=any(hasattr(module, "relative_attention_bias") for module in model.modules()),
            rotary=any("rotary" in type(module).__name__.lower() for module in model.modules()),
            head_transform=output is not None and any(x.role == "other" and x.n_in == x.n_out == hidden for x in linears),
            groups=tuple(groups.items()),
            linears=linears,
            largest=max(p.numel() for p in model.parameters()),
            source=(type(model), model.config),
        )


def _first(config: Any, names: Iterable[str], default: Any = None) -> Any:
    for name in names:
        value = getattr(config, name, None)
        if value is not None:
            return value
    return default


def _heads(config: Any) -> int | None:
    return _first(config, ("num_attention_heads", "n_head", "num_heads", "decoder_attention_heads"))


def _kv_heads(config: Any) -> int | None:
    """Key-value heads; all queries share one where the configuration says multi_query (Falcon 7B, GPT-BigCode)."""
    if getattr(config, "multi_query", False) and not getattr(config, "new_decoder_architecture", False):
        return 1
    return _first(config, ("num_key_value_heads", "num_kv_heads"))


def _model(given: Any) -> Any:
    """The model itself, or one made of a configuration on the meta device."""
    import torch
    import transformers
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.models.auto import modeling_auto

    if hasattr(given, "get_base_model"):
        given = given.get_base_model()
    if isinstance(given, PreTrainedModel):
        return given
    if not isinstance(given, PreTrainedConfig):
        raise LabError(
            f"Shape.of takes a transformers configuration or model, not {type(given).__name__}: pass model.config or the model."
        )
    kinds = {
        "seq2seq": (modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, transformers.AutoModelForSeq2SeqLM),
        "masked": (modeling_auto.MODEL_FOR_MASKED_LM_MAPPING, transformers.AutoModelForMaskedLM),
        "causal": (modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING, transformers.AutoModelForCausalLM),
    }
    order = (
        ["seq2seq"] if given.is_encoder_decoder else ["causal"] if getattr(given, "is_decoder", False) else ["masked", "causal"]
    )
    named = getattr(transformers, (given.architectures or [""])[0], None)
    with torch.device("meta"):
        if isinstance(named, type) and issubclass(named, PreTrainedModel):
            return named._from_config(given)
        for name in order:
            mapping, auto = kinds[name]
            if type(given) in mapping:
                return auto.from_config(given)
        return transformers.AutoModel.from_config(given)


def _is_causal(model: Any) -> bool:
    from transformers.models.auto import modeling_auto

    config = model.config
    masked = type(config) in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    # A multimodal configuration builds a language model whose own configuration is not in the table: then its class is.
    named = type(model).__name__ in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    return (named or type(config) in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING) and not masked


def _is_rms(module: Any) -> bool:
    """A norm with a scale alone, as RMSNorm is, and T5's norm, whose class is called LayerNorm."""
    return "norm" in type(module).__name__.lower() and getattr(module, "weight", None) is not None and not hasattr(module, "bias")


def _matrix(module: Any) -> tuple[int, int] | None:
    """(n_in, n_out) of a linear layer, also of GPT-2's Conv1D, which stores its matrix transposed."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    return (module.nx, module.nf) if isinstance(module, Conv1D) else None


def _inside(model: Any, is_container: Callable[[Any], bool]) -> set[Any]:
    """The modules that stand in a container of some kind, at any depth."""
    return {module for container in model.modules() if is_container(container) for module in container.modules()}


def _is_attention(module: Any) -> bool:
    return "attention" in type(module).__name__.lower()


def _is_stack(module: Any) -> bool:
    from torch import nn

    return isinstance(module, nn.ModuleList)


def _role(names: Sequence[str], n_in: int, n_out: int, hidden: int, in_attention: bool) -> str:
    """The role of a linear layer inside a block, by where it stands, its sizes, and its own name where these leave it open."""
    if in_attention:
        return "qkv" if names[-1] in QKV else "attention out"
    return "ff in" if n_in == hidden and (n_out != hidden or not FF_IN.isdisjoint(names[-2:])) else "ff out"


def _linears(model: Any, hidden: int, seq2seq: bool) -> tuple[Linear, ...]:
    output = model.get_output_embeddings()
    in_blocks, in_attention = _inside(model, _is_stack), _inside(model, _is_attention)
    stacks = {"encoder": model.get_encoder(), "decoder": model.get_decoder()} if seq2seq else {}
    stack_of = {module: name for name, stack in stacks.items() for module in stack.modules()}
    found: Counter[tuple[str, int, int, str, str, bool]] = Counter()
    for path, module in model.named_modules():
        if size := _matrix(module):
            parts = path.split(".")
            role = "head" if module is output else "other"
            if role == "other" and module in in_blocks:
                role = _role(parts, *size, hidden, module in in_attention)
            name = ".".join(part for part in parts if not part.isdigit())
            found[(name, *size, role, stack_of.get(module, ""), not CROSS_ATTENTION.isdisjoint(parts))] += 1
    return tuple(Linear(*key[:3], count, *key[3:]) for key, count in found.items())


def _groups(model: Any) -> Mapping[str, int]:
    from torch import nn

    output = model.get_output_embeddings()
    in_blocks, in_attention = _inside(model, _is_stack), _inside(model, _is_attention)
    groups: Counter[str] = Counter()
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            if isinstance(module, nn.Embedding):
                group = "embeddings"
            elif name == "bias":
                group = "biases"
            elif module is output:
                group = "output head"
            elif "norm" in type(module).__name__.lower():
                group = "norms"
            elif _matrix(module) and module in in_blocks:
                group = "attention" if module in in_attention else "feed-forward"
            else:
                group = "other"
            groups[group] += parameter.numel()
    return groups
