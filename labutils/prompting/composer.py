"""The shot composer of lab 03: choose shots, their order and the template, and see tokens, prompt, leaks and score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from labutils.course.explorer import Action, Choice, Explorer, Slider, Ticks, View
from labutils.course.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, table_html
from labutils.errors import LabError
from labutils.prompting.budget import TokenBudget, token_budget
from labutils.prompting.prompts import STYLES, DatasetRow, Prompt, PromptPart, ShotLeak, Task, few_shot_prompt, find_leaks

Scorer = Callable[[Sequence[Prompt], str], list[str]]  # prompts and their style -> the label that the model gives to each
WINDOWS = (128, 256, 512, 1024, 2048)
SHORT = 56  # characters of a text that stand for it in a list


@dataclass(frozen=True)
class PromptSettings:
    """Which candidates are shots (their places, from 0), their order, the template's style, and the sizes in tokens."""

    shots: tuple[int, ...]
    order: str
    style: str
    window: int
    max_new_tokens: int


@dataclass(frozen=True)
class PromptView(View):
    """What the composer shows for one choice of shots.

    Attributes:
        prompt: the prompt for the longest of the scored texts.
        budget: its tokens.
        shots: how many shots it has.
        leaks: shots that stand in the test set.
        answers: (text, right label, the model's label) for each scored row; empty where nothing was scored yet.
    """

    prompt: Prompt
    budget: TokenBudget
    shots: int
    leaks: tuple[ShotLeak, ...]
    answers: tuple[tuple[str, str, str], ...] = ()

    @property
    def summary(self) -> str:
        """Shots, tokens, score and leaks."""
        budget = self.budget
        right = sum(want == got for _, want, got in self.answers)
        return (
            f"{self.shots} {'shot' if self.shots == 1 else 'shots'}; "
            f"{budget.prompt:,} + {budget.completion:,} of {budget.window:,} tokens{'' if budget.fits else ', too many'}; "
            + (f"{right} of {len(self.answers)} right" if self.answers else "not scored yet")
            + (f"; {len(self.leaks)} leaked from the test set." if self.leaks else ".")
        )

    @property
    def body(self) -> str:
        """Alarms, tokens by part as a bar and a table, the prompt, and the answers."""
        alarms = [self.budget.alarm] if self.budget.alarm else []
        alarms += [str(leak) for leak in self.leaks]
        box = f"border-left: 6px solid {VERMILION}; padding: 2px 10px; margin: 6px 0; max-width: 56em;"
        counts = [*self.budget.tokens.items(), ("kept for the completion", self.budget.completion)]
        answers = [(shorten(text), want, got, "right" if want == got else "wrong") for text, want, got in self.answers]
        return (
            "".join(f'<div role="alert" style="{box}"><b>Alarm.</b> {escape(alarm)}</div>' for alarm in alarms)
            + _bar(self.budget)
            + table_html(["part", "tokens"], counts)
            + _text(self.prompt.parts)
            + (table_html(["text", "label", "the model says", ""], answers) if answers else "")
        )


def _colour(name: str) -> str:
    shots = (PURPLE, ORANGE)  # in turn
    fixed = {"instruction": BLUE, "query": GREEN, "completion": SKY}
    return shots[int(name.split()[1]) % 2] if name.startswith("shot ") else fixed.get(name, GREY)


def _bar(budget: TokenBudget) -> str:
    """Tokens to scale, in a bar; a black line stands where the window ends."""
    whole = max(budget.total, budget.window)
    pieces = [*budget.tokens.items(), ("completion", budget.completion)]
    blocks = "".join(
        f'<div title="{escape(name)}: {count}" style="width: {100 * count / whole:.2f}%; background: {_colour(name)};"></div>'
        for name, count in pieces
    )
    end = f'<div style="position: absolute; left: calc({100 * budget.window / whole:.2f}% - 3px); top: -3px; height: 28px; border-left: 3px solid;"></div>'
    names = dict.fromkeys("shots" if name.startswith("shot ") else name for name in budget.tokens)
    legend = " ".join(
        f'<span style="border-bottom: 4px solid {_colour("shot 1" if name == "shots" else name)}; margin-right: 10px;">{escape(name)}</span>'
        for name in [*names, "completion"]
    )
    row = "position: relative; display: flex; height: 22px; max-width: 56em; margin: 6px 0;"
    return f'<div aria-hidden="true"><div style="{row}">{blocks}{end}</div>{legend}<span>| the window ends</span></div>'


def _text(parts: Sequence[PromptPart]) -> str:
    spans = "".join(
        f'<span title="{escape(name)}" style="border-bottom: 2px solid {_colour(name)};">{escape(text)}</span>'
        for name, text in parts
    )
    style = "white-space: pre-wrap; overflow-wrap: anywhere; max-width: 56em; max-height: 20em; overflow-y: auto; border: 1px solid; padding: 6px;"
    return f'<pre tabindex="0" aria-label="The prompt" style="{style}">{spans}</pre>'


def shorten(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHORT else f"{line[: SHORT - 1].rstrip()}…"


def orders_for(task: Task) -> list[str]:
    """The orders that `arrange_shots` knows for a task."""
    return ["as listed", "reversed", *(f"{label} last" for label in task.labels)]


def arrange_shots(shots: Sequence[DatasetRow], order: str, task: Task) -> list[DatasetRow]:
    """The shots in an order: "as listed", "reversed", or the rows of one label behind the others ("positive last").

    >>> from labutils.prompting.prompts import SENTIMENT
    >>> [row["label"] for row in arrange_shots([{"label": "positive"}, {"label": "negative"}], "positive last", SENTIMENT)]
    ['negative', 'positive']
    """
    if order not in orders_for(task):
        raise LabError(f"There is no order {order!r}: choose {', '.join(orders_for(task))}.")
    rows = list(shots) if order != "reversed" else list(shots)[::-1]
    return sorted(rows, key=lambda row: f"{row[task.output_column]} last" == order)


def prompt_view(
    tokenizer: Any,
    task: Task,
    shots: Sequence[DatasetRow],
    test: Sequence[DatasetRow],
    style: str = "bare",
    window: int = 512,
    max_new_tokens: int = 5,
    scored: int = 8,
    score: Scorer | None = None,
) -> PromptView:
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
        answers = tuple(
            (row[task.input_column], row[task.output_column], label)
            for row, label in zip(rows, score(prompts, style), strict=True)
        )
    found = tuple(find_leaks(shots, list(test), task.input_column))
    return PromptView(prompts[worst], budgets[worst], len(shots), found, answers)


def explore_prompt(
    tokenizer: Any,
    task: Task,
    candidates: Sequence[DatasetRow],
    test: Sequence[DatasetRow],
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
        score: from prompts to labels, such as `label_scorer(model, tokenizer, task)` of likelihoods; None shows no score.
        chosen: which candidates are chosen at first.
        style: "bare", "chat" or "turns", at first.
        window, max_new_tokens: tokens in all, and those kept for the completion, at first.
        scored: how many test rows are scored.

    On a static page the first view, scored, stands in its place.

    Raises:
        LabError: as `prompt_view`, for the first view.
    """

    def name(row: DatasetRow) -> str:
        return shorten(f"{row[task.output_column]}: {row[task.input_column]}" if task.labels else row[task.input_column])

    def compute(settings: PromptSettings, scorer: Scorer | None = None) -> PromptView:
        shots = arrange_shots([candidates[i] for i in settings.shots], settings.order, task)
        return prompt_view(tokenizer, task, shots, test, settings.style, settings.window, settings.max_new_tokens, scored, scorer)

    Explorer(
        "Shot composer",
        PromptSettings(tuple(sorted(chosen)), orders_for(task)[0], style, window, max_new_tokens),
        (
            Ticks("shots", "shots", [f"{i} {name(row)}" for i, row in enumerate(candidates, 1)]),
            Choice("order", "order", orders_for(task)),
            Choice("style", "template", STYLES),
            Choice("window", "window", sorted({*WINDOWS, window})),
            Slider("max_new_tokens", "completion", 1, max(100, max_new_tokens)),
        ),
        compute,
        Action("Score", f"Ask the model about {scored} test rows", lambda settings: compute(settings, score)) if score else None,
    ).show()
