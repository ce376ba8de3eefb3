"""BLEU as a module of `evaluate`, computed by sacreBLEU. Load it with `labutils.evaluation.production.load_metric("bleu")`."""

# `evaluate.load` reads the imports below to see what must be installed, and wants one per line.
from typing import Any

import datasets
import evaluate
from sacrebleu.metrics import BLEU

from labutils.evaluation.bleu_score import require_lists

CITATION = """\
@inproceedings{post-2018-call,
    title = "A Call for Clarity in Reporting {BLEU} Scores",
    author = "Post, Matt",
    booktitle = "Proceedings of the Third Conference on Machine Translation: Research Papers",
    year = "2018",
    publisher = "Association for Computational Linguistics",
}
"""
DESCRIPTION = "Corpus BLEU, 0 to 100: the geometric mean of clipped n-gram precisions, times a brevity penalty."
INPUTS = """
Args:
    predictions: one text per example.
    references: one text per example, or a list of texts per example; the lists may differ in length.
    max_order: the longest n-gram that counts, 4 by default.
    smooth_method: sacreBLEU's "exp" (the default), "floor", "add-k" or "none".
    tokenize: sacreBLEU's tokenizer, "13a" by default.
    lowercase: ignore case.
Returns:
    bleu: the score, 0 to 100.
    precisions: the clipped (and smoothed) precision of each order, 0 to 100.
    brevity_penalty: at most 1.
    sys_len, ref_len: lengths in tokens, over the corpus.
    signature: what must stand beside a BLEU score for another to reproduce it.
"""


class Bleu(evaluate.Metric):
    """Corpus BLEU over a list of texts."""

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
        max_order: int = 4,
        smooth_method: str = "exp",
        tokenize: str = "13a",
        lowercase: bool = False,
    ) -> dict[str, Any]:
        per_example = [[reference] if isinstance(reference, str) else list(reference) for reference in references]
        # sacreBLEU wants the first reference of every example, then the second of every example, ...; None fills the gaps.
        most = max(map(len, per_example))
        streams: list[Any] = [[texts[k] if k < len(texts) else None for texts in per_example] for k in range(most)]
        metric = BLEU(max_ngram_order=max_order, smooth_method=smooth_method, tokenize=tokenize, lowercase=lowercase)
        score = metric.corpus_score(list(predictions), streams)
        return {
            "bleu": score.score,
            "precisions": list(score.precisions),
            "brevity_penalty": score.bp,
            "sys_len": score.sys_len,
            "ref_len": score.ref_len,
            "signature": str(metric.get_signature()),
        }
