"""Long documents cut into pieces that can be searched (lab 09)."""

from __future__ import annotations

from labutils.errors import LabError
from labutils.validation import require_whole_number


def split_into_chunks(text: str, words: int, overlap: int = 0) -> list[str]:
    """Pieces of at most so many words, each beginning `overlap` words before the end of the one before it.

    Args:
        text: the document; its line breaks become blanks.
        words: the length of a piece, 1 or more.
        overlap: words that two neighbours share, below `words`.

    Raises:
        LabError: lengths that would never reach the end.

    >>> split_into_chunks("a b c d e", 3, 1)
    ['a b c', 'c d e']
    """
    require_whole_number("words", words)
    require_whole_number("overlap", overlap, 0)
    if overlap >= words:
        raise LabError(
            f"Pieces of {words} words cannot overlap by {overlap}: the overlap must be at least 0 and below the length."
        )
    found = text.split()
    last = max(len(found) - overlap, 1)
    return [" ".join(found[start : start + words]) for start in range(0, last, words - overlap)]
