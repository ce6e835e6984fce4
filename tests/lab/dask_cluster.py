"""A scheduler and workers for tests, started as a user does: by Dask's own command line, on free ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from distributed import Client

from tests.conftest import ROOT

HIDING = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
"""Run by a shell in a mount namespace of its own: what it starts finds an empty folder in the place of `$0`."""


def hiding_is_possible() -> bool:
    tried = subprocess.run(["unshare", "--mount", "sh", "-c", HIDING, "/mnt", "true"], capture_output=True)
    return tried.returncode == 0


def wait_until(happened: Callable[[], bool], *, seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class DaskCluster:
    """Its processes stand in another folder than the driver, and see nothing of `hidden`."""

    def __init__(self, base: Path, *, hidden: Path, workers: int, environment: dict[str, str]) -> None:
        self.base, self.hidden, self.count, self.environment = base, hidden, workers, environment
        self.scratch = base / "scratch"
        (base / "elsewhere").mkdir()
        self._scheduler: subprocess.Popen | None = None
        self._workers: list[subprocess.Popen] = []

    @property
    def file(self) -> Path:
        return self.base / "scheduler.json"

    def start(self) -> None:
        self.file.unlink(missing_ok=True)
        self._scheduler = self._spawn("scheduler", "--host", "127.0.0.1", "--port", "0")
        self._workers = [self.spawn_worker("--resources", "FIT=1") for _ in range(self.count)]
        wait_until(self.file.exists)
        wait_until(lambda: len(self.registered()) == self.count)

    def spawn_worker(self, *options: str, **environment: str) -> subprocess.Popen:
        options = ("--nthreads", "1", "--local-directory", str(self.scratch), *options)
        return self._spawn(
            "worker", *options, under=("unshare", "--mount", "sh", "-c", HIDING, str(self.hidden)), **environment
        )

    def processes(self) -> list[psutil.Process]:
        """The workers themselves, under their nannies."""
        found = []
        for nanny in self._workers:
            for child in psutil.Process(nanny.pid).children(recursive=True) if nanny.poll() is None else []:
                if "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def registered(self) -> list[str]:
        """The workers that the scheduler knows of."""
        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            return list(client.sync(client.scheduler.identity, n_workers=-1)["workers"])

    def kill_scheduler(self) -> None:
        assert self._scheduler is not None
        self._scheduler.kill()
        self._scheduler.wait()

    def stop(self) -> None:
        for process in [*self._workers, self._scheduler]:
            if process is not None:
                end(process)

    def _spawn(self, command: str, *options: str, under: Sequence[str] = (), **environment: str) -> subprocess.Popen:
        log = (self.base / f"{command}.log").open("a")
        line = [*under, sys.executable, "-m", "dask", command, "--scheduler-file", str(self.file), "--no-dashboard"]
        every = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment, **environment}
        with log:
            return subprocess.Popen(
                [*line, *options],
                cwd=self.base / "elsewhere",
                env=every,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def end(process: subprocess.Popen) -> None:
    """End a process with all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """A server on a free port; its address."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/served.db", "--artifacts-destination", str(folder / "served")]
    with (folder / "mlflow.log").open("w") as log:
        server = subprocess.Popen([*command, *store], cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        end(server)


def answers(uri: str) -> bool:
    import requests

    try:
        return requests.get(f"{uri}/health", timeout=5).ok
    except requests.RequestException:
        return False
