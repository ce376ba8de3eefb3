"""ROUGE as a module of `evaluate`, computed by rouge_score. Load it with `labutils.evaluation.production.load_metric("rouge")`."""

# `evaluate.load` reads the imports below to see what must be installed, and wants one per line.
from collections.abc import Callable
from typing import Any

import datasets
import evaluate
from rouge_score.rouge_scorer import RougeScorer

from labutils.evaluation.bleu_score import require_lists

TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
CITATION = """\
@inproceedings{lin-2004-rouge,
    title = "{ROUGE}: A Package for Automatic Evaluation of Summaries",
    author = "Lin, Chin-Yew",
    booktitle = "Text Summarization Branches Out",
    year = "2004",
    publisher = "Association for Computational Linguistics",
}
"""
DESCRIPTION = "ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum: overlap of n-grams and common subsequences with a reference, 0 to 1."
INPUTS = """
Args:
    predictions: one text per example.
    references: one text per example, or a list of texts per example; of several, the one with the best F1 counts.
    rouge_types: which scores; rouge1, rouge2, rougeL and rougeLsum by default.
    use_aggregator: True gives the mean F1 over the examples, False the list of F1 per example.
    use_stemmer: compare Porter stems.
    tokenizer: a function from a text to its tokens, such as `labutils.evaluation.tokens.tokenize_anywhere`; then no stemmer is used.
Returns:
    A dictionary with one entry per ROUGE type. The mean is the plain mean: computing it again gives the same number.
"""


class _Tokens:
    """A function in the form that rouge_score wants: an object with a method `tokenize`."""

    def __init__(self, tokenize: Callable[[str], list[str]]) -> None:
        self.tokenize = tokenize


class Rouge(evaluate.Metric):
    """ROUGE over a list of texts."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        several = datasets.Features({"predictions": text, "references": datasets.Sequence(text)})
        single = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(
            description=DESCRIPTION, citation=CITATION, inputs_description=INPUTS, features=[several, single]
        )

    def _infer_feature_from_batch(self, batch: dict[str, Any]) -> Any:
        """evaluate's first look at the data: the place to say in one sentence what is wrong with it."""
        require_lists(batch["predictions"], [[item] if isinstance(item, str) else item for item in batch["references"]])
        return super()._infer_feature_from_batch(batch)

    def _compute(
        self,
        predictions: list[str],
        references: list[Any],
        rouge_types: list[str] | None = None,
        use_aggregator: bool = True,
        use_stemmer: bool = False,
        tokenizer: Callable[[str], list[str]] | None = None,
    ) -> dict[str, Any]:
        types = list(rouge_types or TYPES)
        scorer = RougeScorer(types, use_stemmer=use_stemmer, tokenizer=_Tokens(tokenizer) if tokenizer else None)
        results: dict[str, list[float]] = {name: [] for name in types}
        for prediction, reference in zip(predictions, references, strict=True):
            targets = [reference] if isinstance(reference, str) else reference
            for name, score in scorer.score_multi(targets, prediction).items():
                results[name].append(float(score.fmeasure))
        if not use_aggregator:
            return results
        return {name: sum(values) / len(values) for name, values in results.items()}
