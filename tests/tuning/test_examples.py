"""Examples, batches and token losses against the labels that transformers takes, for four kinds of tiny random model."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch
from tiny_models import VOCABULARY, tiny
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import LlamaModel, PreTrainedTokenizerFast

from labutils.errors import LabError
from labutils.tuning.examples import (
    IGNORE_INDEX,
    Example,
    build_examples,
    collate,
    labelled_logits_only,
    micro_batches,
    step_order,
    token_losses,
)
from labutils.tuning.methods import Method, prepare

KINDS = ("llama", "gpt2", "t5", "bart")
TOLERANCE = 1e-5  # of a loss in nats, float32; what was seen is 1e-6


def some(count, seed=0, longest=12):
    rng = random.Random(seed)

    def ids(least):
        return [rng.randrange(3, VOCABULARY) for _ in range(rng.randint(least, longest))]

    return [Example(ids(1), [*ids(0), 1]) for _ in range(count)]


def hf_inputs(model, examples, filler=2):
    """What a person writes with transformers alone: padded ids, masks, and labels with -100 that the model shifts itself."""

    def rows(lists, with_what):
        width = max(map(len, lists))
        return torch.tensor([row + [with_what] * (width - len(row)) for row in lists])

    if model.config.is_encoder_decoder:
        sources, labels = [e.prompt for e in examples], [e.completion for e in examples]
    else:
        sources = [e.prompt + e.completion for e in examples]
        labels = [[-100] * len(e.prompt) + e.completion for e in examples]
    mask = rows([[1] * len(row) for row in sources], 0)
    return {"input_ids": rows(sources, filler), "attention_mask": mask, "labels": rows(labels, -100)}


# --- targets and losses


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_is_the_loss_of_transformers_labels(kind):
    model = tiny(kind)
    with torch.no_grad():
        for size in (1, 2, 7):
            examples = some(size, seed=size)
            ours = token_losses(model, collate(examples, model))
            assert len(ours) == sum(len(e.completion) for e in examples)
            theirs = model(**hf_inputs(model, examples)).loss
            assert ours.mean().item() == pytest.approx(theirs.item(), abs=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_batch_each_example_has_the_losses_that_it_has_alone(kind):
    model, examples = tiny(kind), some(6)
    with torch.no_grad():
        together = token_losses(model, collate(examples, model)).split([len(e.completion) for e in examples])
        for example, losses in zip(examples, together, strict=True):
            alone = token_losses(model, collate([example], model))
            torch.testing.assert_close(losses, alone, rtol=0, atol=TOLERANCE)
            assert losses.mean().item() == pytest.approx(model(**hf_inputs(model, [example])).loss.item(), abs=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_transformers_loss(kind):
    ours, theirs, examples = tiny(kind), tiny(kind), some(5)
    token_losses(ours, collate(examples, ours)).mean().backward()
    theirs(**hf_inputs(theirs, examples)).loss.backward()
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_the_padding_does_not_matter(kind):
    model, examples = tiny(kind), [Example([5, 6], [7, 1]), Example(list(range(3, 15)), [9, 8, 7, 6, 5, 1]), Example([4], [1])]
    batch = collate(examples, model)
    other = {name: tensor.clone() for name, tensor in batch.inputs.items()}
    for row, example in enumerate(examples):
        if model.config.is_encoder_decoder:
            other["input_ids"][row, len(example.prompt) :] = 50 + row
            other["decoder_input_ids"][row, len(example.completion) :] = 60 + row
        else:
            other["input_ids"][row, example.length :] = 50 + row
    assert any((other[name] != batch.inputs[name]).any() for name in other)
    with torch.no_grad():
        torch.testing.assert_close(
            token_losses(model, batch._replace(inputs=other)), token_losses(model, batch), rtol=0, atol=1e-6
        )


def test_a_decoder_s_targets_are_its_next_tokens():
    model, examples = tiny("llama"), some(9, seed=4)
    batch = collate(examples, model)
    ids = batch.inputs["input_ids"]
    assert set(batch.inputs) == {"input_ids"} and ids.shape == batch.targets.shape == (9, max(e.length for e in examples))
    for row, example in enumerate(examples):
        labelled = (batch.targets[row] != IGNORE_INDEX).nonzero().flatten().tolist()
        assert labelled == list(range(len(example.prompt) - 1, example.length - 1))
        assert [ids[row, t + 1].item() for t in labelled] == batch.targets[row, labelled].tolist() == example.completion


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_an_encoder_decoder_s_inputs_are_those_that_transformers_makes_of_labels(kind):
    model, examples = tiny(kind), some(5, seed=2)
    batch = collate(examples, model)
    labels = hf_inputs(model, examples)["labels"]
    assert torch.equal(batch.targets, labels)
    shifted = model.prepare_decoder_input_ids_from_labels(labels=labels)
    read = torch.arange(labels.shape[1]) < torch.tensor([[len(e.completion)] for e in examples])
    assert torch.equal(batch.inputs["decoder_input_ids"][read], shifted[read])
    assert batch.inputs["attention_mask"].sum(-1).tolist() == [len(e.prompt) for e in examples]


# --- logits of the labelled positions alone


@pytest.mark.parametrize("kind", KINDS)
def test_labelled_logits_are_those_rows_of_all_logits_and_no_hook_stays(kind):
    model, examples = tiny(kind), some(4)
    batch = collate(examples, model)
    labelled = batch.targets != IGNORE_INDEX
    with torch.no_grad():
        full = model(**batch.inputs).logits
        with labelled_logits_only(model, labelled):
            some_rows = model(**batch.inputs).logits
        assert full.shape == (*labelled.shape, VOCABULARY) and some_rows.shape == (int(labelled.sum()), VOCABULARY)
        torch.testing.assert_close(some_rows, full[labelled], rtol=0, atol=1e-6)
        with pytest.raises(ZeroDivisionError), labelled_logits_only(model, labelled):
            1 / 0  # noqa: B018
        assert torch.equal(model(**batch.inputs).logits, full)


def test_the_hook_goes_even_when_the_model_fails():
    model = tiny("llama")
    batch = collate(some(2), model)
    bad = batch._replace(inputs={"input_ids": batch.inputs["input_ids"] + VOCABULARY})
    with pytest.raises(IndexError):
        token_losses(model, bad)
    assert model(**batch.inputs).logits.shape == (*batch.targets.shape, VOCABULARY)


def test_a_model_without_a_head_is_refused(says):
    model = LlamaModel(tiny("llama").config)
    with pytest.raises(LabError) as refused, labelled_logits_only(model, torch.ones(1, 2, dtype=torch.bool)):
        pass
    says(refused.value, "output head")


def full_logits(model, batch):
    """The losses from all logits, computed with the base model alone where there are virtual tokens."""
    inputs = dict(batch.inputs)
    if "prompt_encoder" in dict(model.named_children()):
        base, soft = model.get_base_model(), model.prompt_encoder["default"].embedding.weight  # (virtual tokens, D), or 2 times
        soft = soft[: model.active_peft_config.num_virtual_tokens].expand(len(batch.targets), -1, -1)
        words = base.get_input_embeddings()(inputs.pop("input_ids"))
        if "attention_mask" in inputs:
            mask = inputs["attention_mask"]
            inputs["attention_mask"] = torch.cat([mask.new_ones(len(mask), soft.shape[1]), mask], dim=1)
        logits = base(inputs_embeds=torch.cat([soft, words], dim=1), **inputs).logits[:, -batch.targets.shape[1] :]
    else:
        logits = model(**inputs).logits
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.targets, ignore_index=-100, reduction="none")
    return losses[batch.targets != -100]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", [Method("lora", lora_rank=4), Method("prompt_tuning", virtual_tokens=5)], ids=lambda m: m.name)
def test_through_peft_the_losses_are_those_of_all_logits(kind, method):
    model = prepare(tiny(kind), method).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:  # LoRA starts as no change at all
                parameter.add_(0.1 * torch.randn_like(parameter))
        batch = collate(some(5), model)
        torch.testing.assert_close(token_losses(model, batch), full_logits(model, batch), rtol=0, atol=TOLERANCE)


# --- from text to examples


def tokenizer(start=False, end="</s>"):
    """BPE over a, b and c that merges "ab"; with `start`, texts get a start token in front."""
    words = {token: i for i, token in enumerate(["<s>", "</s>", "a", "b", "c", "ab"])}
    inner = Tokenizer(models.BPE(words, [("a", "b")]))
    inner.pre_tokenizer = pre_tokenizers.Split(" ", "removed")
    if start:
        inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>" if start else None, eos_token=end)


def test_prompt_and_completion_are_tokenized_apart():
    assert tokenizer()("ab").input_ids == [5]  # together they would merge
    assert build_examples(tokenizer(), [("a", "b")]) == [Example([2], [3, 1])]


def test_every_completion_ends_in_the_end_token_unless_told():
    pairs = [("a", "b"), ("ab c", "c ab"), ("c", "a")]
    ended, open_ended = build_examples(tokenizer(), pairs), build_examples(tokenizer(), pairs, end=False)
    assert [e.completion for e in ended] == [[*e.completion, 1] for e in open_ended]
    assert [e.length for e in ended] == [len(e.prompt) + len(e.completion) for e in ended] == [3, 5, 3]


def test_the_prompt_has_one_start_token_and_the_completion_none():
    built = build_examples(tokenizer(start=True), [("a", "b"), ("<s>a", "b")])
    assert built == [Example([0, 2], [3, 1])] * 2


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([], ["no examples"]),
        ([("a", "b"), ("a", "")], ["Pair 1", "completion"]),
        ([("a", "b"), ("", "b")], ["Pair 1", "prompt"]),
        ([("a", "b"), ("a", " ")], ["Pair 1", "completion"]),
        ([("a", "b"), ("a b c a", "c c c")], ["Pair 1", "8 tokens", "holds 7"]),
        ([("a", "b"), ("a\ud800", "b")], ["prompt of pair 1", "half a character"]),
        ([("a", "b"), ("a", None)], ["completion of pair 1", "NoneType"]),
    ],
)
def test_pairs_that_cannot_be_trained_on_are_named(pairs, words, says):
    with pytest.raises(LabError) as refused:
        build_examples(tokenizer(), pairs, window=7)
    says(refused.value, *words)


def test_a_pair_as_long_as_the_window_fits():
    assert build_examples(tokenizer(), [("a b c a", "c c c")], window=8)[0].length == 8


def test_without_an_end_token_there_is_nothing_to_end_with(says):
    with pytest.raises(LabError) as refused:
        build_examples(tokenizer(end=None), [("a", "b")])
    says(refused.value, "end token")
    assert build_examples(tokenizer(end=None), [("a", "b")], end=False) == [Example([2], [3])]


# --- steps


@pytest.mark.parametrize("count", [1, 5, 8, 63, 64, 65, 130])
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_each_epoch_is_a_permutation_cut_into_batches(count, batch):
    examples = some(count, seed=count)
    steps = step_order(examples, batch, epochs=3, seed=5)
    each = -(-count // batch)
    assert len(steps) == 3 * each
    for epoch in range(3):
        cut = steps[epoch * each : (epoch + 1) * each]
        assert sorted(i for step in cut for i in step) == list(range(count))
        sizes = sorted(map(len, cut))
        assert sizes[1:] == [batch] * (each - 1) and sizes[0] == (count - 1) % batch + 1


def test_the_order_depends_on_lengths_batch_and_seed_alone():
    examples = some(50)
    others = [Example([96] * len(e.prompt), [95] * len(e.completion)) for e in examples]
    before = random.getstate()
    assert step_order(examples, 8, 2, seed=1) == step_order(examples, 8, 2, seed=1) == step_order(others, 8, 2, seed=1)
    assert random.getstate() == before
    orders = [step_order(examples, 8, 2, seed=seed) for seed in range(5)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])
    assert orders[0][:7] != orders[0][7:]  # each epoch has its own
    assert orders[0][:7] == step_order(examples, 8, 1, seed=0)  # and another epoch does not change the first


def padding(steps, examples):
    return sum(len(step) * max(examples[i].length for i in step) - sum(examples[i].length for i in step) for step in steps)


def test_neighbours_in_length_need_less_padding():
    examples = some(200, longest=30)
    rng = random.Random(0)
    shuffled = rng.sample(range(200), 200)
    at_random = padding([shuffled[i : i + 8] for i in range(0, 200, 8)], examples)
    assert 0 < padding(step_order(examples, 8), examples) < at_random / 2


def test_short_and_long_steps_are_mixed():
    examples = some(256, longest=30)
    means = [sum(examples[i].length for i in step) / len(step) for step in step_order(examples, 8)]
    rises = sum(a < b for a, b in pairwise(means))
    assert 8 < rises < 23  # of 31: neither sorted up nor down


@pytest.mark.parametrize(("batch", "epochs"), [(0, 1), (-3, 1), (8, 0)])
def test_a_batch_below_one_is_refused(batch, epochs, says):
    with pytest.raises(LabError) as refused:
        step_order(some(3), batch, epochs)
    says(refused.value, f"batch={batch}", f"epochs={epochs}")


def test_micro_batches_are_complete_small_enough_and_even():
    for count in range(1, 41):
        for size in range(1, 13):
            parts = micro_batches(range(count), size)
            assert [i for part in parts for i in part] == list(range(count))
            lengths = [len(part) for part in parts]
            assert len(parts) == -(-count // size) and max(lengths) <= size and max(lengths) - min(lengths) <= 1
