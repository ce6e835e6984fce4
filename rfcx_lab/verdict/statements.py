"""An answer taken apart into its statements, for all who set it out: pages, figures, the terminal, MLflow."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?]) (?=\S)")


def split_answer(answer: str) -> list[str]:
    """The sentences of an answer in their order; the first one stands alone. Joined by spaces they are the answer."""
    return _END.split(answer)
