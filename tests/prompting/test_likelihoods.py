"""Scoring and generating with a shared beginning against one plain call per example, for four kinds of model.

The tiny models have random weights: learned positions (GPT-2), a sliding window (Mistral) and an encoder-decoder (T5) put other
demands on masks and position ids than the course's model does.
"""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from labutils.errors import LabError
from labutils.prompting.likelihoods import (
    calibrated,
    generate_texts,
    greedy_matches,
    label_log_likelihoods,
    label_scorer,
    most_likely_labels,
)
from labutils.prompting.prefix_cache import batches, common_prefix_length
from labutils.prompting.prompts import SENTIMENT, Task, few_shot_prompt

ROWS = [
    {"text": "Kind staff, and the soup was hot.", "label": "positive"},
    {"text": "Broken on the first day.", "label": "negative"},
    {"text": "I would go again tomorrow; not one dull minute.", "label": "positive"},
    {"text": "Cold.", "label": "negative"},
    {"text": "The guide knew every stone by its name, and she let the children hold the lamp.", "label": "positive"},
]
LABELS = [" positive", " negative", " rather negative", " rather negative in the end", " unexceptionable"]
TOLERANCE = 1e-3  # of a log-likelihood in float32; what was seen is 2e-5


def prompts(tokenizer, style="bare", shots=2):
    return [few_shot_prompt(SENTIMENT, ROWS[:shots], row, style, tokenizer) for row in ROWS]


def tiny(kind, vocab):
    torch.manual_seed(0)
    if kind == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=vocab, n_embd=32, n_layer=2, n_head=2, n_positions=256))
    elif kind == "mistral":
        config = MistralConfig(
            vocab_size=vocab,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            sliding_window=16,
        )
        model = MistralForCausalLM(config)
    else:
        config = T5Config(vocab_size=vocab, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0)
        model = T5ForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "norm" not in name and "ln" not in name:
            torch.nn.init.normal_(weight, std=0.3)  # outputs that depend on every token and position
    return model.eval()


def one_by_one(model, tokenizer, texts, labels):
    """The oracle: a whole forward pass for each prompt and label, and PyTorch's cross-entropy on the label."""
    rows = []
    for text in map(str, texts):
        length = len(tokenizer(text).input_ids)
        row = []
        for label in labels:
            if model.config.is_encoder_decoder:
                target = torch.tensor([tokenizer(label).input_ids])
                with torch.no_grad():
                    loss = model(torch.tensor([tokenizer(text).input_ids]), labels=target).loss
                row.append(-float(loss) * target.shape[1])
                continue
            ids = torch.tensor([tokenizer(text + label).input_ids])
            with torch.no_grad():
                logits = model(ids).logits[0, length - 1 : -1]
            row.append(-float(F.cross_entropy(logits, ids[0, length:], reduction="sum")))
        rows.append(row)
    return torch.tensor(rows)


def generate_one_by_one(model, tokenizer, texts, max_new_tokens, stop):
    made = []
    for text in map(str, texts):
        inputs = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)[0]
        new = output if model.config.is_encoder_decoder else output[inputs.input_ids.shape[1] :]
        made.append(tokenizer.decode(new, skip_special_tokens=True).split(stop)[0])
    return made


@pytest.mark.parametrize(("style", "batch_tokens"), [("bare", 4096), ("turns", 1)])
def test_log_likelihoods_are_those_of_one_call_per_example(default_model, style, batch_tokens):
    model, tokenizer = default_model
    texts, labels = prompts(tokenizer, style, shots=1)[2:4], LABELS[1:3]
    ours = label_log_likelihoods(model, tokenizer, texts, labels, batch_tokens=batch_tokens)
    assert ours.shape == (2, 2) and torch.allclose(ours, one_by_one(model, tokenizer, texts, labels), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("kind", ["gpt2", "mistral", "t5"])
@pytest.mark.parametrize(("share", "batch_tokens"), [(True, 1), (True, 300), (False, 4096)])
def test_other_kinds_of_model_are_scored_alike(default_model, kind, share, batch_tokens):
    tokenizer = default_model[1]
    model = tiny(kind, len(tokenizer))
    texts = prompts(tokenizer)
    ours = label_log_likelihoods(model, tokenizer, texts, LABELS, share=share, batch_tokens=batch_tokens)
    theirs = one_by_one(model, tokenizer, texts, LABELS)
    assert theirs.std(0).min() > 50 * TOLERANCE, "the oracle must tell the prompts apart"
    assert torch.allclose(ours, theirs, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("batch_tokens", [1, 4096])
def test_greedy_matches_are_what_greedy_decoding_writes(default_model, batch_tokens):
    model, tokenizer = default_model
    texts = [f"dog -> dogs\ncat -> cats\nbox -> boxes\n{word} ->" for word in ("table", "fox", "idea", "tree")]
    written = generate_one_by_one(model, tokenizer, texts, 6, "\n")
    assert all(text.startswith(" ") for text in written)
    answers = [f"{text}\n" for text in written]
    assert greedy_matches(model, tokenizer, texts, answers, batch_tokens) == [True] * 4
    longer = [f"{text}s of several\n" for text in written]
    assert greedy_matches(model, tokenizer, texts, longer, batch_tokens) == [False] * 4
    mixed = [answers[0], answers[2], longer[2], answers[3]]
    assert greedy_matches(model, tokenizer, texts, mixed, batch_tokens) == [True, False, False, True]


def test_greedy_matches_refuse_answers_without_tokens(default_model):
    model, tokenizer = default_model
    with pytest.raises(LabError, match="at least one character"):
        greedy_matches(model, tokenizer, ["cat ->"], [""])


def test_prompts_with_nothing_in_common_and_equal_prompts(default_model):
    tokenizer = default_model[1]
    model = tiny("gpt2", len(tokenizer))
    for texts in (["One:", "Two is more than one, says"], ["Same text", "Same text"], ["Only one"], ["Begin", "Begin and go on"]):
        ours = label_log_likelihoods(model, tokenizer, texts, LABELS)
        assert torch.allclose(ours, one_by_one(model, tokenizer, texts, LABELS), atol=TOLERANCE, rtol=0)


def test_per_token_divides_by_the_length_of_the_label(default_model):
    tokenizer = default_model[1]
    model = tiny("gpt2", len(tokenizer))
    texts = prompts(tokenizer)
    lengths = torch.tensor([len(tokenizer(label).input_ids) for label in LABELS])
    total = label_log_likelihoods(model, tokenizer, texts, LABELS)
    assert lengths.unique().numel() > 2
    mean = label_log_likelihoods(model, tokenizer, texts, LABELS, per_token=True)
    assert torch.allclose(mean * lengths, total, atol=TOLERANCE, rtol=0)


def test_shared_tokens_run_once_and_logits_only_where_needed(default_model):
    tokenizer = default_model[1]
    model, seen = tiny("gpt2", len(tokenizer)), []
    hook = model.register_forward_hook(lambda _, args, output: seen.append((tuple(args[0].shape), output.logits.shape[1])))
    texts = prompts(tokenizer)
    ids = [tokenizer(str(text)).input_ids for text in texts]
    shared = common_prefix_length(ids)
    label_log_likelihoods(model, tokenizer, texts, LABELS[:2], batch_tokens=2 * max(map(len, ids)))
    hook.remove()
    (first, _), *rest = seen
    assert first == (1, shared) and shared > 40
    assert sum(shape[0] for shape, _ in rest) == len(texts)  # one row a prompt: labels of one token share it
    assert all(positions == 1 for _, positions in seen)
    assert all(rows * (shared + width) <= 2 * max(map(len, ids)) for (rows, width), _ in rest)


def test_the_common_beginning_leaves_every_row_a_token():
    assert common_prefix_length([[1, 2, 3], [1, 2, 4]]) == 2
    assert common_prefix_length([[1, 2], [1, 2, 4], [1, 2, 5]]) == 1
    assert (
        common_prefix_length([[1, 2], [1, 2]]) == 1
        and common_prefix_length([[7]]) == 0
        and common_prefix_length([[1, 9], [2, 9]]) == 0
    )


def test_batches_hold_every_row_once_and_keep_to_the_budget():
    lengths = [5, 1, 9, 30, 2, 2, 7]
    for budget in (1, 40, 100, 10_000):
        made = list(batches(lengths, 10, budget))
        assert sorted(i for batch in made for i in batch) == list(range(7))
        assert all(len(batch) == 1 or len(batch) * (10 + max(lengths[i] for i in batch)) <= budget for batch in made)


def test_a_label_that_merges_with_the_prompt_is_refused(default_model, says):
    model, tokenizer = default_model
    for texts, labels, word in [
        (["Sentiment: "], ["positive"], "blank"),
        (["Sentiment:"], [""], "character"),
        (["Sentiment:"], [], "labels"),
        ([], LABELS, "no prompt"),
        ([""], LABELS, "empty"),
        (["word " * 9000], LABELS, "window"),
    ]:
        with pytest.raises(LabError) as error:
            label_log_likelihoods(model, tokenizer, texts, labels)
        says(error.value, word)


def test_completions_are_those_of_one_call_per_example(default_model):
    model, tokenizer = default_model
    task = Task("Say what the review is about.", "Review", "Subject", "text", "label")
    texts = [few_shot_prompt(task, [], row) for row in ROWS[:3]]
    ours = generate_texts(model, tokenizer, texts, 6, ["\n"])
    assert ours == generate_one_by_one(model, tokenizer, texts, 6, "\n")
    assert len(set(ours)) > 1, "the prompts must lead to different completions"


@pytest.mark.parametrize("kind", ["gpt2", "mistral", "t5"])
@pytest.mark.parametrize("share", [True, False])
def test_other_kinds_of_model_complete_alike(default_model, kind, share):
    tokenizer = copy.deepcopy(default_model[1])
    model = tiny(kind, len(tokenizer))
    texts = prompts(tokenizer)
    plain = generate_one_by_one(model, tokenizer, texts, 10, "\n\n\n\n")
    assert len(set(plain)) > 1
    assert generate_texts(model, tokenizer, texts, 10, ["\n\n\n\n"], share, 300) == plain
    ends = tokenizer(plain[0], add_special_tokens=False).input_ids[4]  # let one row end early, and the others go on
    model.generation_config.eos_token_id = [ends]
    assert generate_texts(model, tokenizer, texts, 10, (), share) == generate_one_by_one(model, tokenizer, texts, 10, "\0")


def test_a_stop_sequence_ends_its_own_row_only(default_model):
    tokenizer = default_model[1]
    model = tiny("gpt2", len(tokenizer))
    texts = prompts(tokenizer)
    plain = generate_one_by_one(model, tokenizer, texts, 10, "\0")
    stop = plain[1][3:6]
    ours = generate_texts(model, tokenizer, texts, 10, [stop])
    assert ours == [text.split(stop)[0] for text in plain] and ours[1] != plain[1]


def test_calibration_makes_a_text_without_content_even():
    free = torch.tensor([math.log(0.8), math.log(0.2)])
    made = calibrated(torch.tensor([[math.log(0.8), math.log(0.2)], [math.log(0.7), math.log(0.3)]]), free)
    assert torch.allclose(made, torch.tensor([[0.5, 0.5], [0.875 / 2.375, 1.5 / 2.375]]), atol=1e-6)
    assert most_likely_labels(made, ["a", "b"])[1] == "b"


def test_calibration_ranks_as_the_paper_and_averages_content_free_inputs():
    generator = torch.Generator().manual_seed(0)
    scores, free = torch.randn(200, 3, generator=generator) * 3 - 9, torch.randn(4, 3, generator=generator) - 5
    p, p_free = scores.softmax(-1), free.softmax(-1).mean(0)
    paper = torch.softmax(p @ torch.diag(1 / p_free), dim=-1)  # W = diag(p_free)^-1, b = 0
    assert torch.equal(calibrated(scores, free).argmax(-1), paper.argmax(-1))
    assert torch.allclose(calibrated(scores, free).sum(-1), torch.ones(200), atol=1e-6)
    assert torch.allclose(calibrated(scores + 7, free - 3), calibrated(scores, free), atol=1e-5)  # only ratios count


def test_the_scorer_names_the_likeliest_label(default_model):
    model, tokenizer = default_model
    texts = prompts(tokenizer, shots=0)[:2]
    theirs = one_by_one(model, tokenizer, texts, LABELS[:2]).argmax(-1).tolist()
    assert label_scorer(model, tokenizer, SENTIMENT)(texts, "bare") == [SENTIMENT.labels[i] for i in theirs]
