"""Whether a worker can open what it has to: the store that it streams its curves to.

Of all that a study writes, this alone is opened by workers. The fits, the features and the Optuna study are the
driver's: what a worker finds is sent to it. So `sweep.storage` may be a file of the driver's machine; it must be a
database only where drivers on several machines share a study. MLflow is written by the workers themselves, epoch by
epoch, while they train: an SQLite file of another machine they can't open at all, and over a network's file system its
locks don't hold. Curves would then appear only when their fit ends, which is not what was asked for. So it is refused
at the start, unless every worker shows that it runs on this very machine and sees the file's folder.
"""

from __future__ import annotations

import platform
import socket
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rfcx_lab.errors import hide_password

_SQLITE, _FILE = "sqlite:///", "file:"
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SECONDS = 5.0  # for a worker to reach a server
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # Linux: of a running machine, its containers included


@dataclass(frozen=True)
class Beacon:
    """By what a worker tells whether it reaches a store: a file beside it and this machine, or a server's port."""

    file: Path | None = None
    machine: str | None = None
    server: tuple[str, int] | None = None
    scheme: str = ""


@contextmanager
def light_beacon(uri: str) -> Iterator[Beacon]:
    """A beacon for the store at `uri`, for the length of the block.

    Where there is nothing to tell by (a folder that can't be written to, an address without a port), it shines for all:
    what else is wrong with that store is said by those who open it.
    """
    folder = _folder(uri)
    if folder is None:
        parts = urlsplit(uri)
        yield Beacon(server=_server(uri), scheme=parts.scheme)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(dir=folder, prefix=".beacon-")  # noqa: SIM115
    except OSError:
        yield Beacon()
        return
    with file:
        yield Beacon(file=Path(file.name).absolute(), machine=this_machine())


def sees(beacon: Beacon) -> bool:
    """Whether this process reaches the store."""
    if beacon.file is not None:
        return beacon.machine == this_machine() and beacon.file.exists()
    if beacon.server is None or beacon.scheme in urllib.request.getproxies():
        return True  # a proxy is asked for the server, and answers for itself
    try:
        with socket.create_connection(beacon.server, timeout=_SECONDS):
            return True
    except OSError:
        return False


def reach_refusal(uri: str, *, worker: str, host: str) -> str:
    """A sentence on a worker that does not see the beacon of `uri`, with the remedy."""
    shown = hide_password(uri)
    if _folder(uri) is None:
        return (
            f"tracking.uri={shown}: the worker {worker} on {host} does not reach that server, to which it is to stream "
            "its curves; name it by an address that holds on every machine, and let its port through."
        )
    return (
        f"tracking.uri={shown}: only this machine can open it, and the worker {worker} on {host} streams its curves "
        f"there; start a server on it (mlflow server --backend-store-uri {shown} --host 0.0.0.0 --port 5000) and name "
        "that: tracking.uri=http://HOST:5000."
    )


def absolute_uri(uri: str) -> str:
    """The same store, wherever a process stands."""
    path = uri.removeprefix(_SQLITE)
    return f"{_SQLITE}{Path(path).absolute()}" if uri.startswith(_SQLITE) else uri


def is_open_here(uri: str, *, machine: str) -> bool:
    """Whether this process may stream to the store of a driver on `machine`: for workers that joined later."""
    folder = _folder(uri)
    return folder is None or (machine == this_machine() and Path(uri.removeprefix(_SQLITE)).exists())


def this_machine() -> str:
    """What two processes have in common if they run under the same kernel, and see each other's locks."""
    return _BOOT.read_text().strip() if _BOOT.exists() else f"{platform.node()}-{uuid.getnode()}"


def _folder(uri: str) -> Path | None:
    """The folder of a store that is a file; None where it is a server."""
    if uri.startswith(_SQLITE):
        return Path(uri.removeprefix(_SQLITE)).absolute().parent
    return Path(urlsplit(uri).path).absolute() if uri.startswith(_FILE) else None


def _server(uri: str) -> tuple[str, int] | None:
    parts = urlsplit(uri)
    try:
        port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    except ValueError:  # no number
        return None
    return (parts.hostname, port) if parts.hostname and port else None
