"""The engine of one machine: a Dask cluster with one worker process per core."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from rfcx_lab.engine import preparation
from rfcx_lab.engine.failure import RETRIES, Failure, ends_the_run, failure_reason
from rfcx_lab.model.backend import ENVIRONMENT

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

_QUIET = {  # Dask watches itself many times a second, which took 3 % of a core in the driver, and as much in a worker
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.worker.profile.enabled": False,
}
_IDLE_SECONDS = 0.5  # to wait for a worker to be free; a busy one is recycled after its next item


class LocalEngine:
    """A Dask cluster on this machine, started at first use: a finished study needs no worker."""

    def __init__(self, *, workers: int, recycle_after: int) -> None:
        self.workers = workers
        self._recycle_after = recycle_after
        self._done: Counter[str] = Counter()  # items per worker address
        self._cluster: Any = None
        self._client: Any = None
        self._preparing: threading.Thread | None = None

    def run(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[tuple[I, R | Failure]]:
        """See `Engine.run`. No more items are under way than there are workers, so that none waits on one."""
        from distributed import as_completed

        todo = iter(items)
        first = list(islice(todo, self.workers))
        if not first:
            return
        client, running = self._connect(), {}
        ready = as_completed(loop=client.loop)

        def submit(some: Iterable[I]) -> None:
            for item in some:
                future = client.submit(_on_worker, function, item, pure=False)
                running[future.key] = item
                ready.add(future)

        submit(first)
        for future in ready:
            item = running.pop(future.key)
            error = future.exception()
            if error is not None and ends_the_run(error):
                raise error
            if error is None:
                address, result = future.result()
                future.release()  # the cluster would compute again what it still owes when the worker goes
                self._recycle(address, running=running)
            submit(islice(todo, 1))
            yield item, (Failure(failure_reason(error)) if error is not None else result)

    def map(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[R]:
        """See `Engine.map`."""
        futures = [self._connect().submit(function, item, pure=False) for item in items]
        for future in futures:
            yield future.result()

    def prepare(self, function: Callable[[], None]) -> None:
        """See `Engine.prepare`. What it raises is left to the items: they will meet the same trouble."""

        def start() -> None:
            with suppress(Exception):
                self._open().run(preparation.begin, function)

        self._wait_until_prepared()
        self._preparing = threading.Thread(target=start, daemon=True)
        self._preparing.start()

    def close(self) -> None:
        """See `Engine.close`."""
        self._wait_until_prepared()
        for opened in (self._client, self._cluster):
            if opened is not None:
                opened.close()
        self._client = self._cluster = None

    def _connect(self) -> Any:
        self._wait_until_prepared()
        return self._open()

    def _wait_until_prepared(self) -> None:
        """Wait until the workers are there and their preparation has begun."""
        if self._preparing is not None:
            self._preparing.join()
            self._preparing = None

    def _open(self) -> Any:
        if self._client is None:
            import dask
            from distributed import Client, LocalCluster

            dask.config.set(
                {
                    **_QUIET,
                    "distributed.scheduler.allowed-failures": RETRIES,
                    "distributed.worker.memory.target": False,  # a paused worker would wait for ever; one that
                    "distributed.worker.memory.spill": False,  # takes more than its share is ended instead
                    "distributed.worker.memory.pause": False,
                    "distributed.scheduler.worker-saturation": 1.0,  # an item is sent when a worker is free, not before
                    "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
                }
            )
            quieten_dask()
            with _stops_held_back():
                self._cluster = LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",  # a free port: nothing of a user's is in its way
                    silence_logs=logging.CRITICAL,
                )
            self._client = Client(self._cluster, direct_to_workers=True)  # windows are large
        return self._client

    def _recycle(self, address: str, *, running: Collection[str]) -> None:
        """Replace the worker before its leaked memory matters, at a moment when nothing is lost with it."""
        self._done[address] += 1
        if self._done[address] >= self._recycle_after and self._is_idle(address, running=running):
            del self._done[address]
            self._connect().restart_workers([address], raise_for_error=False)  # late: the others go on meanwhile

    def _is_idle(self, address: str, *, running: Collection[str]) -> bool:
        """Whether the worker neither computes nor holds anything, and nothing under way can still be sent to it."""
        client, deadline = self._connect(), time.monotonic() + _IDLE_SECONDS
        while time.monotonic() < deadline:
            placed: dict[str, set[str]] = defaultdict(set)  # what was released or submitted takes a moment to show
            for found in (client.processing(), client.has_what()):
                for worker, keys in found.items():
                    placed[worker].update(keys)
            here = placed.pop(address, set())
            if not here and set(running) <= set().union(*placed.values()):
                return True
            time.sleep(0.01)
        return False


def own_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quieten_dask() -> None:
    """Keep Dask from logging in this process: what goes wrong is told as a `Failure`, or in a sentence."""
    for name in ("distributed", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _stops_held_back() -> Iterator[None]:
    """Let no thread or process that is started here hear of Ctrl-C, which the terminal sends to all, or of SIGTERM.

    The mask is inherited, by workers that come later too: only the driver stops, and it ends its workers itself. A
    stop that comes meanwhile waits for the block's end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    sys.warnoptions.append("ignore:resource_tracker")  # it need not say that it tidies up after a killed driver
    resource_tracker.ensure_running()  # else the first process to be spawned starts it, which would undo the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_worker(function: Callable[[I], R], item: I) -> tuple[str, R]:
    from distributed import get_worker

    preparation.await_end()
    return get_worker().address, function(item)
