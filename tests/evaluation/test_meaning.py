"""Sentence embeddings: what they see, what they miss, and that batches change nothing."""

from __future__ import annotations

import pytest

from labutils.errors import LabError
from labutils.evaluation import meaning


@pytest.mark.slow
def test_embeddings_see_a_paraphrase_and_hardly_see_a_negation(ready_home):
    import torch

    texts = [
        "The meeting was moved to Friday.",
        "They postponed the appointment until the end of the week.",
        "Bananas are yellow.",
        "",
    ]
    rows = meaning.embed(texts)
    assert rows.shape == (4, 384) and rows.dtype == torch.float32
    assert torch.allclose(rows.norm(dim=-1), torch.ones(4), atol=1e-6)
    one_by_one = torch.cat([meaning.embed([text]) for text in texts])
    assert torch.allclose(rows, one_by_one, atol=1e-5)  # padding and batches change nothing
    assert torch.allclose(meaning.embed(texts, batch_size=3), rows, atol=1e-5)
    assert meaning.similarity(texts[0], texts[0]) == pytest.approx(1, abs=1e-5)
    assert meaning.similarity(texts[0], texts[1]) > meaning.similarity(texts[0], texts[2]) + 0.2
    assert meaning.similarity("The meeting is on Friday.", "The meeting is not on Friday.") > 0.8
    assert len(meaning.embed(["word " * 2_000])) == 1  # longer than the encoder reads


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: meaning.embed([]), "no texts"),
        (lambda: meaning.embed("a"), "put them in a list"),
        (lambda: meaning.embed(["a", "\ud800"]), "Text 1 holds half a character"),
        (lambda: meaning.similarity("a", None), "Text 1 is NoneType"),
        (lambda: meaning.embed(["a"], batch_size=0), "batch_size=0"),
        (lambda: meaning.embed(["a"], batch_size=-1), "batch_size=-1"),
    ],
)
def test_bad_input_is_one_sentence(call, word, says):
    with pytest.raises(LabError) as caught:
        call()
    says(caught.value, word)
