"""The one error a user is meant to read, and what to quote of those that others raise."""

from __future__ import annotations

import re


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
    if isinstance(deepest, ModuleNotFoundError):
        return f"{deepest.name} is not installed: install it with pip"
    words = (deepest.strerror or str(deepest)) if isinstance(deepest, OSError) else str(error)
    return hide_password(next(iter(words.strip().splitlines()), type(error).__name__))[:_LONGEST]


def hide_password(text: str) -> str:
    """`text` without what gives access to the databases whose addresses stand in it."""
    text = re.sub(r"(?<=://)[^/\s'\"]*@", "…@", text)
    return re.sub(r"(?i)(?<=[?&])(\w*(?:password|passwd|pwd|token)=)[^&\s'\"]*", r"\1…", text)
