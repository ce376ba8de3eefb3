"""The 4-bit layer against `F.linear` on its dequantized weight, and PEFT's LoRA over it against LoRA over the dense layer."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from labutils.errors import LabError
from labutils.quantization.four_bit import quantize_4bit
from labutils.quantization.linear4bit import CHUNK, Linear4bit, dynamic_int8, over_4bit, parameter_count, quantize_model

SIZES = [(64, 32), (128, 1), (100, 7), (65, 3), (1, 5)]


class Small(nn.Module):
    """Embedding, two linear layers, and a head tied to the embedding, as small language models have."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 64)
        self.up = nn.Linear(64, 96)
        self.down = nn.Linear(96, 64, bias=False)
        self.lm_head = nn.Linear(64, 50, bias=False)
        self.lm_head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        return self.lm_head(x + self.down(torch.relu(self.up(x))))


def small() -> Small:
    torch.manual_seed(0)
    return Small()


def dense_twin(model: nn.Module) -> nn.Module:
    """The same model with each 4-bit layer replaced by `nn.Linear` on the dequantized weight."""
    twin = copy.deepcopy(model)
    for name, layer in list(twin.named_modules()):
        if isinstance(layer, Linear4bit):
            linear = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
            linear.weight = nn.Parameter(layer.dequantize())
            if layer.bias is not None:
                linear.bias = nn.Parameter(layer.bias.clone())
            parent, _, last = name.rpartition(".")
            setattr(twin.get_submodule(parent), last, linear)
    return twin


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["nf4", "int4"])
@pytest.mark.parametrize("double", [True, False])
def test_forward_and_gradient_equal_the_dense_layer(size, scheme, double):
    torch.manual_seed(0)
    linear = nn.Linear(*size)
    layer = Linear4bit.from_linear(linear, scheme, 64, double)
    weight = quantize_4bit(linear.weight, scheme, 64, double).dequantize()
    assert torch.equal(layer.dequantize(), weight)
    x = torch.randn(2, 3, size[0], requires_grad=True)
    y, target = layer(x), torch.randn(2, 3, size[1])
    (gradient,) = torch.autograd.grad((y * target).sum(), x)
    expected = nn.functional.linear(x, weight, linear.bias)
    (expected_gradient,) = torch.autograd.grad((expected * target).sum(), x)
    assert torch.allclose(y, expected, atol=1e-5)
    assert torch.allclose(gradient, expected_gradient, atol=1e-5)


def test_rows_are_taken_in_chunks_that_cover_the_weight(monkeypatch):
    linear = nn.Linear(70, 50)
    layer = Linear4bit.from_linear(linear)
    whole, x = layer.dequantize(), torch.randn(4, 70, requires_grad=True)
    one = layer(x)
    (gradient,) = torch.autograd.grad(one.sum(), x)
    monkeypatch.setattr("labutils.quantization.linear4bit.CHUNK", 70 * 9)
    assert [s.stop - s.start for s in layer.chunks()] == [9, 9, 9, 9, 9, 5]
    many = layer(x)
    assert torch.allclose(one, many, atol=1e-6) and torch.equal(layer.dequantize(), whole)
    assert torch.allclose(torch.autograd.grad(many.sum(), x)[0], gradient, atol=1e-5)
    assert CHUNK >= 1536 * 8, "a chunk holds several rows of the course's model"


def test_backward_agrees_with_finite_differences():
    layer = Linear4bit.from_linear(nn.Linear(9, 4).double(), block=4)
    x = torch.randn(3, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_the_layer_keeps_no_dense_weight_for_backward():
    kept = []
    layer = Linear4bit.from_linear(nn.Linear(256, 256))
    x = torch.randn(2, 256, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        layer(x).sum()
    assert max(kept, default=0) < 256 * 256
    assert sum(b.nbytes for b in layer.buffers()) < 256 * 256 * 0.6 + 256 * 4
    assert list(layer.parameters()) == []


def test_other_dtypes_of_the_input():
    layer = Linear4bit.from_linear(nn.Linear(64, 8))
    x = torch.randn(2, 64)
    assert layer(x.bfloat16()).dtype == torch.bfloat16
    assert torch.allclose(layer(x.bfloat16()).float(), layer(x), atol=0.1)


def test_state_dict_goes_through_a_file():
    model = quantize_model(small())
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    torch.manual_seed(1)
    other = quantize_model(Small())
    ids = torch.arange(50)[None]
    assert not torch.allclose(other(ids), model(ids))
    other.load_state_dict(torch.load(file))
    assert torch.equal(other(ids), model(ids))
    empty = Linear4bit(64, 96)
    empty.load_state_dict(model.up.state_dict())
    assert torch.equal(empty.dequantize(), model.up.dequantize()) and torch.equal(empty.bias, model.up.bias)


def test_quantize_model_replaces_in_place_and_skips_the_head():
    model = small()
    tied = model.embed.weight
    assert quantize_model(model) is model
    assert isinstance(model.up, Linear4bit) and isinstance(model.down, Linear4bit)
    assert type(model.lm_head) is nn.Linear and model.lm_head.weight is tied and model.embed.weight is tied
    everything = quantize_model(small(), skip=(), scheme="int4", block=32, double=False)
    assert isinstance(everything.lm_head, Linear4bit) and everything.up.scheme == "int4" and everything.up.block == 32


def test_packing_does_not_change_the_parameter_count():
    model = small()
    plain = sum(p.numel() for p in model.parameters())
    assert parameter_count(model) == plain
    assert parameter_count(quantize_model(model)) == plain
    assert sum(b.numel() for b in model.buffers()) < plain
    config = over_4bit(LoraConfig(r=2, target_modules=["up"]))
    assert parameter_count(get_peft_model(model, config)) == plain + 2 * (64 + 96)


@pytest.mark.filterwarnings("error")
def test_lora_over_4bit_equals_lora_over_the_dense_layers():
    packed = quantize_model(small())
    dense = dense_twin(packed)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["up", "down"]}
    torch.manual_seed(2)
    ours = get_peft_model(packed, over_4bit(LoraConfig(**settings)))
    theirs = get_peft_model(dense, LoraConfig(**settings))
    names = [name for name, p in ours.named_parameters() if p.requires_grad]
    assert names == [name for name, p in theirs.named_parameters() if p.requires_grad] and len(names) == 4
    with torch.no_grad():  # B starts at zero, under which A gets no gradient
        for name in names:
            ours.get_parameter(name).normal_(std=0.1)
            theirs.get_parameter(name).copy_(ours.get_parameter(name))
    ids = torch.randint(0, 50, (2, 9), generator=torch.Generator().manual_seed(0))
    losses = []
    for model in (ours, theirs):
        logits = model(ids)
        losses.append(nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()))
        losses[-1].backward()
    assert torch.allclose(*losses, atol=1e-6)
    for name in names:
        mine, other = ours.get_parameter(name).grad, theirs.get_parameter(name).grad
        assert float(other.abs().max()) > 0 and torch.allclose(mine, other, atol=1e-6, rtol=1e-4)


def test_a_lora_step_over_the_real_model_lowers_the_loss(default_model):
    whole, tokenizer = default_model
    config = copy.deepcopy(whole.config)
    config.num_hidden_layers = 3
    model = type(whole)(config)
    model.load_state_dict(whole.state_dict(), strict=False)  # its first three layers
    quantize_model(model)
    ids = tokenizer("The market opens at nine, and the fish is gone by ten.", return_tensors="pt").input_ids
    peft_model = get_peft_model(model, over_4bit(LoraConfig(r=4, target_modules=["q_proj", "v_proj"])))
    optimizer = torch.optim.SGD([p for p in peft_model.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for _ in range(3):
        loss = peft_model(ids, labels=ids).loss
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[2] < losses[0]


def test_without_the_registration_peft_says_so():
    with pytest.raises(ValueError, match="Linear4bit"):
        get_peft_model(quantize_model(small()), LoraConfig(r=2, target_modules=["up"]))


def test_an_adapter_is_not_merged_into_the_codes(says):
    model = get_peft_model(quantize_model(small()), over_4bit(LoraConfig(r=2, target_modules=["up"])))
    with pytest.raises(LabError) as error:
        model.merge_adapter()
    says(error.value, "merged into 4-bit codes", "dense")


def test_adapters_go_through_a_file_over_a_4bit_base(tmp_path):
    from peft import PeftModel

    model = get_peft_model(quantize_model(small()), over_4bit(LoraConfig(r=2, target_modules=["up"])))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(quantize_model(small()), tmp_path, config=over_4bit(LoraConfig.from_pretrained(tmp_path)))
    ids = torch.arange(50)[None]
    assert torch.allclose(again(ids), model(ids), atol=1e-6)


def test_dynamic_int8_is_near_the_dense_model_and_takes_a_quarter():
    model = small()
    ids = torch.arange(50)[None]
    dense = model(ids)
    fast = dynamic_int8(model, skip=("lm_head",))
    assert fast is model and type(model.lm_head) is nn.Linear
    assert "quantized" in type(model.up).__module__ and model.up.weight().dtype == torch.qint8
    off = (fast(ids) - dense).abs().max() / dense.abs().max()
    assert 0 < off < 0.03


def test_what_cannot_be_quantized_is_said_in_one_sentence(says):
    for call, word in (
        (lambda: quantize_model(nn.Linear(2, 2)), "from_linear"),
        (lambda: quantize_model(quantize_model(small())), "quantized before"),
        (lambda: dynamic_int8(small().bfloat16()), "float32"),
        (lambda: Linear4bit(4, 4, scheme="int3"), "nf4 or int4"),
    ):
        with pytest.raises(LabError) as error:
            call()
        says(error.value, word)
