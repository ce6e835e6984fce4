"""A database server behind a sweep's study: how to connect to it, to be alone in it, and to wait while it is away."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from rfcx_lab.console import duration, say
from rfcx_lab.errors import LabError, hide_password, reason
from rfcx_lab.files import is_disk_full

R = TypeVar("R")

_POSTGRES = ("postgres", "postgresql")  # without a driver; which one SQLAlchemy then takes hangs on its version
_LIBPQ = ("postgresql+psycopg", "postgresql+psycopg2")
_SECONDS_TO_ANSWER = {  # of a server that has gone without a word: a cable, a suspended machine
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # ms
}
_PAUSE = 1.0  # seconds between two tries


def is_server(storage: str) -> bool:
    """Whether several drivers may share it. A file has one driver, and an SQLite file is one."""
    return "://" in storage and not storage.startswith("sqlite")


def address(storage: str) -> str:
    """The URL with PostgreSQL's driver named: the one that comes with `rfcx_lab[postgres]`."""
    url = sqlalchemy.make_url(storage)
    if url.drivername in _POSTGRES:
        url = url.set(drivername=_LIBPQ[0])
    return url.render_as_string(hide_password=False)


def engine_options(storage: str) -> dict[str, Any]:
    """What SQLAlchemy is told, so that a restart of the server costs no more than the call it cuts short."""
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # a connection that broke is told in a sentence
    options: dict[str, Any] = {"pool_pre_ping": True}
    if address(storage).startswith(tuple(f"{name}://" for name in _LIBPQ)):
        options["connect_args"] = _SECONDS_TO_ANSWER
    return options


@contextmanager
def alone_in(storage: str, work: str, *, patience: float) -> Iterator[None]:
    """Be the only process that does this `work` in a PostgreSQL database; others wait for up to `patience` seconds.

    The lock ends with the connection, so that a killed process leaves none. Where the connection broke under the block,
    and others may have come in, the block's end raises. Other databases have no such lock: there nobody waits.
    """
    if not sqlalchemy.make_url(storage).drivername.startswith(_POSTGRES):
        yield
        return
    key = int.from_bytes(hashlib.blake2b(work.encode(), digest_size=8).digest(), "big", signed=True)
    engine = sqlalchemy.create_engine(address(storage), poolclass=sqlalchemy.NullPool, **engine_options(storage))
    with engine.begin() as connection:
        for setting, value in (
            ("lock_timeout", f"{patience * 1000:.0f}"),
            ("idle_in_transaction_session_timeout", "0"),
        ):
            connection.execute(sqlalchemy.select(sqlalchemy.func.set_config(setting, value, True)))
        connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(key)))
        yield
        connection.execute(sqlalchemy.text("SELECT 1"))


def outlast(call: Callable[[], R], storage: str, *, patience: float) -> R:
    """What `call` returns. While the database is away it is called again, for up to `patience` seconds.

    Raises:
        LabError: the database has not come back.
    """
    since: float | None = None
    while True:
        try:
            result = call()
        except Exception as error:
            if isinstance(error, LabError) or not is_away(error):
                raise
            now = time.monotonic()
            if since is None:
                since = now
                say(
                    f"sweep.storage={hide_password(storage)}: {why(error)}. Waiting for it, up to "
                    f"{duration(patience)}.",
                    style="yellow",
                )
            if now - since >= patience:
                raise LabError(
                    f"sweep.storage={hide_password(storage)} has not answered for {duration(patience)} ({why(error)}): "
                    "finished fits are kept, and once it is back the same command goes on from here."
                ) from error
            time.sleep(min(_PAUSE, patience / 10))
        else:
            if since is not None:
                say(f"sweep.storage={hide_password(storage)} answers again.")
            return result


def is_away(error: BaseException) -> bool:
    """Whether the database could not be reached, was shut down under a call, or kept it waiting too long."""
    if is_disk_full(error):
        return False
    return any(
        isinstance(each, OperationalError | InterfaceError | sqlalchemy.exc.TimeoutError)
        or (isinstance(each, DBAPIError) and each.connection_invalidated)
        for each in _causes(error)
    )


def why(error: BaseException) -> str:
    """What the database says, beneath what SQLAlchemy and Optuna make of it."""
    said = next((each.orig for each in _causes(error) if isinstance(each, DBAPIError) and each.orig), error)
    return reason(said)


def _causes(error: BaseException) -> Iterator[BaseException]:
    below: BaseException | None = error
    while below is not None:
        yield below
        below = below.__cause__ or below.__context__
