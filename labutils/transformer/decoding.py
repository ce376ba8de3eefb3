"""From logits to the next token: the functions of lab 02, in the form that works on batches.

Shapes: V is the size of the vocabulary; `...` stands for any leading dimensions. All functions leave their inputs unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError

if TYPE_CHECKING:
    from torch import Tensor

MINUS_INFINITY = float("-inf")


def softmax(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Probabilities (..., V) of logits (..., V): exp(z / T), normalised over the vocabulary.

    Raises:
        LabError: the temperature is not above 0. Greedy decoding is the limit T -> 0, not T = 0.

    Source: the Boltzmann distribution; as "temperature" in Hinton, Vinyals and Dean 2015 (arXiv:1503.02531), section 2.

    Example: softmax of the logits [0, log 3] is [0.25, 0.75].
    """
    if temperature <= 0:
        raise LabError(f"The temperature is {temperature}; it must be above 0. For the limit of 0 take the argmax (greedy).")
    scaled = logits / temperature
    scaled = scaled - scaled.amax(dim=-1, keepdim=True)  # the same result, and exp cannot overflow
    weights = scaled.exp()
    return weights / weights.sum(dim=-1, keepdim=True)


def draw(probs: Tensor, u: float) -> int:
    """The token that a uniform number u in [0, 1) selects from probabilities (V,): the first whose running sum exceeds u.

    With u drawn evenly, each token comes up as often as its probability says (inverse transform sampling).

    Example: of [0.2, 0.5, 0.3], u = 0.1 selects token 0 and u = 0.2 selects token 1.

    Raises:
        LabError: no token has a probability.
    """
    exceeded = (probs.cumsum(dim=-1) > u).nonzero()
    if len(exceeded):
        return int(exceeded[0])
    # Rounding can leave the whole sum a hair below 1, and u above it: then the last possible token is meant.
    possible = (probs > 0).nonzero()
    if not len(possible) or bool(probs.isnan().any()):
        raise LabError("There is no token to draw: the probabilities are all 0, or not numbers.")
    return int(possible[-1])


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    """Logits (..., V) with all but the k largest at minus infinity; ties with the k-th stay, as in transformers.

    Source: Fan, Lewis and Dauphin 2018 (arXiv:1805.04833), section 5.4.
    """
    if k < 1:
        raise LabError(f"top_k is {k}; it must keep at least one token.")
    smallest_kept = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < smallest_kept, MINUS_INFINITY)


def top_p_filter(logits: Tensor, p: float) -> Tensor:
    """Logits (..., V) with all but the nucleus at minus infinity.

    The nucleus is the smallest set of most probable tokens whose mass reaches p. The token that crosses p belongs to it, so
    the kept mass is at least p.

    Source: Holtzman et al. 2020 (arXiv:1904.09751), section 3.1.
    """
    if not 0 < p <= 1:
        raise LabError(f"top_p is {p}; it must be above 0 and at most 1.")
    order = logits.argsort(dim=-1, descending=True, stable=True)
    sorted_probs = softmax(logits.gather(-1, order))
    mass_before = sorted_probs.cumsum(dim=-1) - sorted_probs
    dropped = (mass_before >= p).scatter(-1, order, mass_before >= p)
    return logits.masked_fill(dropped, MINUS_INFINITY)


def min_p_filter(logits: Tensor, min_p: float) -> Tensor:
    """Logits (..., V) with all tokens at minus infinity whose probability is below `min_p` times the largest.

    Source: Nguyen et al. 2024 (arXiv:2407.01082), section 3.

    Example: of the probabilities [0.6, 0.3, 0.1], min_p = 0.4 keeps two, because 0.3 is at least 0.4 * 0.6.

    Raises:
        LabError: `min_p` is not between 0 and 1.
    """
    if not 0 <= min_p <= 1:
        raise LabError(
            f"min_p is {min_p}; it must lie between 0 (which keeps every token) and 1 (which keeps the most probable)."
        )
    probs = softmax(logits)
    return logits.masked_fill(probs < min_p * probs.amax(dim=-1, keepdim=True), MINUS_INFINITY)


def frequency_presence_penalty(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    """Logits (..., V) lowered for tokens already generated: z - frequency * count - presence * [count > 0].

    Args:
        logits: (..., V).
        counts: (..., V), how often each token was generated so far.
        frequency: taken off once for each occurrence; grows with the count.
        presence: taken off once, however often the token came.

    Source: the OpenAI API reference ("frequency and presence penalties"); vLLM computes the same.
    """
    return logits - frequency * counts - presence * (counts > 0)


def repetition_penalty(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    """Logits (V,) with those of the tokens in `ids` (T,) made less likely: divided by the penalty if positive, multiplied if not.

    Each token is penalised once, however often it occurs. transformers counts the prompt's tokens in.

    Source: Keskar et al. 2019 (arXiv:1909.05858), section 4.1; the rule for negative logits is transformers'.
    """
    if penalty <= 0:
        raise LabError(f"The repetition penalty is {penalty}; it must be above 0 (1 changes nothing).")
    result = logits.clone()
    seen = logits[ids]
    result[ids] = seen.where(seen < 0, seen / penalty).where(seen > 0, seen * penalty)
    return result


def stop_at(text: str, stops: Sequence[str]) -> str:
    """The text up to the earliest stop sequence, which is left out; the whole text if none occurs.

    >>> stop_at("9. Oslo\\n10. Rome\\n11. Bern", ["11"])
    '9. Oslo\\n10. Rome\\n'
    """
    places = [text.find(stop) for stop in stops if stop]
    return text[: min((place for place in places if place >= 0), default=len(text))]


@dataclass(frozen=True)
class SamplingSettings:
    """Inference parameters, each off by default."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    frequency: float = 0.0
    presence: float = 0.0
    repetition: float = 1.0
    min_p: float = 0.0


def process(logits: Tensor, ids: Tensor, settings: SamplingSettings, prompt_length: int = 0) -> Tensor:
    """Logits (V,) after everything that stands between the model and the draw, in the order of transformers' generate().

    Penalties first, then temperature, top-k, top-p and min-p.

    Args:
        logits: (V,), the model's last position.
        ids: (T,), prompt and completion so far.
        settings: what to apply.
        prompt_length: how many of `ids` are the prompt; frequency and presence count what comes after it.
    """
    counts = ids[prompt_length:].bincount(minlength=logits.shape[-1])
    result = repetition_penalty(logits, ids, settings.repetition) if len(ids) else logits
    result = frequency_presence_penalty(result, counts, settings.frequency, settings.presence)
    result = result / settings.temperature
    if settings.top_k is not None:
        result = top_k_filter(result, settings.top_k)
    if settings.top_p < 1:
        result = top_p_filter(result, settings.top_p)
    return min_p_filter(result, settings.min_p) if settings.min_p > 0 else result


def choose(logits: Tensor, ids: Tensor, u: float, temperature: float, k: int, p: float, penalty: float) -> int:
    """The next token for one uniform number u: repetition penalty, temperature, top-k, top-p, softmax, draw (exercise 2.8)."""
    settings = SamplingSettings(temperature=temperature, top_k=k, top_p=p, repetition=penalty)
    return draw(softmax(process(logits, ids, settings)), u)


def penalty_processor(frequency: float, presence: float, prompt_length: int) -> Any:
    """Frequency and presence penalty as a transformers LogitsProcessor, which the library itself lacks.

    Pass it as `generate(..., logits_processor=[penalty_processor(0.5, 0.0, prompt_length)])`.
    """
    import torch
    from transformers import LogitsProcessor

    class FrequencyPresencePenalty(LogitsProcessor):
        """Calls `frequency_presence_penalty` on scores (B, V) with the counts of the completion in input_ids (B, T)."""

        def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
            completion = input_ids[:, prompt_length:]
            counts = torch.zeros_like(scores).scatter_add(1, completion, torch.ones_like(completion, dtype=scores.dtype))
            return frequency_presence_penalty(scores, counts, frequency, presence)

    return FrequencyPresencePenalty()


def next_logits(model: Any, tokenizer: Any, text: str) -> Tensor:
    """The model's logits (V,) for the token after `text`, in float32; for an encoder-decoder, for the first output token.

    Raises:
        LabError: the text is longer than the model's context window, or empty.
    """
    import torch

    ids = tokenizer(text, return_tensors="pt").input_ids.to(model.device)
    window = getattr(model.config, "max_position_embeddings", None)
    if ids.shape[1] == 0:
        raise LabError("The prompt is empty: give at least one character.")
    if window and ids.shape[1] > window:
        raise LabError(f"The prompt has {ids.shape[1]:,} tokens and the model's window holds {window:,}: shorten it.")
    extra = {}
    if model.config.is_encoder_decoder:
        extra = {"decoder_input_ids": torch.tensor([[model.config.decoder_start_token_id]], device=model.device)}
    with torch.no_grad():
        return model(ids, **extra).logits[0, -1].float()


def entropy(probs: Tensor) -> Tensor:
    """The entropy (...) of distributions (..., V), in bits: 0 for a sure token, log2 V for a uniform choice."""
    import torch

    return -torch.special.xlogy(probs, probs).sum(-1) / torch.log(torch.tensor(2.0, dtype=probs.dtype))


def chi_square(counts: Tensor, probs: Tensor) -> tuple[float, float]:
    """Pearson's test that counts (V,) were drawn from probabilities (V,): the statistic and its p-value.

    The p-value is the chance of a statistic at least as large if the probabilities are right, from the chi-square distribution
    with V - 1 degrees of freedom: the regularised upper incomplete gamma function Q((V - 1) / 2, x / 2). The approximation
    asks for an expected count of at least 5 in each place.

    Raises:
        LabError: an expected count is below 5, or the probabilities do not sum to 1.

    Source: Pearson 1900; NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.15.
    """
    import torch

    counts, probs = counts.double(), probs.double()
    if not abs(float(probs.sum()) - 1) < 1e-3:
        raise LabError(f"The probabilities sum to {float(probs.sum()):.4g}: give those of all tokens, which sum to 1.")
    expected = probs * counts.sum()
    if expected.min() < 5:
        raise LabError(
            f"The smallest expected count is {expected.min():.2g}; the chi-square test needs at least 5: draw more, or merge rare tokens."
        )
    statistic = ((counts - expected) ** 2 / expected).sum()
    freedom = torch.tensor((len(probs) - 1) / 2, dtype=torch.float64)
    return float(statistic), float(torch.special.gammaincc(freedom, statistic / 2))
