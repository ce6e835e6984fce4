"""The connection to a Dask scheduler: what is submitted through it, who works there, and that it is still there."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rfcx_lab.config import EngineConfig
from rfcx_lab.console import say
from rfcx_lab.engine.cluster import quieten_dask
from rfcx_lab.engine.failure import Failure, ends_the_run, failure_reason
from rfcx_lab.engine.workers import check_workers, choose_workers, offer_refusal, slots
from rfcx_lab.errors import LabError, reason

LOOK_SECONDS = 1.0
"""Between two looks at who is there, while nothing else happens."""

_CONNECT_SECONDS = 10.0


class Scheduler:
    """A scheduler that somebody else has started, with its workers; connected to at first use."""

    def __init__(self, config: EngineConfig, *, tracking_uri: str | None) -> None:
        self.address = read_address(config.address)
        self._patience, self._tracking_uri = config.patience, tracking_uri
        self._resources: Mapping[str, float] = config.resources or {}
        self._client: Any = None
        self._workers: dict[str, Any] = {}
        self._others: dict[str, Any] = {}  # that may not
        self._looked = 0.0

    @property
    def slots(self) -> int:
        """How many items the workers that are there now take at a time."""
        return sum(slots(worker, self._resources) for worker in self.workers.values())

    @property
    def workers(self) -> dict[str, Any]:
        """Those that may be given something, by address, as the scheduler saw them a moment ago."""
        self.connect()
        with self._connected():
            if time.monotonic() - self._looked > LOOK_SECONDS / 2:
                # not by scheduler_info(): what it returns is overwritten from another thread, without the workers
                everyone = self._client.sync(self._client.scheduler.identity, n_workers=-1)["workers"]
                self._workers = choose_workers(everyone, self._resources)
                self._others = {name: worker for name, worker in everyone.items() if name not in self._workers}
                self._looked = time.monotonic()
        return self._workers

    @property
    def client_id(self) -> str:
        """What sets this connection apart from all others."""
        return str(self._client.id)

    def connect(self) -> None:
        """Connect, wait for a worker, and see that all of them can work for this driver.

        Raises:
            LabError: no scheduler answers, no worker comes, or one of them must not be used.
        """
        if self._client is not None:
            return
        from distributed import Client

        quieten_dask()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on versions: they are compared in a moment
                self._client = Client(self.address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except Exception as error:  # an address that is none, a host that is not there, a door that is shut
            raise LabError(
                f"engine.address={self.address}: no scheduler answers there ({reason(error)}); start one (dask "
                "scheduler) and workers (dask worker ADDRESS --nthreads 1), or name the one that runs."
            ) from error
        self.await_worker()
        with self._connected():
            check_workers(self._client, self._workers, self._resources, tracking_uri=self._tracking_uri)
        hosts = len({worker["host"] for worker in self._workers.values()})
        say(f"Engine: {self.slots} worker(s) on {hosts} host(s), scheduler {self.address}")

    def await_worker(self) -> None:
        """Wait for a worker where there is none.

        Raises:
            LabError: none has come in `engine.patience` seconds, or those there don't offer what a fit takes.
        """
        first, deadline, told = not self._looked, time.monotonic() + self._patience, False
        while not self.workers:
            late = time.monotonic() > deadline
            if (first or late) and (refused := offer_refusal(self._others, self._resources, address=self.address)):
                raise LabError(refused)
            if late:
                raise LabError(
                    f"engine.address={self.address}: no worker has come in engine.patience={self._patience:g} "
                    f"seconds; start some (dask worker {self.address} --nthreads 1), and the same command goes on "
                    "from here: finished fits and features are kept."
                )
            if not told:
                say(f"Waiting for a worker of {self.address}, at most {self._patience:g} s.", style="yellow")
                told = True
            time.sleep(LOOK_SECONDS / 2)

    def submit(self, function: Callable[..., Any], *arguments: Any, **where: Any) -> Any:
        """Have a worker call `function`, one that offers what a fit takes; returns Dask's future."""
        self.connect()
        with self._connected():
            return self._client.submit(function, *arguments, resources=self._resources or None, pure=False, **where)

    def answer(self, future: Any) -> Any:
        """What a worker has answered, once it has; a `Failure` where it could not.

        Raises:
            LabError: the scheduler has gone, all workers have, or the error is not the item's.
        """
        with self._connected():
            while True:
                try:
                    error = future.exception(timeout=LOOK_SECONDS)
                    break
                except TimeoutError:
                    self.await_worker()
            if error is None:
                found = future.result()
                future.release()  # the cluster would compute again what it still owes when the worker goes
                return found
        if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("rfcx_lab"):
            raise LabError(
                f"A worker of {self.address} has no rfcx_lab ({error}): install there what this machine has."
            )
        if ends_the_run(error):
            raise error
        return Failure(failure_reason(error))

    def call(self, function: Callable[..., Any], *arguments: Any, worker: str) -> Any:
        """Call `function` on a worker at once, whatever else it is at; an exception is returned, not raised."""
        with self._connected():
            return self._client.run(function, *arguments, workers=[worker], on_error="return").get(worker)

    def call_all(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call `function` on every worker at once, whatever it is at. What it raises is not heard of."""
        workers = list(self.workers)
        with self._connected():
            self._client.run(function, *arguments, workers=workers, on_error="ignore")

    def close(self) -> None:
        """Take back all that was submitted, and leave. What comes later connects anew."""
        client, self._client, self._looked = self._client, None, 0.0
        if client is not None:
            with suppress(Exception):  # the scheduler may have gone
                client.close(timeout=_CONNECT_SECONDS)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Whatever Dask raises while the scheduler is gone has one reason; what it says then is old."""
        try:
            yield
        except LabError:
            raise
        except CancelledError as error:
            raise self._gone() from error
        except Exception as error:
            if self._client is None or self._client.status != "running":
                raise self._gone() from error
            raise
        if self._client.status != "running":
            raise self._gone()

    def _gone(self) -> LabError:
        return LabError(
            f"The scheduler {self.address} has gone, or was restarted: start it and its workers anew, and the same "
            "command goes on from here; finished fits and features are kept."
        )


def read_address(text: str | None) -> str:
    """The address that `engine.address` is, or that stands in the file it names.

    Raises:
        LabError: it is neither.
    """
    if text is None:
        raise LabError("engine.address is not set; add the scheduler's, as engine.address=tcp://host:8786.")
    if "://" in text:
        return text
    try:
        return str(json.loads(Path(text).read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"engine.address={text}: must be a scheduler's address, as tcp://host:8786, or the file that it was "
            "started with (dask scheduler --scheduler-file FILE)."
        ) from error
