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
# About 20 minutes. A language model runs on this machine, you see what it does well and badly, and you pass your first exercise.
#
# By the end you can
# - say what a prompt, a completion, inference and a context window are, on one live call;
# - work out how much memory a model's weights take, and check it on the model in hand;
# - name uses beyond chat, and two limits to keep in mind;
# - find your way around the course: exercises, hints, quizzes, predictions, progress.
#
# To run a cell, click it and press **Shift + Enter**. To run them all, choose *Run > Run All Cells*. If the next
# cell finds no `labutils`, choose *Kernel > Change Kernel > LLM Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# `start` looks at the machine: the processor or GPU, and how much memory this session really has. From that it chooses a
# *profile*, the sizes of the experiments: `small` on a machine with little memory, `standard` on a roomy one. Nothing leaves the
# machine, and nothing is downloaded from here on.

# %% tags=["device"]
lab = start("00")
assert lab.device in ("cpu", "cuda")

# %% [markdown]
# ## 1. The map
#
# Most projects with language models go through the same four stages, and the map below shows where each lab belongs. A narrow
# scope saves money at every later stage: one task needs a smaller model, fewer examples and a simpler evaluation than ten tasks.

# %%
import re

from labutils.course import show_map, show_table

show_map("00")

# %% [markdown]
# ## 2. One live call
#
# A language model has been trained on a great deal of text to estimate, from everything written so far, which piece of text comes
# next. You give it a **prompt**, and it continues the prompt one piece at a time. The continuation is the **completion**, and
# computing it is called **inference**.
#
# The model is SmolLM2-135M-Instruct, a small one made by Hugging Face. Loading it takes a few seconds. Its weights reached you as a
# 4-bit file of 98 MB (93 MB to download) and were expanded to 32-bit numbers once, during set-up. Rounding them to 4 bits cost some
# quality. How much cannot be measured here, because the original weights are not on this machine. Lab 04 measures what a further
# rounding costs.
#
# (`LlamaForCausalLM`, in the output, is the library's class. SmolLM2 is built like Meta's Llama, and *causal* means that each token is
# predicted from those before it.)

# %%
model, tokenizer = load_model()
print(type(model).__name__)

# %% [markdown]
# A prompt and its completion, with a bar between them:

# %% tags=["device"]
prompt = "The capital of France is"
inputs = tokenizer(prompt, return_tensors="pt").to(model.device)
output = model.generate(**inputs, max_new_tokens=12, do_sample=False)
new_tokens = output[0] if model.config.is_encoder_decoder else output[0, inputs.input_ids.shape[1] :]
completion = tokenizer.decode(new_tokens, skip_special_tokens=True)
print(prompt + "|" + completion)
assert 0 < len(new_tokens) <= 13
assert completion.strip().startswith("Paris") or not lab.course_model, completion

# %% [markdown]
# It did not stop after the right word, because nothing told it to. It just continues the text. Lab 02 shows how to steer that.

# %% [markdown]
# Text goes in and out as **tokens**, which are words or pieces of words. The **context window** is the number of tokens that the
# model can take into account at once, prompt and completion together.

# %%
pieces = tokenizer.tokenize(prompt)
print(len(pieces), "tokens:", [piece.replace("Ġ", "␣") for piece in pieces])
window = getattr(model.config, "max_position_embeddings", tokenizer.model_max_length)
print("context window:", f"{window:,} tokens")

# %% [markdown]
# **Try it.** Change the prompt and run the cell again. What does the model write after the beginning of a recipe, or of a letter?

# %% tags=["device"]
my_prompt = "Dear neighbours, I am writing to you because"
my_inputs = tokenizer(my_prompt, return_tensors="pt").to(model.device)
written = model.generate(**my_inputs, max_new_tokens=25, do_sample=False)[0]
print(tokenizer.decode(written, skip_special_tokens=True))
assert len(written) > 0

# %% [markdown]
# ## 3. How big is it?
#
# What the model learned is stored in its **parameters**, also called weights: numbers that training has set.

# %%
parameters = sum(p.numel() for p in model.parameters())
print(f"{parameters:,} parameters, each a {next(model.parameters()).dtype}")

# %% [markdown]
# **Exercise 0.1.** How many GB do the weights take? A GB is 10⁹ bytes. (A GiB is 2³⁰ = 1,073,741,824 bytes, 7 % more; both are in
# use, and this course always says which.) Replace the three dots and run the cell: its last line checks your function.


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
# If it says *not yet*, change your function and run the cell again; nothing can break. If you are stuck, run `hint("0.1")` in a new
# cell: the first call gives a nudge, the second a partial answer, the third the solution. Until your function is right, the cells
# below use the course's own, so you can always go on.

# %% [markdown]
# Does the formula agree with the bytes that the tensors really take?

# %%
counted = sum(p.numel() * p.element_size() for p in model.parameters()) / 1e9
predicted = memory_gb(parameters, next(model.parameters()).element_size())
print(f"predicted {predicted:.3f} GB, counted {counted:.3f} GB")
assert abs(predicted - counted) < 1e-9

# %% [markdown]
# Course notes often list BERT, LLaMA and PaLM side by side, as examples of "large language models". Before you look at the numbers:

# %%
predict("0.p1")

# %%
zoo = {
    "the model in hand": parameters,
    "BERT-base": 110_000_000,
    "FLAN-T5-base": 250_000_000,
    "LLaMA 7B": 6_700_000_000,
    "LLaMA 65B": 65_200_000_000,
    "PaLM": 540_000_000_000,
}
bert = zoo["BERT-base"]
header = ("model", "billion parameters", "times BERT-base", "GB in 32 bits", "GB in 16 bits")
rows = [(name, n / 1e9, n / bert, memory_gb(n, 4), memory_gb(n, 2)) for name, n in zoo.items()]
show_table(header, rows, "Memory of the weights alone")
outcome("0.p1", round(zoo["PaLM"] / bert))

# %% [markdown]
# So these are not of one kind. BERT-base is about as large as the model in hand, and the others are tens to thousands of times as large.
# It helps to think in three tiers: below 1 billion, 1 to 30 billion, and above 100 billion.
#
# The counts come from the models' papers (Devlin et al. 2019; Chung et al. 2022; Touvron et al. 2023; Chowdhery et al. 2022). Running
# a model takes more memory than its weights, and training it takes several times as much: lab 04 adds it up.

# %% [markdown]
# ## 4. More than chat
#
# An *instruct* model was trained to expect a request in a certain frame, its chat template. `ask` puts that frame around each
# request and lets the model answer several at a time.

# %%
from labutils.prompting import generate_texts


def ask(requests, max_new_tokens=40):
    """The model's answers to several requests, as texts."""
    framed = list(requests)
    if tokenizer.chat_template:
        chats = [[{"role": "user", "content": request}] for request in requests]
        framed = [tokenizer.apply_chat_template(c, tokenize=False, add_generation_prompt=True) for c in chats]
    return [text.strip() for text in generate_texts(model, tokenizer, framed, max_new_tokens)]


# %% [markdown]
# Five requests of different kinds. Beside each answer stands a simple test of whether you could use it, such as the right words in the
# translation, or the right names in the summary. How many of the five will pass?

# %%
predict("0.p2")

# %% tags=["device"]
uses = {
    "write": "Write one sentence about the sea.",
    "translate": "Translate to French: The cat is black.",
    "write code": "Write a Python function that adds two numbers.",
    "name entities": "List the people named in this sentence: Amina met Tomas in Lagos.",
    "summarize": "Summarize in one sentence: Ana asked Li to move the meeting to 3 pm because her train was late, and Li agreed.",
}
tests = {
    "write": lambda text: "sea" in text,
    "translate": lambda text: "chat" in text and "noir" in text,
    "write code": lambda text: re.search(r"return \w+ \+ \w+", text),
    "name entities": lambda text: "Amina" in text and "Tomas" in text and "Lagos" not in text,
    "summarize": lambda text: "Ana" in text and re.search(r"\bLi\b", text) and "3" in text,
}
answers = dict(zip(uses, ask(uses.values()), strict=True))
passed = {use: bool(tests[use](text)) for use, text in answers.items()}
show_table(("use", "answer", "test"), [(use, text, "passed" if passed[use] else "failed") for use, text in answers.items()])
outcome("0.p2", sum(passed.values()))
assert all(answers.values()) or not lab.course_model
assert not all(passed.values()) or not lab.course_model

# %% [markdown]
# Read them as an editor would, because a test this simple is easily fooled. The French is French only in part, and it does not say that
# the cat is black. The list repeats the whole sentence. The code passes, but the sentence after it is wrong, because Python has no
# built-in `add`, and it breaks off at the limit of 40 tokens. The summary invents a Liam. A model of this size can do a little of
# everything, and most of it badly, which is why you adapt a model to one task.

# %% [markdown]
# **Calling a program.** A model can only write text, but a program can read that text and act on it. Here the model fills in the
# arguments of a function, as JSON, and the function runs.

# %% tags=["device"]
import json


def book_room(city, nights):
    """Stands for a hotel's service: it receives arguments and confirms."""
    return f"Booked: {int(nights)} nights in {city}."


def carry_out(reply):
    """Call the function with the arguments that a reply names, or refuse."""
    try:
        return book_room(**json.loads(reply))
    except (ValueError, TypeError):  # no JSON, or other arguments than the function takes
        return "That is no call of the function: the program refuses."


request = 'Answer with JSON only, with the keys "city" and "nights". Request: Book a room in Oslo for 3 nights.'
(reply,) = ask([request])
print(reply)
print(carry_out(reply))
assert not lab.course_model or json.loads(reply)["city"] == "Oslo"

# %% [markdown]
# The program, not the model, decides what happens with the text, so it has to check it. Lab 03 asks for JSON and validates it.

# %% [markdown]
# ## 5. Two limits to remember
#
# **Invented facts.** The model has no way to look anything up. Here it is asked about a novel that does not exist.

# %% tags=["device"]
(invented,) = ask(["Who wrote the novel 'The Copper Lighthouse of Vexley', and in which year?"], 50)
print(invented)
assert len(invented.split()) > 5 or not lab.course_model

# %% [markdown]
# The model does not say that it does not know. The sentence is fluent because fluent sentences are what it was trained on, and
# nothing in that training made it say when a fact is missing. Retrieval, which puts the right passage into the prompt, is one
# remedy; it stands on the map under *Integrate*.

# %% [markdown]
# **Arithmetic.** Thirty sums of two numbers between 10 and 99. Every reply has room for 72 tokens, enough for most of them to
# reach an answer. A program reads the last number of the reply that is not one of the two.

# %%
predict("0.p3")

# %% tags=["device"]
import random

dice = random.Random(0)
sums = [(dice.randint(10, 99), dice.randint(10, 99)) for _ in range(lab.size(smoke=10, small=30))]
replies = ask([f"What is {a} + {b}?" for a, b in sums], 72)


def read_sum(a, b, reply):
    """The last number in a reply that is neither of the two that were added; None if there is none."""
    numbers = [int(text) for text in re.findall(r"\d+", reply.replace(",", ""))]
    return next((n for n in reversed(numbers) if n not in (a, b)), None)


read = [read_sum(a, b, reply) for (a, b), reply in zip(sums, replies, strict=True)]
right = [value == a + b for (a, b), value in zip(sums, read, strict=True)]
unanswered = sum(value is None for value in read)
print(f"{len(sums)} sums: {sum(right)} right, {len(sums) - sum(right) - unanswered} wrong, {unanswered} without an answer")
outcome("0.p3", round(100 * sum(right) / len(sums)))
record("sums right, share", sum(right) / len(sums))
assert sum(right) < len(sums) or not lab.course_model

# %% [markdown]
# The ends of four replies, so that you see how it goes wrong, and whether the program read them rightly:

# %% tags=["device"]
ends = [" ".join(reply.split()[-18:]) for reply in replies[:4]]
examples = [(f"{a} + {b}", a + b, value, f"… {end}") for (a, b), value, end in zip(sums, read, ends, strict=False)]
show_table(("sum", "right answer", "number read", "how the reply ends"), examples)
assert len(examples) == 4

# %% [markdown]
# If a reply breaks off before a result, the program still finds some number further up, as it may have done with the second one, and
# counts it as wrong. `print(replies[1])` shows the whole reply. So *wrong* also holds replies that never reached an answer.
#
# A pocket calculator never fails at this. The model was trained to predict the next token, not to add, and nothing checks its digits.
# Larger models fail less often. If the model writes the sum as an expression and a program computes that, the computing is exact. Whether
# the model writes the right expression is another matter. Lab 09 measures both.

# %% [markdown]
# **Try it.** Ask something of your own.

# %% tags=["device"]
(my_answer,) = ask(["How many legs do three spiders have together?"], 60)
print(my_answer)
assert my_answer or not lab.course_model

# %% [markdown]
# ## 6. What could one change?
#
# Five ways to get better results from this model, from cheap to expensive. A prompt costs minutes, fine-tuning hours, human feedback
# weeks, so the order of effort is the order of this table. Stop as soon as the result is good enough.

# %%
tables = (model.get_input_embeddings(), model.get_output_embeddings())
weights = [getattr(module, "weight", None) for module in model.modules() if module not in tables]
adapters = sum(8 * sum(weight.shape) for weight in weights if weight is not None and weight.dim() == 2)
changes = [
    ("scope", "which task is asked for", "none", "00"),
    ("prompt", "the text that goes in", "none", "03"),
    ("fine-tuning, LoRA of rank 8", "a few new weights beside the old ones", f"{adapters:,}", "05"),
    ("fine-tuning, all weights", "the weights, towards example answers", f"{parameters:,}", "05"),
    ("human feedback", "the weights, towards answers that people prefer", f"{parameters:,}", "10"),
]
show_table(("what you do", "what it changes", "numbers trained", "lab"), changes)
assert 0 < adapters < parameters / 10 or not lab.course_model

# %% [markdown]
# ## 7. Quiz
#
# Choose with the mouse or the keyboard; the answer is judged at once.

# %%
quiz("0.a")

# %% [markdown]
# ## Recap
#
# - A language model continues a prompt; prompt and completion share one context window, counted in tokens.
# - Weights take parameters × bytes per parameter. A parameter stored in 32 bits takes 4 bytes.
# - The same model writes, translates, codes and fills in arguments for a program, well or badly.
# - It invents facts and gets sums wrong, fluently both times.
#
# Progress is kept on this machine, in one small file without code or names. `labs progress` shows it in a terminal, and
# `labs progress --export FILE` carries it to another machine.

# %% tags=["device"]
progress("00")
assert lab.name == "00", lab

# %% [markdown]
# **Next:** [Lab 01, Tokenization and attention](01_tokenization_attention.ipynb): how text becomes numbers, and what a transformer
# does with them.
