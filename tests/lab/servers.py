"""A PostgreSQL cluster and an MLflow server of a test's own, on free ports: to be stopped, killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

PASSWORD = "s3cret"
_USER, _LOGIN = "lab", "postgres"  # of the database; of the system, where root may not run a server


def find_postgres() -> Path:
    """Where its programs are; Debian keeps them from the search path. The test that asks is skipped without them."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = [*installed, *map(Path, filter(None, [shutil.which("initdb")]))]
    if not found:
        pytest.skip("PostgreSQL is not installed")
    return found[0].parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Postgres:
    """A cluster that asks for a password, and whose databases are made at first use."""

    def __init__(self) -> None:
        self._programs, self.port = find_postgres(), free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="postgres"))
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if os.getuid() == 0:
            user = pwd.getpwnam(_LOGIN)
            for path in (self._folder, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        auth = ("--auth-host=scram-sha-256", f"--pwfile={password}")
        self._run("initdb", "--no-sync", f"--username={_USER}", "--encoding=UTF8", "--locale=C", *auth)
        self.start()

    def start(self) -> None:
        settings = f"-p {self.port} -h 127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", f"--options={settings}")

    def stop(self) -> None:
        """As a power cut does: nobody is told."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, database: str) -> str:
        where = f"{_USER}:{PASSWORD}@127.0.0.1:{self.port}"
        with psycopg.connect(f"postgresql://{where}/postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
                connection.execute(f'CREATE DATABASE "{database}"')
        return f"postgresql://{where}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        who = ["setpriv", f"--reuid={_LOGIN}", f"--regid={_LOGIN}", "--clear-groups"] if os.getuid() == 0 else []
        command = [*who, self._programs / program, *arguments, f"--pgdata={self._folder / 'data'}"]
        finished = subprocess.run(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert finished.returncode == 0, finished.stderr


class MlflowServer:
    """`mlflow server` over a database."""

    def __init__(self, store: str, folder: Path) -> None:
        self._store, self._folder, self.port = store, folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        folder.mkdir()
        self.start()

    def start(self) -> None:
        """Start it, and don't wait for it."""
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
        stores = ("--backend-store-uri", self._store, "--artifacts-destination", str(self._folder / "artifacts"))
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *where, *stores],
                cwd=self._folder,
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_answer(self) -> None:
        deadline = time.monotonic() + 100
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except OSError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
