# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: LLM Labs
#     language: python
#     name: llm-labs
# ---

# %% [markdown]
# # Lab 05. Full against LoRA fine-tuning
#
# A prompt tells a model what to do, each time anew. **Fine-tuning** changes its weights, so that it need not be told. In this lab
# you train a real model to summarize dialogues, twice: all of its weights, and then a few per cent that are added beside them
# (LoRA). Nothing is downloaded, and nothing is swapped in: what the tables show was trained above them.
#
# By the end you can
# - turn instruction pairs into ids and labels, and say which tokens count in the loss and why;
# - write LoRA by hand, check it against the library, and say where its parameters sit;
# - compare two trainings fairly: scores with intervals, memory by term, time, disk, and what was forgotten;
# - recognise three classic faults of training code by their symptoms;
# - merge and swap adapters, and place prompt tuning, adapters, BitFit and QLoRA beside LoRA.
#
# Eight exercises, six quizzes; about two hours if you do them all. `hint("5.1")` helps with exercise 5.1, and so on. If the next
# cell finds no `labutils`, choose *Kernel > Change Kernel > LLM Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# Here the lab looks at the machine it runs on.

# %% tags=["device"]
lab = start("05", seed=0)
assert lab.profile in ("smoke", "small", "standard", "gpu")

# %% [markdown]
# Where we are on the map: prompting is not enough, so we adapt the weights.

# %%
from labutils.course import show_map

show_map("05")

# %% [markdown]
# Two switches. `LONGER` turns on the sweeps that take minutes more; by default they run on a GPU only, and say so where they are
# left out. `CATCH_UP` is for when you come back: with `True`, an arm that an earlier run on this machine has trained is loaded in
# place of being trained again.

# %%
import gc
import time
from statistics import fmean as mean

import torch

from labutils import course, evaluation, machine, prompting, tuning
from labutils.course import show_table
from labutils.memory import Shape
from labutils.tuning import catch_up, clinic, features, probes, reports, summaries

LONGER = lab.profile == "gpu"
CATCH_UP = False
# GiB for weights, gradients, optimizer and activations; Python and PyTorch take 0.6 more.
memory_gib = lab.size(smoke=2.4, small=2.4, gpu=40.0)

# %% [markdown]
# The data: short dialogues with a summary to learn from, and a test set of which each dialogue has three.

# %%
model, tokenizer = load_model(needs="blocks")
shape = Shape.of(model)
data = {name: rows.to_list() for name, rows in course.load_dialogues().items()}
summaries.require_window(tokenizer, [row for rows in data.values() for row in rows], shape.positions)
print({name: len(rows) for name, rows in data.items()})
print(data["train"][0]["dialogue"], "\n\n->", data["train"][0]["summary"])

# %% [markdown]
# ## 1. Pairs, ids and labels
#
# **Instruction fine-tuning** is supervised learning on pairs: a prompt, and the completion that we want. The pair becomes one
# sequence of token ids. Beside it stand the **labels**: for each position the token that should be there, or −100 for "do not
# ask". The model is asked for the completion only.

# %%
pairs = summaries.summary_pairs(tokenizer, data["train"])
print(pairs[0][0] + pairs[0][1])

# %% [markdown]
# What stands around the dialogue is the model's **chat template**: the form in which it was tuned to take instructions. The
# **system message** says what to do, once; the user's turn is the dialogue; the completion is what the assistant should write.

# %% [markdown]
# **Exercise 5.1.** An example for training is one list of ids: the prompt, the completion, and the **end token**, without which
# the model would never learn to stop. Beside it goes a list of **labels**, equally long: `labels[i]` belongs to `ids[i]`, and
# -100 says "no loss here", because PyTorch's cross-entropy leaves that value out. Write both lists, with labels for the
# completion and the end token only. (Nothing is shifted yet: that comes with the loss.)


# %% tags=["exercise"] exercise="5.1"
def label_pair(prompt_ids, completion_ids, end_id):
    """(ids, labels): two lists of equal length; -100 where no loss is taken."""
    # 1. the ids: prompt, completion, end token
    # 2. the labels: which positions are masked?
    return ...


label_pair = check("5.1", label_pair)


# %% tags=["solution"] exercise="5.1"
def label_pair(prompt_ids, completion_ids, end_id):
    """(ids, labels): two lists of equal length; -100 where no loss is taken."""
    wanted = [*completion_ids, end_id]
    hidden = [-100] * len(prompt_ids)
    return [*prompt_ids, *wanted], hidden + wanted


label_pair = check("5.1", label_pair)

# %% [markdown]
# A real pair, token by token, around the place where the prompt ends. Equal to the library's?

# %%
prompt_ids = prompting.encode_prompt(tokenizer, pairs[0][0])
completion_ids = tokenizer(pairs[0][1], add_special_tokens=False).input_ids
ids, labels = label_pair(prompt_ids, completion_ids, tokenizer.eos_token_id)
edge = len(prompt_ids)
shown = (edge - 2, edge - 1, edge, edge + 1, len(ids) - 1)
rows = [(n, repr(tokenizer.decode([ids[n]])), labels[n]) for n in shown]
show_table(("position", "token", "label"), rows)

# %% [markdown]
# The library's pair, for comparison:

# %%
example = tuning.build_examples(tokenizer, pairs[:1])[0]
print(len(example.prompt), "tokens of prompt,", len(example.completion), "of completion")
assert ids == example.prompt + example.completion and labels.count(-100) == len(example.prompt)

# %% [markdown]
# The last label is the **end token**. Without it, the model never learns to stop.

# %%
everything = tuning.build_examples(tokenizer, pairs)
labelled = mean(len(e.completion) for e in everything)
print(f"{labelled:.0f} of {mean(e.length for e in everything):.0f} tokens have a label, on average")

# %% [markdown]
# How many pairs does one need? For a single task, 500 to 1,000 good ones do; this course has 500, and the race below uses fewer,
# so that it takes minutes. Section 12 looks at what more would bring.

# %% [markdown]
# ## 2. The loss on the completion

# %% [markdown]
# **Exercise 5.2.** Now the loss. The model's logits at position t are about the *next* token, so position t is judged by label
# t + 1: the last row of the logits has nothing to predict, and nothing predicts the first label. Write the mean cross-entropy,
# in nats (natural logarithm), over the labelled positions alone, as a Python number (`.item()`).

# %% [markdown]
# **Predict:** what should it be for a model that finds all V tokens equally likely?


# %% tags=["exercise"] exercise="5.2"
def completion_loss(logits, labels):
    """Mean cross-entropy in nats. logits: (T, V); labels: (T,), -100 where no loss is taken."""
    # 1. which row of the logits belongs to which label?
    # 2. keep the pairs that have a label
    # 3. minus the log-probability of the label, on average
    return ...


completion_loss = check("5.2", completion_loss)


# %% tags=["solution"] exercise="5.2"
def completion_loss(logits, labels):
    """Mean cross-entropy in nats. logits: (T, V); labels: (T,), -100 where no loss is taken."""
    targets = labels[1:]
    labelled = targets != -100
    log_probs = logits[:-1][labelled].log_softmax(-1)  # (N, V)
    chosen = log_probs.gather(1, targets[labelled][:, None])  # (N, 1)
    return -chosen.mean().item()


completion_loss = check("5.2", completion_loss)

# %% [markdown]
# On the model, and against the library, which computes logits at the labelled positions only. With 49,152 words in the vocabulary
# the logits of all positions would be the largest tensor of the step.


# %%
@torch.no_grad()
def loss_of(ids, labels, mask=None):
    """The completion loss of one sequence, by our own function."""
    mask = None if mask is None else torch.tensor([mask], device=model.device)
    logits = model(torch.tensor([ids], device=model.device), attention_mask=mask).logits[0]
    return completion_loss(logits.float().cpu(), torch.tensor(labels))


# %% [markdown]
# The first pair, both ways:

# %%
ours, theirs = loss_of(ids, labels), probes.mean_loss(model, [example])
print(f"ours {ours:.1f}, the library's {theirs:.1f} nats a token")
assert abs(ours - theirs) < 1e-3

# %% [markdown]
# Now what is easily got wrong. The sequences of a batch are made equally long by **padding** with some token, often the end
# token. **Predict** what becomes of the loss: (1) 100 pads on the right that count in the loss; (2) 100 on the right that do not
# count, and no attention mask; (3) 100 on the left, and no mask; (4) the same with a mask.

# %%
pad, none = [tokenizer.eos_token_id] * 100, [-100] * 100
cases = {
    "no padding": loss_of(ids, labels),
    "1 right, in the loss": loss_of(ids + pad, labels + pad),
    "2 right, not in the loss": loss_of(ids + pad, labels + none),
    "3 left, no mask": loss_of(pad + ids, none + labels),
    "4 left, with a mask": loss_of(pad + ids, none + labels, [0] * 100 + [1] * len(ids)),
}
show_table(("padding", "loss, nats a token"), [(k, round(v, 1)) for k, v in cases.items()])

# %% [markdown]
# Which of them leave the loss as it was?

# %%
off = {name: abs(loss - cases["no padding"]) for name, loss in cases.items()}
print({name: off[name] < 1e-2 for name in off if name[0].isdigit()})
assert off["2 right, not in the loss"] < 1e-3 and off["4 left, with a mask"] < 1e-2
assert off["3 left, no mask"] > 1e-2 and off["1 right, in the loss"] > 0.1

# %% [markdown]
# (1) gives another number altogether, a mixture of the task and of guessing pads: it says little about summaries. (2) is
# harmless: a decoder's token looks only to the left, so it never sees the pads. (3) is not: the pads now stand before the prompt,
# and it reads them. The mask of (4) hides them again. The library pads on the right.

# %%
quiz("5.a")

# %% [markdown]
# ## 3. The loop
#
# A training step: the loss of a few examples, its gradient, and a small move of the weights against it. The size of the move
# follows a **schedule**: it rises at first, while the optimizer has seen little, and then falls to zero.

# %% [markdown]
# **Exercise 5.3.** How far should a step go? At first, while Adam's running means rest on a few gradients, not far; in the
# middle boldly; at the end finely. So the learning rate rises in a straight line and falls in another:
#
# $$\text{peak} \cdot \frac{\text{step} + 1}{\text{warmup}} \quad \text{while step} < \text{warmup}$$
#
# $$\text{peak} \cdot \frac{\text{steps} - \text{step}}{\text{steps} - \text{warmup}} \quad \text{afterwards}$$
#
# Steps count from 0. No step is wasted on a rate of zero: the first has a little, and zero would come one step after the last.


# %% tags=["exercise"] exercise="5.3"
def rate_at(step, steps, peak, warmup):
    """The learning rate of a step, counted from 0, out of `steps`; the first `warmup` rise."""
    # going up, then going down
    return ...


rate_at = check("5.3", rate_at)


# %% tags=["solution"] exercise="5.3"
def rate_at(step, steps, peak, warmup):
    """The learning rate of a step, counted from 0, out of `steps`; the first `warmup` rise."""
    rising, falling = step + 1, steps - step
    if step < warmup:
        return peak * rising / warmup
    return peak * falling / (steps - warmup)


rate_at = check("5.3", rate_at)

# %% [markdown]
# All of it by hand, on short pairs: reviews and their sentiment. Here the whole model learns, two examples a step.

# %%
reviews = course.load_reviews()
pool = [row for row in reviews["pool"] if row["label"] != "mixed"]


def review_pairs(rows):
    """(prompt, completion) of reviews: the task of lab 03."""
    bare = [prompting.few_shot_prompt(prompting.SENTIMENT, [], row) for row in rows]
    return [(str(prompt), f" {row['label']}") for prompt, row in zip(bare, rows, strict=True)]


sentiment = tuning.build_examples(tokenizer, review_pairs(pool))
print(repr(review_pairs(pool)[0]))

# %% [markdown]
# Four of them make two steps. The library draws the order: at random, but with neighbours in length together, so that little is
# padded.

# %%
few = sentiment[:4]
recipe = tuning.Recipe(learning_rate=5e-5, batch=2, frugal=True)
steps = tuning.step_order(few, recipe.batch, seed=recipe.seed)
print(steps, "are the indices of the two steps")

# %% [markdown]
# A step: loss, gradient, a gradient that is too long shortened (**clipping**), a move of the weights by AdamW.


# %%
def train_by_hand(model):
    """The losses of the steps, in nats a token; the model is changed in place."""
    weights = list(model.parameters())
    optimizer, losses = torch.optim.AdamW(weights, weight_decay=0.0), []
    for number, step in enumerate(steps):
        optimizer.param_groups[0]["lr"] = rate_at(number, len(steps), recipe.learning_rate, 1)
        batch = tuning.collate([few[i] for i in step], model)
        loss = tuning.token_losses(model, batch).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


with machine.frugal():  # what is freed goes back at once: slower, and fits 4 GiB
    by_hand = train_by_hand(model)
print([round(loss, 1) for loss in by_hand], "nats a token")

# %% [markdown]
# `labutils.tuning.train` is this loop, grown up: parts of a step that fit the memory, a bar, a checkpoint if you press Interrupt,
# and several GPUs. To compare, it must start where we started. The loop changed the model *in place*, so we need the weights from
# the file again.


# %%
def fresh():
    """The model with the weights of the file, and no other copy in memory."""
    global model, tuned
    model = tuned = None
    gc.collect()
    model, _ = load_model()
    return model


# %% [markdown]
# `prepare` says what is trained (here: everything), `train` trains it.

# %%
history = tuning.train(tuning.prepare(fresh(), "full"), few, recipe)
print([round(loss, 1) for loss in history.losses], "nats a token")
assert all(abs(a - b) < 1e-3 for a, b in zip(history.losses, by_hand, strict=True))

# %% [markdown]
# The same losses: it is the same loop.

# %% [markdown]
# ## 4. Before: what the model does without training
#
# This is the **baseline**: the same prompt, the same test, no training. `measured` writes summaries and scores them: ROUGE F1 in
# points from 0 to 100, averaged over the three references (lab 06).

# %% [markdown]
# **Predict:** how many points of ROUGE-1?

# %%
test = data["test"][: lab.size(smoke=2, small=36, gpu=78)]
longest = lab.size(smoke=8, small=summaries.MAX_NEW_TOKENS)  # tokens of a summary
size = lab.size(smoke=2, small=20, gpu=66)
forget = {name: rows.to_list()[:size] for name, rows in course.load_probes().items()}


def measured(net):
    """What a model writes, its scores, and its answers on the three probes."""
    texts = summaries.write_summaries(net, tokenizer, test, max_new_tokens=longest)
    answers = {name: probes.score_multiple_choice(net, tokenizer, rows)._asdict() for name, rows in forget.items()}
    return {"texts": texts, "scores": summaries.rouge_scores(texts, test), "probes": answers}


arms = {}

# %% [markdown]
# The model as it comes:

# %% tags=["device"]
arms["zero-shot"] = measured(fresh())
print(arms["zero-shot"]["texts"][0], "\n")
span = evaluation.bootstrap_interval(arms["zero-shot"]["scores"]["ROUGE-1"])
print(f"ROUGE-1 {span.mean:.1f} ({span.low:.1f} to {span.high:.1f}) on {len(test)} dialogues")
assert 0 <= span.low <= span.mean <= 100

# %% [markdown]
# Fluent, and is it a summary? Keep the number. It is taken *before* any training, with the very prompt that both arms will be trained
# on and scored with. A second baseline needs no model at all: copy the first two turns of each dialogue. **Predict** which of the two
# scores higher.

# %% tags=["device"]
lead = [" ".join(row["dialogue"].split("\n")[:2]) for row in test]
copied = summaries.rouge_scores(lead, test)["ROUGE-1"]
print(f"the first two turns: ROUGE-1 {mean(copied):.1f}")
assert len(copied) == len(test)

# %% [markdown]
# A score means little until one knows what comes for free.

# %% [markdown]
# ## 5. LoRA by hand
#
# A linear layer computes $y = W x$. Full fine-tuning changes all of $W$, $n_\text{out} \cdot n_\text{in}$ numbers. **LoRA**
# (low-rank adaptation, Hu et al. 2021) freezes $W$ and adds a product of two narrow matrices:
#
# $$y = W x + \frac{\alpha}{r} B A x$$
#
# $A$ has the shape $(r, n_\text{in})$, $B$ the shape $(n_\text{out}, r)$. The **rank** $r$ is small: 4 to 32. $\alpha$ is a
# constant that scales the change.

# %% [markdown]
# **Exercise 5.4.** LoRA leaves a weight W of shape (n_out, n_in) as it is and learns a change of it, the product B A of two
# thin matrices: A is (r, n_in), B is (n_out, r), and the **rank** r is small. At the start the product must be zero, so that
# the tuned model *is* the model. But each factor's gradient has the other as a factor: if both were zero, nothing would ever
# move. So A starts as noise, which you are given, and B as zeros.


# %% tags=["exercise"] exercise="5.4"
def lora_start(noise, n_out):
    """(A, B) before the first step. noise: (r, n_in); A: (r, n_in); B: (n_out, r)."""
    # which is which, and which shape has B?
    return ...


lora_start = check("5.4", lora_start)


# %% tags=["solution"] exercise="5.4"
def lora_start(noise, n_out):
    """(A, B) before the first step. noise: (r, n_in); A: (r, n_in); B: (n_out, r)."""
    rank = noise.shape[0]
    return noise, torch.zeros(n_out, rank)


lora_start = check("5.4", lora_start)

# %% [markdown]
# **Exercise 5.5.** The layer with its adapter takes two paths from x to the output and adds them up:
#
# $$y = x W^\top + \frac{\alpha}{r} \, x A^\top B^\top$$
#
# Dividing by the rank helps to change r without looking for a new learning rate. Read r from the shape of A.


# %% tags=["exercise"] exercise="5.5"
def lora_forward(x, weight, a, b, alpha):
    """(T, n_out). x: (T, n_in); weight: (n_out, n_in); a: (r, n_in); b: (n_out, r)."""
    # 1. the frozen layer  2. the adapter, scaled  3. their sum
    return ...


lora_forward = check("5.5", lora_forward)


# %% tags=["solution"] exercise="5.5"
def lora_forward(x, weight, a, b, alpha):
    """(T, n_out). x: (T, n_in); weight: (n_out, n_in); a: (r, n_in); b: (n_out, r)."""
    narrow = x @ a.T  # (T, r)
    change = narrow @ b.T  # (T, n_out)
    return x @ weight.T + alpha / a.shape[0] * change


lora_forward = check("5.5", lora_forward)

# %% [markdown]
# Now on one layer of the real model, beside the library. PEFT wraps every linear layer; we take the first one and give its $B$
# random values, since zeros would hide a mistake.

# %%
tuned = tuning.prepare(fresh(), tuning.Method("lora", lora_rank=16)).eval()
layers = {name: part for name, part in tuned.named_modules() if hasattr(part, "lora_A")}
generator = torch.Generator().manual_seed(5)
for part in layers.values():
    b = part.lora_B["default"].weight.data
    b.copy_(0.02 * torch.randn(b.shape, generator=generator))
name, part = next(iter(layers.items()))
print(len(layers), "layers have an adapter; the first is", name)

# %% [markdown]
# A random input for that layer:


# %%
def factors(part):
    """(W, A, B) of a layer that PEFT has wrapped."""
    return part.base_layer.weight, part.lora_A["default"].weight, part.lora_B["default"].weight


x = torch.randn(5, part.in_features, generator=generator).to(model.device)
alpha = part.lora_alpha["default"]
with torch.no_grad():
    ours, theirs = lora_forward(x, *factors(part), alpha), part(x)
print("equal to 1e-4:", torch.allclose(ours, theirs, atol=1e-4))
assert torch.allclose(ours, theirs, atol=1e-4)

# %% [markdown]
# And everywhere: every layer's own computation is replaced by your function, and the whole model must say the same.


# %%
def by_our_function(part):
    """The layer's forward pass, computed by lora_forward."""
    return lambda x: lora_forward(x, *factors(part), alpha)


row = torch.tensor([ids], device=model.device)
with torch.no_grad():
    theirs = tuned(row).logits
    for part in layers.values():
        part.forward = by_our_function(part)
    ours = tuned(row).logits
for part in layers.values():
    del part.forward  # back to the library's
print("same next token at every position:", torch.equal(ours.argmax(-1), theirs.argmax(-1)))
assert torch.allclose(ours, theirs, atol=2e-2)

# %% [markdown]
# ### Where the parameters are

# %% [markdown]
# **Predict:** which share of the model's parameters sits in attention, which in the feed-forward layers, which in the embedding?

# %%
groups = sorted(shape.groups, key=lambda group: -group[1])
rows = [(name, n, f"{n / shape.parameters:.1%}") for name, n in groups if n]
show_table(("part", "parameters", "share"), rows, f"{shape.parameters:,} parameters")
assert shape.group("feed-forward") > shape.group("attention")

# %% [markdown]
# `!` "Most parameters sit in the attention layers" is often said, because attention is what transformers are known for. The table
# says otherwise: the feed-forward layers hold more than half, and more than all attention layers together. It matters here: LoRA
# on the queries and values alone, as in the first paper, leaves the larger part of the model untouched.

# %%
rows = []
for name, targets in {"q_proj, v_proj": ("q_proj", "v_proj"), "every layer": "all-linear"}.items():
    added = sum(16 * (x.n_in + x.n_out) * x.count for x in shape.targeted(targets))
    rows.append((name, added, f"{added / shape.parameters:.2%}"))
show_table(("LoRA of rank 16 on", "trained", "share of the model"), rows)
assert rows[1][1] == tuning.trainable_count(tuned)

# %% [markdown]
# In one question:

# %%
quiz("5.e")

# %% [markdown]
# **Exercise 5.6.** What is trained? With an adapter attached, `named_parameters()` lists the model's own tensors (a layer under
# an adapter is then called `q_proj.base_layer`) and the adapter's, which have `lora_` in their names. Given a dictionary from
# names to sizes, count the numbers that a method trains:
#
# - "full": all of the model's own, without the adapter;
# - "lora": the adapter, and nothing else;
# - "bitfit": those of the model's own whose names end in "bias".


# %% tags=["exercise"] exercise="5.6"
def trained_numbers(sizes, method):
    """How many numbers (an int) "full", "lora" or "bitfit" trains. sizes: {name: count}."""
    # which names does the method choose?
    return ...


trained_numbers = check("5.6", trained_numbers)


# %% tags=["solution"] exercise="5.6"
def trained_numbers(sizes, method):
    """How many numbers (an int) "full", "lora" or "bitfit" trains. sizes: {name: count}."""
    adapter = {name for name in sizes if "lora_" in name}
    own = sizes.keys() - adapter
    biases = {name for name in own if name.endswith("bias")}
    names = {"full": own, "lora": adapter, "bitfit": biases}[method]
    return sum(sizes[name] for name in names)


trained_numbers = check("5.6", trained_numbers)

# %% [markdown]
# Three ways to be **parameter-efficient**: *selective* methods train some of the model's own weights (BitFit: the biases),
# *reparameterized* ones a low-rank change of them (LoRA), *additive* ones something new (adapters, soft prompts). Section 10 runs
# them all.

# %%
sizes = {name: p.numel() for name, p in tuned.named_parameters()}
rows = [(name, trained_numbers(sizes, name)) for name in ("full", "lora", "bitfit")]
show_table(("method", "trained numbers"), rows)
assert trained_numbers(sizes, "lora") == tuning.trainable_count(tuned)
assert trained_numbers(sizes, "full") == shape.parameters

# %% [markdown]
# BitFit would train nothing here: like most recent models, this one has no biases. Section 10 trains the scales of its norms in
# their place.

# %% [markdown]
# ### Memory, predicted

# %% [markdown]
# **Predict:** LoRA trains about 4 % of the parameters. What share of the memory does it save? The prediction of lab 04, for one
# example of the training set at a time, and what is measured on this machine.

# %% tags=["device"]
from labutils.tuning import compare_training

layers = part = None  # let go of the old model's layers
length, steps_seen, rows = lab.size(smoke=32, small=64), {}, []
for name in ("full", "lora"):
    with machine.frugal():
        steps_seen[name] = compare_training(fresh(), 1, length, name, labelled=40)
    rows += [(name, r.term, r.predicted / 2**20, r.measured / 2**20) for r in steps_seen[name].rows]
show_table(
    ("arm", "term", "predicted, MiB", "measured, MiB"), rows, f"{length} tokens, bytes of tensors"
)
peaks = {name: step["peak"] for name, step in steps_seen.items()}
record("peak MiB, measured", {name: round(row.measured / 2**20) for name, row in peaks.items()})
assert all(abs(row.residual) < 0.2 for row in peaks.values())

# %% [markdown]
# Gradients and the optimizer's two means nearly vanish. The weights stay, and so do the activations: the gradient has to travel
# through every layer to reach the first adapter.

# %% [markdown]
# ## 6. The race
#
# Fair means: both arms start from the weights of the file and see the same examples in the same order, with the same seed and
# number of steps, and both are scored on the same test. What differs is the method, and its learning rate. Full fine-tuning moves
# every weight, so a step must be small; LoRA's factors start from nothing, and take a rate ten times larger. (With one rate for
# both, one of them loses. These two were settled beforehand, after few trials; try others, and judge them by the validation
# dialogues.)

# %% [markdown]
# The plan comes first: how many examples at a time fit into the memory we allow ourselves, of a session of 4 GiB?

# %%
count = lab.size(smoke=2, small=80, gpu=480)
examples = tuning.build_examples(tokenizer, pairs[:count], window=shape.positions or None)
held_out = data["validation"][: lab.size(smoke=1, small=6, gpu=64)]
validation = tuning.build_examples(tokenizer, summaries.summary_pairs(tokenizer, held_out))
rates = {name: tuning.LEARNING_RATES[name] for name in ("full", "lora")}
folder = catch_up.folder("05")

# %% [markdown]
# **Predict** which of the two arms fits without tricks.

# %% tags=["device"]
plans = {}
for name in rates:
    plans[name] = tuning.plan_training(fresh(), examples, name, batch=4, memory_gib=memory_gib)
    print(name, "-", plans[name])
assert all(plan.ledger.gib < memory_gib for plan in plans.values())

# %% [markdown]
# Both plans stay well below what is allowed: a margin is left for what the prediction does not see, and where freed memory is not given
# back at once, room for the holes that it leaves.

# %% [markdown]
# `race` trains one arm, writes and scores its summaries, and looks at what it forgot. If you press Interrupt, the cell below goes
# on from the last step when you run it again.


# %%
def race(name):
    """Train one arm from fresh weights; what came of it."""
    tuned = tuning.prepare(fresh(), name)
    recipe = plans[name].apply(tuning.Recipe(rates[name], batch=4))
    history = tuning.train(tuned, examples, recipe, checkpoint=folder / f"{name}.checkpoint")
    result = {"history": vars(history), "trained": tuning.trainable_count(tuned)}
    result["loss"] = probes.mean_loss(tuned, validation)
    result["disk"] = catch_up.saved_bytes(tuned, folder / name, keep=name == "lora")
    return {**result, **measured(tuned.merge_and_unload() if name == "lora" else tuned)}


settings = {"examples": count, "test": len(test), "rates": rates, "parameters": shape.parameters}
settings |= {"prompt": examples[0].prompt, "questions": size}

# %% [markdown]
# **Predict:** which arm has the better summaries, and by how much? Which is faster? Then full fine-tuning:

# %% tags=["device"]
with guard("6 Full fine-tuning", need_gib=plans["full"].ledger.gib):
    arms["full"] = catch_up.cached_result(folder, "full", settings, lambda: race("full"), reuse=CATCH_UP)
print(f"{arms['full']['history']['seconds']:.0f} s of training. {arms['full']['texts'][0]}")
assert len(arms["full"]["history"]["losses"]) == -(-count // 4)

# %% [markdown]
# And LoRA:

# %% tags=["device"]
with guard("6 LoRA", need_gib=plans["lora"].ledger.gib):
    arms["lora"] = catch_up.cached_result(folder, "lora", settings, lambda: race("lora"), reuse=CATCH_UP)
print(f"{arms['lora']['history']['seconds']:.0f} s of training. {arms['lora']['texts'][0]}")
assert len(arms["lora"]["history"]["losses"]) == len(arms["full"]["history"]["losses"])

# %% [markdown]
# The losses, step by step. Each step has other examples, so the curves go up and down together.

# %% tags=["device"]
runs = {name: arms[name] for name in rates}
reports.loss_curves("Both arms learn, on the same examples in the same order", runs)
assert runs["full"]["history"]["learning_rates"] != runs["lora"]["history"]["learning_rates"]

# %% [markdown]
# The table of the race. Scores are points of ROUGE F1 with 95 % intervals over the test dialogues.

# %% tags=["device"]
caption = f"{count} examples, {-(-count // 4)} steps, {len(test)} test dialogues"
reports.race_table(caption, "zero-shot", arms, shape.parameters)
peaks = {name: run["history"]["peak_rss"] / 2**30 for name, run in runs.items()}
assert lab.device == "cuda" or max(peaks.values()) < 3.2, "an arm took more than 3.2 GiB"
assert runs["lora"]["disk"] < runs["full"]["disk"] / 10

# %% [markdown]
# Were they better than before, and than two copied turns? Is one of them better than the other? On the same dialogues, in pairs:

# %% tags=["device"]
scores, gains = {name: arm["scores"]["ROUGE-1"] for name, arm in arms.items()}, {}
for name in runs:
    gains[name] = evaluation.compare(scores[name], scores["zero-shot"], (name, "zero-shot"))
    print(gains[name])
    print(evaluation.compare(scores[name], copied, (name, "copying two turns")))
print(evaluation.compare(scores["full"], scores["lora"], ("full", "lora")))
found = {name: [round(x, 1) for x in (g.difference, g.low, g.high)] for name, g in gains.items()}
record("gain in ROUGE-1 over zero-shot, with its interval", found)
assert lab.profile == "smoke" or all(gain.low > 8 for gain in gains.values())

# %% [markdown]
# The last line of that cell asserts that both gains lie above eight points with all of their interval. What the race took, for
# the record:

# %% tags=["device"]
for name, run in runs.items():
    history = run["history"]
    speed = round(history["tokens"] / history["seconds"])
    record(
        f"{name}: seconds, tokens/s, peak GiB",
        [round(history["seconds"]), speed, round(peaks[name], 2)],
    )
    print(f"{name}: {len(history['losses'])} steps, {speed} tokens/s")
assert runs["full"]["history"]["tokens"] == runs["lora"]["history"]["tokens"]

# %% [markdown]
# A gain of that size is beyond doubt, and it is also less than it seems. Read a few summaries beside the references:

# %% tags=["device"]
for name in arms:
    print(f"{name}: {arms[name]['texts'][1]}\n")
print("reference:", test[1]["references"][0])
assert all(len(arm["texts"]) == len(test) for arm in arms.values())

# %% [markdown]
# Much of what was learned is **form**: one or two sentences, third person, names first, an end. Facts are often wrong all the
# same. ROUGE counts words, not truths (lab 06).

# %% [markdown]
# ## 7. What was forgotten
#
# Training moves weights that other abilities also used. **Catastrophic forgetting** is when those abilities go. Three small tests
# that have nothing to do with summaries: sentiment of a sentence, simple facts, continuing a pattern. Right or wrong is a coarse
# measure; the **log-likelihood** of the right answer is a finer one: how probable the model finds it, chosen or not.
# **Predict** which arm forgets more.

# %% tags=["device"]
verdicts = reports.probe_table("zero-shot", arms)
ranked = {name: verdict.sentence for name, verdict in verdicts.items() if verdict.ranked}
print(len(ranked), "of", len(verdicts), "changes of the log-likelihood leave the noise")
record("probes that changed beyond the noise", list(ranked.values()))
assert len(verdicts) == 6

# %% [markdown]
# Read the last column: a change whose interval holds 0 may be chance. And a fall is not always knowledge lost. A tuned model may
# know the answer as before, and yet want to begin in another way. If LoRA fell further than full training, do not be surprised: it
# trains fewer numbers, at a rate ten times as high.
#
# To see forgetting plainly, we provoke it: a narrower task (the answer is one word), all weights, and a rate ten times as high.
# Then the remedy: **mixing** other tasks into the training, the idea behind FLAN (Wei et al. 2021). The mixed examples are facts
# and patterns that are *not* among the questions.

# %%
tasks = {name: course.load_probes()[name].to_list() for name in ("facts", "patterns")}
others = [(row["prompt"], f" {row['answer']}") for rows in tasks.values() for row in rows[-12:]]
asked = [row for rows in tasks.values() for row in rows[: min(size, 20)]]
narrow = sentiment[: lab.size(smoke=2, small=24, gpu=84)]
mixed = narrow + tuning.build_examples(tokenizer, others[:: lab.size(smoke=12, small=1)])
print(len(others), "examples of other tasks; none is among the questions:", end=" ")
print(not {prompt for prompt, _ in others} & {row["prompt"] for row in asked})


# %% [markdown]
# One arm of this small experiment:


# %%
def answers_after(chosen):
    """Train all weights on the chosen examples at 1e-3, then ask."""
    plan = tuning.plan_training(fresh(), chosen, "full", batch=4, memory_gib=memory_gib)
    tuning.train(tuning.prepare(model, "full"), chosen, plan.apply(tuning.Recipe(1e-3, batch=4)))
    return probes.score_multiple_choice(model, tokenizer, asked)


# %% [markdown]
# Before, after the narrow training, and after the mixed one. **Predict** how much of what was lost the mixing saves.

# %% tags=["device"]
known = {"nothing": probes.score_multiple_choice(fresh(), tokenizer, asked)}
with guard("7 Mixing", need_gib=memory_gib):
    known["sentiment alone"], known["a mixture"] = answers_after(narrow), answers_after(mixed)
rows = [(name, f"{mean(a.correct):.0%}", mean(a.log_likelihoods)) for name, a in known.items()]
show_table(("trained on", "right", "log-likelihood, nats"), rows, f"{len(asked)} questions")
before, alone, mixture = (a.log_likelihoods for a in known.values())
forgot = evaluation.compare(before, alone, ("the model before", "sentiment alone"))
saved = evaluation.compare(mixture, alone, ("the mixture", "sentiment alone"))
print(forgot, saved, sep="\n")
record("forgetting and mixing", [forgot.sentence, saved.sentence])
assert lab.profile == "smoke" or (forgot.low > 0 and saved.low > 0)

# %% [markdown]
# Trained on one task alone, the model hardly finds the right answers probable any more: it would meet any question with a sentiment.
# Two dozen examples of other tasks keep most of that from happening. They cost more steps, and not everything comes back. With LoRA
# there is a way back in any case: the base is untouched, and without the adapter nothing is forgotten.

# %% [markdown]
# ## 8. The clinic
#
# Three patients. Each is a short training that ran without any error message, and is wrong. Look at the symptoms, then say what
# it is. The code is in `labutils/tuning/clinic.py`; look there afterwards. On the left of each chart, vermilion is the loss that
# the training reports, grey the loss on the completions alone, from the same steps.

# %% tags=["device"]
sick = examples[: lab.size(smoke=1, small=8)]
patient_1 = clinic.patient_1(fresh(), sick)
clinic.show_chart("Patient 1", patient_1)
assert patient_1.losses[0] < patient_1.completion_losses[0]

# %% [markdown]
# What is it?

# %%
quiz("5.b")

# %% [markdown]
# The second patient:

# %% tags=["device"]
patient_2 = clinic.patient_2(fresh(), sick)
clinic.show_chart("Patient 2", patient_2)
assert lab.profile == "smoke" or max(patient_2.losses[1:]) > patient_2.losses[0]

# %% [markdown]
# And this one?

# %%
quiz("5.c")

# %% [markdown]
# The third one was trained well, and then compared with its baseline:

# %% tags=["device"]
patient_3 = clinic.patient_3(fresh(), sick[:4], validation[:4])
rows = [(n, *pair) for n, pair in enumerate(patient_3)]
show_table(("example", "“zero-shot” loss", "fine-tuned loss"), rows, "Patient 3")
assert all(before == after for before, after in patient_3)

# %% [markdown]
# What is it?

# %%
quiz("5.d")

# %% [markdown]
# ## 9. Merge, unmerge, swap
#
# After training, the change can be added into the weight once and for all: $W' = W + \frac{\alpha}{r} B A$. The merged layer is a
# plain linear layer, and costs nothing extra.

# %% [markdown]
# **Exercise 5.7.** The two paths of 5.5 are both linear, so one matrix can do the work of both. After training the adapter is
# **merged**: one weight, as large and as fast as before.
#
# $$W' = W + \frac{\alpha}{r} B A$$
#
# Return a new tensor. The old weight is the way back, so leave it alone.


# %% tags=["exercise"] exercise="5.7"
def merge(weight, a, b, alpha):
    """The one weight (n_out, n_in) that does what the layer and its adapter do together."""
    return ...


merge = check("5.7", merge)


# %% tags=["solution"] exercise="5.7"
def merge(weight, a, b, alpha):
    """The one weight (n_out, n_in) that does what the layer and its adapter do together."""
    scale = alpha / a.shape[0]
    return weight + scale * (b @ a)


merge = check("5.7", merge)

# %% [markdown]
# The adapter of the race, from its files, over a fresh base. Merged by hand and by the library, and taken out again.

# %%
from peft import PeftModel

tuned = PeftModel.from_pretrained(fresh(), folder / "lora", adapter_name="summaries").eval()
part = next(p for p in tuned.modules() if hasattr(p, "lora_A"))
a, b = (factor["summaries"].weight.detach() for factor in (part.lora_A, part.lora_B))
before = part.base_layer.weight.detach().clone()
by_hand = merge(before, a, b, part.lora_alpha["summaries"])

# %% [markdown]
# The loss on two dialogues with the adapter beside the weights, then merged into them:

# %%
apart = probes.mean_loss(tuned, validation[:2])
tuned.merge_adapter()
together = probes.mean_loss(tuned, validation[:2])
print("merged alike:", torch.allclose(by_hand, part.base_layer.weight, atol=1e-5))
tuned.unmerge_adapter()
print("and taken out again:", torch.allclose(part.base_layer.weight, before, atol=1e-5))
assert torch.allclose(by_hand, before + part.scaling["summaries"] * b @ a, atol=1e-5)
assert abs(apart - together) < 1e-3

# %% [markdown]
# The same outputs, and the weight is back (up to the rounding of an addition and a subtraction). What does merging save? Seconds
# for the same eight summaries, apart and merged:

# %% tags=["device"]
seconds, some = {}, test[: lab.size(smoke=1, small=2)]
for name in ("apart", "merged"):
    if name == "merged":
        tuned.merge_adapter()
    began = time.perf_counter()
    summaries.write_summaries(tuned, tokenizer, some, max_new_tokens=longest)
    seconds[name] = round(time.perf_counter() - began, 2)
tuned.unmerge_adapter()
print(seconds, "seconds")
record("seconds to write, adapter apart and merged", seconds)
assert min(seconds.values()) > 0

# %% [markdown]
# ### Two adapters on one base
#
# An adapter is small, so one base can serve many tasks: load it once and **swap** adapters. A second one, for the sentiment of
# reviews, is trained over the same base; the first is not touched.

# %%
from peft import LoraConfig

tuned.add_adapter("sentiment", LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"))
tuned.set_adapter("sentiment")
test_reviews = [row for row in reviews["test"] if row["label"] != "mixed"]
test_reviews = test_reviews[: lab.size(smoke=2, small=24, gpu=84)]
choices = list(prompting.SENTIMENT.labels)
judged = [
    {"prompt": prompt, "choices": choices, "answer": answer.strip()}
    for prompt, answer in review_pairs(test_reviews)
]


def right(net):
    """1.0 or 0.0 for each of the judged reviews."""
    return [float(x) for x in probes.score_multiple_choice(net, tokenizer, judged).correct]


# %% [markdown]
# Train the second adapter, then judge reviews with it and without any:

# %% tags=["device"]
history = tuning.train(tuned, narrow, tuning.Recipe(1e-3, batch=4))
accuracy = {}
with tuned.disable_adapter():
    accuracy["before"] = right(tuned)
accuracy["lora, rank 8"] = right(tuned)
names = ("the adapter", "the base alone")
print(evaluation.compare(accuracy["lora, rank 8"], accuracy["before"], names))
assert len(accuracy["before"]) == len(judged)

# %% [markdown]
# Back to the first adapter. Has it changed?

# %%
trained = {
    "lora, rank 8": sum(p.numel() for n, p in tuned.named_parameters() if ".sentiment." in n)
}
tuned.set_adapter("summaries")
swapped = probes.mean_loss(tuned, validation[:2])
print("the loss on summaries is what it was:", abs(swapped - apart) < 1e-3)
assert abs(swapped - apart) < 1e-3

# %% [markdown]
# ## 10. Other methods, and the rank
#
# Side by side on the small task, each from fresh weights on the same reviews: *selective* (the norms' scales, as this model has
# no biases), *reparameterized* (LoRA of three ranks), *additive* (adapters after each feed-forward part; a soft prompt of 20
# vectors before the input). **Predict** the order.

# %%
trials = {
    "norms (BitFit-like)": tuning.Method("bitfit"),
    "lora, rank 2": tuning.Method("lora", lora_rank=2),
    "lora, rank 32": tuning.Method("lora", lora_rank=32),
    "adapters": tuning.Method("adapters"),
    "prompt tuning": tuning.Method("prompt_tuning"),
}
last = {"lora, rank 8": history.losses[-1]}

# %% [markdown]
# Each of them from fresh weights, one pass over the same reviews:

# %% tags=["device"]
for name, method in trials.items():
    tuned = tuning.prepare(fresh(), method)
    recipe = tuning.Recipe(tuning.LEARNING_RATES[method.name], batch=4)
    history = tuning.train(tuned, narrow, recipe)
    trained[name], last[name] = tuning.trainable_count(tuned), history.losses[-1]
    accuracy[name] = right(tuned)
soft = tuned.get_prompt(1)[0].detach()  # of the last method: (20, hidden size)
assert trained["norms (BitFit-like)"] < trained["lora, rank 2"] < trained["lora, rank 32"]

# %% [markdown]
# As a table, the model before training first:

# %% tags=["device"]
caption = f"{len(narrow)} reviews to learn from, {len(judged)} to judge"
reports.methods_table(caption, accuracy, trained, last, shape.parameters)
record("methods: share right", {name: round(mean(v), 3) for name, v in accuracy.items()})
ranks = ("rank 32", "rank 2")
print(evaluation.compare(accuracy["lora, rank 32"], accuracy["lora, rank 2"], ranks))
assert set(accuracy) == {"before", *trained}

# %% [markdown]
# Sixteen times the rank: the sentence below the table says whether a difference can be seen. Ranks of 4 to 32 are usual. A larger
# one is more room for what is learned, and a task as small as this needs little.

# %% [markdown]
# Prompt tuning trains by far the fewest numbers. With small models it lags behind, and needs many more steps than are taken here;
# it catches up with full fine-tuning at about 10 billion parameters (Lester et al. 2021).

# %% [markdown]
# **Exercise 5.8.** A soft prompt consists of vectors that were trained, not of words. Which words are they near? Compare
# directions, not lengths, by the **cosine**: the dot product divided by both lengths,
#
# $$\cos(v, e) = \frac{v \cdot e}{|v| \, |e|}$$
#
# It is 1 for the same direction, 0 for a right angle, -1 for the opposite. Return the row of the embeddings (its number, an
# int) that has the largest cosine to the vector.


# %% tags=["exercise"] exercise="5.8"
def nearest_word(vector, embeddings):
    """The row (an int) of embeddings (V, D) whose direction is nearest to vector (D,)."""
    # 1. all dot products  2. divide by the lengths  3. the largest
    return ...


nearest_word = check("5.8", nearest_word)


# %% tags=["solution"] exercise="5.8"
def nearest_word(vector, embeddings):
    """The row (an int) of embeddings (V, D) whose direction is nearest to vector (D,)."""
    lengths = embeddings.norm(dim=1)  # (V,)
    cosines = embeddings @ vector / (lengths * vector.norm())
    return int(cosines.argmax())


nearest_word = check("5.8", nearest_word)

# %% [markdown]
# The soft prompt began as the vectors of 20 random words. To which words of the vocabulary are its vectors nearest now?

# %% tags=["device"]
embeddings = model.get_input_embeddings().weight.detach().clone()
found = tuning.nearest_words(soft, embeddings, tokenizer)
rows = [(n, repr(best[0][0]), round(best[0][1], 2)) for n, best in enumerate(found[:8])]
show_table(("vector", "nearest token", "cosine"), rows)
ours = [nearest_word(vector, embeddings) for vector in soft[:8]]
assert [tokenizer.decode([i]) for i in ours] == [best[0][0] for best in found[:8]]

# %% [markdown]
# Where the cosine is near 1, the vector has hardly left the word that it began as; where it is small, no word is near it. Either
# way the words make no sentence. A soft prompt is not a text, and cannot be read.

# %%
quiz("5.f")

# %% [markdown]
# ## 11. QLoRA
#
# What is left of LoRA's memory are the frozen weights and the activations. **QLoRA** (Dettmers et al. 2023) keeps the frozen
# weights in 4 bits (lab 04's NF4). In terms of memory, for this model and for one sixty times its size:

# %%
from transformers import LlamaConfig

from labutils.memory import TrainingSetup, predict_training

sizes = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32}
big = Shape.of(LlamaConfig(**sizes, num_key_value_heads=8, vocab_size=128_256))


def step_gib(which, dtype, **settings):
    """GiB at the peak of a training step of 512 tokens, predicted."""
    return round(predict_training(which, TrainingSetup(1, 512, dtype=dtype, **settings)).gib, 2)


# %% [markdown]
# **Predict** the last column for 8 B: what do 8 billion weights take at 4 bits?

# %%
rows = []
for name, which, dtype in (("this model", shape, "float32"), ("8 B", big, "bfloat16")):
    full = step_gib(which, "mixed" if which is big else dtype)
    lora = step_gib(which, dtype, method="lora")
    rows.append((name, full, lora, step_gib(which, dtype, method="lora", weights="nf4 double")))
show_table(("model", "full, GiB", "LoRA, GiB", "QLoRA, GiB"), rows, "Predicted peak, 512 tokens")
assert rows[1][3] < 0.6 * rows[1][2] and rows[1][2] < rows[1][1] / 4

# %% [markdown]
# And run, on the same reviews. **Predict:** is it faster or slower than LoRA?

# %% tags=["device"]
tuned = tuning.prepare(fresh(), tuning.Method("qlora", lora_rank=8))
frozen = [t for name, t in tuned.state_dict().items() if "lora_" not in name]
held = machine.GB**-1 * sum(t.nbytes for t in {t.data_ptr(): t for t in frozen}.values())
some = narrow[: lab.size(smoke=2, small=16)]
history = tuning.train(tuned, some, tuning.Recipe(1e-3, batch=4))
print(f"frozen weights: {held:.3f} GB in place of {4e-9 * shape.parameters:.3f} GB")
print(f"{history.tokens_per_second:.0f} tokens/s, losses {[round(x, 2) for x in history.losses]}")
record("QLoRA: tokens/s", round(history.tokens_per_second))
assert held < 2e-9 * shape.parameters and max(history.losses) < 20
frozen = None

# %% [markdown]
# Slower here: each use of a layer turns its codes back into numbers first. On a GPU special kernels hide most of that. QLoRA is
# for memory, not for speed. And the embedding stays dense, which in a model this small is a fifth of it.

# %% [markdown]
# ## 12. How many examples?
#
# LoRA on none, on a few, and on all of the race's examples; then, marked *longer*, on more. Each run is one pass from fresh
# weights, measured by the loss on validation dialogues. **Predict** the shape of the curve.

# %% tags=["device"]
losses = {0: probes.mean_loss(fresh(), validation), count: arms["lora"]["loss"]}
recipe = plans["lora"].apply(tuning.Recipe(rates["lora"], batch=4))
for n in [lab.size(smoke=1, small=10, gpu=30), *([120, 480] if LONGER else [])]:
    tuned = tuning.prepare(fresh(), "lora")
    tuning.train(tuned, everything[:n], recipe)
    losses[n] = probes.mean_loss(tuned, validation)
curve = sorted((n, round(loss, 3)) for n, loss in losses.items())
show_table(("examples", "validation loss, nats a token"), curve)
if not LONGER:
    print("120 and 480 examples are left out here: LONGER = True takes some ten minutes more.")
record("validation loss by examples", {str(n): loss for n, loss in curve})
assert losses[0] == max(losses.values())

# %% [markdown]
# The first examples bring most. They teach the form; what comes later is harder, and dearer.

# %% [markdown]
# ## 13. Two kinds of transfer
#
# Fine-tuning changes the model. The other kind of transfer leaves it alone: **feature-based** transfer takes what the frozen
# model computes for a text as *features*, and trains a small classifier on them. **Predict:** how good is it on the reviews,
# beside the adapter?

# %% tags=["device"]
learn = review_pairs(pool[: len(narrow)])
x = features.last_hidden_states(fresh(), tokenizer, [prompt for prompt, _ in learn])
y = torch.tensor([float(answer == " positive") for _, answer in learn])
x_test = features.last_hidden_states(model, tokenizer, [row["prompt"] for row in judged])
middle, spread = x.mean(0), x.std(0) + 1e-6
assert x.shape == (len(narrow), shape.hidden)

# %% [markdown]
# A logistic regression on these vectors, standardised:

# %% tags=["device"]
weights, bias = features.fit_logistic((x - middle) / spread, y)
says = (x_test - middle) / spread @ weights + bias > 0
accuracy["features"] = [
    float(bool(yes) == (row["answer"] == "positive")) for yes, row in zip(says, judged, strict=True)
]
print(f"{mean(accuracy['features']):.0%} right")
names = ("the adapter", "the classifier")
print(evaluation.compare(accuracy["lora, rank 8"], accuracy["features"], names))
record("features: share right", round(mean(accuracy["features"]), 3))
assert len(says) == len(judged)

# %% [markdown]
# Feature-based transfer needs one pass through the model and seconds of training. It cannot learn to write, only to sort.

# %% [markdown]
# ## 14. What a sceptic would say
#
# - *"The prompt."* One wording was tried here. Another one, or another place for the instruction, moves the zero-shot score by a few
#   points (lab 03), and a gain is counted from that score.
# - *"One seed."* True. Another order of the examples gives other scores, and the intervals, which resample test dialogues, know
#   nothing of it. A small lead of one arm over the other may be the seed's.
# - *"The rates were chosen for you."* They were, after few trials. A method with a badly chosen rate loses any race: most surprising
#   comparisons are comparisons of rates.
# - *"ROUGE rewards form."* Yes. Section 6 shows it. Read the summaries.
# - *"So few examples."* The course's set has 500. One epoch of all is a matter of minutes on a GPU; `LONGER` shows the loss.
# - *"A 135 M model."* The same cells run on another decoder with `LABS_MODEL`. What LoRA saves grows with the parameters, so a
#   larger model gains more by it. Encoder-decoders are trained by the same loop from the terminal:
#
# The same loop on several GPUs or machines, from a terminal:
# `torchrun --nproc-per-node 2 -m labutils.tuning.launch --method lora --out tuned`

# %% [markdown]
# ## Where you stand

# %% tags=["device"]
progress("05")
assert shape.parameters == Shape.of(model).parameters
