"""Similarity of meaning by sentence embeddings, where n-grams are blind (lab 06)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError
from labutils.machine import settings
from labutils.validation import require_text, require_whole_number

if TYPE_CHECKING:
    from torch import Tensor

ENCODER_TOKENS = 256  # where all-MiniLM-L6-v2 cuts a text by default; what comes after is not read


@lru_cache(maxsize=1)
def _encoder(home: Path) -> tuple[Any, Any]:
    from labutils.course.loading import load_encoder

    return load_encoder()


def embed(texts: Sequence[str], batch_size: int = 32) -> Tensor:
    """One direction in meaning per text, by the course's sentence encoder: a tensor (n, 384) on the CPU, each row of length 1.

    The hidden states of the last layer are averaged over the real tokens (mean pooling over the attention mask), then
    normalised. A text is read up to its 256th token.

    Raises:
        LabError: there are no texts, or one of them is none, or holds half a character.
        AssetError: the encoder's files are missing.

    Source: Reimers and Gurevych 2019 (arXiv:1908.10084), section 3; the model is all-MiniLM-L6-v2.

    Example: `embed(["a cat", "a kitten"])` has shape (2, 384), and the product of its rows is their cosine.
    """
    import torch

    if isinstance(texts, str):
        raise LabError("The texts are one text: put them in a list.")
    if not texts:
        raise LabError("There are no texts to embed: the list is empty.")
    require_whole_number("batch_size", batch_size)
    for number, text in enumerate(texts):
        require_text(f"Text {number}", text, whole=True)
    model, tokenizer = _encoder(settings.home())
    rows = []
    for i in range(0, len(texts), batch_size):
        inputs = tokenizer(
            list(texts[i : i + batch_size]), padding=True, truncation=True, max_length=ENCODER_TOKENS, return_tensors="pt"
        ).to(model.device)
        with torch.no_grad():
            hidden_states = model(**inputs).last_hidden_state  # (B, T, 384)
        mask = inputs["attention_mask"].unsqueeze(-1)  # (B, T, 1)
        rows.append((hidden_states * mask).sum(dim=1) / mask.sum(dim=1))  # (B, 384)
    return torch.nn.functional.normalize(torch.cat(rows).float(), dim=-1).cpu()


def similarity(a: str, b: str) -> float:
    """The cosine of the angle between two texts' embeddings: 1 for the same text, near 0 for unrelated ones.

    It sees a paraphrase that shares no word; a negation it barely sees. Raises and reads as `embed`.

    Example: `similarity("The film was good.", "I liked the movie.")` is far above `rouge_n(..., 1).f1`, which is 0.25.
    """
    first, second = embed([a, b])
    return float(first @ second)
