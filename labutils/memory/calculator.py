"""The memory calculator of lab 04: pick a model and how to run it, see what it needs term by term, and where it fits."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from labutils.course.plots import GREY, PALETTE, show_widget
from labutils.machine import limits
from labutils.machine.limits import GB, GIB
from labutils.memory import Ledger, Shape, fits, largest_batch, predict_inference, predict_training, shard

# Llama-like models by their sizes; the first is the course's own. vocabulary, hidden, intermediate, layers, heads, kv_heads, tied.
PRESETS = {
    "135M (SmolLM2, the course's)": (49152, 576, 1536, 30, 9, 3, True),
    "1.7B": (49152, 2048, 8192, 24, 32, 32, True),
    "8B": (128256, 4096, 14336, 32, 32, 8, False),
    "70B": (128256, 8192, 28672, 80, 64, 8, False),
}
TASKS = {"generate": "", "train all weights": "full", "LoRA": "lora", "prompt tuning": "prompt_tuning"}
WEIGHTS = {"as computed": None, "int8": "int8", "int4, block 32": "int4 block 32", "nf4, double": "nf4 double"}
CARDS_GIB = (4, 16, 24, 80)
MOST_SEQUENCES = 1024


@dataclass(frozen=True)
class Settings:
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


@dataclass(frozen=True)
class Place:
    """One place to run: its memory in bytes, whether the settings fit, and the largest batch that does."""

    name: str
    available: float
    fits: bool
    largest: int


@dataclass(frozen=True)
class View:
    """What the calculator shows: the ledger (of one device) and the places it was held against."""

    settings: Settings
    parameters: int
    ledger: Ledger
    places: tuple[Place, ...]


@cache
def shape_of(preset: str) -> Shape:
    """The shape behind a preset's name; nothing is instantiated."""
    from transformers import LlamaConfig

    vocabulary, hidden, intermediate, layers, heads, kv_heads, tied = PRESETS[preset]
    return Shape.of(
        LlamaConfig(
            vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=kv_heads, tie_word_embeddings=tied, max_position_embeddings=131072,
        )
    )  # fmt: skip


def predict(settings: Settings) -> Ledger:
    """The ledger of one device, framework included, counted as on a CPU; a graphics card keeps somewhat other scratch memory."""
    shape, stored = shape_of(settings.model), WEIGHTS[settings.weights]
    method = TASKS[settings.task]
    if not method:
        dtype = "bfloat16" if settings.dtype == "mixed" else settings.dtype
        return predict_inference(
            shape, settings.batch, settings.length, settings.new_tokens, dtype, weights=stored, framework=True
        )
    ledger = predict_training(
        shape, settings.batch, settings.length, method=method, optimizer=settings.optimizer, dtype=settings.dtype,
        checkpointing=settings.checkpointing, lora_rank=settings.lora_rank, weights=None if method == "full" else stored,
        framework=True,
    )  # fmt: skip
    return shard(ledger, settings.devices, settings.scheme)


def view(settings: Settings, here: int | None = None) -> View:
    """Compute what the calculator shows.

    Args:
        settings: what is asked.
        here: bytes that this machine gives; by default what `machine.memory_limit` says.

    Raises:
        LabError: a size is below one.

    Example:
        >>> [place.name for place in view(Settings()).places if place.fits]
    """
    limit = limits.memory_limit() if here is None else here
    ledger = predict(settings)
    rooms = [("this machine", float(limit)), *((f"{n} GiB", float(n * GIB)) for n in CARDS_GIB)]
    places = tuple(
        Place(
            name,
            room,
            bool(fits(ledger, room)),
            largest_batch(lambda n: predict(replace(settings, batch=n)), room, MOST_SEQUENCES),
        )
        for name, room in rooms
    )
    return View(settings, shape_of(settings.model).parameters, ledger, places)


def summary(view: View) -> str:
    """One sentence on a view, which a screen reader announces when a control moves."""
    fitting = [place.name for place in view.places if place.fits]
    where = f"fits on {', '.join(fitting)}" if fitting else "fits on none of the machines listed"
    each = f" on each of {view.settings.devices} devices" if view.settings.devices > 1 and TASKS[view.settings.task] else ""
    return f"{view.parameters / 1e9:.3g} billion parameters, {view.settings.task}: {view.ledger.gib:.2f} GiB at the peak{each}; {where}."


def _bars(ledger: Ledger) -> str:
    held, largest = ledger.at_peak, max(term.n_bytes for term in ledger.terms)
    rows = []
    for number, term in enumerate(ledger.terms):
        colour = PALETTE[number] if number < len(PALETTE) else GREY
        width = max(240 * term.n_bytes / largest, 1 if term.n_bytes else 0)
        rows.append(
            f'<tr><th scope="row" style="text-align: left;">{html.escape(term.name)}</th>'
            f'<td style="text-align: right;">{term.n_bytes / GIB:.2f}</td><td style="text-align: right;">{held.get(term.name, 0) / GIB:.2f}</td>'
            f'<td style="text-align: left; min-width: 250px;"><div style="background: {colour}; height: 10px; width: {width:.0f}px;"></div></td>'
            f'<td style="text-align: left; max-width: 24em; white-space: normal;">{html.escape(term.formula)}</td></tr>'
        )
    head = "".join(
        f'<th scope="col" style="text-align: left;">{name}</th>' for name in ("term", "GiB", "at the peak", "", "formula")
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _table(places: tuple[Place, ...]) -> str:
    def batch(place: Place) -> str:
        return f"{MOST_SEQUENCES} or more" if place.largest == MOST_SEQUENCES else str(place.largest) if place.largest else "none"

    rows = "".join(
        f'<tr><th scope="row" style="text-align: left;">{place.name}</th><td style="text-align: right;">{place.available / GIB:.1f}</td>'
        f'<td style="text-align: left;">{"✓ fits" if place.fits else "✗ does not fit"}</td>'
        f'<td style="text-align: right;">{batch(place)}</td></tr>'
        for place in places
    )
    head = "".join(
        f'<th scope="col" style="text-align: left;">{name}</th>' for name in ("where", "GiB", "these settings", "largest batch")
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def view_html(view: View) -> str:
    """A view as HTML: the summary, the ledger as bars, and where it fits."""
    moment = f", held {html.escape(view.ledger.peak_moment)}" if view.ledger.peak_moment else ""
    note = f"Peak: {view.ledger.gib:.2f} GiB ({view.ledger.total / GB:.2f} GB){moment}. Terms that are not held at that moment count 0."
    return (
        f'<p aria-live="polite"><b>{html.escape(summary(view))}</b></p>{_bars(view.ledger)}'
        f'<p style="font-size: 90%; max-width: 56em;">{note}</p>{_table(view.places)}'
    )


def calculator(start: Settings | None = None, here: int | None = None) -> None:
    """Show the calculator; on a static page the start setting's tables stand in its place.

    Args:
        start: the first settings.
        here: bytes that this machine gives; by default what `machine.memory_limit` says.
    """
    start = start or Settings()
    first = view(start, here)
    show_widget(calculator_widget(start, here), view_html(first), f"Memory calculator. {summary(first)}")


def _controls(start: Settings) -> dict[str, Any]:
    import ipywidgets as widgets

    style = {"description_width": "130px"}

    def layout() -> Any:
        return widgets.Layout(width="400px", max_width="100%")

    def choice(name: str, label: str, options: list[str]) -> Any:
        return widgets.Dropdown(options=options, value=getattr(start, name), description=label, style=style, layout=layout())

    def number(name: str, label: str, high: int) -> Any:
        return widgets.BoundedIntText(
            value=getattr(start, name), min=1, max=high, description=label, style=style, layout=layout()
        )

    return {
        "model": choice("model", "model", list(PRESETS)),
        "task": choice("task", "task", list(TASKS)),
        "dtype": choice("dtype", "numbers", ["float32", "bfloat16", "float16", "mixed"]),
        "weights": choice("weights", "frozen weights", list(WEIGHTS)),
        "batch": number("batch", "batch", MOST_SEQUENCES),
        "length": number("length", "tokens", 131072 - 4096),
        "new_tokens": number("new_tokens", "new tokens", 4096),
        "optimizer": choice("optimizer", "optimizer", ["adamw", "adamw8bit", "momentum", "sgd"]),
        "lora_rank": number("lora_rank", "LoRA rank", 256),
        "checkpointing": widgets.Checkbox(value=start.checkpointing, description="checkpoint activations", indent=False, layout=layout()),
        "scheme": choice("scheme", "split over devices", ["ddp", "zero1", "zero2", "zero3", "fsdp"]),
        "devices": number("devices", "devices", 1024),
    }  # fmt: skip


def calculator_widget(start: Settings, here: int | None = None) -> Any:
    """The widget behind `calculator`. Tab moves between its controls, the arrow keys change them, Reset brings the start back."""
    import ipywidgets as widgets

    controls = _controls(start)
    page = widgets.HTML()
    held = {"redraw": True}

    def redraw(_: Any = None) -> None:
        if held["redraw"]:
            page.value = view_html(view(Settings(**{name: box.value for name, box in controls.items()}), here))

    def reset(_: Any) -> None:
        held["redraw"] = False  # one redraw at the end, not one a control
        for name, value in asdict(start).items():
            controls[name].value = value
        held["redraw"] = True
        redraw()

    button = widgets.Button(description="Reset", tooltip="Back to the first settings")
    button.on_click(reset)
    watch: Callable[[Any], None] = redraw
    for box in controls.values():
        box.observe(watch, names="value")
    redraw()
    # Controls above, tables below: nothing is cut off in a narrow window.
    return widgets.VBox([widgets.Box(list(controls.values()), layout=widgets.Layout(flex_flow="row wrap")), button, page])
