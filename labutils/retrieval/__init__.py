"""Finding the passages that answer a question, and reading the answer from them (lab 09)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "answering": ["READING", "answer_prompt", "is_right", "normalise", "risk_and_coverage"],
    "chunks": ["split_into_chunks"],
    "dense": ["Dense"],
    "explorer": ["explore_retrieval", "retrieval_view"],
    "fusion": ["Fused", "reciprocal_rank_fusion"],
    "lexical": ["BM25", "idf_floored", "idf_lucene", "sqlite_bm25"],
    "ranking": ["ndcg_at_k", "precision_at_k", "ranked", "recall_at_k", "reciprocal_rank"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
