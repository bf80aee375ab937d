"""What somebody may have meant by a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["suggest"]


def suggest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where one of ``known`` is near, else what there is."""
    import difflib  # only for a word that is unknown

    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    if not names:
        return ""
    return f"; known: {', '.join(sorted(names))}"
