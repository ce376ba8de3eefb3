"""What the shared beginning saves (lab 03): batches that compute it once, against one call per example, with the same outputs.

    python benchmarks/shared_prefix.py                     24 reviews, 0 to 8 shots
    python benchmarks/shared_prefix.py --examples 8        fewer, for a look

Scores two labels and generates a few tokens for each review, both ways. Prints seconds and their ratio, the tokens that went
through the model, the largest difference of a log-likelihood, and whether labels and completions are the same; nothing is written.
The plain way scores both labels of one token from one forward pass, as the batched one does: the ratio is that of sharing and
batching alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from labutils import load_model
from labutils.course.corpora import load_reviews
from labutils.prompting.likelihoods import generate_texts, label_log_likelihoods, most_likely_labels
from labutils.prompting.prompts import SENTIMENT, Prompt, draw_shots, few_shot_prompt


@contextmanager
def counted(model: Any) -> Iterator[list[int]]:
    """Collect the number of tokens of every forward pass, padding included."""
    sizes: list[int] = []

    def count(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any], __: Any) -> None:
        sizes.append((args[0] if args else kwargs["input_ids"]).numel())

    hook = model.register_forward_hook(count, with_kwargs=True)
    try:
        yield sizes
    finally:
        hook.remove()


def timed(model: Any, function: Callable[[], Any]) -> tuple[Any, float, int]:
    """What a function returns, its seconds, and the tokens that went through the model."""
    with counted(model) as sizes, torch.no_grad():
        start = time.perf_counter()
        result = function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return result, time.perf_counter() - start, sum(sizes)


def plain_scores(model: Any, tokenizer: Any, prompts: list[Prompt], labels: list[str]) -> torch.Tensor:
    """(N, L): one call per prompt; labels of one token each."""
    tokens = [tokenizer(label).input_ids for label in labels]
    if any(len(token) != 1 for token in tokens):
        raise SystemExit("This benchmark needs labels of one token each: use the course's model.")
    places = [token[0] for token in tokens]
    rows = []
    for prompt in prompts:
        ids = tokenizer(str(prompt), return_tensors="pt").input_ids.to(model.device)
        rows.append(model(ids, logits_to_keep=1).logits[0, -1].log_softmax(-1)[places].cpu())
    return torch.stack(rows)


def plain_texts(model: Any, tokenizer: Any, prompts: list[Prompt], max_new_tokens: int) -> list[str]:
    """One call of generate per prompt."""
    texts = []
    for prompt in prompts:
        inputs = tokenizer(str(prompt), return_tensors="pt").to(model.device)
        output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        texts.append(tokenizer.decode(output[0, inputs.input_ids.shape[1] :], skip_special_tokens=True))
    return texts


def main(
    examples: Annotated[int, typer.Option(help="Reviews to score.")] = 24,
    most: Annotated[int, typer.Option(help="Shots at most; 0, 1, 2, 4 and 8 up to it.")] = 8,
    new_tokens: Annotated[int, typer.Option(help="Tokens to generate for each review.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the shots.")] = 0,
) -> None:
    """Score and generate both ways, for a growing number of shots."""
    model, tokenizer = load_model()
    reviews = load_reviews()
    pool = [row for row in reviews["pool"] if row["label"] in SENTIMENT.labels]
    test = [row for row in reviews["test"] if row["label"] in SENTIMENT.labels][:examples]
    labels = SENTIMENT.endings()
    table = Table(title=f"{len(test)} reviews on {model.device}, {torch.get_num_threads()} threads")
    for name in ("work", "shots", "plain s", "shared s", "ratio", "plain tokens", "shared tokens", "same output", "max diff"):
        table.add_column(name, justify="left" if name == "work" else "right")
    same_everywhere = True
    plain_scores(model, tokenizer, [few_shot_prompt(SENTIMENT, [], test[0])], labels)  # the first pass pays for the start
    for count in [n for n in (0, 1, 2, 4, 8) if n <= most]:
        prompts = [few_shot_prompt(SENTIMENT, draw_shots(pool, count, seed), row) for row in test]
        theirs, slow, many = timed(model, lambda p=prompts: plain_scores(model, tokenizer, p, labels))
        ours, fast, few = timed(model, lambda p=prompts: label_log_likelihoods(model, tokenizer, p, labels))
        same = most_likely_labels(ours, labels) == most_likely_labels(theirs, labels)
        gap = float((ours - theirs).abs().max())
        table.add_row(
            "score",
            str(count),
            f"{slow:.2f}",
            f"{fast:.2f}",
            f"{slow / fast:.1f}",
            f"{many:,}",
            f"{few:,}",
            f"{same}",
            f"{gap:.1e}",
        )
        texts, slow, many = timed(model, lambda p=prompts: plain_texts(model, tokenizer, p, new_tokens))
        made, fast, few = timed(model, lambda p=prompts: generate_texts(model, tokenizer, p, new_tokens))
        table.add_row(
            "generate",
            str(count),
            f"{slow:.2f}",
            f"{fast:.2f}",
            f"{slow / fast:.1f}",
            f"{many:,}",
            f"{few:,}",
            f"{made == texts}",
            "",
        )
        same_everywhere = same_everywhere and same and made == texts
    Console(width=120).print(table)
    raise typer.Exit(0 if same_everywhere else 1)


if __name__ == "__main__":
    typer.run(main)
