"""What a prediction of memory looks like: terms, the moments of a step, and the bytes that a weight takes in each format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labutils.errors import LabError
from labutils.machine.limits import GB, GIB

DTYPES: Mapping[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2}

DTYPE = "bytes of a floating-point number: IEEE 754; bfloat16 keeps float32's exponent"
QLORA = "Dettmers et al. 2023, QLoRA, sec. 3"
LLM_INT8 = "Dettmers et al. 2022, LLM.int8(), sec. 2: one scale a row"
BLOCKS = "blockwise quantization: Dettmers et al. 2022, 8-bit Optimizers via Block-wise Quantization, sec. 2.1"


def dtype_name(dtype: Any) -> str:
    """The name of a type of numbers, given as a name or as a torch dtype: "float32" for `torch.float32`.

    Raises:
        LabError: the dtype is not a floating-point type that the labs use.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise LabError(f"dtype={name!r} is unknown: choose {', '.join(DTYPES)}.")
    return name


def dtype_bytes(dtype: Any) -> int:
    """Bytes of one number. `dtype_bytes("float32") == 4`; a torch dtype does as well.

    Raises:
        LabError: the dtype is not a floating-point type that the labs use.
    """
    return DTYPES[dtype_name(dtype)]


@dataclass(frozen=True)
class WeightFormat:
    """How a matrix of weights is stored.

    Attributes:
        name: as it was asked for.
        bits: bits of one weight, without its share of the block's constants.
        block: weights that share their constants; 0 means a whole row (channel), None a whole matrix.
        constant_bits: bits of a block's constants: its scale, and its zero-point if it has one.
        nested: weights that share a second-level constant of 32 bits (double quantization), or 0.
        source: where the format is described.
    """

    name: str
    bits: int
    block: int | None
    constant_bits: int
    nested: int
    source: str

    def n_bytes(self, rows: int, columns: int) -> float:
        """Bytes of a matrix with its scales and zero-points.

        >>> weight_format("int4 block 32").n_bytes(1, 32)  # 16 bytes of weights, 2 of scale
        18.0
        """
        n = rows * columns
        blocks = 1 if self.block is None else rows if self.block == 0 else -(-n // self.block)
        nested = -(-n // self.nested) * 32 if self.nested else 0
        return (n * self.bits + blocks * self.constant_bits + nested) / 8


def weight_format(name: Any) -> WeightFormat:
    """The storage format that a name stands for.

    "float32", "bfloat16", "float16"; "int8" (one float32 scale a row), "int8 tensor" (one a matrix), "int8 block 64",
    "int4 block 32" (one float16 scale a block, as GGUF's Q4_0: 4.5 bits a weight), "int4 block 32 zero-point" (a float16
    minimum as well, as Q4_1: 5 bits), "nf4" (blocks of 64, float32 scale: 4.5 bits), "nf4 double" (scales in 8 bits, and one
    float32 for 256 of them: 4.127 bits).

    Raises:
        LabError: no format has this name.
    """
    name = str(name).removeprefix("torch.")
    if name in DTYPES:
        return WeightFormat(name, 8 * DTYPES[name], None, 0, 0, DTYPE)
    if name in ("nf4", "nf4 double"):
        double = name.endswith("double")
        return WeightFormat(name, 4, 64, 8 if double else 32, 64 * 256 if double else 0, QLORA)
    found = re.fullmatch(r"int([48])(?: (tensor|channel|block (\d+)))?( zero-point)?", name)
    if not found or (found[3] and int(found[3]) < 1):
        raise LabError(
            f"weights={name!r} is unknown: choose float32, bfloat16, float16, int8, int8 tensor, int4 block 32, "
            f"int4 block 32 zero-point, nf4 or nf4 double."
        )
    if found[3]:
        return WeightFormat(name, int(found[1]), int(found[3]), 32 if found[4] else 16, 0, BLOCKS)
    return WeightFormat(name, int(found[1]), None if found[2] == "tensor" else 0, 64 if found[4] else 32, 0, LLM_INT8)


@dataclass(frozen=True)
class Term:
    """One line of a ledger: what it is, its bytes, the formula with the numbers put in, and where the formula is from."""

    name: str
    n_bytes: float
    formula: str
    source: str

    @property
    def gib(self) -> float:
        """The term in GiB (2**30 bytes)."""
        return self.n_bytes / GIB

    @property
    def gb(self) -> float:
        """The term in GB (10**9 bytes)."""
        return self.n_bytes / GB


@dataclass(frozen=True)
class Ledger:
    """What a run needs, term by term, and what it holds at each moment.

    Attributes:
        terms: each with its full size, whether or not they are all held at once.
        moments: name -> {term: bytes held then}. In a training step gradients arrive while activations leave, so that the
            peak is below the sum of the terms. Empty: all terms are held at once.
        title: what was predicted.
        unit: bytes of the weights and of the gradients of the largest unit that sharding gathers for use: one block, or the
            largest single matrix. (0, 0) where nothing is trained.
    """

    terms: tuple[Term, ...]
    moments: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    title: str = ""
    unit: tuple[float, float] = (0.0, 0.0)

    def __getitem__(self, name: str) -> Term:
        """The term of that name.

        Raises:
            LabError: the ledger has no such term.
        """
        for term in self.terms:
            if term.name == name:
                return term
        raise LabError(f"The ledger has no term {name!r}: it has {', '.join(term.name for term in self.terms)}.")

    @property
    def sum(self) -> float:
        """Bytes of all terms together: what the terms would need if they were all held at once."""
        return sum(term.n_bytes for term in self.terms)

    @property
    def peak_moment(self) -> str:
        """The name of the moment that needs most; empty where all terms are held at once."""
        return max(self.moments, key=lambda name: sum(self.moments[name].values())) if self.moments else ""

    @property
    def at_peak(self) -> dict[str, float]:
        """Term -> bytes held at the peak."""
        if self.moments:
            return dict(self.moments[self.peak_moment])
        return {term.name: term.n_bytes for term in self.terms}

    @property
    def total(self) -> float:
        """Bytes at the peak: the largest moment."""
        return sum(self.at_peak.values())

    @property
    def gib(self) -> float:
        """The peak in GiB (2**30 bytes)."""
        return self.total / GIB

    @property
    def gb(self) -> float:
        """The peak in GB (10**9 bytes)."""
        return self.total / GB

    def rows(self) -> list[tuple[str, float, float, str, str]]:
        """One row a term for `show_table`: (name, GiB in full, GiB held at the peak, formula, source)."""
        held = self.at_peak
        return [(term.name, term.gib, held.get(term.name, 0.0) / GIB, term.formula, term.source) for term in self.terms]

    def __str__(self) -> str:
        lines = [self.title] if self.title else []
        lines += [f"{name:22} {full:9.3f} GiB  {held:9.3f} at the peak" for name, full, held, _, _ in self.rows()]
        when = f", {self.peak_moment}" if self.moments else ""
        return "\n".join([*lines, f"{'peak' + when}: {self.gib:.3f} GiB ({self.gb:.3f} GB)"])
