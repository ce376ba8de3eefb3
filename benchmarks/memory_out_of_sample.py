"""How good is the memory formula where nobody looked while it was written? Predicted beside measured, term by term.

    python benchmarks/memory_out_of_sample.py            about five minutes on two cores
    python benchmarks/memory_out_of_sample.py --kinds olmo2 starcoder2

Two tables. The first has one training step of small models of architectures that are neither in benchmarks/memory_accuracy.py nor in
the tests of the formula: right, off or refused. The second has the ways of training that the other benchmark leaves out, run by hand on the
CPU: 16-bit weights with a float32 master copy, AdamW with 8-bit state, and LoRA over a base of 4-bit weights. Writes
build/memory_out_of_sample.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig
from transformers.utils import logging as transformers_logging

from labutils.errors import LabError
from labutils.machine import settings
from labutils.machine.footprint import Footprint, measure, tensor_bytes
from labutils.memory import Shape, TrainingSetup, predict_training
from labutils.tuning.measured import TermRow, compare_training
from labutils.tuning.methods import Method, prepare

ROOT = Path(__file__).resolve().parent.parent
KINDS = (
    "qwen2", "olmo", "olmo2", "stablelm", "gpt_neox", "starcoder2", "granite", "cohere", "glm", "nemotron", "phi", "gptj", "codegen",
    "bloom", "xglm", "smollm3", "helium", "persimmon", "biogpt", "gpt_bigcode",
)  # fmt: skip
SIZES = {
    "hidden_size": 160, "n_embd": 160, "d_model": 160, "intermediate_size": 448, "n_inner": 448, "ffn_dim": 448,
    "num_hidden_layers": 3, "n_layer": 3, "num_layers": 3, "num_attention_heads": 5, "n_head": 5, "attention_heads": 5,
    "num_key_value_heads": 5, "head_dim": 32, "vocab_size": 3000, "max_position_embeddings": 512, "n_positions": 512, "n_ctx": 512,
    "rotary_dim": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
BATCH, LENGTH = 2, 192
BLOCK = 256  # numbers that share a scale in 8-bit optimizer state: Dettmers et al. 2022, sec. 2


def small(kind: str) -> Any:
    """A model of a kind, with random weights and small sizes."""
    own = AutoConfig.for_model(kind)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{k: v for k, v in SIZES.items() if hasattr(own, k)}))


class EightBitAdamW:
    """AdamW whose two moments are kept in 8 bits, with a float32 scale for each block of 256 numbers, and one tensor at a time unpacked."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        self.parameters, self.lr, self.steps = list(parameters), lr, 0
        self.state: list[list[torch.Tensor]] = []
        for p in self.parameters:
            blocks = -(-p.numel() // BLOCK)
            codes = [torch.zeros(p.numel(), dtype=torch.int8, device=p.device) for _ in range(2)]
            self.state.append(codes + [torch.zeros(blocks, device=p.device) for _ in range(2)])

    def step(self) -> None:
        """One update (Kingma & Ba 2015, algorithm 1), each moment unpacked, moved, used and packed again."""
        self.steps += 1
        for p, state in zip(self.parameters, self.state, strict=True):
            if p.grad is None:
                continue
            moments = []
            for i, (decay, power) in enumerate(((0.9, 1), (0.999, 2))):
                blocks = torch.nn.functional.pad(state[i].float(), (0, -p.numel() % BLOCK)).view(-1, BLOCK)
                moment = (blocks * state[2 + i][:, None] / 127).flatten()[: p.numel()]
                moment.mul_(decay).add_(p.grad.flatten() ** power, alpha=1 - decay)
                blocks = torch.nn.functional.pad(moment, (0, -p.numel() % BLOCK)).view(-1, BLOCK)
                state[2 + i].copy_(blocks.abs().amax(1))
                state[i].copy_((blocks / state[2 + i].clamp_min(1e-30)[:, None] * 127).round().flatten()[: p.numel()])
                moments.append(moment / (1 - decay**self.steps))
            with torch.no_grad():
                p.sub_(self.lr * (moments[0] / (moments[1].sqrt() + 1e-8)).view_as(p))

    def tensors(self) -> list[torch.Tensor]:
        """All that is kept between steps."""
        return [tensor for state in self.state for tensor in state]


class MasterCopyAdamW:
    """PyTorch's AdamW over a float32 copy of 16-bit weights (Rajbhandari et al. 2020, sec. 3.1), one gradient in float32 at a time."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        self.parameters = list(parameters)
        self.masters = [torch.nn.Parameter(p.detach().float()) for p in self.parameters]
        self.optimizers = [torch.optim.AdamW([master], lr=lr) for master in self.masters]

    def step(self) -> None:
        """Move the copy, then round it back into the weights."""
        for p, master, optimizer in zip(self.parameters, self.masters, self.optimizers, strict=True):
            if p.grad is None:
                continue
            master.grad = p.grad.float()
            optimizer.step()
            master.grad = None
            p.data.copy_(master.data)

    def tensors(self) -> list[torch.Tensor]:
        """The copy and its moments."""
        moments = [t for optimizer in self.optimizers for held in optimizer.state.values() for t in held.values()]
        return [*self.masters, *moments]


def measured_step(model: Any, optimizer: Any) -> tuple[Footprint, int, int]:
    """The second of two steps on random tokens: its footprint, and bytes of the gradients and of the optimizer's state."""
    ids = torch.randint(5, model.config.vocab_size, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
    trained = [p for p in model.parameters() if p.requires_grad]

    def step(found: Footprint | None = None) -> int:
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        if found:
            found.mark("forward")
        loss.backward()
        made = tensor_bytes(p.grad for p in trained if p.grad is not None)
        optimizer.step()
        for p in trained:
            p.grad = None
        return made

    step()
    with measure([*model.parameters(), *model.buffers(), *optimizer.tensors(), ids]) as found:
        gradients = step(found)
    return found, gradients, tensor_bytes(optimizer.tensors())


def base() -> Any:
    """The small model of the second table."""
    config = LlamaConfig(
        hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=4, vocab_size=4096,
        tie_word_embeddings=False,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config)


def rows_of(model: Any, optimizer: Any, setup: TrainingSetup, shape: Shape) -> list[TermRow]:
    """Every term of one way of training."""
    ledger = predict_training(shape, setup)
    found, gradients, state = measured_step(model, optimizer)
    kept = ledger["activations"].n_bytes + ledger.moments["backward, at the loss"]["logits"]
    weights = tensor_bytes([*model.parameters(), *(b for name, b in model.named_buffers() if "inv_freq" not in name)])
    return [
        TermRow("weights", ledger["weights"].n_bytes, weights),
        TermRow("gradients", ledger["gradients"].n_bytes, gradients),
        TermRow("optimizer", ledger["optimizer"].n_bytes, state),
        TermRow("activations", kept, dict(found.marks)["forward"]),
        TermRow("peak", ledger.total, found.total_allocated),
    ]


def mixed_precision() -> list[TermRow]:
    """16-bit weights and gradients, a float32 master copy and moments."""
    model = base().to(torch.bfloat16)
    setup = TrainingSetup(BATCH, LENGTH, dtype="mixed")
    return rows_of(model, MasterCopyAdamW(model.parameters(), 1e-4), setup, Shape.of(model))


def eight_bit_optimizer() -> list[TermRow]:
    """Float32 weights, moments in 8 bits."""
    model = base()
    setup = TrainingSetup(BATCH, LENGTH, optimizer="adamw8bit")
    return rows_of(model, EightBitAdamW(model.parameters(), 1e-4), setup, Shape.of(model))


def four_bit_base() -> list[TermRow]:
    """LoRA over a base of NF4 weights with double quantization."""
    model = base()
    shape = Shape.of(model)
    tuned = prepare(model, Method("qlora"))
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-4)
    optimizer.tensors = lambda: [t for held in optimizer.state.values() for t in held.values()]  # type: ignore[attr-defined]
    return rows_of(tuned, optimizer, TrainingSetup(BATCH, LENGTH, method="lora", weights="nf4 double"), shape)


def residual(row: TermRow) -> str:
    """Predicted against measured, as "+3.1%"."""
    return f"{row.residual:+.1%}" if row.measured else "none"


def architectures(kinds: Iterable[str], console: Console) -> list[dict[str, Any]]:
    """Print the first table; its rows."""
    table = Table(
        "kind", "weights", "gradients", "optimizer", "activations", "peak", title="Predicted against measured, full, float32"
    )
    records: list[dict[str, Any]] = []
    for kind in kinds:
        for method, checkpointing in (("full", False), ("full", True), ("lora", False)):
            name = f"{kind}, {method}{', checkpointing' if checkpointing else ''}"
            try:
                found = compare_training(small(kind), BATCH, LENGTH, method, checkpointing=checkpointing)
            except LabError as error:
                table.add_row(name, f"refused: {error}"[:70])
                records.append({"run": name, "refused": str(error)})
                break
            table.add_row(name, *(residual(row) for row in found.rows))
            records += [{"run": name, **vars(row), "residual": row.residual} for row in found.rows]
    console.print(table)
    return records


def ways(console: Console) -> list[dict[str, Any]]:
    """Print the second table; its rows."""
    table = Table(
        "way", "weights", "gradients", "optimizer", "activations", "peak", "peak in MB", title="Predicted against measured"
    )
    records = []
    runs: dict[str, Callable[[], list[TermRow]]] = {
        "bfloat16 with a float32 master copy": mixed_precision, "AdamW with 8-bit state": eight_bit_optimizer, "LoRA over NF4": four_bit_base,
    }  # fmt: skip
    for name, run in runs.items():
        rows = run()
        table.add_row(name, *(residual(row) for row in rows), f"{rows[-1].predicted / 1e6:.1f} / {rows[-1].measured / 1e6:.1f}")
        records += [{"run": name, **vars(row), "residual": row.residual} for row in rows]
    console.print(table)
    return records


def main() -> None:
    """Print both tables and their summary, and write build/memory_out_of_sample.json."""
    parser = argparse.ArgumentParser(description="The memory formula on architectures and ways of training it was not fitted to.")
    parser.add_argument("--kinds", nargs="*", default=KINDS, help="model types, as transformers names them")
    kinds = parser.parse_args().kinds
    warnings.simplefilter("ignore")
    transformers_logging.set_verbosity_error()
    settings.seed_everything(0)
    console = Console(width=150)
    records = architectures(kinds, console)
    peaks = [abs(r["residual"]) for r in records if r.get("term") == "peak"]
    refused = sum("refused" in r for r in records)
    if peaks:
        console.print(
            f"{len(kinds) - refused} architectures predicted, {refused} refused; peak: median residual {statistics.median(peaks):.1%}, "
            f"largest {max(peaks):.1%}, {sum(p <= 0.1 for p in peaks)} of {len(peaks)} within 10 %"
        )
    records += ways(console)
    path = ROOT / "build" / "memory_out_of_sample.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
