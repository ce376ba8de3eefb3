"""Quantizers against PyTorch's own, a brute-force search of the nearest level, and bounds that hold on any input."""

from __future__ import annotations

import math

import pytest
import torch

from labutils.errors import LabError
from labutils.quantization.four_bit import Scales, int4_levels, levels_of, nf4_levels, pack_codes, quantize_4bit, unpack_codes
from labutils.quantization.integers import grouped, largest_error, quantize, relative_error, ungrouped

# Dettmers et al. 2023, "QLoRA", appendix E: "Normal Float 4-bit data type".
PUBLISHED_NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334),
    *(-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
SHAPES = [(1,), (7,), (3, 64), (5, 100), (2, 3, 65)]


def inputs(shape: tuple[int, ...]) -> list[torch.Tensor]:
    """A tensor of each kind: normal, heavy-tailed (Cauchy), of one sign, with zeros, constant, and tiny."""
    torch.manual_seed(math.prod(shape))
    normal = torch.randn(shape)
    heavy = torch.distributions.Cauchy(0.0, 1.0).sample(shape)
    return [normal, heavy, normal.abs() + 3, normal * (normal > 1), torch.full(shape, 2.5), torch.zeros(shape), normal * 1e-30]


def scale_of_each(quantized, shape):
    """The scale that each value was divided by, in the tensor's shape."""
    per, block = quantized.per, quantized.block
    width = grouped(torch.zeros(shape), per, block).shape[1]
    return ungrouped(quantized.scale[:, None].expand(-1, width), shape, per, block)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("per", ["tensor", "channel", "block"])
def test_no_value_is_off_by_more_than_half_a_step(shape, per):
    for x in inputs(shape):
        for scheme in ("absmax", "zero_point"):
            for bits in (2, 4, 8):
                q = quantize(x, scheme, per, 16, bits)
                error = (x - q.dequantize()).abs()
                # One part in a million of the value: x / scale and its inverse are rounded in float32 too.
                assert (error <= scale_of_each(q, shape) / 2 * (1 + 1e-5) + 1e-6 * x.abs()).all()
                top = 2 ** (bits - 1) - 1 if scheme == "absmax" else 2**bits - 1
                assert q.codes.max() <= top and q.codes.min() >= (-top if scheme == "absmax" else 0)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize("scheme, dtype, low", [("absmax", torch.qint8, -127), ("zero_point", torch.quint8, 0)])
def test_the_same_codes_as_pytorch_per_tensor(scheme, dtype, low):
    for x in inputs((40, 50))[:4]:
        q = quantize(x, scheme)
        zero = 0 if q.zero_point is None else int(q.zero_point)
        theirs = torch.quantize_per_tensor(x, float(q.scale), zero, dtype)
        differ = theirs.int_repr().int().clamp(min=low) - q.codes.int()
        # PyTorch multiplies by 1 / scale; a value within a rounding error of a tie may fall on the other side.
        assert differ.abs().max() <= 1 and (differ != 0).float().mean() < 0.01
        assert torch.allclose(theirs.dequantize()[differ == 0], q.dequantize()[differ == 0], rtol=1e-5, atol=1e-9)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize("scheme, dtype", [("absmax", torch.qint8), ("zero_point", torch.quint8)])
def test_the_same_codes_as_pytorch_per_channel(scheme, dtype):
    x = inputs((40, 50))[0] * torch.logspace(-3, 3, 40)[:, None]
    q = quantize(x, scheme, "channel")
    zeros = torch.zeros(40) if q.zero_point is None else q.zero_point
    theirs = torch.quantize_per_channel(x, q.scale.double(), zeros.long(), 0, dtype)
    differ = theirs.int_repr().int() - q.codes.int()
    assert differ.abs().max() <= 1 and (differ != 0).float().mean() < 0.01


def test_a_worked_example_of_each_scheme():
    absmax = quantize(torch.tensor([1.27, -0.5, 0.014]))
    assert absmax.codes.tolist() == [127, -50, 1] and float(absmax.scale) == pytest.approx(0.01)
    affine = quantize(torch.tensor([-1.0, 0.0, 1.55]), "zero_point")
    assert float(affine.scale) == pytest.approx(0.01) and affine.zero_point.tolist() == [100]
    assert affine.codes.tolist() == [0, 100, 255]


def test_rounding_is_to_even_as_in_torch():
    halves = torch.tensor([127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5])
    assert quantize(halves).codes.tolist() == [127, 0, 2, 2, 0, -2, -2]
    assert quantize_4bit(torch.tensor([7.0, 0.5, 1.5, 2.5]), "int4", double=False).dequantize().tolist() == [7, 0, 2, 2]


def test_zero_keeps_a_code_of_its_own_under_a_zero_point():
    for x in inputs((6, 64)):
        x = x.clone()
        x[:, 0] = 0
        for per in ("tensor", "channel", "block"):
            assert (quantize(x, "zero_point", per, 16).dequantize()[x == 0] == 0).all()


def test_finer_scales_never_widen_the_step():
    for x in inputs((8, 64))[:5]:
        coarse = quantize(x, per="tensor")
        for per in ("channel", "block"):
            # A group of zeros, whose scale is 1, has no step to speak of.
            steps = scale_of_each(quantize(x, per=per, block=16), x.shape)
            assert (steps[x != 0] <= float(coarse.scale)).all()


def test_an_outlier_spoils_its_own_block_only():
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(1))
    spoiled = x.clone()
    spoiled[0, 0] = 1000.0
    whole, blocks = quantize(spoiled).dequantize(), quantize(spoiled, per="block", block=16).dequantize()
    assert (whole[1:] == 0).float().mean() > 0.9
    assert torch.equal(blocks[1:], quantize(x, per="block", block=16).dequantize()[1:])


def test_the_bytes_count_scales_and_zero_points():
    x = torch.randn(10, 130)
    assert quantize(x).nbytes == 1300 + 4
    assert quantize(x, "zero_point", "channel").nbytes == 1300 + 10 * (4 + 1)
    blocks = quantize(x, per="block", block=64, bits=4)  # three blocks a row, the last of two values
    assert blocks.nbytes == 650 + 30 * 4 and blocks.bits_per_parameter == pytest.approx(8 * 770 / 1300)
    assert quantize(torch.randn(1, 3), bits=2).nbytes == 1 + 4


@pytest.mark.parametrize("n", [1, 2, 3, 64, 101])
def test_packed_codes_come_back_bit_for_bit(n):
    codes = torch.randint(0, 16, (3, n), generator=torch.Generator().manual_seed(n))
    packed = pack_codes(codes)
    assert packed.dtype == torch.uint8 and packed.shape == (3, math.ceil(n / 2))
    assert torch.equal(unpack_codes(packed, n).long(), codes)


def test_every_byte_can_be_unpacked_and_packed_again():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(pack_codes(unpack_codes(every, 512)), every)
    assert pack_codes(torch.tensor([3, 10])).tolist() == [3 + 16 * 10]


def test_codes_that_do_not_fit_four_bits_are_refused(says):
    for codes in ([16], [-1]):
        with pytest.raises(LabError) as error:
            pack_codes(torch.tensor(codes))
        says(error.value, "0 to 15", "shift")


def test_the_levels_of_nf4_are_the_published_ones():
    # The paper's table was computed in float32, and the quantile function's own accuracy is a few parts in ten million.
    assert nf4_levels() == pytest.approx(PUBLISHED_NF4, abs=1e-6)


def test_nf4_is_two_evenly_spaced_halves_of_the_normal_distribution():
    levels = torch.tensor(nf4_levels(), dtype=torch.float64)
    assert levels[7] == 0 and levels[0] == -1 and levels[15] == 1
    outermost = torch.special.ndtri(torch.tensor(1 - (1 / 30 + 1 / 32) / 2, dtype=torch.float64))
    shares = torch.special.ndtr(levels * outermost)
    for half in (shares[:8], shares[7:]):
        steps = half.diff()
        assert torch.allclose(steps, steps[0].expand_as(steps), atol=1e-12)


@pytest.mark.parametrize("scheme", ["nf4", "int4"])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_code_is_the_nearest_level(scheme, shape):
    levels = torch.tensor(levels_of(scheme))
    for x in inputs(shape):
        q = quantize_4bit(x, scheme, 16, double=False)
        groups = grouped(x, "block", 16)
        nearest = (groups[..., None] - levels * q.scales[:, None, None]).abs().amin(dim=-1)
        error = grouped((x - q.dequantize()).abs(), "block", 16)
        assert torch.allclose(error, nearest, rtol=1e-5, atol=float(groups.abs().max()) * 1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", ["nf4", "int4"])
def test_double_quantization_moves_a_scale_by_half_a_step_at_most(shape, scheme):
    for x in inputs(shape):
        q = quantize_4bit(x, scheme, 16)
        exact = grouped(x, "block", 16).abs().amax(dim=1)
        step = q.scales.step.repeat_interleave(256)[: len(exact)]
        off = (q.scales.dequantize() - exact).abs()
        assert (off <= step / 2 * (1 + 1e-5) + 1e-6 * exact).all()
        widest_gap = max(b - a for a, b in zip(levels_of(scheme), levels_of(scheme)[1:], strict=False))
        bound = (exact + step / 2) * widest_gap / 2 + step / 2
        assert (grouped((x - q.dequantize()).abs(), "block", 16) <= bound[:, None] * (1 + 1e-5)).all()


def test_double_quantization_of_more_than_one_group_of_scales():
    scale = torch.rand(700, generator=torch.Generator().manual_seed(0)) + 0.1
    scales = Scales.of(scale)
    assert scales.step.shape == (3,) and scales.nbytes == 700 + 4 + 3 * 4
    assert largest_error(scale, scales.dequantize()) <= 0.9 / 255 / 2 * 1.001 * 1.2
    with_outlier = torch.cat((scale[:256], torch.tensor([1000.0]), scale[257:512], scale[512:]))
    assert torch.equal(Scales.of(with_outlier).dequantize()[:256], scales.dequantize()[:256])
    assert (Scales.of(with_outlier).dequantize() > 0).all()


def test_bits_per_parameter_of_the_4bit_forms():
    x = torch.randn(512, 1024)
    assert quantize_4bit(x, double=False).bits_per_parameter == 4.5  # 4 + 32/64
    assert quantize_4bit(x).nbytes == x.numel() * (4 + 8 / 64 + 32 / (64 * 256)) / 8 + 4
    assert quantize_4bit(x, block=32, double=False).bits_per_parameter == 5.0
    assert quantize_4bit(torch.randn(3, 5), block=64, double=False).nbytes == 3 * 3 + 3 * 4


def test_nf4_beats_int4_on_normal_numbers_and_loses_on_uniform_ones():
    generator = torch.Generator().manual_seed(0)
    normal, uniform = torch.randn(200, 640, generator=generator), torch.rand(200, 640, generator=generator) * 2 - 1

    def error(x, scheme):
        return relative_error(x, quantize_4bit(x, scheme).dequantize())

    assert error(normal, "nf4") < error(normal, "int4")
    assert error(uniform, "int4") < error(uniform, "nf4")


def test_whole_numbers_up_to_seven_are_exact_in_int4():
    x = torch.tensor([[7.0, -3.0, 0.0, 5.0], [-14.0, 2.0, 4.0, 6.0]])
    assert torch.equal(quantize_4bit(x, "int4", double=False).dequantize(), x)
    assert len(int4_levels()) == 16 and int4_levels()[8] == 0


def test_gradients_and_dtypes():
    x = torch.randn(4, 8, requires_grad=True)
    assert not quantize(x).scale.requires_grad and not quantize_4bit(x).dequantize().requires_grad
    assert quantize(x.half()).dequantize().dtype == torch.float16
    assert relative_error(x, quantize(x).dequantize()) < 0.01


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("function", [quantize, quantize_4bit])
def test_what_is_not_finite_is_refused(function, bad, says):
    with pytest.raises(LabError) as error:
        function(torch.tensor([1.0, bad]))
    says(error.value, "NaN or infinity")


def test_other_bad_input_is_refused_in_one_sentence(says):
    x = torch.randn(4)
    for call, word in (
        (lambda: quantize(torch.arange(4)), "float()"),
        (lambda: quantize(torch.tensor(1.0)), "at least one dimension"),
        (lambda: quantize_4bit(torch.zeros(0)), "at least one dimension"),
        (lambda: quantize(x, bits=9), "2 and 8"),
        (lambda: quantize(x, scheme="mean"), "absmax"),
        (lambda: quantize(x, per="row"), "tensor, channel or block"),
        (lambda: quantize(x, per="block", block=0), "at least 1"),
        (lambda: quantize_4bit(x, "nf3"), "nf4 or int4"),
        (lambda: relative_error(torch.zeros(3), torch.zeros(3)), "largest_error"),
    ):
        with pytest.raises(LabError) as error:
            call()
        says(error.value, word)
