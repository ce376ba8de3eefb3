"""The shot composer of lab 03: choose shots, their order and the template, and see tokens, prompt, leaks and score."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labutils.course.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, show_widget, table_html
from labutils.errors import LabError
from labutils.prompting.budget import Budget, token_budget
from labutils.prompting.prompts import STYLES, Leak, Part, Prompt, Row, Task, few_shot_prompt, leaks

Scorer = Callable[[Sequence[Prompt], str], list[str]]  # prompts and their style -> the label that the model gives to each
WINDOWS = (128, 256, 512, 1024, 2048)
SHORT = 56  # characters of a text that stand for it in a list


@dataclass(frozen=True)
class View:
    """What the composer shows for one choice of shots.

    Attributes:
        prompt: the prompt for the longest of the scored texts.
        budget: its tokens.
        shots: how many shots it has.
        leaks: shots that stand in the test set.
        answers: (text, right label, the model's label) for each scored row; empty where nothing was scored yet.
    """

    prompt: Prompt
    budget: Budget
    shots: int
    leaks: tuple[Leak, ...]
    answers: tuple[tuple[str, str, str], ...] = ()


def orders_for(task: Task) -> list[str]:
    """The orders that `arrange` knows for a task."""
    return ["as listed", "reversed", *(f"{label} last" for label in task.labels)]


def arrange(shots: Sequence[Row], order: str, task: Task) -> list[Row]:
    """The shots in an order: "as listed", "reversed", or the rows of one label behind the others ("positive last").

    >>> from labutils.prompting.prompts import SENTIMENT
    >>> [row["label"] for row in arrange([{"label": "positive"}, {"label": "negative"}], "positive last", SENTIMENT)]
    ['negative', 'positive']
    """
    if order not in orders_for(task):
        raise LabError(f"There is no order {order!r}: choose {', '.join(orders_for(task))}.")
    rows = list(shots) if order != "reversed" else list(shots)[::-1]
    return sorted(rows, key=lambda row: f"{row[task.answer]} last" == order)


def look(
    tokenizer: Any,
    task: Task,
    shots: Sequence[Row],
    test: Sequence[Row],
    style: str = "bare",
    window: int = 512,
    max_new_tokens: int = 5,
    scored: int = 8,
    score: Scorer | None = None,
) -> View:
    """Compose a prompt and, with a scorer, score it on the first `scored` rows of the test set.

    Args:
        tokenizer, task, shots, style: as in `few_shot_prompt`.
        test: the test set, for the leak alarm too.
        window, max_new_tokens: as in `token_budget`.
        scored: how many rows are scored.
        score: from prompts to labels; None leaves the score out. A prompt that does not fit is not scored.

    Raises:
        LabError: no test rows, and as `few_shot_prompt` and `token_budget`.
    """
    rows = list(test)[:scored]
    if not rows:
        raise LabError("There is nothing to score: pass at least one test row.")
    prompts = [few_shot_prompt(task, shots, row, style, tokenizer) for row in rows]
    budgets = [token_budget(tokenizer, prompt, max_new_tokens, window) for prompt in prompts]
    worst = max(range(len(rows)), key=lambda i: budgets[i].prompt)
    answers: tuple[tuple[str, str, str], ...] = ()
    if score is not None and budgets[worst].fits:
        answers = tuple((row[task.text], row[task.answer], label) for row, label in zip(rows, score(prompts, style), strict=True))
    found = tuple(leaks(shots, list(test), task.text))
    return View(prompts[worst], budgets[worst], len(shots), found, answers)


def summary(view: View) -> str:
    """One sentence on a view, which a screen reader announces when something changes."""
    budget = view.budget
    right = sum(want == got for _, want, got in view.answers)
    return (
        f"{view.shots} {'shot' if view.shots == 1 else 'shots'}; {budget.prompt:,} + {budget.completion:,} of {budget.window:,} tokens"
        f"{'' if budget.fits else ', too many'}; "
        + (f"{right} of {len(view.answers)} right" if view.answers else "not scored yet")
        + (f"; {len(view.leaks)} leaked from the test set." if view.leaks else ".")
    )


def _colour(name: str) -> str:
    shots = (PURPLE, ORANGE)  # in turn
    fixed = {"instruction": BLUE, "query": GREEN, "completion": SKY}
    return shots[int(name.split()[1]) % 2] if name.startswith("shot ") else fixed.get(name, GREY)


def _bar(budget: Budget) -> str:
    """Tokens to scale, in a bar; a black line stands where the window ends."""
    whole = max(budget.total, budget.window)
    pieces = [*budget.tokens.items(), ("completion", budget.completion)]
    blocks = "".join(
        f'<div title="{html.escape(name)}: {count}" style="width: {100 * count / whole:.2f}%; background: {_colour(name)};"></div>'
        for name, count in pieces
    )
    end = f'<div style="position: absolute; left: calc({100 * budget.window / whole:.2f}% - 3px); top: -3px; height: 28px; border-left: 3px solid;"></div>'
    names = dict.fromkeys("shots" if name.startswith("shot ") else name for name in budget.tokens)
    legend = " ".join(
        f'<span style="border-bottom: 4px solid {_colour("shot 1" if name == "shots" else name)}; margin-right: 10px;">{html.escape(name)}</span>'
        for name in [*names, "completion"]
    )
    row = "position: relative; display: flex; height: 22px; max-width: 56em; margin: 6px 0;"
    return f'<div aria-hidden="true"><div style="{row}">{blocks}{end}</div>{legend}<span>| the window ends</span></div>'


def _text(parts: Sequence[Part]) -> str:
    spans = "".join(
        f'<span title="{html.escape(name)}" style="border-bottom: 2px solid {_colour(name)};">{html.escape(text)}</span>'
        for name, text in parts
    )
    style = "white-space: pre-wrap; overflow-wrap: anywhere; max-width: 56em; max-height: 20em; overflow-y: auto; border: 1px solid; padding: 6px;"
    return f'<pre tabindex="0" aria-label="The prompt" style="{style}">{spans}</pre>'


def short(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHORT else f"{line[: SHORT - 1].rstrip()}…"


def view_html(view: View) -> str:
    """A view as HTML: the summary, alarms, tokens by part as a bar and a table, the prompt, and the answers."""
    alarms = [view.budget.alarm] if view.budget.alarm else []
    alarms += [str(leak) for leak in view.leaks]
    box = f"border-left: 6px solid {VERMILION}; padding: 2px 10px; margin: 6px 0; max-width: 56em;"
    counts = [*view.budget.tokens.items(), ("kept for the completion", view.budget.completion)]
    answers = [(short(text), want, got, "right" if want == got else "wrong") for text, want, got in view.answers]
    return (
        f'<p aria-live="polite"><b>{html.escape(summary(view))}</b></p>'
        + "".join(f'<div role="alert" style="{box}"><b>Alarm.</b> {html.escape(alarm)}</div>' for alarm in alarms)
        + _bar(view.budget)
        + table_html(["part", "tokens"], counts)
        + _text(view.prompt.parts)
        + (table_html(["text", "label", "the model says", ""], answers) if answers else "")
    )


def composer(
    tokenizer: Any,
    task: Task,
    candidates: Sequence[Row],
    test: Sequence[Row],
    score: Scorer | None = None,
    chosen: Sequence[int] = (0, 1),
    style: str = "bare",
    window: int = 512,
    max_new_tokens: int = 5,
    scored: int = 8,
) -> None:
    """Show the composer: a box for each candidate shot, their order, the template, the window, and a button that scores.

    Args:
        tokenizer: the model's.
        task: the wording.
        candidates: rows to choose shots from, at most a dozen. Put one from the test set among them to hear the leak alarm.
        test: the test set, for the leak alarm; the longest of the first `scored` rows is the query in the prompt.
        score: from prompts to labels, such as `label_scorer(model, tokenizer, task)` of shared_prefix; None shows no score.
        chosen: which candidates are chosen at first.
        style: "bare", "chat" or "turns", at first.
        window, max_new_tokens: tokens in all, and those kept for the completion, at first.
        scored: how many test rows are scored.

    On a static page the first view, scored, stands in its place.
    """
    shots = [candidates[i] for i in chosen]
    view = look(tokenizer, task, shots, test, style, window, max_new_tokens, scored, score)
    widget = composer_widget(tokenizer, task, candidates, test, score, chosen, style, window, max_new_tokens, scored)
    widget.children[-1].value = view_html(view)
    show_widget(widget, view_html(view), f"Shot composer. {summary(view)}")


def composer_widget(
    tokenizer: Any,
    task: Task,
    candidates: Sequence[Row],
    test: Sequence[Row],
    score: Scorer | None = None,
    chosen: Sequence[int] = (0, 1),
    style: str = "bare",
    window: int = 512,
    max_new_tokens: int = 5,
    scored: int = 8,
) -> Any:
    """The widget behind `composer`. Tab moves between its parts, the space bar ticks a box or scores, arrow keys choose."""
    import ipywidgets as widgets

    def name(row: Row) -> str:
        return short(f"{row[task.answer]}: {row[task.text]}" if task.labels else row[task.text])

    wide = widgets.Layout(width="95%", max_width="640px")
    narrow, label = widgets.Layout(width="260px"), {"description_width": "90px"}
    boxes = [
        widgets.Checkbox(value=i in chosen, description=f"{i + 1} {name(row)}", indent=False, layout=wide)
        for i, row in enumerate(candidates)
    ]
    order = widgets.Dropdown(options=orders_for(task), description="order", style=label, layout=narrow)
    template = widgets.Dropdown(options=STYLES, value=style, description="template", style=label, layout=narrow)
    room = widgets.Dropdown(options=sorted({*WINDOWS, window}), value=window, description="window", style=label, layout=narrow)
    kept = widgets.IntSlider(
        value=max_new_tokens, min=1, max=max(100, max_new_tokens), description="completion", style=label, layout=narrow
    )
    button = widgets.Button(description="Score", tooltip=f"Ask the model about {scored} test rows")
    page = widgets.HTML()

    def draw(scorer: Scorer | None) -> None:
        shots = arrange([row for row, box in zip(candidates, boxes, strict=True) if box.value], order.value, task)
        try:
            view = look(tokenizer, task, shots, test, template.value, room.value, kept.value, scored, scorer)
        except LabError as error:
            page.value = f'<p role="alert"><b>{html.escape(str(error))}</b></p>'
        else:
            page.value = view_html(view)

    def redraw(_: Any = None) -> None:
        draw(None)

    for part in (*boxes, order, template, room, kept):
        part.observe(redraw, names="value")
    button.on_click(lambda _: draw(score))
    redraw()
    controls = widgets.Box([order, template, room, kept], layout=widgets.Layout(flex_flow="row wrap"))
    return widgets.VBox([widgets.VBox(boxes), controls, *([button] if score else []), page])
