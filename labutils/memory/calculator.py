"""The memory calculator of lab 04: pick a model and how to run it, see what it needs term by term, and where it fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from html import escape

from labutils.course.explorer import Choice, Count, Explorer, Tick, View, bar_html
from labutils.course.plots import GREY, PALETTE, header_row
from labutils.machine import limits
from labutils.machine.limits import GB, GIB
from labutils.memory.inference import predict_inference
from labutils.memory.ledger import Ledger
from labutils.memory.setup import TrainingSetup
from labutils.memory.shape import Shape
from labutils.memory.sharding import RESERVED, fits, largest_batch, shard
from labutils.memory.training import predict_training
from labutils.validation import require_choice

# Llama-like models by their sizes; the first is the course's own. vocabulary, hidden, intermediate, layers, heads, kv_heads, tied.
PRESETS = {
    "135M (SmolLM2, the course's)": (49152, 576, 1536, 30, 9, 3, True),
    "1.7B": (49152, 2048, 8192, 24, 32, 32, True),
    "8B": (128256, 4096, 14336, 32, 32, 8, False),
    "70B": (128256, 8192, 28672, 80, 64, 8, False),
}
TASKS = {"generate": "", "train all weights": "full", "LoRA": "lora", "prompt tuning": "prompt_tuning"}
WEIGHTS = {"as computed": None, "int8": "int8", "int4, block 32": "int4 block 32", "nf4, double": "nf4 double"}
# Where a scenario is tried besides this machine: name -> GiB and the rules by which it is counted there.
PLACES = {
    "a 4 GiB session": (4, "cpu"),
    "a 16 GiB GPU": (16, "cuda"),
    "a 24 GiB GPU": (24, "cuda"),
    "an 80 GiB GPU": (80, "cuda"),
}
MOST_SEQUENCES = 1024


CONTROLS = (
    Choice("model", "model", list(PRESETS)),
    Choice("task", "task", list(TASKS)),
    Choice("dtype", "numbers", ["float32", "bfloat16", "float16", "mixed"]),
    Choice("weights", "frozen weights", list(WEIGHTS)),
    Count("batch", "batch", MOST_SEQUENCES),
    Count("length", "tokens", 131072 - 4096),
    Count("new_tokens", "new tokens", 4096),
    Choice("optimizer", "optimizer", ["adamw", "adamw8bit", "momentum", "sgd"]),
    Count("lora_rank", "LoRA rank", 256),
    Tick("checkpointing", "checkpoint activations"),
    Choice("scheme", "split over devices", ["ddp", "zero1", "zero2", "zero3", "fsdp"]),
    Count("devices", "devices", 1024),
    Choice("device", "terms as on", ["cuda", "cpu"]),
)


@dataclass(frozen=True)
class Scenario:
    """What the calculator is asked: the names of PRESETS, TASKS and WEIGHTS, and sizes as in `predict_training`."""

    model: str = next(iter(PRESETS))
    task: str = "LoRA"
    dtype: str = "float32"
    weights: str = "as computed"
    batch: int = 4
    length: int = 512
    new_tokens: int = 64
    optimizer: str = "adamw"
    lora_rank: int = 16
    checkpointing: bool = False
    scheme: str = "ddp"
    devices: int = 1
    device: str = "cuda"


@dataclass(frozen=True)
class Place:
    """One place to run: its memory and what the scenario needs there, in bytes, the verdict, and the largest batch that fits.

    The verdict is that of `Fit`: "fits", "tight" (within the last tenth, which is reserved) or "no".
    """

    name: str
    available: float
    need: float
    verdict: str
    largest: int


@cache
def shape_of(preset: str) -> Shape:
    """The shape behind a preset's name; nothing is instantiated.

    Raises:
        LabError: there is no such preset.
    """
    from transformers import LlamaConfig

    require_choice("model", preset, tuple(PRESETS))
    vocabulary, hidden, intermediate, layers, heads, kv_heads, tied = PRESETS[preset]
    return Shape.of(
        LlamaConfig(
            vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=kv_heads, tie_word_embeddings=tied, max_position_embeddings=131072,
        )
    )  # fmt: skip


def scenario_ledger(scenario: Scenario) -> Ledger:
    """The ledger of one device, framework included, by the rules of the scenario's device: a GPU keeps other scratch memory.

    Raises:
        LabError: a name that is none of the calculator's, and what `predict_inference`, `predict_training` and `shard` refuse.
    """
    require_choice("task", scenario.task, tuple(TASKS))
    require_choice("weights", scenario.weights, tuple(WEIGHTS))
    shape, stored = shape_of(scenario.model), WEIGHTS[scenario.weights]
    method = TASKS[scenario.task]
    if not method:
        dtype = "bfloat16" if scenario.dtype == "mixed" else scenario.dtype
        return predict_inference(
            shape,
            scenario.batch,
            scenario.length,
            scenario.new_tokens,
            dtype,
            weights=stored,
            framework=True,
            device=scenario.device,
        )
    setup = TrainingSetup(
        scenario.batch, scenario.length, method=method, optimizer=scenario.optimizer, dtype=scenario.dtype,
        checkpointing=scenario.checkpointing, lora_rank=scenario.lora_rank, weights=None if method == "full" else stored,
        device=scenario.device,
    )  # fmt: skip
    return shard(predict_training(shape, setup, framework=True), scenario.devices, scenario.scheme)


@dataclass(frozen=True)
class MemoryView(View):
    """What the calculator shows: the ledger (of one device) and the places it was held against."""

    scenario: Scenario
    parameters: int
    ledger: Ledger
    places: tuple[Place, ...]

    @property
    def summary(self) -> str:
        """The peak, and where it fits."""
        fitting = [place.name for place in self.places if place.verdict == "fits"]
        where = f"fits on {', '.join(fitting)}" if fitting else "fits on none of the machines listed"
        scenario = self.scenario
        each = f" on each of {scenario.devices} devices" if scenario.devices > 1 and TASKS[scenario.task] else ""
        return f"{self.parameters / 1e9:.3g} billion parameters, {scenario.task}: {self.ledger.gib:.2f} GiB at the peak{each} by the rules for {self.scenario.device}; {where}."

    @property
    def body(self) -> str:
        """The ledger as bars, and where it fits."""
        ledger = self.ledger
        moment = f", held {escape(ledger.peak_moment)}" if ledger.peak_moment else ""
        note = f"Peak: {ledger.gib:.2f} GiB ({ledger.total / GB:.2f} GB){moment}. Terms that are not held at that moment count 0."
        return f'{_terms(ledger)}<p style="font-size: 90%; max-width: 56em;">{note}</p>{_fits(self.places)}'


def _terms(ledger: Ledger) -> str:
    """The terms of a ledger as a table with bars."""
    held, largest = ledger.at_peak, max(term.n_bytes for term in ledger.terms)
    rows = []
    for number, term in enumerate(ledger.terms):
        colour = PALETTE[number] if number < len(PALETTE) else GREY
        rows.append(
            f'<tr><th scope="row" style="text-align: left;">{escape(term.name)}</th>'
            f'<td style="text-align: right;">{term.n_bytes / GIB:.2f}</td><td style="text-align: right;">{held.get(term.name, 0) / GIB:.2f}</td>'
            f'<td style="text-align: left; min-width: 250px;">{bar_html(240 * term.n_bytes / largest, colour, 10)}</td>'
            f'<td style="text-align: left; max-width: 24em; white-space: normal;">{escape(term.formula)}</td></tr>'
        )
    return f"<table>{header_row(('term', 'GiB', 'at the peak', '', 'formula'))}<tbody>{''.join(rows)}</tbody></table>"


MARKS = {"fits": "✓ fits", "tight": "~ tight", "no": "✗ no"}


def _fits(places: tuple[Place, ...]) -> str:
    """The places as a table."""

    def batch(place: Place) -> str:
        return f"{MOST_SEQUENCES} or more" if place.largest == MOST_SEQUENCES else str(place.largest) if place.largest else "none"

    rows = "".join(
        f'<tr><th scope="row" style="text-align: left;">{place.name}</th><td style="text-align: right;">{place.available / GIB:.1f}</td>'
        f'<td style="text-align: right;">{place.need / GIB:.2f}</td><td style="text-align: left;">{MARKS[place.verdict]}</td>'
        f'<td style="text-align: right;">{batch(place)}</td></tr>'
        for place in places
    )
    return f"<table>{header_row(('where', 'GiB', 'needs, GiB', 'these settings', 'largest batch'))}<tbody>{rows}</tbody></table>"


def _with_batch(scenario: Scenario, batch: int) -> Ledger:
    return scenario_ledger(replace(scenario, batch=batch))


def memory_view(scenario: Scenario, here: int | None = None) -> MemoryView:
    """Compute what the calculator shows.

    Args:
        scenario: what is asked. Its device decides by which rules the terms are shown; each place is counted by its own.
        here: bytes that this machine gives, counted by the rules for a CPU; by default what `limits.memory_limit` says.

    Raises:
        LabError: a size is below one.

    Example:
        >>> view = memory_view(Scenario(), here=4 * GIB)
        >>> [place.name for place in view.places if place.verdict == "fits"]
        ['a 16 GiB GPU', 'a 24 GiB GPU', 'an 80 GiB GPU']
    """
    limit = limits.memory_limit() if here is None else here
    rooms = {"this machine": (float(limit), "cpu")} | {name: (float(n * GIB), device) for name, (n, device) in PLACES.items()}
    places = []
    for name, (room, device) in rooms.items():
        there = replace(scenario, device=device)
        found = fits(scenario_ledger(there), room)
        largest = largest_batch(partial(_with_batch, there), (1 - RESERVED) * room, MOST_SEQUENCES)
        places.append(Place(name, room, found.need, found.verdict, largest))
    return MemoryView(scenario, shape_of(scenario.model).parameters, scenario_ledger(scenario), tuple(places))


def explore_memory(start: Scenario | None = None, here: int | None = None) -> None:
    """Show the calculator; its controls stand for the fields of a `Scenario`.

    Args:
        start: the first scenario.
        here: bytes that this machine gives; by default what `limits.memory_limit` says.
    """
    Explorer("Memory calculator", start or Scenario(), CONTROLS, lambda scenario: memory_view(scenario, here)).show()
