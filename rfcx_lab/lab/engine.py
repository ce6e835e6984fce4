"""Where the work is done: in this process, or by one worker process per core under Dask.

An engine runs a function over items and hands back each result as it comes. A worker that dies costs its item one
retry; an item that fails twice, or raises, comes back as a `Failure`, and the rest goes on. A full disk is nobody's
failure but the machine's: it ends the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rfcx_lab.config import EngineConfig
from rfcx_lab.errors import LabError
from rfcx_lab.files import is_disk_full
from rfcx_lab.model.backend import prepare_process

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

RETRIES = 1  # after a worker died under an item


@dataclass(frozen=True)
class Failure:
    """Why an item gave no result."""

    reason: str


class Engine(Protocol):
    """Runs work; `workers` is how many items it works on at a time."""

    workers: int

    def run(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[tuple[I, R | Failure]]:
        """Apply `function` to every item; results come in the order in which they are ready."""

    def map(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[R]:
        """Like the builtin `map`: in order, and the first exception is raised."""

    def prepare(self, function: Callable[[], None]) -> None:
        """Start the workers and call `function` in each, while the caller goes on: work is about to come."""

    def close(self) -> None:
        """End the workers, whatever they are at; work that comes later starts new ones."""


@contextmanager
def open_engine(config: EngineConfig) -> Iterator[Engine]:
    """Open the engine that `config` names; its workers end with the block."""
    if config.kind == "inline":
        prepare_process()
        yield InlineEngine()
    elif config.kind == "local":
        if config.workers is not None and config.workers < 1:
            raise LabError(f"engine.workers={config.workers}: must be 1 or more, or null for one per core.")
        if config.recycle_after < 1:
            raise LabError(f"engine.recycle_after={config.recycle_after}: must be 1 or more.")
        from rfcx_lab.lab.cluster import LocalEngine

        engine = LocalEngine(workers=config.workers or _cores(), recycle_after=config.recycle_after)
        try:
            yield engine
        finally:
            engine.close()
    else:
        raise LabError(f"engine.kind={config.kind}: must be local or inline.")


class InlineEngine:
    """One item after another, in this process."""

    workers = 1

    def run(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[tuple[I, R | Failure]]:
        """See `Engine.run`."""
        for item in items:
            try:
                yield item, function(item)
            except Exception as error:  # a fit may fail in any way; the ladder goes on
                if ends_the_run(error):
                    raise
                yield item, Failure(failure_reason(error))

    def map(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[R]:
        """See `Engine.map`."""
        return map(function, items)

    def prepare(self, function: Callable[[], None]) -> None:
        """See `Engine.prepare`. The first item does it here."""

    def close(self) -> None:
        """See `Engine.close`."""


def ends_the_run(error: BaseException) -> bool:
    """Whether an item's error is the user's or the machine's, and no result of the item."""
    return isinstance(error, LabError) or is_disk_full(error)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def failure_reason(error: BaseException) -> str:
    """Why an item gave no result, in a phrase."""
    if type(error).__name__ == "KilledWorker":
        return f"its worker process died {RETRIES + 1} times (out of memory?)"
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
