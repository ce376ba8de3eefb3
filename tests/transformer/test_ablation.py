"""Silenced parts and heads, on a tiny random model whose answers can be worked out by other means."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from labutils.course import load_probes
from labutils.errors import LabError
from labutils.transformer import ablation

LAYERS, HEADS, SIZE = 3, 4, 8


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=200,
        hidden_size=HEADS * SIZE,
        intermediate_size=48,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=2,
        head_dim=SIZE,
    )
    model = LlamaForCausalLM(config).eval()
    for weight in model.parameters():
        weight.requires_grad_(False)
        if weight.dim() == 2:
            weight.normal_(std=0.5)
    return model


@pytest.fixture
def ids():
    return torch.randint(200, (2, 7), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("part, matrix", [("attention", "self_attn.o_proj"), ("feed-forward", "mlp.down_proj")])
def test_a_silenced_part_is_a_part_whose_last_matrix_is_zero(tiny, ids, part, matrix):
    whole = tiny(ids).logits
    with ablation.without_parts(tiny, part, [0, 2]):
        silenced = tiny(ids).logits
    assert torch.equal(tiny(ids).logits, whole)  # given back
    for layer in (0, 2):
        tiny.get_submodule(f"model.layers.{layer}.{matrix}").weight.zero_()
    torch.testing.assert_close(silenced, tiny(ids).logits, atol=1e-5, rtol=0)
    assert not torch.allclose(silenced, whole, atol=1e-2)


def test_a_silenced_head_is_a_head_whose_columns_of_the_output_matrix_are_zero(tiny, ids):
    whole = tiny(ids).logits
    with ablation.without_heads(tiny, [(1, 2), (1, 0), (2, 3)]):
        silenced = tiny(ids).logits
    assert torch.equal(tiny(ids).logits, whole)
    for layer, head in ((1, 2), (1, 0), (2, 3)):
        tiny.model.layers[layer].self_attn.o_proj.weight[:, head * SIZE : (head + 1) * SIZE] = 0
    torch.testing.assert_close(silenced, tiny(ids).logits, atol=1e-5, rtol=0)
    assert not torch.allclose(silenced, whole, atol=1e-2)


def test_parts_are_given_back_after_an_error(tiny, ids):
    whole = tiny(ids).logits
    for silenced in (
        ablation.without_parts(tiny, "attention", range(LAYERS)),
        ablation.without_heads(tiny, [(0, 0)]),
        ablation.exchanged_keys_and_values(tiny, 1),
    ):
        with pytest.raises(RuntimeError, match="stop"), silenced:
            raise RuntimeError("stop")
        assert torch.equal(tiny(ids).logits, whole)


def test_exchanged_keys_and_values(tiny, ids):
    before = [tiny.model.layers[1].self_attn.k_proj.weight.clone(), tiny.model.layers[1].self_attn.v_proj.weight.clone()]
    whole = tiny(ids).logits
    with ablation.exchanged_keys_and_values(tiny, 1):
        exchanged = tiny(ids).logits
    part = tiny.model.layers[1].self_attn
    part.k_proj.weight.copy_(before[1])
    part.v_proj.weight.copy_(before[0])
    assert torch.equal(exchanged, tiny(ids).logits) and not torch.allclose(exchanged, whole, atol=1e-2)


def test_what_is_not_there_cannot_be_silenced(tiny):
    with pytest.raises(LabError, match="no part “mlp”"), ablation.without_parts(tiny, "mlp", [0]):
        pass
    for head in ((0, HEADS), (LAYERS, 0), (-1, 0)):
        with pytest.raises(LabError, match="4 in each layer"), ablation.without_heads(tiny, [head]):
            pass


def test_loss_by_position_is_the_models_own_loss(tiny, ids):
    losses = ablation.loss_by_position(tiny, ids)
    assert losses.shape == (2, 6)
    assert float(losses.mean()) == pytest.approx(float(tiny(ids, labels=ids).loss), rel=1e-5)


def test_repeated_tokens_repeat(tiny):
    ids = ablation.repeated_tokens(tiny, texts=3, length=5, seed=4)
    assert ids.shape == (3, 10) and torch.equal(ids[:, :5], ids[:, 5:])
    assert int(ids.min()) >= 100 and int(ids.max()) < 200
    assert torch.equal(ids, ablation.repeated_tokens(tiny, texts=3, length=5, seed=4))
    assert not torch.equal(ids, ablation.repeated_tokens(tiny, texts=3, length=5, seed=5))


class Copier:
    """Predicts, at each place, the token that followed the earlier copy, except where it is told to fail."""

    def __init__(self, wrong: int = 0) -> None:
        self.wrong = wrong

    def __call__(self, ids):
        half = ids.shape[1] // 2
        following = ids.roll(half - 1, dims=1)  # place half + t: what came after place t
        logits = torch.nn.functional.one_hot(following, 200).float()
        if self.wrong:
            logits[:, -1 - self.wrong : -1] = 0
        return type("Output", (), {"logits": logits})


def test_copied_counts_the_second_half_but_its_first_token(tiny):
    repeats = ablation.repeated_tokens(tiny, texts=3, length=5)
    assert ablation.copied(Copier(), repeats) == 1.0
    assert ablation.copied(Copier(wrong=1), repeats) == pytest.approx(0.75)


def test_answers_are_those_of_one_question_at_a_time(default_model):
    model, tokenizer = default_model
    questions = list(load_probes()["facts"])[:12]
    together = ablation.answers_right(model, tokenizer, questions)
    alone = torch.cat([ablation.answers_right(model, tokenizer, [question]) for question in questions])
    assert together.shape == (12,) and together.dtype == torch.bool and torch.equal(together, alone)
    assert 6 <= int(together.sum()) <= 12  # four choices: guessing has 3


def test_a_study_of_parts_has_a_row_for_the_whole_and_for_each_part(default_model):
    model, tokenizer = default_model
    questions, repeats = list(load_probes()["facts"])[:6], ablation.repeated_tokens(model, texts=1, length=12)
    whole, *rows = ablation.part_study(model, tokenizer, questions, repeats, [range(15, 20)])
    assert (whole.part, whole.blocks) == ("nothing", "")
    assert [(row.part, row.blocks) for row in rows] == [("attention", "15 to 19"), ("feed-forward", "15 to 19")]
    assert torch.equal(whole.right, ablation.answers_right(model, tokenizer, questions))
    assert rows[0].copied < whole.copied
