"""The engine of many machines: a Dask scheduler and workers that somebody else has started, and will end.

What `LocalEngine` does for workers of its own is done here like this:

- A worker that dies: the scheduler gives its item to another one, as often as its own `allowed-failures` says (3), and
  its nanny starts it anew. A scheduler that has gone ends the run in a sentence: the fits that are there are kept.
- Recycling: workers are never restarted from here, others may use them. `dask worker --lifetime` does it; what a fit
  leaves behind in a process is 0.7 MB.
- Closing takes back what was submitted. Fits that are under way end after their epoch (`away.UnwantedError`).
- Workers may come and go: how many items are under way follows them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain, islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from rfcx_lab.config import EngineConfig
from rfcx_lab.console import say
from rfcx_lab.engine import preparation
from rfcx_lab.engine.away import Errand, Lacking, brought_to, carry_out, disk_refusal, keep_part, pack, unpack
from rfcx_lab.engine.cluster import LocalEngine, own_cores
from rfcx_lab.engine.failure import Failure
from rfcx_lab.engine.scheduler import LOOK_SECONDS, Scheduler
from rfcx_lab.errors import LabError, reason
from rfcx_lab.features.cache import WINDOWS_FILE, WindowStore
from rfcx_lab.files import is_disk_full

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

_PART_BYTES = 2**25  # of windows that are being brought: it passes through the scheduler's memory
_MOST_BROUGHT = 3  # times the same windows to the same worker
_FOLDER = "rfcx_lab"  # in the folder that Dask gives a worker


class RemoteEngine:
    """The workers of a scheduler."""

    def __init__(self, config: EngineConfig, *, tracking_uri: str | None) -> None:
        self._config = config
        self._scheduler = Scheduler(config, tracking_uri=tracking_uri)
        self._brought: Counter[tuple[str, str]] = Counter()

    @property
    def workers(self) -> int:
        """See `Engine.workers`: as many as are there now; one where there is none, for it is waited for."""
        return max(1, self._scheduler.slots)

    def connect(self) -> None:
        """Find out, before anything is read or trained, whether there are workers that can work for this driver.

        Raises:
            LabError: there are not.
        """
        self._scheduler.connect()

    def run(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[tuple[I, R | Failure]]:
        """See `Engine.run`. No more items are under way than the workers take, so that none waits on one."""
        todo = iter(items)
        first = list(islice(todo, 1))
        if not first:  # which needs no worker
            return
        todo = chain(first, todo)
        running: dict[str, tuple[I, Errand]] = {}
        done: SimpleQueue[Any] = SimpleQueue()

        def send(item: I, errand: Errand, **where: Any) -> None:
            future = self._scheduler.submit(_on_worker, errand, **where)
            running[future.key] = item, errand
            future.add_done_callback(done.put)

        def fill() -> None:
            for item in islice(todo, max(self.workers - len(running), 0)):
                send(item, pack(function, item))

        fill()
        while running:
            try:
                future = done.get(timeout=LOOK_SECONDS)
            except Empty:
                self._scheduler.await_worker()
                fill()
                continue
            item, errand = running.pop(future.key)
            answer = self._scheduler.answer(future)
            if isinstance(answer, Lacking) and answer.windows is not None:
                self._bring(answer.windows, answer.worker)
                send(item, errand, workers=[answer.worker], allow_other_workers=True)
                continue
            fill()
            yield item, (answer if isinstance(answer, Failure) else unpack(function, item, answer))

    def map(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[R]:
        """See `Engine.map`. From the first item on whose recordings a worker can't see, this machine does the rest."""
        sent = deque((item, self._scheduler.submit(_on_worker, pack(function, item))) for item in items)
        while sent:
            item, future = sent.popleft()
            answer = self._scheduler.answer(future)
            if isinstance(answer, Failure):
                raise future.exception()
            if isinstance(answer, Lacking):
                say(f"Recordings are not to be seen by {answer.worker}: this machine computes the features.")
                left = [item, *(other for other, _ in sent)]
                sent.clear()
                yield from self._map_here(function, left)
            else:
                yield unpack(function, item, answer)

    def prepare(self, function: Callable[[], None]) -> None:
        """See `Engine.prepare`. What it raises is left to the items: they will meet the same trouble."""
        self._scheduler.call_all(preparation.begin, function)

    def close(self) -> None:
        """See `Engine.close`."""
        self._scheduler.close()

    def _bring(self, windows: WindowStore, worker: str) -> None:
        """Send a worker the windows that it can't see, part by part."""
        source = windows.path / WINDOWS_FILE
        if not self._brought:
            size = source.stat().st_size / 1e6
            say(f"Windows are not to be seen by {worker}: each such worker is sent them once, {size:.1f} MB.")
        self._brought[worker, windows.key] += 1
        at, fault = 0, None
        with source.open("rb") as file:
            part = file.read(_PART_BYTES)
            while part and fault is None:
                following = file.read(_PART_BYTES)
                keep = partial(_keep, windows, sender=self._scheduler.client_id)
                fault = self._scheduler.call(keep, part, at, not following, worker=worker)
                at, part = at + len(part), following
        if isinstance(fault, LabError):
            raise fault
        if self._brought[worker, windows.key] > _MOST_BROUGHT:
            why = reason(fault) if fault else "they are gone afterwards"
            raise LabError(f"The worker {worker} can't keep the windows that it is sent ({why}): end it, or mend that.")

    def _map_here(self, function: Callable[[I], R], items: Iterable[I]) -> Iterator[R]:
        here = LocalEngine(workers=self._config.workers or own_cores(), recycle_after=self._config.recycle_after)
        with closing(here):
            yield from here.map(function, items)


def _on_worker(errand: Errand) -> Any:
    from distributed import get_worker

    preparation.await_end()
    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    return carry_out(errand, worker=worker.address, folder=Path(worker.local_directory) / _FOLDER, wanted=wanted)


def _keep(windows: WindowStore, part: bytes, at: int, last: bool, *, sender: str, dask_worker: Any = None) -> None:
    """Called by Dask, which hands over the worker under that name."""
    path = brought_to(Path(dask_worker.local_directory) / _FOLDER, windows)
    try:
        keep_part(path, part, at=at, sender=sender, last=last)
    except OSError as error:
        if is_disk_full(error):
            raise disk_refusal() from error
        raise
