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
# # Lab 00. Start here
#
# Five minutes. A language model runs on this machine, you see what it does well and badly, and you pass your first exercise.
#
# By the end you can
# - say what a prompt, a completion, inference and a context window are, on one live call;
# - work out how much memory a model's weights take, and check it on the model in hand;
# - name uses beyond chat, and two limits to keep in mind;
# - find your way around the course: exercises, hints, quizzes, progress.
#
# To run a cell, click it and press **Shift + Enter**. To run them all, choose *Run > Run All Cells*. If the next
# cell finds no `labutils`, choose *Kernel > Change Kernel > LLM Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, progress, quiz, record, show, start

# %% [markdown]
# `start` looks at the machine: the processor or GPU, and how much memory this session really has. Nothing leaves the machine,
# and nothing is downloaded from here on.

# %% tags=["device"]
lab = start("00")
assert lab.device in ("cpu", "cuda")

# %% [markdown]
# ## The map
#
# Most projects with language models go through the same four stages. Each lab of this course is pinned on this map. The order
# of effort within *adapt and align* matters: a prompt costs minutes, fine-tuning hours, human feedback weeks. Stop as soon as it
# is good enough. The narrower the scope, the less of it you need.

# %%
from labutils.course import show_map

show_map("00")

# %% [markdown]
# ## One live call
#
# A language model has read a great deal of text and learned which words tend to follow which. That is all it has: statistical
# patterns, no table of facts. You give it a **prompt**; it continues it, one piece at a time. The continuation is the
# **completion**, and computing it is called **inference**.
#
# The model here is SmolLM2-135M-Instruct, a small one made by Hugging Face. Loading it takes a few seconds.

# %%
model, tokenizer = load_model()
print(type(model).__name__)

# %% [markdown]
# **Predict:** how will the model go on after "The capital of France is"?

# %% tags=["device"]
prompt = "The capital of France is"
inputs = tokenizer(prompt, return_tensors="pt").to(model.device)
output = model.generate(**inputs, max_new_tokens=12, do_sample=False)
completion = tokenizer.decode(output[0, inputs.input_ids.shape[1] :], skip_special_tokens=True)
print(prompt + "|" + completion)
assert completion.strip().startswith("Paris"), completion
assert inputs.input_ids.shape[1] < len(output[0]) <= inputs.input_ids.shape[1] + 12

# %% [markdown]
# Left of the bar is your prompt, right of it the completion. Did it stop after the right word? It was never told to: it
# continues text, and whatever comes next is what it has often seen come next. Lab 02 is about steering that.

# %% [markdown]
# Text goes in and out as **tokens**, pieces of words. The **context window** is how many tokens the model can look at at once,
# prompt and completion together.

# %%
pieces = tokenizer.tokenize("The capital of France is")
print(len(pieces), "tokens:", [piece.replace("Ġ", "␣") for piece in pieces])
print("context window:", f"{model.config.max_position_embeddings:,} tokens")

# %% [markdown]
# ## How big is it?
#
# What the model learned is stored in its **parameters**, also called weights: numbers that training has set. Let us count them.

# %%
parameters = sum(p.numel() for p in model.parameters())
print(f"{parameters:,} parameters, each a {next(model.parameters()).dtype}")

# %% [markdown]
# **Exercise 0.1.** How many GB do the weights take? A GB is 10⁹ bytes (a GiB is 2³⁰ = 1,073,741,824 bytes; both are in use, and
# mixing them up costs you 7 %). Replace the three dots, run the cell, then run the check below it.


# %% tags=["exercise"] exercise="0.1"
def memory_gb(parameters, bytes_per_parameter):
    """The memory of a model's weights, in GB."""
    return ...  # replace the three dots


memory_gb = check("0.1", memory_gb)


# %% tags=["solution"] exercise="0.1"
def memory_gb(parameters, bytes_per_parameter):
    """The memory of a model's weights, in GB."""
    return parameters * bytes_per_parameter / 1e9


memory_gb = check("0.1", memory_gb)

# %% [markdown]
# If it says *not yet*, change your function and run both cells again; nothing can break. Stuck? Type `hint("0.1")` in a new cell
# (`from labutils import hint` first). The first call is a nudge, the second a partial answer, the third the solution. A check
# also hands the reference on to the cells below, so you can always go on.

# %% [markdown]
# Now the test of the formula: does it agree with the bytes that the tensors really take?

# %%
counted = sum(p.numel() * p.element_size() for p in model.parameters()) / 1e9
predicted = memory_gb(parameters, 4)
print(f"predicted {predicted:.3f} GB, counted {counted:.3f} GB")
assert abs(predicted - counted) < 1e-9

# %% [markdown]
# The same formula, for models of other sizes. The counts come from their papers; only the first was counted here. `!` BERT-base,
# often shown beside LLaMA and PaLM as if they were of one kind, is a thousandth of their size.

# %%
from labutils.course import show_table

zoo = [
    ("SmolLM2-135M (this one)", "below 1 B", parameters),
    ("BERT-base", "below 1 B", 110_000_000),
    ("FLAN-T5-base", "below 1 B", 250_000_000),
    ("Llama 3 8B", "1 to 30 B", 8_000_000_000),
    ("LLaMA 65B", "30 to 100 B", 65_000_000_000),
    ("PaLM", "above 100 B", 540_000_000_000),
]
rows = [
    (name, tier, count / 1e9, memory_gb(count, 4), memory_gb(count, 2)) for name, tier, count in zoo
]
header = ("model", "tier", "billion parameters", "GB in float32", "GB in 16 bit")
show_table(header, rows, "Memory of the weights alone")

# %% [markdown]
# Parameter counts: Devlin et al. 2019 (BERT), Chung et al. 2022 (FLAN-T5), Touvron et al. 2023 (LLaMA), Chowdhery et al. 2022
# (PaLM), Meta 2024 (Llama 3). Running a model takes more than its weights, and training it several times as much.

# %% [markdown]
# ## More than chat
#
# The same next-token machine, asked in six ways. An *instruct* model was trained to expect a question in a certain frame, the
# chat template; `ask` puts it around the request.


# %%
def ask(question, max_new_tokens=40):
    """The model's answer to one question, as text."""
    chat = [{"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(text, return_tensors="pt").to(model.device)
    output = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
    return tokenizer.decode(
        output[0, inputs.input_ids.shape[1] :], skip_special_tokens=True
    ).strip()


# %% [markdown]
# **Predict** which of the six a small model can do.

# %% tags=["device"]
uses = {
    "write": "Write one sentence about the sea.",
    "translate": "Translate to French: The cat is black.",
    "code": "Write a Python function that adds two numbers.",
    "name entities": "List the people named in this sentence: Amina met Tomas in Lagos.",
    "call an API": "Turn into JSON with the keys city and date: book a room in Oslo on 3 May.",
    "summarize": "Summarize in one sentence: Ana asked Li to move the meeting to 3 pm "
    "because her train was late, and Li agreed.",
}
answers = {use: ask(question) for use, question in uses.items()}
show_table(("use", "answer"), answers.items())
assert all(answers.values())
assert "return" in answers["code"]

# %% [markdown]
# Read them as an editor would. Some are fine. The French is not French, and the list of people is usually no list. A model of
# this size can do a little of everything and little of it well: that is why one adapts a model to a task.

# %% [markdown]
# ## Two limits to remember
#
# **Invented facts.** The model has no way to look anything up. Asked about a book that does not exist, what will it do?

# %% tags=["device"]
invented = ask(
    "Who wrote the novel 'The Copper Lighthouse of Vexley', and in which year?", max_new_tokens=50
)
print(invented)
assert len(invented.split()) > 5

# %% [markdown]
# No such novel exists. A fluent answer is not a true one: the words fit together, because that is what was learned.

# %% [markdown]
# **Arithmetic.** Before you run the cell: out of thirty sums of two numbers below 100, how many will be right?

# %% tags=["device"]
import random

dice = random.Random(0)
sums = [(dice.randint(10, 99), dice.randint(10, 99)) for _ in range(lab.size(smoke=10, small=30))]
replies = [ask(f"What is {a} + {b}?", max_new_tokens=16) for a, b in sums]
right = sum(
    str(a + b) in reply.replace(",", "") for (a, b), reply in zip(sums, replies, strict=True)
)
print(f"{right} of {len(sums)} right; for example {sums[0][0]} + {sums[0][1]}: {replies[0]}")
record("sums right, share", right / len(sums))
assert right < len(sums), "the model got every sum right: choose larger numbers and look again"

# %% [markdown]
# A pocket calculator never fails at this. The model does, because it predicts the digits of an answer that *looks* right. Larger
# models fail later, not never. The cure is to let the model write a program and run that.

# %% [markdown]
# ## Quiz
#
# Choose with the mouse or the arrow keys; the answer is judged at once.

# %%
quiz("0.a")

# %% [markdown]
# ## Where you stand
#
# Progress is kept on this machine, in one small file without code or names. `labs progress` shows it in a terminal, and
# `labs progress --export FILE` carries it to another machine.

# %% tags=["device"]
progress("00")
assert lab.name == "00", lab

# %% [markdown]
# **Next:** [Lab 01, Tokenization and attention](01_tokenization_attention.ipynb): how text becomes numbers, and what a transformer
# does with them.
