"""What stands behind MLflow's view: an SQLite file that may be locked or not be there yet, and any store's refusals."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from filelock import FileLock

from rfcx_lab.console import say
from rfcx_lab.errors import LabError, hide_password, reason
from rfcx_lab.files import is_disk_full, whole_file
from rfcx_lab.interrupt import announce, leave, stop

R = TypeVar("R")

_PREFIX = "sqlite:///"
_PATIENCE = 4.0  # seconds to wait for a file that another process has locked; MLflow's own is 20 a call
_OPENING = 60.0  # seconds to wait for another run that is making or opening the file
_REST = 10.0  # seconds for which a server that did not answer is not asked again: each call would take as long to fail
_TOLD = "told"  # a note on an error


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Where the store refuses before anything was trained, end with a sentence.

    Raises:
        LabError: the store can't be used. A full disk is left to the caller, who knows of which.
    """
    try:
        yield
    except LabError:
        raise
    except Exception as error:  # MLflow, its database and its server each raise their own
        if is_disk_full(error):
            raise
        raise LabError(
            f"tracking.uri={hide_password(uri)} can't be used ({_reason(error)}): install its driver where one is "
            "missing, start that server or end what locks that file, and run the same command again; or name another "
            "store."
        ) from error


@contextmanager
def forgiving() -> Iterator[None]:
    """Where the store refuses later, say so and go on: what is missing there is completed by the next run."""
    try:
        with stops_waiting():
            yield
    except Exception as error:
        if _TOLD in getattr(error, "__notes__", ()):
            return
        error.add_note(_TOLD)
        say(
            f"MLflow: {_reason(error)}. Results are kept; the same command, run again, completes MLflow.",
            style="yellow",
        )


class Rested:
    """MLflow's client, which raises its last error again for a while instead of calling a server that has gone."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.rouse()

    def rouse(self) -> None:
        """Call the server next time, whatever happened last time."""
        self._error: Exception | None = None
        self._since = 0.0

    def __getattr__(self, name: str) -> Any:
        """The client's method of that name."""
        return partial(self.attempt, getattr(self._client, name))

    def attempt(self, call: Callable[..., R], *arguments: Any, **named: Any) -> R:
        """The result of anything that asks the client's server."""
        if self._error is not None and time.monotonic() - self._since < _REST:
            raise self._error
        self._error = None
        try:
            return call(*arguments, **named)
        except Exception as error:
            if _is_unanswered(error):
                self._error, self._since = error, time.monotonic()
            raise


def _is_unanswered(error: BaseException | None) -> bool:
    """Whether a call has not come through to a server: what says so is an OSError beneath MLflow's own."""
    while error is not None:
        if isinstance(error, OSError):
            return not is_disk_full(error)
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def stops_waiting() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of the block, unless they are repeated.

    A KeyboardInterrupt amid MLflow's work on its database can leave a transaction open in this very process, and the
    runs that are still to be ended are locked out.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if waiting and before[signal.Signals(number)] is stop:
            leave(number, frame)
        if waiting or before[signal.Signals(number)] is leave:
            restore()
            signal.raise_signal(number)
        if before[signal.Signals(number)] is stop:
            announce()
        waiting.append(number)

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, hold)
    try:
        yield
    finally:
        restore()
        if waiting:
            signal.raise_signal(waiting[0])


@contextmanager
def ready_store(uri: str, *, fill: Callable[[str], object]) -> Iterator[None]:
    """Be alone while a store is opened, where it is an SQLite file: two that make its tables at once would both fail.

    A file that is not there yet is made whole or not at all, since MLflow can't go on with half its tables; `fill`
    makes them in the file whose URI it is given.
    """
    path = _sqlite_path(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock"), timeout=_OPENING):
        if not path.exists():
            with whole_file(path) as beside:
                fill(f"{_PREFIX}{beside}")
        check_unlocked(uri)
        yield


def check_unlocked(uri: str) -> None:
    """Raise sqlite3.OperationalError where another process keeps the SQLite file locked."""
    path = _sqlite_path(uri)
    if path is not None and path.exists():
        with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")


def artifact_folder(uri: str, experiment: str) -> str | None:
    """Beside an SQLite file; a server knows its own place."""
    path = _sqlite_path(uri)
    return None if path is None else (path.parent.resolve() / "artifacts" / experiment).as_uri()


def _sqlite_path(uri: str) -> Path | None:
    return Path(uri.removeprefix(_PREFIX)) if uri.startswith(_PREFIX) else None


def _reason(error: Exception) -> str:
    if is_disk_full(error):
        return "no space is left on its disk"
    return reason(error)
