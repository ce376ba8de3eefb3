"""Scoring and generating for many prompts that begin alike (lab 03): the shared tokens go through the model once.

Prompts with the same instruction and shots differ in their last lines only. What a decoder computes for a token depends on the
tokens before it and on nothing after it, so the keys and values of the common beginning are the same for all prompts: computed
once, they are copied for each row of a batch. Prompts are encoded whole and the common beginning is found among the token ids,
so that the tokens are those of one call per prompt, wherever a tokenizer merges characters.

Shapes: N prompts, L labels, B rows in a batch, K positions needed, V the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError
from labutils.prompting.prefix_cache import batches, encode_prompts, forward, pad, prefill
from labutils.prompting.prompts import Prompt, Task, encode_prompt
from labutils.transformer.decoding import stop_at
from labutils.validation import require_tensor

if TYPE_CHECKING:
    from torch import Tensor

BATCH_TOKENS = 4096  # tokens in a batch, shared ones counted once a row: 180 MiB of keys and values for the course's model


def label_log_likelihoods(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str | Prompt],
    labels: Sequence[str],
    per_token: bool = False,
    share: bool = True,
    batch_tokens: int = BATCH_TOKENS,
) -> Tensor:
    """log p(label | prompt), summed over the label's tokens: (N, L), float32, on the CPU.

    Args:
        model: decoder-only or encoder-decoder. An encoder-decoder reads the prompt in its encoder and scores the label in its
            decoder; nothing is shared there, because an encoder's tokens see the whole prompt.
        tokenizer: the model's.
        prompts: (N,) texts; put the blank at the label's start and not at the prompt's end.
        labels: (L,) texts that follow a prompt, such as `SENTIMENT.endings("bare")`. An end token is not scored.
        per_token: the mean over the label's tokens in place of the sum. The sum is the label's probability and favours labels of
            few tokens; the mean favours those whose later tokens follow surely from the first. With one token each they are equal.
        share: False computes the shared tokens anew for every prompt, to compare.
        batch_tokens: the largest batch, in tokens, the shared ones counted once a row.

    Raises:
        LabError: no prompts or labels, an empty one, one beyond the model's window, or a label that merges with the prompt's end.

    Equal to one call per prompt and label within rounding: 1e-3 in float32.
    """
    import torch

    if not labels:
        raise LabError("There are no labels: pass the answers to score.")
    ids = encode_prompts(model, tokenizer, prompts)
    if model.config.is_encoder_decoder:
        ends = [[list(tokenizer(label, add_special_tokens=False).input_ids) for label in labels]] * len(prompts)
    else:
        ends = [[_ending(tokenizer, str(text), i, label) for label in labels] for text, i in zip(prompts, ids, strict=True)]
    if any(not end for row in ends for end in row):
        raise LabError("A label has no tokens: each must hold at least one character.")
    score = _score_encoder_decoder if model.config.is_encoder_decoder else _score_decoder
    with torch.no_grad():
        scores = score(model, ids, ends, share, batch_tokens)
    return scores / torch.tensor([[len(end) for end in row] for row in ends]) if per_token else scores


def _ending(tokenizer: Any, text: str, ids: list[int], label: str) -> list[int]:
    """The label's tokens after a prompt, which must keep its own."""
    whole = encode_prompt(tokenizer, text + label)
    if whole[: len(ids)] != ids:
        raise LabError(
            f"The label {label!r} merges with the end of the prompt, {text[-12:]!r}: end the prompt without a blank and begin the label with it."
        )
    return whole[len(ids) :]


def _score_decoder(model: Any, ids: list[list[int]], ends: list[list[list[int]]], share: bool, batch_tokens: int) -> Tensor:
    import torch

    # A row is a prompt and all of a label but its last token. Labels whose beginnings agree share it, so one-token labels cost nothing.
    contexts = [_longest([end[:-1] for end in row]) for row in ends]
    rows = [(n, context) for n, row in enumerate(contexts) for context in row]
    shared, cache = prefill(model, ids, share)
    suffixes = [ids[n][shared:] + context for n, context in rows]
    scores = torch.empty(len(ids), len(ends[0]))
    for batch in batches([len(suffix) for suffix in suffixes], shared, batch_tokens):
        keep = 1 + max(len(rows[r][1]) for r in batch)
        logits, _, _ = forward(model, cache, shared, [suffixes[r] for r in batch], keep)
        log_probs = logits.float().log_softmax(-1).cpu()  # (B, K, V)
        for b, r in enumerate(batch):
            n, context = rows[r]
            first = keep - 1 - len(context)  # the position that predicts a label's first token
            for label, end in enumerate(ends[n]):
                if end[:-1] == context[: len(end) - 1]:
                    places = torch.arange(first, first + len(end))
                    scores[n, label] = log_probs[b, places, torch.tensor(end)].sum()
    return scores


def _score_encoder_decoder(
    model: Any, ids: list[list[int]], ends: list[list[list[int]]], share: bool, batch_tokens: int
) -> Tensor:
    import torch

    scores = torch.empty(len(ids), len(ends[0]))
    for batch in batches([len(row) for row in ids], 0, batch_tokens):
        inputs, mask = pad([ids[n] for n in batch], model, right=True)
        read = model.get_encoder()(input_ids=inputs, attention_mask=mask)
        for label, end in enumerate(ends[0]):
            given = torch.tensor([[model.config.decoder_start_token_id, *end[:-1]]] * len(batch), device=model.device)
            logits = model(encoder_outputs=read, attention_mask=mask, decoder_input_ids=given).logits
            log_probs = logits.float().log_softmax(-1).cpu()  # (B, tokens of the label, V)
            scores[batch, label] = log_probs[:, torch.arange(len(end)), torch.tensor(end)].sum(-1)
    return scores


def _longest(contexts: list[list[int]]) -> list[list[int]]:
    """The contexts, each once, without those that another one begins with."""
    different = [list(context) for context in dict.fromkeys(map(tuple, contexts))]
    return [one for one in different if not any(one != other and other[: len(one)] == one for other in different)]


def greedy_matches(
    model: Any, tokenizer: Any, prompts: Sequence[str | Prompt], answers: Sequence[str], batch_tokens: int = BATCH_TOKENS
) -> list[bool]:
    """Whether greedy decoding would write exactly this answer after each prompt, found in one pass: (N,) booleans.

    Greedy decoding takes the likeliest token at each step, so it writes an answer exactly if each of the answer's tokens is the
    likeliest after the prompt and the tokens before it. All places can be read off one pass over prompt and answer, without a step
    per token. Where two tokens are equally likely but for rounding, decoding may go the other way.

    Args:
        model, tokenizer, batch_tokens: as in `label_log_likelihoods`; decoder-only.
        prompts: (N,) texts that end without a blank.
        answers: (N,) texts that follow them, each with its blank before it and the text that must end it, such as " cats\\n".

    Raises:
        LabError: as `label_log_likelihoods` on prompts, or an answer that merges with its prompt's end or has no tokens.

    Example: after "dog -> dogs\\ncat ->" the answer " cats\\n" matches where the model writes " cats" and ends the line.
    """
    import torch

    encode_prompts(model, tokenizer, prompts)
    ends = [_ending(tokenizer, str(p), encode_prompt(tokenizer, p), a) for p, a in zip(prompts, answers, strict=True)]
    if not all(ends):
        raise LabError("An answer has no tokens: each must hold at least one character.")
    rows = [encode_prompt(tokenizer, p) + end[:-1] for p, end in zip(prompts, ends, strict=True)]
    matches = [False] * len(rows)
    with torch.no_grad():
        shared, cache = prefill(model, rows)
        for batch in batches([len(row) - shared for row in rows], shared, batch_tokens):
            keep = max(len(ends[n]) for n in batch)
            logits, _, _ = forward(model, cache, shared, [rows[n][shared:] for n in batch], keep)  # (B, K, V)
            likeliest = logits.argmax(-1).tolist()
            for n, tokens in zip(batch, likeliest, strict=True):
                matches[n] = tokens[-len(ends[n]) :] == ends[n]
    return matches


def most_likely_labels(log_likelihoods: Tensor, labels: Sequence[str]) -> list[str]:
    """The likeliest label for each row of (N, L).

    Raises:
        LabError: there are not as many labels as columns.
    """
    require_tensor("log_likelihoods", log_likelihoods, 2, last=len(labels))
    if log_likelihoods.dim() > 2:
        raise LabError(f"log_likelihoods has the shape {tuple(log_likelihoods.shape)}; give one row per prompt, (N, L).")
    if not labels:
        raise LabError("There are no labels to choose from: give at least one.")
    return [labels[i] for i in log_likelihoods.argmax(-1).tolist()]


def label_scorer(model: Any, tokenizer: Any, task: Task) -> Callable[[Sequence[Prompt], str], list[str]]:
    """A function from prompts and their style to the likeliest of the task's labels for each, as `explore_prompt` takes it."""

    def score(prompts: Sequence[Prompt], style: str) -> list[str]:
        return most_likely_labels(label_log_likelihoods(model, tokenizer, prompts, task.endings(style)), task.labels)

    return score


def calibrated(log_likelihoods: Tensor, content_free: Tensor) -> Tensor:
    """Contextual calibration: probabilities (N, L) of the labels that would be even for an input without content.

    Args:
        log_likelihoods: (N, L), of the labels after each prompt.
        content_free: (L,) or (C, L), the same for prompts whose text says nothing ("N/A", "[MASK]", ""); their probabilities are
            averaged.

    Source: Zhao et al. 2021 (arXiv:2102.09690), section 5: p / p_content_free over the labels. The paper ends with a softmax,
    which ranks the labels alike; here the quotients are normalised.

    Raises:
        LabError: shapes that do not fit, or numbers that are not floating-point.

    Example: where the content-free prompt gives 0.8 and 0.2, a text with 0.7 and 0.3 is of the second label.
    """
    require_tensor("log_likelihoods", log_likelihoods, 2)
    require_tensor("content_free", content_free, last=log_likelihoods.shape[-1])
    if not content_free.numel():
        raise LabError("content_free is empty: give the log-likelihoods after at least one text that says nothing.")
    free = content_free.softmax(-1).reshape(-1, content_free.shape[-1]).mean(0)
    quotients = log_likelihoods.softmax(-1) / free
    return quotients / quotients.sum(-1, keepdim=True)


def generate_texts(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str | Prompt],
    max_new_tokens: int,
    stops: Sequence[str] = (),
    share: bool = True,
    batch_tokens: int = BATCH_TOKENS,
) -> list[str]:
    """Greedy completions of many prompts, in their order: each as in a call of its own.

    Args:
        model, tokenizer, share, batch_tokens: as in `label_log_likelihoods`.
        prompts: (N,) texts.
        max_new_tokens: the cap on each completion.
        stops: a completion ends before the first of these texts, or at the model's end token.

    Greedy means the likeliest token: penalties in the model's generation config are left out. Where two tokens are equally likely
    but for rounding, a batch may take the other one.

    Raises:
        LabError: as `label_log_likelihoods` on prompts.
    """
    import torch

    ids = encode_prompts(model, tokenizer, prompts)
    made: list[list[int]] = [[] for _ in ids]
    with torch.no_grad():
        shared, cache = (0, None) if model.config.is_encoder_decoder else prefill(model, ids, share)
        for batch in batches([len(row) - shared + max_new_tokens for row in ids], shared, batch_tokens):
            suffixes = [ids[n][shared:] for n in batch]
            if cache is None:
                inputs, mask = pad(suffixes, model, right=True)
                new = model.generate(
                    inputs, attention_mask=mask, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1
                ).tolist()
            else:
                new = _greedy(model, tokenizer, cache, shared, suffixes, max_new_tokens, stops)
            for n, tokens in zip(batch, new, strict=True):
                made[n] = tokens
    return [stop_at(tokenizer.decode(tokens, skip_special_tokens=True), stops) for tokens in made]


def _greedy(
    model: Any, tokenizer: Any, cache: Any, shared: int, suffixes: list[list[int]], max_new_tokens: int, stops: Sequence[str]
) -> list[list[int]]:
    """New tokens for each suffix after the shared tokens; a row leaves the batch when it is done."""
    import torch

    end = model.generation_config.eos_token_id
    ends = set(end if isinstance(end, list) else [tokenizer.eos_token_id if end is None else end])
    made: list[list[int]] = [[] for _ in suffixes]
    active = list(range(len(suffixes)))
    logits, grown, mask = forward(model, cache, shared, suffixes, keep=1)
    for step in range(max_new_tokens):
        tokens = logits[:, -1].argmax(-1)  # (B,)
        for n, token in zip(active, tokens.tolist(), strict=True):
            made[n].append(token)
        going = [
            b
            for b, n in enumerate(active)
            if made[n][-1] not in ends and not (stops and any(stop in tokenizer.decode(made[n]) for stop in stops))
        ]
        if not going or step == max_new_tokens - 1:
            break
        if len(going) < len(active):
            kept = torch.tensor(going, device=model.device)
            active = [active[b] for b in going]
            tokens, mask = tokens[kept], mask[kept]
            grown.batch_select_indices(kept)
        mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
        positions = mask.sum(-1, keepdim=True) - 1
        logits = model(tokens[:, None], attention_mask=mask, position_ids=positions, past_key_values=grown, use_cache=True).logits
    return made
