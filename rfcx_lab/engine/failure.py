"""Why an item of work gave no result, and which errors are nobody's failure but end the run."""

from __future__ import annotations

from dataclasses import dataclass

from rfcx_lab.errors import LabError
from rfcx_lab.files import is_disk_full

RETRIES = 1  # after a worker died under an item


@dataclass(frozen=True)
class Failure:
    """Why an item gave no result."""

    reason: str


def ends_the_run(error: BaseException) -> bool:
    """Whether an item's error is the user's or the machine's, and no result of the item."""
    return isinstance(error, LabError) or is_disk_full(error)


def failure_reason(error: BaseException) -> str:
    """Why an item gave no result, in a phrase."""
    if type(error).__name__ == "KilledWorker":
        return f"its worker process died {getattr(error, 'allowed_failures', RETRIES) + 1} times (out of memory?)"
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
