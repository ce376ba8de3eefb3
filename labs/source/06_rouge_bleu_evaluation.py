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
# # Lab 06. ROUGE and BLEU evaluation
#
# Two people summarize the same talk, both well, and hardly a sentence is the same. How can a program then say whether a model's
# summary is any good? **ROUGE** and **BLEU** count shared words. In this lab you read the texts first, write both metrics by hand, fool
# them, and find out what a difference between two scores is worth.
#
# By the end you can
# - compute ROUGE-1, ROUGE-2 and ROUGE-L as precision, recall and F1, and BLEU with clipping and the brevity penalty;
# - fool each of them, and say which other metric notices;
# - say where counting words is blind, and what sentence embeddings see and miss;
# - put an interval on a score and on a difference, and refuse to rank two systems inside the noise;
# - check a metric against a verdict on the texts themselves.
#
# The core path has eight exercises and three quizzes and takes about 90 minutes. *Going further*, at the end, is optional.
# `hint("6.1")` helps with exercise 6.1, and so on. If the next cell finds no `labutils`, choose *Kernel > Change Kernel > LLM
# Labs* and run it again.
#
# The second cell looks at the machine and shows where this lab stands in the life of a project. Whatever you adapt, a prompt or the
# weights, you need to know whether it got better. The texts are the course's own, because their defects are known. With
# `LABS_DIALOGUES` set, *Going further* scores your dialogues too.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% tags=["device"]
lab = start("06", seed=0)

import math
import random
from collections import Counter
from statistics import fmean as mean

import numpy as np

from labutils import evaluation
from labutils.course import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    load_dialogues,
    load_translations,
    load_written_summaries,
    new_figure,
    show_map,
    show_table,
)

show_map("06")
assert lab.name == "06"

# %% [markdown]
# ## 1. The texts
#
# There are 78 test dialogues. Each has three summaries, written without sight of one another. The same author's rules hold for all three,
# so they agree more than three strangers would. (Where two shared a long run of words, one was written again.) Here is one dialogue,
# which we keep as our example. All three of its summaries are correct.
#
# For a yes-or-no task you count right answers. Could you do the same here, with the first summary as the right answer? Below the texts
# is a question, with a field for your guess.

# %%
dialogues = load_dialogues(own=False)
test = dialogues["test"].to_list()
first, second = ([row["references"][k] for row in test] for k in (0, 1))
example = test[1]
print(example["dialogue"], *example["references"], sep="\n\n")
predict("6.p1")

# %%
tokens = [(evaluation.tokenize(a), evaluation.tokenize(b)) for a, b in zip(first, second, strict=True)]
same = sum(x == y for a, b in tokens for x, y in zip(a, b, strict=False)) / sum(len(a) for a, _ in tokens)
print("equal texts:", sum(a == b for a, b in tokens), "of", len(tokens))
print(f"words in the same place: {same:.0%}")
outcome("6.p1", 100 * same)

# %% [markdown]
# By that measure a careful summary is nearly always wrong. One extra word at the start moves every later word to another place. So
# the metrics ignore the place and count what two texts *share*.
#
# ## 2. Shared n-grams
#
# ROUGE puts a text in lower case and keeps runs of the letters a to z and of digits. Everything else separates words. An **n-gram**
# is n neighbouring words.


# %%
def grams(tokens, n):
    """How often each n-gram of a list of tokens occurs: a Counter of tuples."""
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


cat = evaluation.tokenize("The cat sat on the mat.")
print(cat, dict(grams(cat, 2)), sep="\n")

# %% [markdown]
# With a pencil: how many words does "the mat sat on a mat" share with "the cat sat on the mat"? Note that *mat* occurs twice on one
# side and once on the other.
#
# **Exercise 6.1.** Count the shared n-grams. One that the candidate has three times and the reference twice is shared twice, because each
# occurrence in the reference can be used once. That limit is called **clipping**. `overlap(candidate, reference, n)` takes two lists of
# tokens and returns three counts.


# %% tags=["exercise"] exercise="6.1"
def overlap(candidate, reference, n):
    """(shared n-grams, n-grams in the candidate, n-grams in the reference), from tokens."""
    ours, theirs = grams(candidate, n), grams(reference, n)
    # ours & theirs keeps the smaller count of each n-gram
    return ...


overlap = check("6.1", overlap)


# %% tags=["solution"] exercise="6.1"
def overlap(candidate, reference, n):
    """(shared n-grams, n-grams in the candidate, n-grams in the reference), from tokens."""
    ours, theirs = grams(candidate, n), grams(reference, n)
    # ours & theirs keeps the smaller count of each n-gram
    return sum((ours & theirs).values()), sum(ours.values()), sum(theirs.values())


overlap = check("6.1", overlap)

# %% [markdown]
# The number of shared n-grams can be divided by two totals, and the two results are often confused. **Recall** divides by the
# *reference's* n-grams and says how much of what should be there is there. **Precision** divides by the *candidate's* and says how much
# of what is there should be. The **F1** is their harmonic mean, 2PR / (P + R), which stays near the smaller of the two.
#
# **Exercise 6.2.** Write the three. Where nothing is shared, or there is nothing to share, all three are 0.


# %% tags=["exercise"] exercise="6.2"
def precision_recall_f1(matched, in_candidate, in_reference):
    """(precision, recall, F1) from the three counts; 0.0 in place of a division by zero."""
    return ...


precision_recall_f1 = check("6.2", precision_recall_f1)


# %% tags=["solution"] exercise="6.2"
def precision_recall_f1(matched, in_candidate, in_reference):
    """(precision, recall, F1) from the three counts; 0.0 in place of a division by zero."""
    if matched == 0:
        return 0.0, 0.0, 0.0
    precision, recall = matched / in_candidate, matched / in_reference
    return precision, recall, 2 * precision * recall / (precision + recall)


precision_recall_f1 = check("6.2", precision_recall_f1)

# %% [markdown]
# First the cat and the mat. The first row is the pair that you counted with a pencil. Work out one more before you look. **Try it** with
# a candidate of your own.

# %%
rows = []
for text in ("the mat sat on a mat", "the cat sat", "the cat sat on the mat and sang all day long", "the " * 7):
    for n in (1, 2):
        counts = overlap(evaluation.tokenize(text), cat, n)
        rows.append((text, n, *counts, *(f"{x:.2f}" for x in precision_recall_f1(*counts))))
show_table(("candidate", "n", "shared", "it has", "reference has", "P", "R", "F1"), rows, "Against: the cat sat on the mat")
stammer = evaluation.tokenize("the " * 7)
print("precision of the last candidate without clipping:", sum(word in cat for word in stammer) / len(stammer))

# %% [markdown]
# The last candidate is what clipping is for. *the* occurs in the reference, so without clipping all seven count, and the precision is 1.
#
# Now five candidates for our example, as systems might have written them. Read them before any score, and decide which ones you would
# accept. *Prices exchanged* is false, and it would cost Jadranka 105. *Own words* is true. The last two are not summaries at all. **Try
# it**: add a candidate of your own to the dictionary, and the cells below score it too.

# %%
candidates = {
    "honest": second[1],
    "prices exchanged": second[1].replace("85 visit tomorrow to 190 tonight", "190 visit tonight to 85 tomorrow"),
    "own words": "Water from the neighbours' flat dripped out of Jadranka's light. With the valve closed, she settled for the "
    "cheap repair the next day.",
    "broken off": "Minh traces the leak into Jadranka's flat to",
    "stammering": "Jadranka Jadranka, Minh Minh, the the the pipe pipe, the plumber the plumber",
}
show_table(("candidate", "text"), candidates.items(), "Five candidates for the example")
predict("6.p2")

# %%
rows, reference = [], evaluation.tokenize(first[1])
for name, text in candidates.items():
    counts = overlap(evaluation.tokenize(text), reference, 1)
    rows.append((name, *counts, *(f"{x:.2f}" for x in precision_recall_f1(*counts))))
show_table(("candidate", "shared", "it has", "reference has", "P", "R", "F1"), rows, "ROUGE-1 of the five candidates")
outcome("6.p2", 3 if rows[0][-1] == rows[1][-1] else 1)

# %% [markdown]
# The false summary has exactly the score of the honest one, because it has exactly the same words. The true summary in its own words
# comes last, behind a broken sentence and a stammer. ROUGE does not check facts.
#
# ### Stems, and equality
#
# *Meetings* and *meeting* do not match. To the metric they are two words. A **stemmer** cuts endings off before counting. Does that
# raise or lower the scores of the second summaries? And is what you wrote equal to the reference program, rouge_score, on all 78 pairs,
# with and without stems?

# %%
from rouge_score.rouge_scorer import RougeScorer

print(evaluation.tokenize("Meetings moved: she is moving the meeting", stem=True))
means, largest = Counter(), 0.0
for stem in (False, True):
    scorer = RougeScorer(["rouge1", "rouge2"], use_stemmer=stem)
    for reference, candidate in zip(first, second, strict=True):
        pair = [evaluation.tokenize(text, stem) for text in (candidate, reference)]
        for n in (1, 2):
            ours = precision_recall_f1(*overlap(*pair, n))
            theirs = scorer.score(reference, candidate)[f"rouge{n}"]
            largest = max(largest, *(abs(x - y) for x, y in zip(ours, theirs, strict=True)))
            means[n, stem] += ours[2] / len(first)
rows = [(f"ROUGE-{n}", f"{means[n, False]:.3f}", f"{means[n, True]:.3f}") for n in (1, 2)]
show_table(("mean F1 of 78", "as it is", "stemmed"), rows)
print("largest difference from rouge_score:", round(largest, 9))
assert largest < 1e-9

# %% [markdown]
# You have rebuilt the reference program. (rouge_score itself reimplements the Perl script ROUGE-1.5.5 of Lin's paper.) With stems the
# score rises a little, and no system has improved. So a stemmed score and an unstemmed one cannot be compared, and papers do not always
# say which one they give.
#
# Two questions. In the first, many people get the G wrong.

# %%
quiz("6.a")
quiz("6.b")

# %% [markdown]
# ## 3. See it
#
# **Try it.** Edit the candidate, and the words that match light up in both texts. Blue frames the candidate and its number of n-grams,
# orange the reference's. Press Tab to move between the field, the slider and the box. The arrow keys move the slider.
#
# Repeat a word of the reference until it is used up. Then shuffle the words, and compare n = 1 with n = 2. Below the explorer you see the
# same pair by its bigrams, and then the stammer. You can see these two pictures even where no kernel is running.

# %%
from IPython.display import HTML, display

from labutils.evaluation import explore_ngrams, ngram_view

explore_ngrams(second[1], first[1], n=1)
for text, n in ((second[1], 2), (candidates["stammering"], 1)):
    view = ngram_view(text, first[1], n)
    display(HTML(f"<h4>n = {n}</h4>" + view.html))

# %% [markdown]
# ## 4. Order
#
# ROUGE-1 ignores the order of words. ROUGE-2 looks only at neighbours. **ROUGE-L** looks for the **longest common subsequence**, the
# longest list of words that occur in both texts *in the same order*, with gaps allowed.
#
# A sub*string* allows no gaps. For "a x b c" and "a b y c" the longest common substring is a single word, and the longest common
# subsequence is a b c.
#
# **Exercise 6.3.** Fill in a table whose entry (i, j) is the answer for the first i words of a and the first j of b. If their
# last words agree, it is one more than the entry for both texts without them. If not, drop the last word of one or of the other.


# %% tags=["exercise"] exercise="6.3"
def lcs(a, b):
    """The length of the longest common subsequence of two lists of tokens."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    # for i in 1..len(a) and j in 1..len(b): table[i][j] from its neighbours above and to the left
    return ...


lcs = check("6.3", lcs)


# %% tags=["solution"] exercise="6.3"
def lcs(a, b):
    """The length of the longest common subsequence of two lists of tokens."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            if a[i - 1] == b[j - 1]:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


lcs = check("6.3", lcs)

# %% [markdown]
# The length of the subsequence is the numerator, and the rest is as before. We compare with the reference program on all 78 pairs.
# Then the five candidates again: do ROUGE-2 and ROUGE-L notice the exchanged prices?

# %%
scorer, largest = RougeScorer(["rougeL"]), 0.0
for (a, b), reference, candidate in zip(tokens, first, second, strict=True):
    ours = precision_recall_f1(lcs(b, a), len(b), len(a))
    theirs = scorer.score(reference, candidate)["rougeL"]
    largest = max(largest, *(abs(x - y) for x, y in zip(ours, theirs, strict=True)))
print("largest difference from rouge_score:", round(largest, 9))
rows, b = [], evaluation.tokenize(first[1])
for name, text in candidates.items():
    a = evaluation.tokenize(text)
    counts = overlap(a, b, 1), overlap(a, b, 2), (lcs(a, b), len(a), len(b))
    rows.append((name, *(f"{precision_recall_f1(*count)[2]:.2f}" for count in counts)))
show_table(("candidate", "ROUGE-1", "ROUGE-2", "ROUGE-L"), rows, "F1 against the first summary")
assert largest < 1e-9

# %% [markdown]
# None of the three can tell the false summary from the honest one here. A reference that names both prices can separate them, but only by
# a pair of neighbours or by one word of the subsequence. On ROUGE-2 the broken sentence even beats the honest summary. It shares fewer
# pairs of neighbours, but it is so short that its precision is far higher.
#
# (A fourth variant, **ROUGE-Lsum**, matches line by line. The *sum* is for *summary*, not for adding up. It is in *Going further*.)
#
# ## 5. Beat the metric
#
# A metric that people aim at gets beaten. For the dialogues we use one setting from here on, the same as lab 05. Stems are cut, F1 is
# averaged over the dialogue's three references, and scores are in **points** from 0 to 100. Where a cell departs from it, its title or the
# text says so. `rouge_scores(texts, rows)` gives one score per dialogue, for
# each of ROUGE-1, -2 and -L.
#
# ### Word salad
#
# What does a reference score against itself when its words are in random order? Write down three numbers, then run the cell.

# %%
from labutils.tuning.summaries import rouge_scores

dice = random.Random(0)
shuffled = [" ".join(dice.sample(words, len(words))) for words, _ in tokens]
print(shuffled[1])
one_reference = [{"references": [text]} for text in first]
salads = {"the second summary": rouge_scores(second, one_reference), "word salad": rouge_scores(shuffled, one_reference)}
rows = [(name, *(f"{mean(values):.1f}" for values in scores.values())) for name, scores in salads.items()]
show_table(("candidate", "ROUGE-1", "ROUGE-2", "ROUGE-L"), rows, "Against the first summary alone, in points, mean of 78")

# %% [markdown]
# Word salad gets a perfect ROUGE-1. ROUGE-2 and ROUGE-L fall below those of a good summary, because few pairs of neighbours survive a
# shuffle, and no long subsequence does.
#
# ### One string for every dialogue
#
# That was cheating, because we knew the reference. The next candidate is the *same string* for every dialogue, made from 100 training
# summaries without any test text. We always add the word that raises the mean F1 most, until none does. (For two bags of words F1 is
# 2 · shared / (sum of both lengths). Put P = shared / c and R = shared / r into 2PR / (P + R).)


# %%
def best_string(summaries):
    """The bag of words, as a string, with the best mean ROUGE-1 F1 against these summaries, found greedily."""
    bags = [Counter(evaluation.tokenize(text)) for text in summaries]
    frequent = [word for word, _ in sum(bags, Counter()).most_common(40)]

    def mean_f1(words):
        size = sum(words.values())
        return mean(2 * sum((words & bag).values()) / (size + sum(bag.values())) for bag in bags)

    best, bag = 0.0, Counter()
    while True:
        grown = max((bag + Counter([word]) for word in frequent), key=mean_f1)
        if mean_f1(grown) <= best:
            return " ".join(bag.elements())
        best, bag = mean_f1(grown), grown


constant = best_string(dialogues["train"]["summary"][:100])
print(constant)

# %% [markdown]
# The competitors are our 135 M model without any fine-tuning, with the *best* of four *prompts*, and the same model after each arm of lab
# 05's race, which trained on 80 dialogues. Every text is cut at 52 tokens. The course ships what they wrote for all 78 dialogues. (If you
# have run lab 05 on this machine, the texts of your own race are scored as well.) Here are their texts for our example, and what the
# untrained model answers now, on your machine. Read them against the dialogue. Which facts are right?

# %% tags=["device"]
from labutils.prompting.prompts import SUMMARY
from labutils.tuning.catch_up import kept_results
from labutils.tuning.summaries import write_summaries

model, tokenizer = load_model()
few = test[: lab.size(smoke=2, small=4, standard=4)]
chats = [[{"role": "user", "content": f"{SUMMARY.instruction}\n\n{row['dialogue']}"}] for row in few]
prompts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True) if tokenizer.chat_template else None
with guard("5 Summaries in one batch", need_gib=0.3):
    now = write_summaries(model, tokenizer, few, prompts)
written = load_written_summaries()
races = {f"{name}, yours": kept.get("texts", []) for name, kept in kept_results("05").items()}
written |= {name: texts for name, texts in races.items() if len(texts) == len(test)}
rows = [("constant string", constant), *((name, texts[1]) for name, texts in written.items())]
show_table(("system", "what it wrote for the example"), [*rows, ("best prompt, now", now[1]), ("reference", first[1])])
print("equal to the saved text:", sum(a == b for a, b in zip(now, written["best prompt"], strict=False)), "of", len(few))
predict("6.p3")
assert len(now) == len(few)

# %%
systems = {"constant string": [constant] * len(test), **written}
scores = {name: rouge_scores(texts, test) for name, texts in systems.items()}
rows = [(name, *(f"{mean(values):.1f}" for values in each.values())) for name, each in scores.items()]
show_table(("system", "ROUGE-1", "ROUGE-2", "ROUGE-L"), rows, "Points, mean of 78 dialogues")
rouge_1 = {name: each["ROUGE-1"] for name, each in scores.items()}
duel = evaluation.compare(rouge_1["constant string"], rouge_1["best prompt"], ("the constant string", "the best prompt"))
print(duel)
outcome("6.p3", 3 if not duel.ranked else (2 if duel.difference > 0 else 1))
record("mean ROUGE-1 by system", {name: round(mean(values), 1) for name, values in rouge_1.items()})

# %% [markdown]
# In our example the untrained model copies turns until it is cut off. Both trained texts are fluent and false: nobody takes pliers to the
# bathroom tomorrow, and no plumber stopped the hissing. ROUGE cannot tell you that.
#
# Function words are in every summary. So a string of them scores more than the untrained model, and more than half of what a reference
# gets against the other references (section 9). The string's ROUGE-2 is close to nothing, and the trained models are ahead of it on
# ROUGE-1 too. Whenever you see a ROUGE-1, ask what a constant string gets. (Section 8 explains the printed sentence, and when it refuses
# to rank. Another model, or a machine that rounds differently, may write other words than the saved ones.)
#
# ## 6. BLEU
#
# Machine translation took another recipe. There are 78 French sentences. Each has two or three reference translations (we use two) and
# eight candidates. One candidate is good (*none*, no defect), one is right in other words throughout (*perfect
# paraphrase*), and six have one known defect. The next cell shows one sentence with its references and candidates.

# %%
translations = load_translations()
references = [texts[:2] for texts in translations["references"]]
by_kind = {}
for row in translations:
    for item in row["candidates"]:
        by_kind.setdefault(item["defect"], []).append(item["text"])
pool = translations[41]
print(pool["source"], *references[41], sep="\n")
show_table(("kind", "candidate"), [(kind, texts[41]) for kind, texts in by_kind.items()], pool["id"])

# %% [markdown]
# BLEU has four parts. It uses only precisions, of n-grams of 1 to 4 words. It clips against *several* references. It combines the four
# by a geometric mean. A **brevity penalty** stands in for recall.
#
# **Exercise 6.4.** Clip against several references. An n-gram may be matched as often as it occurs in the *one* reference that has
# most of it.


# %% tags=["exercise"] exercise="6.4"
def clipped(candidate, references, n):
    """(matched, in the candidate): n-gram counts, clipped against several references."""
    most = Counter()
    # most |= other keeps the larger count of each n-gram
    return ...


clipped = check("6.4", clipped)


# %% tags=["solution"] exercise="6.4"
def clipped(candidate, references, n):
    """(matched, in the candidate): n-gram counts, clipped against several references."""
    most = Counter()
    for reference in references:
        most |= grams(reference, n)
    ours = grams(candidate, n)
    return sum((ours & most).values()), sum(ours.values())


clipped = check("6.4", clipped)

# %% [markdown]
# Precision alone rewards a system that says little, all of it right. *The mayor* has a precision of 1. So BLEU multiplies by 1 if the
# candidate is at least as long as the reference, and by exp(1 − r / c) if it is shorter (c and r are the two lengths).
#
# **Exercise 6.5.** Write the brevity penalty, for lengths above 0. What does half the length cost? Say a number first.


# %% tags=["exercise"] exercise="6.5"
def brevity(candidate_length, reference_length):
    """BLEU's brevity penalty, a factor between 0 and 1."""
    return ...


brevity = check("6.5", brevity)


# %% tags=["solution"] exercise="6.5"
def brevity(candidate_length, reference_length):
    """BLEU's brevity penalty, a factor between 0 and 1."""
    if candidate_length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / candidate_length)


brevity = check("6.5", brevity)

# %% [markdown]
# Half the length leaves exp(−1) = 0.37 of the score. There is no penalty for length, since extra words already lower the precisions.
#
# **Exercise 6.6.** The score is 100 × penalty × the *geometric* mean of the precisions. For four of them that is the fourth root of their
# product, and for k of them the k-th root.
#
# BLEU is often called an average of precisions. In a plain average of four, a precision of zero costs at most a quarter of the scale. In
# the geometric mean one zero makes the whole score zero.


# %% tags=["exercise"] exercise="6.6"
def bleu_score(pairs, candidate_length, reference_length):
    """BLEU, 0 to 100, from (matched, in the candidate) for n = 1, 2, ... and the two lengths."""
    precisions = [matched / total for matched, total in pairs]
    # brevity() from above, math.prod(...) for the product
    return ...


bleu_score = check("6.6", bleu_score)


# %% tags=["solution"] exercise="6.6"
def bleu_score(pairs, candidate_length, reference_length):
    """BLEU, 0 to 100, from (matched, in the candidate) for n = 1, 2, ... and the two lengths."""
    precisions = [matched / total for matched, total in pairs]
    geometric_mean = math.prod(precisions) ** (1 / len(precisions))
    return 100 * brevity(candidate_length, reference_length) * geometric_mean


bleu_score = check("6.6", bleu_score)

# %% [markdown]
# BLEU belongs to a whole corpus. Counts and lengths are added up over all sentences, and divided once. With several references, r is the
# length closest to the candidate's, chosen sentence by sentence. BLEU's tokens keep case, and punctuation marks are tokens of their own.
#
# Is your BLEU equal to **sacreBLEU**, the program behind published scores, on each of the eight kinds? Then we take it apart, for the good
# translations, for their first few words (*too short*), and for the good ones with their words shuffled.


# %%
import sacrebleu


def corpus_counts(candidates, references):
    """Four (matched, in the candidate) pairs and the two lengths, summed over a corpus."""
    ours = [evaluation.tokenize_13a(text) for text in candidates]
    theirs = [[evaluation.tokenize_13a(text) for text in texts] for texts in references]
    found = [[clipped(c, rs, n) for c, rs in zip(ours, theirs, strict=True)] for n in (1, 2, 3, 4)]
    pairs = [(sum(m for m, _ in order), sum(t for _, t in order)) for order in found]
    closest = [evaluation.closest_length(len(c), [len(r) for r in rs]) for c, rs in zip(ours, theirs, strict=True)]
    return pairs, sum(map(len, ours)), sum(closest)


streams = [[texts[k] for texts in references] for k in (0, 1)]  # all first references, all second ones
largest = 0.0
for texts in by_kind.values():
    theirs = sacrebleu.corpus_bleu(texts, streams, smooth_method="none").score
    largest = max(largest, abs(bleu_score(*corpus_counts(texts, references)) - theirs))
print("counts of the good translations:", corpus_counts(by_kind["none"], references))
print("largest difference from sacreBLEU, without smoothing:", round(largest, 9))
assert largest < 1e-9

# %%
mixed = [" ".join(dice.sample(text.split(), len(text.split()))) for text in by_kind["none"]]
rows = []
for kind, texts in {"good": by_kind["none"], "too short": by_kind["too short"], "good, shuffled": mixed}.items():
    pairs, c, r = corpus_counts(texts, references)
    precisions = [100 * m / t for m, t in pairs]
    numbers = *precisions, mean(precisions), bleu_score(pairs, r, r), bleu_score(pairs, c, r)
    rows.append((kind, *(f"{x:.1f}" for x in numbers)))
header = ("kind", "1-grams", "2-grams", "3-grams", "4-grams", "plain average", "geometric mean", "with penalty: BLEU")
show_table(header, rows, "Precisions in per cent")

# %% [markdown]
# The short texts are right as far as they go, so their precisions are high, and only the penalty exposes the truncation. The plain
# average still gives the shuffled words a third of what it gives the good ones, and the geometric mean leaves them little.
#
# (sacreBLEU **smooths** by default. The shortest n-gram length without a match is given half a match, the next one a quarter, and so on.
# *Going further* shows what that does to short texts.)
#
# ## 7. Where n-grams are blind
#
# We know what is wrong with each candidate, so we can ask whether the metrics do. Look at the eight texts about the pool once more. Which
# kind will come last, and where will *negation flipped* land?

# %%
english = [texts[0] for texts in references]


def rouge_1_of(texts):
    """ROUGE-1 of each translation against the first reference, in points, without stems."""
    return [100 * evaluation.rouge_n(text, target, 1).f1 for text, target in zip(texts, english, strict=True)]


word_scores = {kind: rouge_1_of(texts) for kind, texts in by_kind.items()}
bleu_scores = {kind: evaluation.bleu(texts, references) for kind, texts in by_kind.items()}
rows = [(kind, f"{bleu_scores[kind]:.1f}", f"{mean(word_scores[kind]):.1f}") for kind in by_kind]
rows.sort(key=lambda row: -bleu_scores[row[0]])
show_table(("kind", "BLEU", "ROUGE-1"), rows, "All 78 sentences")
pairs = list(zip(word_scores["negation flipped"], word_scores["perfect paraphrase"], strict=True))
print("the opposite scores above the paraphrase in", sum(a > b for a, b in pairs), "of", len(pairs), "sentences (ROUGE-1)")

# %% [markdown]
# The perfect paraphrase is last by far, behind mutilated sentences. *Negation flipped* says the opposite in nearly the same words, and a
# metric that counts words sees only a small change. What you saw on one dialogue holds in every sentence here. (These paraphrases were
# written to share as few words as possible. Ordinary ones fall less far.)
#
# ### What embeddings see
#
# A **sentence encoder** turns a text into 384 numbers, so that similar meanings point in similar directions. The cosine of the angle
# is 1 for the same direction and near 0 for unrelated texts. No words need to be shared.

# %%
predict("6.p4")

# %%
target = evaluation.embed(english)  # (78, 384), every row of length 1
cosines = {kind: (evaluation.embed(texts) * target).sum(dim=1) for kind, texts in by_kind.items()}  # (78) each
cosines["unrelated"] = (target.roll(1, dims=0) * target).sum(dim=1)  # (78): each sentence and the next one
paraphrase, opposite, other = (cosines[kind] for kind in ("perfect paraphrase", "negation flipped", "unrelated"))
print("paraphrase closer than an unrelated sentence:", int((paraphrase > other).sum()), "of", len(english))
print("flipped negation closer than the paraphrase: ", int((opposite > paraphrase).sum()), "of", len(english))
share = float((opposite > paraphrase).float().mean())
outcome("6.p4", 3 if share > 0.9 else (1 if share < 0.1 else 2))

# %% tags=["device"]
figure, axes = new_figure("A right paraphrase lies below six faulty kinds, by words and by cosine", height=4.2)
special = {"perfect paraphrase": GREEN, "negation flipped": VERMILION}
for kind in by_kind:
    x, y = mean(word_scores[kind]), float(cosines[kind].mean())
    axes.plot(x, y, "o", color=special.get(kind, BLUE))
    beside = x < 40 or x > 82
    place = {"xytext": (7 if beside else -7, -4), "ha": "left" if beside else "right"}
    axes.annotate(kind, (x, y), textcoords="offset points", fontsize=9, **place)
height = float(other.mean())
axes.axhline(height, color=GREY, linestyle="--")
axes.annotate("an unrelated sentence", (100, height), xytext=(0, 4), textcoords="offset points", ha="right", color=GREY)
axes.set(xlabel="mean ROUGE-1 (points, n = 78)", ylabel="mean cosine with the reference", xlim=(-5, 105), ylim=(-0.05, 1.05))
means = {kind: round(float(values.mean()), 2) for kind, values in cosines.items()}
show(figure, "Mean cosine with the reference: " + ", ".join(f"{kind} {value}" for kind, value in means.items()))
record("mean cosine", means)
assert len(means) == 9

# %% [markdown]
# The encoder sees that the paraphrase is about the same thing, where n-grams see almost nothing. Still, on average the paraphrase is
# behind all six faulty kinds, the opposite among them. An embedding measures what a text is *about*, and a denial is about the same
# thing. Neither kind of metric checks facts.
#
# **Try it.** In a new cell, `evaluation.similarity("...", "...")` gives the cosine of two sentences of your own.
#
# ## 8. Ten examples
#
# Back to the dialogues, with two systems that need no model. One copies the whole dialogue, the other its last three turns. People
# settle things at the end, so the second should do better. But many reports rest on ten examples that somebody picked.

# %%
copiers = {
    "whole dialogue": lambda turns: turns,
    "first two turns": lambda turns: turns[:2],
    "last three turns": lambda turns: turns[-3:],
    "longest three turns": lambda turns: sorted(turns, key=len)[-3:],
}
for name, choose in copiers.items():
    scores[name] = rouge_scores([" ".join(choose(row["dialogue"].split("\n"))) for row in test], test)
rouge_l = {name: each["ROUGE-L"] for name, each in scores.items()}
whole, ending = rouge_l["whole dialogue"], rouge_l["last three turns"]
print(f"ROUGE-L: the whole dialogue {mean(whole):.1f}, its last three turns {mean(ending):.1f}")
predict("6.p5")

# %% [markdown]
# The last three turns are ahead on 78 dialogues.
#
# **Exercise 6.7.** `upset_rate(a, b, draws)` takes two lists of scores of the same examples and a list of draws, each a list of indices.
# Decide once, on all examples, which system is the worse one. Then return the share of draws in which its sum is strictly larger.


# %% tags=["exercise"] exercise="6.7"
def upset_rate(a, b, draws):
    """The share of draws (lists of indices) in which the system that is worse over all wins."""
    # a and b are lists of scores of the same examples
    return ...


upset_rate = check("6.7", upset_rate)


# %% tags=["solution"] exercise="6.7"
def upset_rate(a, b, draws):
    """The share of draws (lists of indices) in which the system that is worse over all wins."""
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    upsets = [sum(worse[i] for i in draw) > sum(better[i] for i in draw) for draw in draws]
    return sum(upsets) / len(upsets)


upset_rate = check("6.7", upset_rate)

# %%
dice, sizes, upsets = random.Random(6), (5, 10, 20, 30, 40, 50, 60), {}
for size in sizes:
    upsets[size] = upset_rate(whole, ending, [dice.sample(range(len(whole)), size) for _ in range(2_000)])
figure, axes = new_figure(f"With ten examples, the worse system wins {upsets[10]:.0%} of the comparisons")
axes.plot(sizes, [100 * share for share in upsets.values()], "o-", color=BLUE)
axes.axvline(10, color=ORANGE, linestyle="--")
axes.set(xlabel="examples drawn", ylabel="worse system wins\n(% of 2,000 draws)", ylim=(0, 50))
show(figure, "Share of draws that the worse system wins: " + ", ".join(f"{share:.0%} at {n}" for n, share in upsets.items()))
outcome("6.p5", 100 * upsets[10])
record("wrong winner with ten examples, share", upsets[10])

# %% [markdown]
# With 2,000 draws such a share is known to about two points. The curve flatters large samples, because 60 of 78 leaves little to chance,
# and the 78 are a sample themselves. What matters is what *another* test set would say.
#
# ### Intervals
#
# The **bootstrap** answers with the examples at hand. Draw 78 of the 78 *with* replacement, take the mean, and do it thousands of times.
# The middle 95 % of these means is an interval for the score.
#
# If two intervals overlap, the difference need not be noise. Both systems saw the *same* dialogues. If what is hard for one is hard
# for the other, part of the luck cancels in the difference. The **paired bootstrap** resamples the differences.
#
# **Exercise 6.8.** `difference_interval(a, b, draws)` returns the two ends of the middle 95 % of the mean difference a − b, one mean per
# draw. A draw is a list of indices. The same draw serves both systems, and an index that occurs twice counts twice.


# %% tags=["exercise"] exercise="6.8"
def difference_interval(a, b, draws):
    """(low, high): the middle 95 % of the mean difference a - b over the draws."""
    # low, high = np.quantile(means, [0.025, 0.975]) are the ends of the middle 95 % of a list; return low, high
    return ...


difference_interval = check("6.8", difference_interval)


# %% tags=["solution"] exercise="6.8"
def difference_interval(a, b, draws):
    """(low, high): the middle 95 % of the mean difference a - b over the draws."""
    differences = [x - y for x, y in zip(a, b, strict=True)]
    means = [sum(differences[i] for i in draw) / len(draw) for draw in draws]
    low, high = np.quantile(means, [0.025, 0.975])
    return low, high


difference_interval = check("6.8", difference_interval)

# %% [markdown]
# Yours draws 4,000 test sets, the library's `paired_bootstrap` 10,000. The last row of the table is what you would believe
# without pairing, from the two standard errors alone. (A **standard error** is the standard deviation of a mean, and 1.96 of them to each
# side hold 95 %.)
#
# The **p-value** printed below is how often a difference at least this large would arise if the two systems were equally good.
# **Approximate randomization** estimates it in another way: in each round every dialogue's two scores are exchanged or left, by a coin.

# %%
draws = [[dice.randrange(len(whole)) for _ in whole] for _ in range(4_000)]
gap = evaluation.paired_bootstrap(ending, whole)
gap_error = 1.96 * np.sqrt((np.var(ending, ddof=1) + np.var(whole, ddof=1)) / len(whole))
rows = [
    ("last three turns", *evaluation.bootstrap_interval(ending)),
    ("whole dialogue", *evaluation.bootstrap_interval(whole)),
    ("difference, by your function", gap.mean, *difference_interval(ending, whole, draws)),
    ("difference, by the library", *gap[:3]),
    ("difference, unpaired", gap.mean, gap.mean - gap_error, gap.mean + gap_error),
]
show_table(("", "ROUGE-L", "95 % from", "to"), [(name, *(f"{x:.2f}" for x in numbers)) for name, *numbers in rows])
print(f"correlation of the two systems' scores: {np.corrcoef(ending, whole)[0, 1]:.2f}")
print(f"p = {gap.p_value:.3f}; by another route, approximate randomization: {evaluation.approximate_randomization(ending, whole):.3f}")

# %% [markdown]
# The two intervals overlap, and the interval of the difference excludes 0, but only just. (Your lower end and the library's differ a
# little, because the draws are random.) Pairing made it narrower because the scores are correlated. With uncorrelated systems it would
# gain nothing.
#
# `evaluation.compare` turns this into a sentence and refuses to rank where it should. Where it refuses, it says how large a difference
# these examples could have shown. Here it is with all examples, with ten, and with a third system.

# %%
verdicts = [
    evaluation.compare(ending, whole, ("last three", "whole")),
    evaluation.compare(ending[:10], whole[:10], ("last three", "whole")),
    evaluation.compare(rouge_l["longest three turns"], whole, ("longest three", "whole")),
]
print(*verdicts, sep="\n")

# %%
quiz("6.c")

# %% [markdown]
# "Cannot be ranked" is an honest result. (With as few as ten scores, the bootstrap's interval is
# somewhat too narrow.)
#
# ## 9. Several references, and the ceiling
#
# With three references you may take the best score or the average. BLEU does neither, since it clips against all at once.
# rouge_score's `score_multi`, and so `evaluate`, takes the **best**. What happens to the constant string with one, two and three
# references?
#
# And what would a perfect system get? Not 100, because good summaries differ. Hold each of the three against the other two, and you have a
# **ceiling**, called the human ceiling where people wrote the references. Ours are synthetic and follow one set of rules, which raises the
# ceiling. Where two agreed word for word over a long stretch, one was rewritten, which lowers it a little.

# %%
from functools import partial

stemmed = partial(evaluation.rouge_n, n=1, stem=True)
rows, scorer = [], RougeScorer(["rouge1"], use_stemmer=True)
for k in (1, 2, 3):
    both = [evaluation.best_and_average(constant, row["references"][:k], stemmed) for row in test]
    rows.append((k, *(f"{100 * mean(values):.1f}" for values in zip(*both, strict=True))))
theirs = [scorer.score_multi(row["references"], constant)["rouge1"].fmeasure for row in test]
show_table(("references", "best", "average"), rows, "ROUGE-1 of the constant string, points")
print(f"rouge_score's score_multi: {100 * mean(theirs):.1f}")
predict("6.p6")

# %%
rules = {"ROUGE-1": stemmed, "ROUGE-2": partial(evaluation.rouge_n, n=2, stem=True), "ROUGE-L": partial(evaluation.rouge_l, stem=True)}
everyone = [row["references"] for row in test]
scores["references"] = {name: [100 * x for x in evaluation.reference_ceiling(everyone, rule)] for name, rule in rules.items()}
rows = [(name, *(f"{x:.1f}" for x in evaluation.bootstrap_interval(values))) for name, values in scores["references"].items()]
show_table(("each reference against the others", "mean, points", "95 % from", "to"), rows)
outcome("6.p6", mean(scores["references"]["ROUGE-1"]))

# %% [markdown]
# For the string, the best rises with every reference, and the average stays where it is. A number without "how many references, best or
# average" cannot be compared with another.
#
# Now everything together: the baselines that need no training, what the model wrote, and the ceiling.

# %%
order = ["constant string", *copiers, *written, "references"]
figure, panels = new_figure("After 80 dialogues the model scores about what copying scores", columns=2, height=3.8)
texts_of_figure = []
for axes, metric in zip(panels, ("ROUGE-1", "ROUGE-2"), strict=True):
    for name in reversed(order):
        centre, low, high = evaluation.bootstrap_interval(scores[name][metric])
        colour = GREEN if name == "references" else VERMILION if name in written else BLUE
        axes.errorbar(centre, name, xerr=[[centre - low], [high - centre]], fmt="o", capsize=4, color=colour)
        texts_of_figure.append(f"{metric} of {name} {centre:.1f}")
    axes.set(xlabel=f"{metric} (points, 95 % interval, n = 78)", xlim=(0, None))
panels[1].set_yticklabels([])
show(figure, "; ".join(texts_of_figure))
duels = {"copying": "longest three turns", "the best prompt": "best prompt", "LoRA": "LoRA", "full": "full"}
for metric in ("ROUGE-1", "ROUGE-2"):
    for names in (("copying", "the best prompt"), ("LoRA", "copying"), ("full", "copying"), ("full", "LoRA")):
        print(f"{metric}:", evaluation.compare(*(scores[duels[name]][metric] for name in names), names))

# %% [markdown]
# The untrained model, even with its best prompt, lies below the program that copies the three longest turns, and on ROUGE-1 below the
# constant string. The two trained models lie far above the untrained one. Beside that weak prompt the gain looks large. Beside the best
# baseline that needs no training it does not. LoRA's lead on ROUGE-1 is within the noise, on ROUGE-2 it has none, and full fine-tuning is
# behind the copier there. Anyone who reports a gain should show it against the best such baseline. (These models were trained on 80
# dialogues. Lab 05 asks how many it takes to be clearly ahead.)
#
# One line ranks LoRA above full on ROUGE-2, but only just. Do not report it as a win. It is one of eight comparisons, and the more you
# make, the likelier it is that one excludes 0 by luck (*Going further* has a correction for that). And the interval reflects only the
# choice of dialogues, not the training. In lab 05's record, three seeds of this LoRA differ from one another by more than this lead.
#
# A score above the ceiling would not mean "better than a careful writer". The system would be closer to these references than they
# are to one another, for example by copying their style.
#
# ## 10. Text beyond a to z
#
# ROUGE's tokenizer keeps the letters a to z and digits. What, then, happens to an accent? And to a Thai sentence that is scored
# against itself?

# %%
predict("6.p7")

# %%
thai = "ฉันชอบกินข้าวผัด"  # I like to eat fried rice
anywhere = evaluation.tokenize_anywhere
rows = []
for a, b in (("café", "cafe"), ("café", "café"), ("café", "caf"), (thai, thai)):
    ours = [evaluation.rouge_n(a, b, 1, tokenizer=tokenizer_).f1 for tokenizer_ in (None, anywhere)]
    rows.append((a, b, evaluation.tokenize(a), evaluation.tokenize(b), ours[0], anywhere(a), ours[1]))
header = ("candidate", "reference", "its tokens", "reference's tokens", "ROUGE-1", "tokens of any script", "ROUGE-1 on them")
show_table(header, rows)
scorer = RougeScorer(["rouge1"])
theirs = [scorer.score(b, a)["rouge1"].fmeasure for a, b, *_ in rows]
print("rouge_score says", theirs, "and sacreBLEU", sacrebleu.corpus_bleu([thai], [[thai]]).score, "for the Thai sentence")
outcome("6.p7", 2 if rows[0][4] == 0 else 1)

# %% [markdown]
# *café* becomes the token *caf*, which is not *cafe*, and which equals *caf*. The Thai sentence gets 0 against itself, without a warning.
# BLEU takes the whole sentence for one word, so it has no 4-gram. The remedy is a tokenizer that knows other scripts. Ours takes words
# where a script has spaces and characters where it has none. It keeps accents, so *café* and *cafe* remain two words. Whether they
# should be one is your decision, and part of the score. A score on characters never belongs beside one on words.
#
# ## 11. Who judges the judges?
#
# Human judgement is the gold standard, and a metric is worth as much as its agreement with people. Be that person. Here are twelve
# pairs, blind. In each, one translation is right and the other has a wrong word or says the opposite. The right one may use
# unusual words. Decide by meaning. The French sentence says what was meant.

# %%
dice, pairs = random.Random(11), []
for number, row in enumerate(dice.sample(range(len(english)), 12)):
    right, faulty = ("none", "perfect paraphrase")[number % 2], dice.choice(("wrong word", "negation flipped"))
    pairs.append((row, dice.sample((right, faulty), 2)))
sources = translations["source"]
rows = [(n, sources[row], english[row], *(by_kind[kind][row] for kind in kinds)) for n, (row, kinds) in enumerate(pairs, 1)]
show_table(("pair", "French", "reference", "A", "B"), rows, "Which is right?")
judges = {
    "ROUGE-1": lambda kind, row: word_scores[kind][row],
    "BLEU": lambda kind, row: evaluation.sentence_bleu(by_kind[kind][row], references[row][:1]),
    "embeddings": lambda kind, row: float(cosines[kind][row]),
}
verdict = ["AB"[kinds[0] not in ("none", "perfect paraphrase")] for _, kinds in pairs]
letters = {name: ["AB"[judge(b, row) > judge(a, row)] for row, (a, b) in pairs] for name, judge in judges.items()}

# %% [markdown]
# The metrics have chosen too, in the last lines above, each with the first reference alone. Type your twelve letters, A or B, between the
# quotation marks. If you leave it empty, the cell shows the metrics alone and keeps the verdict to itself.
#
# The **verdict** was fixed when the candidates were written, by the author who put the fault in. It is neither blind nor independent, and
# no second person has checked it. It is worth something because most planted faults are plain. Where you and the verdict part, read the
# pair again: the verdict may be the one that is wrong. For real systems you need two readers for each text, and their agreement. **Cohen's
# kappa** is agreement beyond chance. It is 0 for what chance would give, 1 for full agreement, and below 0 for less than chance gives.
#
# Twelve pairs are few. So the second cell takes all 78 sentences, each right candidate against each of the six faulty kinds. A coin would
# get 50 %. Its intervals resample sentences. (Where every sentence gives the same result, the bootstrap's interval has no width. That is a
# limit of the method, not certainty. *Going further* has an interval without this fault.)


# %%
my_letters = ""  # your choices, such as "ABAB..."


def kappa(a, b):
    """Cohen's kappa of two lists of letters: (agreement - chance) / (1 - chance)."""
    agreement = mean(x == y for x, y in zip(a, b, strict=True))
    chance = sum(a.count(letter) * b.count(letter) for letter in "AB") / len(a) ** 2
    return (agreement - chance) / (1 - chance) if chance < 1 else 1.0


mine, choosers = [letter for letter in my_letters.upper() if letter in "AB"], dict(letters)
if len(mine) == len(verdict):
    choosers = {"you": mine, **letters}
    print("verdict:", "".join(verdict), " yours:", "".join(mine))
rows = []
for name, choices in choosers.items():
    usual, own_words = (sum(x == y for x, y in list(zip(choices, verdict, strict=True))[k::2]) for k in (0, 1))
    with_you = f"{kappa(choices, mine):.2f}" if "you" in choosers else "(no letters yet)"
    rows.append((name, f"{usual} of 6", f"{own_words} of 6", f"{kappa(choices, verdict):.2f}", with_you))
show_table(("judge", "right, usual words", "right, own words", "kappa with the verdict", "kappa with you"), rows)

# %% tags=["device"]
faulty = [kind for kind in by_kind if kind not in ("none", "perfect paraphrase")]
rows = []
for name, judge in judges.items():
    shares = []
    for right in ("none", "perfect paraphrase"):
        won = [mean(judge(right, row) > judge(wrong, row) for wrong in faulty) for row in range(len(english))]
        shares.append(evaluation.bootstrap_interval(won))
    rows.append((name, *("{:.0%} ({:.0%} to {:.0%})".format(*share) for share in shares)))
show_table(("judge", "right, usual words", "right, words of its own"), rows, "Ranked strictly above the faulty candidate")
assert len(rows) == 3

# %% [markdown]
# While a system stays close to the reference's words, BLEU and the embeddings nearly always agree with the verdict, and ROUGE-1 in three
# cases of four. (It cannot see *wrong order*: the same words give the same score, and a tie counts as a loss.) On these paraphrases, which
# avoid the reference's words on purpose, all three turn against the right answer. So have people read a sample, blind.
#
# A kappa of 0 or below does not mean that a metric guesses. Each of the three is right in most pairs with usual words and wrong in the
# others, and one number for both hides that. Look at the parts before you quote a kappa.
#
# One task's score says nothing about another's. **Benchmarks** such as GLUE, MMLU, BIG-bench and HELM bundle many tasks to measure broad
# ability. *Going further* has a small one.
#
# ## 12. In daily work
#
# At work, take the reference programs. The `evaluate` library gives both one interface. `evaluate.load("rouge")` gets a metric's module
# from the Hub. The course ships its own modules, so nothing is downloaded, and its `bleu` is sacreBLEU on a scale from 0 to 100.
# (On the Hub `evaluate.load("bleu")` is another program, from 0 to 1 and without a signature. Ask for `sacrebleu` there.)

# %%
import evaluate

both = evaluate.combine([evaluation.load_metric("rouge"), evaluation.load_metric("bleu")])
result = both.compute(predictions=by_kind["none"], references=references)
print({name: round(result[name], 3) for name in ("rouge1", "rouge2", "rougeL", "bleu")})
print("yours:", round(bleu_score(*corpus_counts(by_kind["none"], references)), 3))
print(result["signature"].split("|version")[0])

# %% [markdown]
# The last line is sacreBLEU's **signature**, with the number of references, case, tokenizer and smoothing (and the version). Quote it with
# every BLEU. The ROUGE here takes the best of two references, unstemmed, from 0 to 1, so it is not the number of section 7.
#
# ## Recap
#
# - ROUGE and BLEU count shared words, as n-grams or, in ROUGE-L, as a subsequence. Precision divides by the candidate's, recall by the
#   reference's, and clipping limits what repetition can earn.
# - They do not read. A false summary with the right words can beat a true one in its own words, and sentence embeddings did not repair
#   that here.
# - A score needs its setting (tokens, stems, references, best or average), its interval, and beside it a baseline that needs no training.
# - Compare two systems on the same examples by the interval of their differences. "Cannot be ranked" is a result.
# - Check a metric against people on a sample of texts.
#
# **Next:** lab 07. A trained model is better at its task, and perhaps worse at everything else. You measure what is forgotten, try what
# prevents it, and put LoRA beside the methods that train even less.

# %% tags=["device"]
progress("06")
assert lab.name == "06"

# %% [markdown] tags=["optional"]
# ## Going further
#
# Six short pieces, each by itself. They use the functions above.
#
# ### Lsum
#
# In **ROUGE-Lsum** each line counts as a sentence, and each line of the reference is matched with all lines of the candidate. Two
# sentences in reverse order then lose nothing. Which number changes when a step of a pipeline loses the line breaks?

# %% tags=["optional"]
a, b, rows = "The train was late.", "Ana missed the meeting.", []
for name, gap in (("kept", "\n"), ("lost", " ")):
    c, r = b + gap + a, a + gap + b
    rows.append((name, evaluation.rouge_l(c, r).f1, evaluation.rouge_lsum(c, r).f1))
show_table(("line breaks", "ROUGE-L", "ROUGE-Lsum"), rows, "Two sentences in reverse order")
assert RougeScorer(["rougeLsum"]).score(r, c)["rougeLsum"].fmeasure == rows[-1][2]

# %% [markdown] tags=["optional"]
# Without line breaks Lsum is L. How a text was prepared is part of its score.
#
# ### Smoothing, and single sentences
#
# A text that shares no run of four words has a 4-gram precision of 0, and BLEU without smoothing is 0, however good the rest.
#
# Corpus BLEU is not the mean of sentence scores. A single sentence has few 4-grams, so its score depends on the smoothing. What is the
# corpus BLEU of "Thank you ." against itself?

# %% tags=["optional"]
found, c, r = corpus_counts(by_kind["perfect paraphrase"], references)
smoothed = sacrebleu.corpus_bleu(by_kind["perfect paraphrase"], streams).score
print("perfect paraphrases: matches of order 1 to 4:", [m for m, _ in found])
print(f"  BLEU without smoothing {bleu_score(found, c, r):.2f}, with smoothing {smoothed:.2f}")
single = map(evaluation.sentence_bleu, by_kind["none"], references)
print(f"good translations: corpus {evaluation.bleu(by_kind['none'], references):.1f}, mean of sentences {mean(single):.1f}")
print("'Thank you .' against itself:", sacrebleu.corpus_bleu(["Thank you ."], [["Thank you ."]]).score)

# %% [markdown] tags=["optional"]
# Three tokens have no 4-gram at all, so the score is 0 even with smoothing.
#
# ### Many comparisons, and shares
#
# If you compare several systems with one, the chance that at least one p-value falls below 0.05 by luck is well above 5 %. **Holm's**
# method multiplies the smallest by the number of tests, the next by one less, and so on, and no result may be smaller than the one before
# it. (With 10,000 random exchanges no p-value is below 0.0001.) For answers that are right or wrong, **McNemar's** exact test compares
# two systems on the same questions. Here it asks which judge ranks a good translation above its opposite more often.

# %% tags=["optional"]
rivals = [name for name in order if name not in ("constant string", "references")]
p_values = [evaluation.approximate_randomization(scores[name]["ROUGE-1"], scores["constant string"]["ROUGE-1"]) for name in rivals]
leads = [f"{mean(scores[name]['ROUGE-1']) - mean(scores['constant string']['ROUGE-1']):+.1f}" for name in rivals]
rows = [(n, d, f"{p:.4f}", f"{q:.4f}") for n, d, p, q in zip(rivals, leads, p_values, evaluation.holm(p_values), strict=True)]
show_table(("ROUGE-1 against the constant string", "lead, points", "p", "Holm"), rows)
wins = {name: [judge("none", k) > judge("negation flipped", k) for k in range(len(english))] for name, judge in judges.items()}
for name, won in wins.items():
    share = evaluation.wilson_interval(sum(won), len(won))
    print(f"{name:10} {sum(won)} of {len(won)}: {share.mean:.0%} ({share.low:.0%} to {share.high:.0%})")
print(f"McNemar, ROUGE-1 and embeddings: p = {evaluation.mcnemar(wins['ROUGE-1'], wins['embeddings']):.3f}")

# %% [markdown] tags=["optional"]
# After Holm's correction only the whole dialogue cannot be told from the string. McNemar's test finds no difference between ROUGE-1 and
# the embeddings.
#
# ### A small benchmark
#
# Here are three tasks. The model's answer is the option that it finds most likely. Will the three be alike? The interval is Wilson's,
# because a bootstrap of answers that are all right has no width at all.

# %% tags=["device", "optional"]
from labutils.course import load_probes
from labutils.tuning import probes

size, rows = lab.size(smoke=6, small=30, standard=66), []
frames = {"sentiment": "Review: {} The review is"}
for task, questions in load_probes().items():
    asked = [{**row, "prompt": frames.get(task, "{}").format(row["prompt"])} for row in questions.select(range(size))]
    correct = probes.score_multiple_choice(model, tokenizer, asked).correct
    share, low, high = evaluation.wilson_interval(sum(correct), size)
    rows.append((task, f"{share:.0%}", f"{low:.0%}", f"{high:.0%}", f"{1 / len(asked[0]['choices']):.0%}"))
show_table(("task", "right", "95 % from", "to", "by chance"), rows, f"{size} questions each")
assert len(rows) == 3

# %% [markdown] tags=["optional"]
# One average would hide different abilities with wide intervals. Questions that have stood on the web for years may also have been in
# the training data, which raises the score but not the ability.
#
# ### Your own dialogues
#
# Set `LABS_DIALOGUES` to a file of yours (`data/dialogues/README.md` says how), start the kernel again, and this cell scores
# the baselines that need no training on your test split. Without it you see the course's dialogues.

# %% tags=["device", "optional"]
my_data = load_dialogues()
my_test = my_data["test"].to_list()
my_systems = {"constant string": [best_string(my_data["train"]["summary"][:100])] * len(my_test)}
for name, choose in copiers.items():
    my_systems[name] = [" ".join(choose(row["dialogue"].split("\n"))) for row in my_test]
rows = []
for name, texts in my_systems.items():
    place = evaluation.bootstrap_interval(rouge_scores(texts, my_test)["ROUGE-1"])
    rows.append((name, *(f"{x:.1f}" for x in place)))
show_table(("system", "ROUGE-1", "95 % from", "to"), rows, f"{len(my_test)} test dialogues")
assert len(rows) == len(my_systems)

# %% [markdown] tags=["optional"]
# ### What a sceptic would say
#
# - *"Nobody ships a bag of function words."* True. But systems are tuned and chosen by these scores, and anything that raises the
#   score gets chosen, whether or not the output is better.
# - *"Your paraphrases are extreme."* They were written to be. Read them as a bound on how low a right answer can fall.
# - *"The better copier is better on 78 dialogues, not in general."* Right. Its interval only just excludes 0, and resampling examples
#   says nothing about other topics, other writers or another seed.
# - *"A language model as a judge would see the negation."* Often. It has habits of its own (it favours long answers and the first one
#   shown), so it too must be checked against people.
