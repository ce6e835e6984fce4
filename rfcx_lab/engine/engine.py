"""Where the work is done: in this process, by one worker process per core, or by the workers of a Dask scheduler.

An engine runs a function over items and hands back each result as it comes. A worker that dies costs its item one
retry; an item that fails twice, or raises, comes back as a `Failure`, and the rest goes on. A full disk is nobody's
failure but the machine's: it ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Protocol, TypeVar

from rfcx_lab.config import EngineConfig
from rfcx_lab.engine.failure import Failure, ends_the_run, failure_reason
from rfcx_lab.errors import LabError
from rfcx_lab.model.backend import prepare_process

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")


class Engine(Protocol):
    """Runs work."""

    @property
    def workers(self) -> int:
        """How many items it works on at a time."""

    def run(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[tuple[I, R | Failure]]:
        """Apply `function` to every item; results come in the order in which they are ready."""

    def map(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[R]:
        """Like the builtin `map`: in order, and the first exception is raised."""

    def prepare(self, function: Callable[[], None]) -> None:
        """Start the workers and call `function` in each, while the caller goes on: work is about to come."""

    def close(self) -> None:
        """End the workers, whatever they are at; work that comes later starts new ones.

        Those of a scheduler are not ours to end: they stop what they do for us, and stay.
        """


@contextmanager
def open_engine(config: EngineConfig, *, tracking_uri: str | None = None) -> Iterator[Engine]:
    """Open the engine that `config` names; its workers, where they are its own, end with the block.

    `tracking_uri` is the store that fits will stream their curves to, for workers elsewhere to be asked whether they
    reach it.

    Raises:
        LabError: it can't be opened as `config` says; of a scheduler and its workers this is found out at once.
    """
    _check(config)
    if config.kind == "inline":
        prepare_process()
        yield InlineEngine()
        return
    if config.kind == "local":
        from rfcx_lab.engine.cluster import LocalEngine, own_cores

        local = LocalEngine(workers=config.workers or own_cores(), recycle_after=config.recycle_after)
        with closing(local):
            yield local
    else:
        from rfcx_lab.engine.remote import RemoteEngine

        remote = RemoteEngine(config, tracking_uri=tracking_uri)
        with closing(remote):
            remote.connect()
            yield remote


def _check(config: EngineConfig) -> None:
    if config.kind not in ("local", "dask", "inline"):
        raise LabError(f"engine.kind={config.kind}: must be local, dask or inline.")
    if config.workers is not None and config.workers < 1:
        raise LabError(f"engine.workers={config.workers}: must be 1 or more, or null for one per core.")
    if config.recycle_after < 1:
        raise LabError(f"engine.recycle_after={config.recycle_after}: must be 1 or more.")
    if not config.patience >= 0:
        raise LabError(f"engine.patience={config.patience}: must be 0 seconds or more.")
    for key, value in (("address", config.address), ("resources", config.resources)):
        if value not in (None, {}) and config.kind != "dask":
            raise LabError(f"engine.{key}={value}: goes with engine=dask, for the workers of a scheduler.")
    offered = config.resources or {}
    numbers = offered.values() if isinstance(offered, dict) else [0]
    if not all(type(number) in (int, float) and number > 0 for number in numbers):
        raise LabError(f"engine.resources={offered}: must say how much of what a fit takes, as {{GPU: 1}}.")


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
