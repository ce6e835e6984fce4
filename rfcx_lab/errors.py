"""The one error a user is meant to read, and what to quote of those that others raise."""

from __future__ import annotations


class LabError(Exception):
    """Bad input or an impossible request, told in one sentence: where it is, and how to mend it.

    The command line prints the sentence and exits with status 1; any other exception is a bug.
    """


_LONGEST = 150  # characters of what a library says


def reason(error: BaseException) -> str:
    """What the system says at the bottom of an error's causes, or else the first line of what the library says."""
    deepest = error
    while (below := deepest.__cause__ or deepest.__context__) is not None:
        deepest = below
    words = (deepest.strerror or str(deepest)) if isinstance(deepest, OSError) else str(error)
    return next(iter(words.strip().splitlines()), type(error).__name__)[:_LONGEST]
