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
# # Lab 07. Forgetting and the other methods
#
# Lab 05 trained a model and lab 06 judged it on the task it was trained for. Here you ask what the training did to everything else. Then
# you put LoRA beside its relatives, which train less, store less or leave the model alone altogether.
#
# By the end you can
# - measure what a model forgot, question by question, with intervals, and try rehearsal against two controls;
# - compare LoRA with full fine-tuning by what they forget, at the same number of steps and at equal learning;
# - swap adapters over one base, and measure what an adapter costs when the model writes;
# - place BitFit, bottleneck adapters, prompt tuning, LoRA and QLoRA by parameters, memory and result;
# - compare fine-tuning with a classifier on frozen features, and say what the number of test questions allows you to conclude;
# - recognise three classic faults of training code by their charts.
#
# The core path has seven exercises and three quizzes and takes about two hours. *Going further*, at the end, is optional.
# `hint("7.1")` helps with exercise 7.1, and so on. If the next cell finds no `labutils`, choose *Kernel > Change Kernel > LLM
# Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# The second cell looks at the machine and shows where this lab stands in the life of a project. `fresh` loads the weights from their file
# again. Training changes a model in place, so every experiment begins with `fresh()`.

# %% tags=["device"]
lab = start("07", seed=0)

import copy
import gc
import hashlib
from statistics import fmean as mean
from statistics import median

import torch
from sklearn.linear_model import LogisticRegression

from labutils import course, evaluation, tuning
from labutils.course import show_map, show_table
from labutils.memory import Shape
from labutils.tuning import clinic, exams, features, latency, probes

model, tokenizer = load_model(needs="blocks")
shape = Shape.of(model)


def fresh():
    """The model as its file has it; the earlier one is let go."""
    global model
    model = None
    gc.collect()
    model, _ = load_model(needs="blocks")
    return model


show_map("07")
assert lab.name == "07"

# %% [markdown]
# ## 1. Five tests before the training
#
# What can be forgotten must be there first. Five small tests look at five abilities. *facts*, *patterns* and *sentiment* offer choices.
# *opposites* and *kinds* offer none, and an answer is right if it is what the model would write first, out of its whole vocabulary.
#
# All answers are judged by their first token, so one pass through the model answers a whole test. (Questions whose choices begin alike
# are left out.) Sentiment is asked in a sentence that a positive or negative word completes, because the bare review asks nothing.

# %%
words = course.load_words()


def word_rows(split, *tasks):
    """Questions such as "opposite: hot ->", each with its answer."""
    rows = [row for row in words[split] if row["task"] in tasks]
    return [{"prompt": f"{row['task']}: {row['word']} ->", "answer": row["answer"]} for row in rows]


def examples_of(rows):
    """The same questions to train on."""
    return tuning.build_examples(tokenizer, [(row["prompt"], f" {row['answer']}") for row in rows])


exam = {name: probes.told_apart(tokenizer, rows.to_list()) for name, rows in course.load_probes().items()}
exam["sentiment"] = [{**row, "prompt": f"Review: {row['prompt']} The review is"} for row in exam["sentiment"]]
exam |= {"opposites": word_rows("test", "opposite"), "kinds": word_rows("test", "kind")}
for name, rows in exam.items():
    print(f"{name:10} {len(rows)} questions:", rows[0]["prompt"], rows[0].get("choices", ""), "  answer:", rows[0]["answer"])

# %% [markdown]
# Beside right and wrong stands a finer measure, the **log-likelihood** of the right answer, in nats. It is the natural logarithm of the
# probability that the model gives to this answer, whether it chooses it or not. One nat less means a probability divided by e, about 2.7.
# Here are the right answers of the model as it comes. The log-likelihoods follow as soon as there is a second model to compare with.
#
# **Try it.** Add a question of your own to `exam["facts"]`, with its choices, before you run the cell.

# %% tags=["device"]
size = lab.size(smoke=6, small=100)  # questions per test; all of them at `small`
exam = {name: rows[:size] for name, rows in exam.items()}
others = [name for name in exam if name != "kinds"]
chance = {name: mean(1 / len(row["choices"]) for row in exam[name]) for name in ("facts", "patterns", "sentiment")}


def measured(net, names=tuple(exam)):
    """The answers to all five tests, or to some."""
    return {name: probes.score_first_tokens(net, tokenizer, exam[name]) for name in names}


after = {"before": measured(model)}
exams.exam_table("Right answers in per cent, with 95 % intervals", after)
assert set(after["before"]) == set(exam)

# %% [markdown]
# ## 2. Training on one narrow task
#
# Now we train all weights on one narrow task. There are 24 *kinds* to learn from, such as *kind: tuna -> fish*, and every answer is one of
# four words. Forgetting is provoked on purpose, by a rate ten times as high as one would choose and by a task that has little in
# common with the other tests. (Only *opposites* is asked in the same form.)
#
# The model began above with all or nearly all answers of the sentiment test right. How much of that will be left after 9 steps?

# %%
predict("7.p1")

# %% tags=["device"]
narrow = examples_of(word_rows("pool", "kind"))[: lab.size(smoke=8, small=24)]
n_steps = lab.size(smoke=2, small=18)
half = n_steps // 2
looks = sorted({max(1, n_steps // 6), max(1, n_steps // 3), half})  # steps after which a run of section 3 or 4 is tested


def train(name, method, examples, rate, steps=n_steps, look_at=()):
    """Train fresh weights for `steps` steps of 8 examples; the results after the steps in look_at and at the end go into `after`."""
    net = tuning.prepare(fresh(), method)

    def look(number, history):
        if number + 1 in look_at:
            after[f"{name}, {number + 1} steps"] = measured(net)

    recipe = tuning.Recipe(rate, batch=8, epochs=-(-8 * steps // len(examples)), decay=False, frugal=True)
    history = tuning.train(net, examples[: 8 * steps], recipe, on_step=look)
    after[f"{name}, {len(history.losses)} steps"] = measured(net)
    return net


with guard("2 All weights, too high a rate", need_gib=2.7):
    net = train("full, 1e-3", "full", narrow, 1e-3, steps=half)
broken = after[f"full, 1e-3, {half} steps"]
exams.exam_table("Before and after", {"before": after["before"], "after": broken})
outcome("7.p1", 100 * mean(broken["sentiment"].correct))
assert len(broken) == len(exam)

# %% [markdown]
# **Exercise 7.1.** Two shares of right answers hide what happened to individual questions. If ten answers are lost and ten others are won,
# the share stays where it was. Count both. What was **lost** is a share of the questions that were right before. What was **gained** is a
# share of those that were wrong before.


# %% tags=["exercise"] exercise="7.1"
def lost_and_gained(before, after):
    """(lost, gained): two shares from two equally long lists of True and False; 0.0 for the share of an empty group."""
    # 1. the answers after, of the questions that were right before
    # 2. the answers after, of the others
    return ...


lost_and_gained = check("7.1", lost_and_gained)


# %% tags=["solution"] exercise="7.1"
def lost_and_gained(before, after):
    """(lost, gained): two shares from two equally long lists of True and False; 0.0 for the share of an empty group."""
    known = [y for x, y in zip(before, after, strict=True) if x]
    unknown = [y for x, y in zip(before, after, strict=True) if not x]
    lost = 1 - sum(known) / len(known) if known else 0.0
    gained = sum(unknown) / len(unknown) if unknown else 0.0
    return lost, gained


lost_and_gained = check("7.1", lost_and_gained)

# %% [markdown]
# Your function on the five tests, and below it how the log-likelihood of the right answers changed. The comparison is paired, question by
# question.

# %% tags=["device"]
rows = []
for name in exam:
    lost, gained = lost_and_gained(after["before"][name].correct, broken[name].correct)
    rows.append((name, f"{100 * lost:.0f} %", f"{100 * gained:.0f} %"))
show_table(("test", "lost, of what was right", "gained, of what was wrong"), rows, "All weights, rate 1e-3")
verdicts = exams.change_table("Nats per answer, with 95 % intervals", {"before": after["before"], "after": broken}, others)
record("forgetting: change in nats per answer", round(verdicts["after"].difference, 2))
net = None
assert set(verdicts) == {"after"}

# %% [markdown]
# Read *gained* beside what guessing gives. A model that picks one of four choices at random is right on a quarter of the questions it did
# not know. And mind the size of the groups. Where everything was right before, *gained* is the share of an empty group and shows 0 %. Only
# one kind in twenty was right before, so *lost* of the kinds is a share of two questions.
#
# Then read the two tables together. A log-likelihood can fall far while the choice among several stays right. In that case the knowledge
# may still be there, and what has changed is what the model wants to say first. Where the choices are lost as well, more is gone than a
# habit. That is **catastrophic forgetting**.
#
# ## 3. Rehearsal, and its controls
#
# The first remedy is a lower rate. This section takes 3e-4, less than a third of the rate above and still three times a usual one. The
# second is **rehearsal**, which mixes examples of other tasks into the training. A fair test of it needs controls. The mixture below has
# as many steps as the training on kinds alone, and half of its examples are kinds. It is therefore compared with two runs, one with the
# same number of *steps* (18) and one with the same number of *kinds* seen (9 steps of kinds alone). After the first step, which is taken
# at half the rate, the rate is constant, so a look at the 18-step run after 9 steps stands for a run of 9.
#
# What is rehearsed are plurals and opposites, with other words than those in the test. Facts, patterns and sentiment are not rehearsed.

# %%
predict("7.p2")

# %% tags=["device"]
rehearsed = examples_of(word_rows("pool", "opposite")[:12] + word_rows("pool", "plural")[:12])[: len(narrow)]
with guard("3 Rehearsal and its controls", need_gib=2.7):
    net = train("kinds, 3e-4", "full", narrow, 3e-4, look_at=looks)
    weight_name = "model.layers.15.mlp.up_proj"
    full_weight = net.get_submodule(weight_name).weight.detach().clone()
    net = None  # two trained models do not fit
    net = train("mixture, 3e-4", "full", narrow + rehearsed, 3e-4)
net = None
kinds_half, kinds_all, mixture = (
    after[f"{name}, 3e-4, {n} steps"] for name, n in (("kinds", half), ("kinds", n_steps), ("mixture", n_steps))
)
arms = {"before": after["before"], f"kinds, {half}": kinds_half, f"kinds, {n_steps}": kinds_all, f"mixture, {n_steps}": mixture}
exams.exam_table("Right answers in per cent, all weights at 3e-4, by examples and steps", arms)
unrehearsed = ["facts", "patterns", "sentiment"]
for tests in (["opposites"], unrehearsed):
    print(", ".join(tests) + ", log-likelihood in nats per answer")
    print("  same steps:", exams.compare_on(tests, mixture, kinds_all, ("the mixture", "kinds alone")))
    print("  same kinds:", exams.compare_on(tests, mixture, kinds_half, ("the mixture", "kinds alone")))
gain = exams.compare_on(unrehearsed, mixture, kinds_all)
outcome("7.p2", 3 if not gain.ranked else 1 if gain.difference > 0 else 2)
record("rehearsal: nats gained on unrehearsed tests", [round(x, 2) for x in (gain.difference, gain.low, gain.high)])
assert len(arms) == 4

# %% [markdown]
# The comparison of *same steps* asks what you get for the same computing time, and *same kinds* whether the other examples help or
# whether the narrow task was simply seen less often. Only if both agree has rehearsal itself done something. When this lab was written,
# they agreed on the opposites. On the three tests that were not rehearsed they did not. There, in nats, the mixture was ahead of the
# longer run and behind the shorter one, so fewer kinds are enough to explain its lead. In right answers it had no lead at all:
# *sentiment* fell almost to guessing, which the training on kinds alone had not done, and the other two tests hardly moved. Without the
# second control and the second measure it would have passed for a success of rehearsal.
#
# Finally look at the row *kinds*, the task that the training is for. A remedy that also stops the learning is no remedy.
#
# Rehearsal protects what is rehearsed. FLAN (Wei et al. 2021) makes another claim, that training on many tasks helps on tasks that were
# not among them. They used dozens of tasks and a far larger model.
#
# **Try it.** Put facts that you write yourself into `rehearsed` and run the cell again.
#
# ## 4. LoRA beside full fine-tuning
#
# Now LoRA takes the same 18 steps on the same kinds, at its own usual rate. Biderman et al. (2024) report that LoRA *learns less and
# forgets less*. They trained models of 7 billion parameters on code and mathematics, for far longer. Does it hold here?

# %%
predict("7.p3")

# %% tags=["device"]
with guard("4 LoRA", need_gib=1.5):
    tuned = train("LoRA, 1e-3", tuning.Method("lora", lora_rank=16), narrow, 1e-3, look_at=looks)
lora = after[f"LoRA, 1e-3, {n_steps} steps"]
arms = {"before": after["before"], f"full, 1e-3, {half} steps": broken}
arms |= {f"full, 3e-4, {n_steps} steps": kinds_all, f"LoRA, 1e-3, {n_steps} steps": lora}
exams.exam_chart("Right answers before and after training on kinds", arms, chance)
exams.exam_table("The same numbers", arms)
exams.change_table("Nats per answer, with 95 % intervals", arms, others)
forgets = exams.compare_on(others, lora, kinds_all, ("LoRA", "full at 3e-4"))
learns = evaluation.compare(lora["kinds"].correct, kinds_all["kinds"].correct, ("LoRA", "full at 3e-4"))
print("the four other tests, nats per answer:", forgets)
print("kinds, share of right answers:", learns)
outcome("7.p3", 3 if not forgets.ranked else 2 if forgets.difference > 0 else 1)
record("LoRA minus full, other tests, nats", [round(x, 2) for x in (forgets.difference, forgets.low, forgets.high)])
assert len(lora) == len(exam)

# %% [markdown]
# The two comparisons answer the question for these steps, these rates, this task and one seed. When this was written, LoRA and full
# fine-tuning at the lower rate could not be told apart by their right answers on the kinds. (In nats, in the table further down, LoRA was
# ahead.) Over the four other tests together LoRA forgot more.
#
# Now read the table test by test. The four tests did not agree. On *sentiment* and *facts* LoRA forgot no more than full fine-tuning did,
# and the extra forgetting came from *patterns* and *opposites*. So the answer depends on what you ask about, and an average over tests
# depends on which tests are in it. None of this refutes Biderman et al., who searched for a good rate for each method before they
# compared. It shows that LoRA does not always forget less. The rate and the test decide.
#
# Compare the two full runs as well. The one at the higher rate forgot far more in half as many steps, and the gap between the two is
# larger than the one between LoRA and full fine-tuning.
#
# ### At equal learning
#
# The same number of steps is not the same amount of learning. Both runs were also examined along the way. The chart has a point for each
# such moment. Further right means more learned, further up means more kept.
#
# The first sentence below the table compares the two at the first look where each had nine kinds of ten right (last column). The second
# compares full fine-tuning there with its own end. The last table shows what each had lost or gained on every test at that first look.

# %% tags=["device"]
ways = {"full, 3e-4": "kinds, 3e-4", "LoRA, 1e-3": "LoRA, 1e-3"}
seen = {way: {n: after[f"{name}, {n} steps"] for n in [*looks, n_steps]} for way, name in ways.items()}
exams.trade_chart("What was learned and what was kept, step by step", after["before"], seen, "kinds", others, first_colour=2)
first_look = {
    way: next((n for n, scores in path.items() if mean(scores["kinds"].correct) >= 0.9), n_steps) for way, path in seen.items()
}
early = {f"{way} after {n} steps": seen[way][n] for way, n in first_look.items()}
names = list(early)
print(exams.compare_on(others, *early.values(), names))
print(exams.compare_on(others, kinds_all, early[names[0]], (f"full after {n_steps} steps", names[0])))
exams.change_table("Nats per answer, with 95 % intervals", {"before": after["before"], **early}, others)
assert set(first_look) == set(ways)

# %% [markdown]
# When this was written, full fine-tuning had nine kinds of ten right at the first look, after 3 steps, and LoRA at the second, after 6.
# (There was no look in between, and 40 kinds are few: full fine-tuning fell back at its second look.) At those points full fine-tuning was
# still ahead, but by only a tenth of the gap after 18 steps. Most of the forgetting came afterwards, in steps that brought hardly another
# right answer on the kinds. There LoRA lost more in its remaining 12 steps than full fine-tuning in its 15. At these rates LoRA forgot
# faster once it had learned, and most of the gap arose in steps that neither run needed.
#
# Read the last table test by test. *sentiment* and *facts* stood even higher than before the training, and *opposites* had already fallen
# far, further with LoRA. The four tests together look unharmed only because gains on some make up for losses on another. So some
# forgetting comes with the learning, first on the test that looks most like the training, and the rest comes afterwards.
#
# The cheapest remedy is to stop in time. For that you need held-out questions on the task, other than those of the test on which you
# report. Here, for brevity, the test played both parts.
#
# ### Where the change went
#
# Why would anybody expect LoRA to forget less? One explanation looks at the change of a weight matrix. It can be split into directions,
# the singular vectors, and the squared **singular values** say how much of the change lies in each. A LoRA of rank 16 has at most 16
# directions.
#
# **Exercise 7.2.** How many directions hold, say, nine tenths of a change? Take the largest first. The sum of the squared singular values
# equals the sum of all squared elements.


# %% tags=["exercise"] exercise="7.2"
def directions(change, share):
    """How many of the largest directions hold at least `share` of the sum of squares; change: (n_out, n_in); an int."""
    values = torch.linalg.svdvals(change)  # the largest first
    return ...


directions = check("7.2", directions)


# %% tags=["solution"] exercise="7.2"
def directions(change, share):
    """How many of the largest directions hold at least `share` of the sum of squares; change: (n_out, n_in); an int."""
    parts = torch.linalg.svdvals(change).square()  # the largest first
    return int((parts.cumsum(0) < share * parts.sum()).sum()) + 1


directions = check("7.2", directions)

# %% [markdown]
# Here they are counted for one feed-forward matrix in the middle of the model, out of min(1536, 576) = 576 possible directions.

# %% tags=["device"]
part = tuned.get_submodule(f"base_model.model.{weight_name}")
changes = {
    "full, 3e-4": full_weight - part.base_layer.weight.detach(),
    "LoRA, 1e-3": part.get_delta_weight("default").detach(),
}
rows = [(name, directions(c, 0.5), directions(c, 0.9), float(c.norm())) for name, c in changes.items()]
show_table(("run", "directions for half", "directions for 90 %", "length of the change"), rows, weight_name)
full_weight = changes = None
assert rows[1][2] <= 16

# %% [markdown]
# The number of directions says how a change is spread, and the last column how long it is. A change in few directions can be as long as
# one in many. When this was written, the two changes were about equally long. LoRA's had far fewer directions, and yet LoRA forgot more.
# So in this one matrix, after this short run, the number of directions does not explain who forgets. Even full fine-tuning's change
# filled few of the 576. After far longer runs, Biderman et al. find ranks in full fine-tuning that are ten to a hundred times those of a
# usual LoRA, and they see in that a possible reason for what they measured.
#
# ## 5. Two adapters on one base
#
# Whatever a LoRA forgot, the base underneath has forgotten nothing. So one base can serve many tasks. Load it once and **swap** adapters.
# A second adapter, for opposites, is trained over the very same base. A fingerprint of all base weights, to the last bit, is taken
# before and afterwards.

# %% tags=["device"]
from peft import LoraConfig


def fingerprint(net):
    """A hash of every weight that is not an adapter's."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        if "lora_" not in name:
            digest.update(tensor.contiguous().numpy(force=True).data)
    return digest.hexdigest()[:16]


base_before = fingerprint(tuned)
tuned.add_adapter("opposites", LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
tuned.set_adapter("opposites")
recipe = tuning.Recipe(1e-3, batch=8, epochs=lab.size(smoke=1, small=3))
_ = tuning.train(tuned, examples_of(word_rows("pool", "opposite")), recipe)
swaps = {}
for name in ("default", "opposites"):
    tuned.set_adapter(name)
    swaps[{"default": "adapter for kinds"}.get(name, "adapter for opposites")] = measured(tuned, ("kinds", "opposites"))
with tuned.disable_adapter():
    swaps = {"no adapter": measured(tuned, ("kinds", "opposites"))} | swaps
exams.exam_table("One base, right answers in per cent", swaps)
print("base weights before and after:", base_before, fingerprint(tuned))
assert fingerprint(tuned) == base_before

# %% [markdown]
# The two fingerprints are the same, and without an adapter the model answers as it did before any training. For a service with a hundred
# customers that is one model and a hundred small files.
#
# ### What an adapter costs when the model writes
#
# LoRA can also be **merged**, as in lab 05. A merged layer is a plain linear layer again, so in theory it costs nothing. An adapter that
# stays beside the weights adds two thin multiplications to every layer it belongs to. What does that cost? Three models write the same
# number of tokens, one after the other in each round, so that a busy moment of the machine meets all three.

# %%
predict("7.p4")

# %% tags=["device"]
tuned.set_adapter("default")  # the one for kinds
tuned.delete_adapter("opposites")
merged = copy.deepcopy(tuned).merge_and_unload()
writers = {"bare base": load_model(needs="blocks")[0], "adapter beside": tuned, "merged": merged}
count, rounds = lab.size(smoke=4, small=16), lab.size(smoke=2, small=5)
speeds = latency.writing_speeds(writers, tokenizer, "Once upon a time", count, rounds)
latency.speed_table(speeds, f"{rounds} rounds of {count} tokens, one text at a time")
slower = {name: median(values) for name, values in latency.more_time(speeds).items()}
outcome("7.p4", slower["adapter beside"])
record("more time than the bare base, per cent", {name: round(value) for name, value in slower.items()})
assert all(len(values) == rounds for values in speeds.values())
writers = net = merged = tuned = part = None

# %% [markdown]
# Look at the spread before you read a difference into the medians. The cost of an adapter is mostly the start of many small operations, so
# it weighs most where one token at a time is computed.
#
# **Try it.** Let the three read a long prompt and write four tokens. Does the order stay?
#
# ## 6. Other methods
#
# Methods that train few numbers come in three families.
#
# - *Selective* methods train some of the model's own weights. **BitFit** (Ben Zaken et al. 2022) takes the biases.
# - *Reparameterized* ones train a change of a special form. LoRA is one.
# - *Additive* ones put something new into the model. **Adapters** (Houlsby et al. 2019) are small networks inside the blocks, and a
#   **soft prompt** (Lester et al. 2021) is a row of vectors in front of the input.
#
# **Exercise 7.3.** Write BitFit's choice. From a list of parameter names return those that are trained, in their order. They are the
# names that end in *bias*. Many recent models, and ours, have none at all. In that case the names with *norm* in them take their place.
# They hold the scales of the norms.


# %% tags=["exercise"] exercise="7.3"
def bitfit_names(names):
    """The names that BitFit trains, a list in the order of `names`."""
    # the biases; where there are none, the norms
    return ...


bitfit_names = check("7.3", bitfit_names)


# %% tags=["solution"] exercise="7.3"
def bitfit_names(names):
    """The names that BitFit trains, a list in the order of `names`."""
    biases = [name for name in names if name.endswith("bias")]
    return biases or [name for name in names if "norm" in name]


bitfit_names = check("7.3", bitfit_names)

# %% [markdown]
# **Exercise 7.4.** A bottleneck adapter comes after the feed-forward part of a block. It takes that part's output $y$ down to a few
# numbers, applies a ReLU, takes them up again, and adds the result to $y$.
#
# $$\text{adapter}(y) = y + \text{ReLU}(y D^\top + d) \, U^\top + u$$
#
# $U$ and $u$ start at zero, so at first nothing changes. Write it, for any number of dimensions before the last one.


# %% tags=["exercise"] exercise="7.4"
def bottleneck(y, down, down_bias, up, up_bias):
    """(..., D). y: (..., D); down: (m, D); down_bias: (m,); up: (D, m); up_bias: (D,)."""
    # 1. down and ReLU  2. up  3. the way around
    return ...


bottleneck = check("7.4", bottleneck)


# %% tags=["solution"] exercise="7.4"
def bottleneck(y, down, down_bias, up, up_bias):
    """(..., D). y: (..., D); down: (m, D); down_bias: (m,); up: (D, m); up_bias: (D,)."""
    narrow = torch.relu(y @ down.T + down_bias)  # (..., m)
    return y + narrow @ up.T + up_bias


bottleneck = check("7.4", bottleneck)

# %% [markdown]
# Now compare both with the library, on the real model. Does it train the parameters that you chose? And does its adapter compute what
# yours does, once its last matrix holds random numbers?

# %%
net = tuning.prepare(fresh(), "bitfit")
names = [name for name, _ in net.named_parameters()]
theirs = [name for name, _ in tuning.named_trainable_parameters(net)]
print(len(bitfit_names(names)), "of", len(names), "tensors; the library trains the same:", bitfit_names(names) == theirs)
net = tuning.prepare(fresh(), "adapters")
adapter = net.model.layers[0].mlp
torch.manual_seed(7)
torch.nn.init.normal_(adapter.adapter_up.weight)
x = torch.randn(2, 5, shape.hidden, device=net.device)  # (B, T, D)
with torch.no_grad():
    ours = bottleneck(adapter.part(x), *adapter.adapter_down.parameters(), *adapter.adapter_up.parameters())
    print("the same adapter:", torch.allclose(ours, adapter(x), atol=1e-4))
assert bitfit_names(names) == theirs and torch.allclose(ours, adapter(x), atol=1e-4)
net = adapter = None

# %% [markdown]
# **Exercise 7.5.** How many numbers does each method train? Work it out from the shapes, without a model.
#
# - "lora" of rank `size`, for each block's weights of shape (n_out, n_in), has A with (size, n_in) and B with (n_out, size).
# - "adapters" have, in each block, the four tensors of exercise 7.4, with a narrow vector of `size` numbers.
# - "prompt tuning" has `size` vectors of `hidden` numbers, in front of the first block.


# %% tags=["exercise"] exercise="7.5"
def trained_by(method, size, layers, hidden, linears):
    """How many numbers (an int) a method trains. linears: the (n_out, n_in) of one block's weights; layers: blocks."""
    # three cases
    return ...


trained_by = check("7.5", trained_by)


# %% tags=["solution"] exercise="7.5"
def trained_by(method, size, layers, hidden, linears):
    """How many numbers (an int) a method trains. linears: the (n_out, n_in) of one block's weights; layers: blocks."""
    per_block = 0
    if method == "lora":
        for n_out, n_in in linears:
            per_block += size * n_in + n_out * size
    elif method == "adapters":
        per_block = size * hidden + size + hidden * size + hidden
    else:
        return size * hidden
    return layers * per_block


trained_by = check("7.5", trained_by)

# %% [markdown]
# Here are your numbers for our model. AdamW keeps two float32 numbers, 8 bytes, for every trained one.

# %%
block = fresh().model.layers[0]  # without the adapters from above
linears = [tuple(part.weight.shape) for part in block.modules() if isinstance(part, torch.nn.Linear)]
layers = len(model.model.layers)
sizes = {"lora": (2, 8, 32), "adapters": (32,), "prompt tuning": (9,)}
rows = [("full", "", shape.parameters, 8 * shape.parameters / 1e6)]
for method, values in sizes.items():
    for value in values:
        number = trained_by(method, value, layers, shape.hidden, linears)
        rows.append((method, value, number, 8 * number / 1e6))
show_table(("method", "size", "trained numbers", "optimizer, MB"), rows, f"{layers} blocks, hidden size {shape.hidden}")
block = None
assert rows[2][2] == tuning.trainable_count(tuning.prepare(fresh(), tuning.Method("lora", lora_rank=8)))

# %% [markdown]
# Now all of them learn the same task, each from fresh weights, with the same 144 examples in the same order and its own rate. Six word
# tasks are combined: plurals, past tenses, opposites, capitals, kinds and French. 240 other words are the test. (The rates are the
# library's defaults. They were settled on another task, and *Going further* searches them.) The measuring cell is the longest of the lab,
# with six training runs of 10 to 15 seconds each on two free cores. Which method will have the fewest right answers?

# %%
predict("7.p5")

# %% tags=["device"]
TASKS = ("plural", "past tense", "opposite", "capital", "kind", "french")
pool = examples_of(word_rows("pool", *TASKS)[:: lab.size(smoke=18, small=1)])
asked = word_rows("test", *TASKS)[:: lab.size(smoke=20, small=1)]
methods = {
    "BitFit (norms)": tuning.Method("bitfit"),
    "LoRA, rank 2": tuning.Method("lora", lora_rank=2),
    "LoRA, rank 8": tuning.Method("lora", lora_rank=8),
    "LoRA, rank 32": tuning.Method("lora", lora_rank=32),
    "adapters, 32": tuning.Method("adapters"),
}


def learn(method, rate=None):
    """Train fresh weights on the six tasks: (answers to the test, numbers trained, history)."""
    net = tuning.prepare(fresh(), method)
    recipe = tuning.Recipe(rate or tuning.LEARNING_RATES[method.name], batch=16, epochs=2)
    history = tuning.train(net, pool, recipe)
    return probes.score_first_tokens(net, tokenizer, asked), tuning.trainable_count(net), history


found = {"untrained": (probes.score_first_tokens(fresh(), tokenizer, asked), 0, None)}
found |= {name: learn(method) for name, method in methods.items()}
found["LoRA, rank 2, six times the rate"] = learn(methods["LoRA, rank 2"], rate=6e-3)
assert len(found) == 2 + len(methods)

# %% [markdown]
# The table has a row for each, and below it the paired comparisons that matter. With 240 questions a difference of a few points often
# cannot be seen, and where two methods cannot be told apart the sentence says how large a difference would have shown.

# %% tags=["device"]
rows = []
for name, (scores, number, history) in found.items():
    seconds = round(history.seconds) if history else "-"
    rows.append((name, number, 8 * number / 1e6, seconds, exams.share_text(scores.correct), mean(scores.log_likelihoods)))
header = ("method", "trained numbers", "optimizer, MB", "seconds", "right, %", "nats per answer")
show_table(header, rows, f"{len(pool)} examples, {len(history.losses)} steps; {len(asked)} questions")
right = {name: scores.correct for name, (scores, _, _) in found.items()}
for a, b in (
    ("LoRA, rank 32", "LoRA, rank 2"),
    ("LoRA, rank 8", "adapters, 32"),
    ("LoRA, rank 2, six times the rate", "LoRA, rank 2"),
    ("LoRA, rank 2, six times the rate", "LoRA, rank 32"),
):
    print(evaluation.compare(right[a], right[b], (a, b)))
outcome("7.p5", min(list(methods)[:4], key=lambda name: mean(right[name])))
record("methods: share right", {name: round(mean(values), 3) for name, values in right.items()})
assert mean(right["LoRA, rank 8"]) >= mean(right["untrained"])

# %% [markdown]
# When this was written, the ranks were far apart and rank 2 came last. It is tempting to say that two directions are too few for six
# tasks. Two rows speak against it. BitFit trains a small part of what rank 2 trains and did far better. Rank 2 at six times the rate, the
# first other rate that was tried, came close to the best. (The last comparison says whether the rest of the gap is more than noise.) So
# what rank 2 lacked was speed rather than parameters. With alpha at twice the rank, the change of a weight is a sum of as many terms as
# the rank has, each moving at the same rate. A low rank is therefore slower, and these steps are few.
#
# The same may be true of any method that came out behind. This is a small run, with one seed and with rates that nobody tuned for it.
# A comparison of methods at one rate each is first of all a comparison of rates.
#
# **Try it.** `scores, _, _ = learn(methods["LoRA, rank 32"], rate=6e-3)` gives the largest rank that rate too, and `mean(scores.correct)`
# is its share of right answers.
#
# ## 7. Soft prompts
#
# **Prompt engineering** looks for better words. **Prompt tuning** drops the words and trains vectors in their place, with the model
# frozen. The two can meet, because a soft prompt may start as the embeddings of an instruction's own tokens. Before its first step it is
# then exactly that instruction, and the training moves on from there.


# %%
def learn_prompt(**start):
    """Train a soft prompt from a start: (right answers, its vectors before, after), the vectors (vectors, D)."""
    net = tuning.prepare(fresh(), tuning.Method("prompt_tuning", **start))
    begun = net.get_prompt(1)[0].detach().clone()
    _ = tuning.train(net, pool, tuning.Recipe(tuning.LEARNING_RATES["prompt_tuning"], batch=16, epochs=2))
    return probes.score_first_tokens(net, tokenizer, asked).correct, begun, net.get_prompt(1)[0].detach().clone()


instruction = "Write the answer, one word only.\n"
start_ids = tuple(tokenizer(instruction, add_special_tokens=False).input_ids)
from_words = tuning.prepare(fresh(), tuning.Method("prompt_tuning", prompt_start=start_ids)).eval()
row = word_rows("test", "opposite")[0]
as_vectors = probes.next_token_log_probs(from_words, tokenizer, [row["prompt"]])
as_text = probes.next_token_log_probs(fresh(), tokenizer, [instruction + row["prompt"]])
print(len(start_ids), "vectors; the same as the text before training:", torch.allclose(as_vectors, as_text, atol=1e-3))
assert torch.allclose(as_vectors, as_text, atol=1e-3)
from_words = None

# %% [markdown]
# **Exercise 7.6.** What does a soft prompt say after training? One way to look is the nearest word. Compare directions, not lengths, by
# the **cosine**, the dot product divided by both lengths.
#
# $$\cos(v, e) = \frac{v \cdot e}{|v| \, |e|}$$
#
# It is 1 for the same direction, 0 for a right angle, -1 for the opposite. Return the row of the embeddings (its number, an int) that has
# the largest cosine to the vector.


# %% tags=["exercise"] exercise="7.6"
def nearest_word(vector, embeddings):
    """The row (an int) of embeddings (V, D) whose direction is nearest to vector (D,)."""
    # 1. all dot products  2. divide by the lengths  3. the largest
    return ...


nearest_word = check("7.6", nearest_word)


# %% tags=["solution"] exercise="7.6"
def nearest_word(vector, embeddings):
    """The row (an int) of embeddings (V, D) whose direction is nearest to vector (D,)."""
    lengths = embeddings.norm(dim=1)  # (V,)
    cosines = embeddings @ vector / (lengths * vector.norm())
    return int(cosines.argmax())


nearest_word = check("7.6", nearest_word)

# %% [markdown]
# A soft prompt that starts from the instruction is trained as the other methods were. (*Going further* trains one from random words beside
# it.) Of how many of its vectors will the nearest word still be the one it started from?

# %%
predict("7.p6")

# %% tags=["device"]
embeddings = fresh().get_input_embeddings().weight.detach().clone()  # (V, D)
text_rows = [{**row, "prompt": instruction + row["prompt"]} for row in asked]
tests = {"no prompt": right["untrained"]}
tests["instruction, as text"] = probes.score_first_tokens(model, tokenizer, text_rows).correct
tests["soft prompt from the instruction"], begun, now = learn_prompt(prompt_start=start_ids)
tests["LoRA, rank 8"] = right["LoRA, rank 8"]
show_table(
    ("prompt", "right, %"), [(name, exams.share_text(values)) for name, values in tests.items()], f"{len(asked)} questions"
)
print(
    evaluation.compare(tests["soft prompt from the instruction"], tests["instruction, as text"], ("the soft prompt", "the text"))
)

nearest = [nearest_word(vector, embeddings) for vector in now]
moves = (now - begun).norm(dim=1) / begun.norm(dim=1)  # (vectors,), in lengths of the start
rows = [
    (repr(tokenizer.decode([old])), repr(tokenizer.decode([new])), float(move))
    for old, new, move in zip(start_ids, nearest, moves, strict=True)
]
show_table(("started as", "nearest word now", "move, in lengths of the start"), rows, "What the training did to the vectors")
outcome("7.p6", sum(a == b for a, b in zip(start_ids, nearest, strict=True)))
assert len(nearest) == len(start_ids)

# %% [markdown]
# Read the moves beside the nearest words. When this was written, every vector still had the word it started from as its nearest, although
# it had moved by most of its own length. (In 576 dimensions there is room for that. A move at right angles to the vector, as long as 0.9
# of it, leaves a cosine of about 0.74 with the start, which can still be larger than that of any other word.) Spelled out by its nearest
# words, the trained prompt is the old instruction to the letter. As a text that instruction made no difference to the right answers, and
# the trained vectors made a large one. So what a soft prompt has learned cannot be read from its nearest words.
#
# Lester et al. (2021) compare prompt tuning with full fine-tuning on T5 models of growing size. With the small ones it stays behind, and
# the gap closes at about 10 billion parameters (their figure 1). They train for 30,000 steps, and here it was 18.
#
# **Try it.** Write another instruction. Does a better text also make a better start?
#
# ## 8. QLoRA
#
# LoRA leaves the base frozen, and frozen weights need not be exact. **QLoRA** (Dettmers et al. 2023) keeps them in 4 bits, as in lab 04,
# and trains a LoRA over them. Examples, steps and rank are the same as above. Will a step be faster or slower on this machine?

# %%
predict("7.p7")

# %% tags=["device"]
net = tuning.prepare(fresh(), tuning.Method("qlora", lora_rank=8))
held = features.held_bytes(net)  # for the next table
history = tuning.train(net, pool, tuning.Recipe(1e-3, batch=16, epochs=2))
quantized = probes.score_first_tokens(net, tokenizer, asked)
pair = {"LoRA": tuning.prepare(load_model(needs="blocks")[0], methods["LoRA, rank 8"]), "QLoRA": net}
passes = latency.passes_in_turns(pair, 10, 16, rounds=lab.size(smoke=1, small=3))
dense, pair, net = found["LoRA, rank 8"][0], None, None
rows = [
    ("right, %", exams.share_text(dense.correct), exams.share_text(quantized.correct)),
    ("nats per answer", mean(dense.log_likelihoods), mean(quantized.log_likelihoods)),
    ("loss of the last step, nats per token", found["LoRA, rank 8"][2].losses[-1], history.losses[-1]),
    ("seconds forward and backward, median", *(median(values) for values in passes.values())),
]
show_table(("", "LoRA", "QLoRA"), rows, "Rank 8, the same examples in the same order")
print(evaluation.compare(quantized.log_likelihoods, dense.log_likelihoods, ("QLoRA", "LoRA")))
outcome("7.p7", 1 if median(passes["QLoRA"]) < median(passes["LoRA"]) else 2)
assert held["4-bit"] > 0

# %% [markdown]
# Here a layer turns its codes back into numbers each time it is used, and QLoRA pays for memory with time. On a GPU, special kernels hide
# a part of that.
#
# Compare the first two rows before you say which of the two learned better. When this was written, LoRA had more right answers and QLoRA
# the higher log-likelihood, and the sentence below the table compares the log-likelihoods alone. Where two measures disagree, one short
# run with one seed shows no winner, and no reason why 4 bits should help.
#
# Next comes the memory, predicted from the formats and measured on the tensors. (*nf4 double* is lab 04's format of 4 bits, with scales
# that are quantized in turn.) Which part will be the largest?

# %%
from labutils.memory import TrainingSetup, predict_training, weight_format

packed_format = weight_format("nf4 double")
in_blocks = layers * sum(n_out * n_in for n_out, n_in in linears)
predicted = {
    "4-bit": layers * sum(packed_format.n_bytes(n_out, n_in) for n_out, n_in in linears),
    "embedding and norms": 4 * (shape.parameters - in_blocks),
    "adapters": 4 * trained_by("lora", 8, layers, shape.hidden, linears),
}
rows = [(name, n / 1e6, held[name] / 1e6) for name, n in predicted.items()]
rows.append(("for comparison, all weights in float32", 4 * shape.parameters / 1e6, ""))
show_table(("tensors", "predicted, MB", "measured, MB"), rows, "Weights of QLoRA, this model")
assert all(abs(predicted[name] / held[name] - 1) < 0.05 for name in predicted)

# %% [markdown]
# The embedding stays in float32, and in a model this small it is the largest part that is left. In a large model a larger share of the
# weights is packed. The rest still counts: in the table below, embedding and output matrix (2 · 128,256 · 4,096 numbers of 2 bytes, 2.0
# GiB) are more than a third of QLoRA's weights. The next cell makes the same prediction for a model of 8 billion parameters and a step of
# 512 tokens. In mixed precision a float32 copy of every trained weight stands beside AdamW's two numbers, and the table counts these 12
# bytes as the optimizer's. The peak is not the sum of the four columns. Logits and temporary tensors have no column here, and not
# everything is held at the same moment, because gradients arrive while activations leave.

# %%
from transformers import LlamaConfig

sizes = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32}
big = Shape.of(LlamaConfig(**sizes, num_key_value_heads=8, vocab_size=128_256))
settings = {
    "full, mixed precision": {"dtype": "mixed"},
    "LoRA": {"dtype": "bfloat16", "method": "lora"},
    "QLoRA": {"dtype": "bfloat16", "method": "lora", "weights": "nf4 double"},
}
terms = ("weights", "gradients", "optimizer", "activations")
rows = []
for name, options in settings.items():
    ledger = predict_training(big, TrainingSetup(1, 512, **options))
    rows.append((name, *(round(ledger[term].gib, 1) for term in terms), round(ledger.gib, 1)))
show_table(
    ("method", *terms, "peak, GiB"),
    rows,
    f"{big.parameters / 1e9:.1f} billion parameters, one text of 512 tokens, GiB, predicted",
)

# %% [markdown]
# ## 9. Two kinds of transfer
#
# Fine-tuning changes the model. **Feature-based transfer** leaves it alone. It takes the vector that the frozen model computes for a text,
# and trains a small classifier on it. We compare the two on the reviews of lab 03, positive or negative, with few and with more examples.
#
# **Exercise 7.7.** Some of the 576 columns are large and some are small, so a classifier needs them on one scale. From each column take
# off the mean and divide by the standard deviation (`std` as PyTorch has it). Both come from the *training* rows alone. The test rows
# stand for texts that nobody has seen.


# %% tags=["exercise"] exercise="7.7"
def standardize(train, test):
    """(train, test), both (N, D), every column on the scale of the training rows."""
    # whose mean, whose standard deviation?
    return ...


standardize = check("7.7", standardize)


# %% tags=["solution"] exercise="7.7"
def standardize(train, test):
    """(train, test), both (N, D), every column on the scale of the training rows."""
    middle, spread = train.mean(0), train.std(0)
    return (train - middle) / spread, (test - middle) / spread


standardize = check("7.7", standardize)

# %% [markdown]
# The features are the last layer's vector at the last token. The model's own answer comes from the same vector, by two rows of its output
# matrix, so it joins the comparison as the classifier that needs no example at all.

# %% tags=["device"]
asked_reviews, x = {}, {}
fresh()
reviews = course.load_reviews()
for split, most in (("pool", 48), ("test", 84)):
    clear = [row for row in reviews[split] if row["label"] != "mixed"][: lab.size(smoke=10, small=most)]
    asked_reviews[split] = [
        {"prompt": f"Review: {row['text']} The review is", "choices": ["positive", "negative"], "answer": row["label"]}
        for row in clear
    ]
    x[split] = features.last_hidden_states(model, tokenizer, [row["prompt"] for row in asked_reviews[split]])  # (N, D)
both = probes.first_tokens(tokenizer, ["positive", "negative"])
own = x["test"] @ model.get_output_embeddings().weight.detach()[both].T.float().cpu()  # (N, 2)


def right_answers(says_positive):
    """True where a list of True (positive) and False agrees with the labels of the test reviews."""
    return [said == (row["answer"] == "positive") for said, row in zip(says_positive, asked_reviews["test"], strict=True)]


transfer = {(0, "the model's own answer"): right_answers((own[:, 0] > own[:, 1]).tolist())}
print("the model's own answer:", exams.share_text(next(iter(transfer.values()))), "right")
assert len(x["pool"]) == len(asked_reviews["pool"])

# %% [markdown]
# Now the classifier, a logistic regression, and a LoRA, each from the same first reviews of the pool. The LoRA takes as many steps with
# few examples as with many, by seeing them more often. (`C=100 / n` weighs the mean loss against the penalty on large coefficients, in
# the same way for any number of examples.) With eight examples, which of the three will be ahead?

# %%
predict("7.p8")

# %% tags=["device"]
for n in lab.size(smoke=(4, 8), small=(8, 48)):
    learned = asked_reviews["pool"][:n]
    a, b = standardize(x["pool"][:n], x["test"])
    classifier = LogisticRegression(C=100 / n, max_iter=1000).fit(a.numpy(), [row["answer"] == "positive" for row in learned])
    transfer[n, "classifier on features"] = right_answers(classifier.predict(b.numpy()).tolist())
    net = tuning.prepare(fresh(), tuning.Method("lora", lora_rank=8))
    recipe = tuning.Recipe(1e-3, batch=8, epochs=lab.size(smoke=1, small=48 // n))
    _ = tuning.train(net, examples_of(learned), recipe)
    transfer[n, "LoRA"] = probes.score_first_tokens(net, tokenizer, asked_reviews["test"]).correct
rows = [(n, name, exams.share_text(values)) for (n, name), values in transfer.items()]
show_table(("examples", "way", "right, %"), rows, f"{len(asked_reviews['test'])} reviews of the test set")
fewest = min(n for n, _ in transfer if n)
names = ("classifier on features", "LoRA")
own_answer = transfer[0, "the model's own answer"]
for n in sorted({n for n, _ in transfer if n}):
    print(f"{n} examples:", evaluation.compare(*(transfer[n, name] for name in names), names))
    for name in names:
        print(f"{n} examples:", evaluation.compare(transfer[n, name], own_answer, (name, "the model's own answer")))
trio = [own_answer, *(transfer[fewest, name] for name in names)]
outcome("7.p8", 1 + max(range(3), key=lambda k: mean(trio[k])))
record("transfer: share right", {f"{name}, {n} examples": round(mean(values), 3) for (n, name), values in transfer.items()})
net = None
assert len(rows) == 5

# %% [markdown]
# The features are computed once. A new classifier on them takes a second and a file of a few kilobytes, and the model can serve many of
# them at the same time. The price is that a classifier sorts and never writes.
#
# Your prediction was judged by the order of the rows alone. When this was written, none of these comparisons ranked one way above
# another: not the classifier and the LoRA, with few examples or with many, and neither of them and the model's own answer, which needs no
# example. The sentences say how large a difference 84 test reviews would
# have shown. So the honest choice here goes by cost. If you had to choose by quality, you would need more test reviews before you needed
# more training reviews.
#
# **Try it.** Add a third number of examples. From which one on does fine-tuning pay?
#
# ## 10. The clinic
#
# There are three patients. Each is a short run that ended without any error message, and each is wrong. The healthy run on the same
# examples is drawn in grey in the same axes. Each step has two other examples, so even a healthy loss jumps. Compare with the grey line
# at the same step. Look first, then say what it is, patient by patient. (The code is in `labutils/tuning/clinic.py`. Look there
# afterwards.)

# %% tags=["device"]
sick = examples_of(word_rows("pool", *TASKS)[::12])[: lab.size(smoke=4, small=12)]
held_out = examples_of(word_rows("test", *TASKS)[::40])
healthy = clinic.healthy(fresh(), sick)
patient_1 = clinic.patient_1(fresh(), sick)
clinic.show_chart("Patient 1", patient_1, healthy)
assert len(patient_1.losses) == len(healthy.losses)

# %%
quiz("7.a")

# %% tags=["device"]
patient_2 = clinic.patient_2(fresh(), sick)
clinic.show_chart("Patient 2", patient_2, healthy)
assert len(patient_2.losses) <= len(healthy.losses)

# %%
quiz("7.b")

# %% [markdown]
# The third was trained well, and then compared with its baseline on examples that it had not seen.

# %% tags=["device"]
patient_3 = clinic.patient_3(fresh(), sick, held_out)
rows = [(n, *pair) for n, pair in enumerate(patient_3, 1)]
show_table(("example", "loss before", "loss after"), rows, "Patient 3, nats per token")
assert len(patient_3) == len(held_out)

# %%
quiz("7.c")

# %% [markdown]
# Now come the cures. A diagnosis is right if the treatment works, so each patient is trained again without its fault. (Patient
# 2's cure is several measures at once. The rate is the first suspect.)

# %% tags=["device"]
cured_1, cured_2 = clinic.patient_1(fresh(), sick, cured=True), clinic.patient_2(fresh(), sick, cured=True)
clinic.show_chart("Patient 1, the padding left out of the loss", cured_1, healthy)
clinic.show_chart("Patient 2, a hundredth of the rate, decaying and clipped", cured_2, healthy)
cured_3 = clinic.patient_3(fresh(), sick, held_out, cured=True)
show_table(
    ("example", "loss before", "loss after"),
    [(n, *pair) for n, pair in enumerate(cured_3, 1)],
    "Patient 3, the baseline taken first",
)
assert all(abs(a - b) < 0.05 for a, b in zip(cured_1.losses, healthy.losses, strict=True))
assert all(before == after_ for before, after_ in patient_3) and any(before != after_ for before, after_ in cured_3)

# %% [markdown]
# ## Recap
#
# - Training on one task can take others away. At a high rate that happened before the task was learned, at lower rates mostly afterwards.
#   Ask about them on the way, question by question, and look at the rate and at the number of steps before you look at the method.
# - Rehearsal needs two controls, one with as many steps and one with as many examples of the task, and a look at the trained task itself.
# - An adapter leaves its base untouched to the last bit, so adapters can be swapped. An adapter beside the weights costs time when the
#   model writes, and a merged one need not.
# - BitFit, adapters, soft prompts and LoRA differ by orders of magnitude in what they train. How well they learn depends on the rate
#   first, so a comparison at one rate each says little about the methods.
# - A soft prompt that starts from an instruction is that instruction before training. Afterwards its nearest words say little about it.
# - QLoRA saves the memory of the frozen weights, and pays in time. Frozen features and a small classifier are the cheapest transfer.
#
# **Next:** lab 08. You have adapted a model that somebody else pretrained. Now pretrain some of your own, and forecast a larger one.

# %% tags=["device"]
progress("07")
assert lab.name == "07"

# %% [markdown] tags=["optional"]
# ## Going further
#
# ### The rate of each method
#
# In section 6 every method had a rate that was settled elsewhere. Here the pool is split, and three of the methods try three rates each
# on two thirds of it and are judged on the rest, never on the test. It takes some minutes. Does the best rate lie at an end of the list?
# Then the list was too short.

# %% tags=["device", "optional"]
LONGER = lab.profile == "gpu"  # True takes several minutes on a CPU
rows_of_pool = word_rows("pool", *TASKS)
part_train = examples_of([row for k, row in enumerate(rows_of_pool) if k % 3])
part_valid = [row for k, row in enumerate(rows_of_pool) if k % 3 == 0]
rows = []
for name in ("BitFit (norms)", "LoRA, rank 8", "adapters, 32") if LONGER else ():
    for factor in (1 / 3, 1, 3):
        net = tuning.prepare(fresh(), methods[name])
        rate = factor * tuning.LEARNING_RATES[methods[name].name]
        _ = tuning.train(net, part_train, tuning.Recipe(rate, batch=16, epochs=2))
        rows.append((name, rate, mean(probes.score_first_tokens(net, tokenizer, part_valid).log_likelihoods)))
show_table(
    ("method", "rate", "nats per answer, held-out part of the pool"),
    rows,
    "Set LONGER = True to fill this table" if not rows else "",
)
assert len(part_train) + len(part_valid) == len(rows_of_pool)

# %% [markdown] tags=["optional"]
# ### Does the start of a soft prompt matter?
#
# Here is a prompt of the same length that starts from random words, trained in the same way.

# %% tags=["device", "optional"]
tests["soft prompt from random words"], _, now = learn_prompt(virtual_tokens=len(start_ids))
names = ("soft prompt from the instruction", "soft prompt from random words")
show_table(("prompt", "right, %"), [(name, exams.share_text(tests[name])) for name in names], f"{len(asked)} questions")
print(evaluation.compare(*(tests[name] for name in names), names))
assert len(now) == len(start_ids)

# %% [markdown] tags=["optional"]
# ### What a sceptic would say
#
# - *"You broke it on purpose."* Yes, in section 2. Section 3 uses a lower rate. What a careful run forgets is smaller, and takes more
#   questions to see.
# - *"One seed."* True. The intervals resample questions and know nothing of another order of the examples.
# - *"A first token is not an answer."* For the tests with choices it decides. For the others it is only how the answer begins, and a wrong
#   word that begins alike counts as right. For longer answers lab 05 scores whole texts.
# - *"Word tasks are toys."* They are cheap, so that 144 examples and 240 questions fit into a minute. The methods' order on a large model
#   and a real task may be another one.
