"""A server that runs beside this process: started, asked whether it answers, and ended with all that it has started."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

from rfcx_lab.errors import hide_password

HOST = "127.0.0.1"
_PATIENCE = 2.0  # seconds for an answer
_GRACE = 4.0  # seconds to end in after SIGTERM
_STEP = 0.05
_NEIGHBOURS = 20  # ports to try beyond the one wished for
_LONGEST = 200  # characters of what a server says as it dies
_ERROR = re.compile(r"(?i)[\w.]*(error|exception)\b")  # as a line of a traceback or of a log begins
_ASK = build_opener(ProxyHandler({}))  # an address of this machine is asked without a proxy


class Server:
    """A command that serves HTTP on a port of 127.0.0.1, in a process group of its own; what it says is kept aside."""

    def __init__(
        self, name: str, command: Sequence[str], *, port: int, probe: str, environment: Mapping[str, str]
    ) -> None:
        """Start it. `probe` is a path that is answered with 200 only by a server whose store can be read."""
        self.name, self.address = name, f"http://{HOST}:{port}"
        self._probe = probe
        self._said = tempfile.TemporaryFile()  # noqa: SIM115, as long as the server
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is this process's to answer
            preexec_fn=_end_with_parent,
        )

    def answers(self) -> bool:
        """Whether it is there, and can read its store."""
        try:
            with _ASK.open(self.address + self._probe, timeout=_PATIENCE) as answer:
                return answer.status == 200 and self.is_running()
        except (OSError, HTTPException):  # not there yet, or not well
            return False

    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Why it has ended, as far as it says so: the last error in its output, or else its exit status."""
        self._said.seek(0)
        errors = [line for line in self._said.read().decode(errors="replace").splitlines() if _ERROR.match(line)]
        if not errors:
            return "it says nothing of why" if self.is_running() else f"status {self._process.returncode}"
        return hide_password(errors[-1].removeprefix("error: "))[:_LONGEST].strip().rstrip(".")


def end(servers: Sequence[Server], *, at_once: Callable[[], bool]) -> None:
    """End servers and their process groups, by force after four seconds, or as soon as `at_once` says so."""
    _signal(servers, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    while any(server.is_running() for server in servers) and time.monotonic() < deadline and not at_once():
        time.sleep(_STEP)
    _signal(servers, signal.SIGKILL)  # what a server that has ended may have left behind, too
    for server in servers:
        server._process.wait()


def choose_port(wish: int, *, taken: Sequence[int] = ()) -> int | None:
    """`wish`, or the next port that is free, if one of the twenty beyond is."""
    ports = [port for port in range(wish, min(wish + _NEIGHBOURS, 65535) + 1) if port not in taken]
    return next((port for port in ports if is_free(port)), None)


def is_free(port: int) -> bool:
    """Whether a server can listen on a port of 127.0.0.1."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def _signal(servers: Sequence[Server], number: signal.Signals) -> None:
    for server in servers:
        try:
            os.killpg(server._process.pid, number)
        except ProcessLookupError:  # nothing is left of the group
            continue


def _end_with_parent() -> None:
    """Have Linux end this process when its parent is killed, and can end nothing any more."""
    if sys.platform == "linux":
        import ctypes

        parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)
