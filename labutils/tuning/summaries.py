"""The task of lab 05: dialogues to summaries, as pairs to train on, texts to write, and scores with several references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labutils.errors import LabError
from labutils.evaluation.references import best_and_average
from labutils.evaluation.rouge import Score, rouge_l, rouge_n
from labutils.prompting.likelihoods import generate_texts
from labutils.prompting.prompts import SUMMARY, encode_prompt, few_shot_prompt

MAX_NEW_TOKENS = 52  # the longest summary of the training set has 51 and its end token
ROUGES = ("ROUGE-1", "ROUGE-2", "ROUGE-L")


def summary_prompts(tokenizer: Any, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The prompt for each dialogue, without examples.

    In a chat template the instruction is the system message, so that none is put in by default, and the dialogue is the user's
    turn; a template without system messages gets both in that turn. A tokenizer without a template gets bare text.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        return [str(few_shot_prompt(SUMMARY, [], row)) for row in rows]

    def chat(row: Mapping[str, Any]) -> str:
        instruction, dialogue = SUMMARY.instruction, row[SUMMARY.input_column]
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": dialogue}]
        try:
            return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except TemplateError:
            return str(few_shot_prompt(SUMMARY, [], row, "chat", tokenizer))

    return [chat(row) for row in rows]


def summary_pairs(tokenizer: Any, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(prompt, completion) for each dialogue; after a bare prompt the completion begins with its blank."""
    blank = "" if tokenizer.chat_template else " "
    return [(p, blank + row["summary"]) for p, row in zip(summary_prompts(tokenizer, rows), rows, strict=True)]


def require_window(tokenizer: Any, rows: Sequence[Mapping[str, Any]], window: int | None) -> None:
    """Refuse dialogues that do not fit into the model's window together with a summary.

    Args:
        tokenizer: the model's.
        rows: dialogues.
        window: in tokens, such as `Shape.of(model).positions`; None or 0 for a model without a limit.

    Raises:
        LabError: names the longest dialogue by its id (the line of the file, in a person's own data) and its tokens.
    """
    if not window or not rows:
        return
    prompts = summary_prompts(tokenizer, rows)
    needed = [
        len(encode_prompt(tokenizer, prompt))
        + max(MAX_NEW_TOKENS, 1 + len(tokenizer(row["summary"], add_special_tokens=False).input_ids))
        for prompt, row in zip(prompts, rows, strict=True)
    ]
    if max(needed) > window:
        longest = needed.index(max(needed))
        raise LabError(
            f"The dialogue {rows[longest]['id']!r} takes {needed[longest]:,} tokens with its summary, and the model's window holds "
            f"{window:,}, which {sum(n > window for n in needed)} of {len(rows)} dialogues exceed: shorten or leave them out in LABS_DIALOGUES."
        )


def write_summaries(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Mapping[str, Any]],
    prompts: Sequence[str] | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[str]:
    """A summary of each dialogue by greedy decoding, on one line.

    Args:
        model, tokenizer: as `load_model` gives them, tuned or not.
        rows: dialogues.
        prompts: in place of those of `summary_prompts`.
        max_new_tokens: of a summary.
    """
    texts = generate_texts(model, tokenizer, prompts or summary_prompts(tokenizer, rows), max_new_tokens)
    return [" ".join(text.split()) for text in texts]


def rouge_scores(texts: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """ROUGE F1 of each text in points (0 to 100), with stemming, averaged over the dialogue's references.

    The average over references, not the best: it does not rise with their number, and it is less noisy than a single one.

    Args:
        texts: one a row.
        rows: dialogues with "references".
    """

    def points(text: str, references: Sequence[str], name: str) -> float:
        def score(candidate: str, reference: str) -> Score:
            last = name[-1]
            return (
                rouge_l(candidate, reference, stem=True) if last == "L" else rouge_n(candidate, reference, int(last), stem=True)
            )

        return 100 * best_and_average(text, references, score)[1]

    if len(texts) != len(rows):
        raise LabError(f"There are {len(texts):,} texts for {len(rows):,} dialogues: give one text for each.")
    return {name: [points(t, row["references"], name) for t, row in zip(texts, rows, strict=True)] for name in ROUGES}
