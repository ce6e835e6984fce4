"""`python -m rfcx_lab.ui`: the MLflow UI and the Optuna dashboard on what `runs` holds, for this machine alone.

Nothing heavy is imported: both are processes of their own, and end with this one.
"""

from __future__ import annotations

import argparse
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.server import HOST, Server, choose_port, end, is_free

MLFLOW, OPTUNA = "MLflow UI", "Optuna dashboard"
_PORTS = {MLFLOW: 5000, OPTUNA: 8080}
_SQLITE = "sqlite:///"
_STEP = 0.1  # seconds
_LONGEST_START = 180.0  # seconds; it takes five where nothing else is running
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # four processes more, for what no study of ours has
}


@dataclass
class Watch:
    """What is being served, and which of it has been said already."""

    starting: list[Server]
    answering: list[Server] = field(default_factory=list)
    failed: bool = False
    signals: int = 0

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Remember that the end is asked for."""
        self.signals += 1

    def look(self, *, late: bool) -> None:
        """Say which server answers by now, and which is gone, or is `late`."""
        for server in [*self.starting, *self.answering]:
            if not server.is_running():
                self._lose(server, f"has ended ({server.last_words()})")
            elif server in self.starting and server.answers():
                self.starting.remove(server)
                self.answering.append(server)
                print(f"{server.name}: {server.address}", flush=True)
                if not self.starting:
                    print(f"Ctrl-C ends {'both' if len(self.answering) > 1 else 'it'}.", flush=True)
            elif server in self.starting and late:
                self._lose(server, f"does not answer ({server.last_words()})")
                end([server], at_once=lambda: True)

    def _lose(self, server: Server, why: str) -> None:
        self.failed = True
        (self.starting if server in self.starting else self.answering).remove(server)
        left = [other.name for other in (*self.starting, *self.answering)]
        print(f"The {server.name} {why}{f'; the {left[0]} goes on' if left else ''}.", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit status: 1 where a server could not start, or ended by itself.

    Raises:
        LabError: there is nothing to serve, or no port for it.
    """
    chosen = _parse(arguments)
    watch = Watch([])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, watch.hear)
    try:
        watch.starting += _start(chosen)
        deadline = time.monotonic() + _LONGEST_START
        while (watch.starting or watch.answering) and not watch.signals:
            watch.look(late=time.monotonic() > deadline)
            time.sleep(_STEP)
    finally:
        asked = watch.signals
        end([*watch.starting, *watch.answering], at_once=lambda: watch.signals > asked)
    return int(watch.failed)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m rfcx_lab.ui", description=__doc__.split("\n")[0].split(": ")[1])
    parser.add_argument("--runs-dir", default="runs", type=Path, metavar="DIR", help="where studies are kept (runs)")
    parser.add_argument("--only", choices=("mlflow", "optuna"), help="one of the two alone")
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow's store (DIR/mlflow.db), or a server of its own")
    parser.add_argument(
        "--storage", metavar="FILE|URL", help="a sweep's trials (those of the sweep in DIR that was at work last)"
    )
    parser.add_argument("--mlflow-port", type=_port, metavar="PORT", help="5000, or the next one that is free")
    parser.add_argument("--optuna-port", type=_port, metavar="PORT", help="8080, or the next one that is free")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: give a number from 1 to 65535")
    return int(text)


def _start(chosen: argparse.Namespace) -> list[Server]:
    servers: list[Server] = []
    why_not: list[str] = []
    mlflow: str | None = None
    try:
        if chosen.only != "optuna":
            uri = chosen.tracking_uri or f"{_SQLITE}{chosen.runs_dir / 'mlflow.db'}"
            if uri.startswith(("http://", "https://")):
                mlflow = uri.rstrip("/")
                print(f"{MLFLOW}: {hide_password(mlflow)}, the server that keeps the runs", flush=True)
            elif refusal := _refuse_runs(uri):
                why_not.append(refusal)
            else:
                servers.append(_serve_runs(uri, _choose(MLFLOW, chosen.mlflow_port)))
                mlflow = servers[-1].address
        if chosen.only != "mlflow":
            storage = chosen.storage or _newest_sweep(chosen.runs_dir)
            if storage is None:
                why_not.append(f"There is no sweep yet in {chosen.runs_dir / 'optuna'}: make sweep makes one.")
            elif refusal := _refuse_trials(storage):
                why_not.append(refusal)
            else:
                servers.append(_serve_trials(storage, _choose(OPTUNA, chosen.optuna_port), chosen.runs_dir, mlflow))
    except BaseException:
        end(servers, at_once=lambda: True)
        raise
    if not servers and why_not:
        raise LabError(" ".join(why_not))
    for sentence in why_not:
        print(sentence, file=sys.stderr, flush=True)
    return servers


def _choose(name: str, asked: int | None) -> int:
    """The port that was asked for, which has to be free, or one near the default."""
    if asked is not None:
        if not is_free(asked):
            raise LabError(f"Port {asked} of {HOST} can't be had for the {name}: name another one, or end what has it.")
        return asked
    port = choose_port(_PORTS[name])
    if port is None:
        raise LabError(f"No port near {_PORTS[name]} is free for the {name}: name one.")
    if port != _PORTS[name]:
        print(f"Port {_PORTS[name]} is taken: the {name} takes {port}.", flush=True)
    return port


def _serve_runs(uri: str, port: int) -> Server:
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    probe = "/api/2.0/mlflow/experiments/search?max_results=1"
    environment = {**_QUIET, "MLFLOW_BACKEND_STORE_URI": uri}  # there, its password is not seen by everybody
    return Server(MLFLOW, command, port=port, probe=probe, environment=environment)


def _serve_trials(storage: str, port: int, runs: Path, mlflow: str | None) -> Server:
    command = [sys.executable, "-m", "rfcx_lab.search.dashboard_server", "--port", str(port), "--runs-dir", str(runs)]
    command += ["--mlflow", mlflow] if mlflow else []
    return Server(OPTUNA, command, port=port, probe="/api/studies", environment={**_QUIET, "RFCX_LAB_STORAGE": storage})


def _refuse_runs(uri: str) -> str | None:
    """Why MLflow's store can't be shown, where this can be told before MLflow is started."""
    path = _sqlite_path(uri)
    if path is None:
        return None
    if not path.exists():
        return f"There is no study yet: {path} does not exist; make ladder makes it, or name another --tracking-uri."
    fault = _sqlite_fault(path, "experiments")
    return fault and (
        f"{path} is no store that MLflow can open ({fault}): put a copy in its place, or move it away and run the "
        "study again, which trains no fit twice."
    )


def _refuse_trials(storage: str) -> str | None:
    """The same of a sweep's trials."""
    if "…" in storage:
        return (
            f"The last sweep's trials are in {storage}, and who may open it is kept nowhere: make dashboard "
            'STORAGE="its whole URL" opens them, and the name of a file in its place another sweep\'s.'
        )
    path = _sqlite_path(storage) or (None if "://" in storage else Path(storage))
    if path is None:
        return None
    if not path.is_file():
        return f"There is no sweep yet: {path} does not exist."
    fault = _sqlite_fault(path, "studies") if _sqlite_path(storage) else None
    return fault and f"{path} holds no trials that Optuna can open ({fault}): name another --storage."


def _newest_sweep(runs: Path) -> str | None:
    """The storage of the sweep that was at work last: a journal, or the database that a finished one names."""
    found = sorted((runs / "optuna").glob("*.log"), key=lambda path: path.stat().st_mtime)
    written = found[-1].stat().st_mtime if found else 0.0
    configs = sorted(runs.glob("studies/*/*/config.yaml"), key=lambda path: path.stat().st_mtime)
    for path in (path for path in reversed(configs) if path.stat().st_mtime > written):
        kind, storage = _read_sweep(path)
        if kind == "sweep" and "://" in storage:
            return storage
    if len(found) > 1:
        others = ", ".join(str(path) for path in found[:-1])
        print(f"Of {len(found)} sweeps, {found[-1]} was written to last; --storage opens {others}.", flush=True)
    return str(found[-1]) if found else None


def _read_sweep(config: Path) -> tuple[str, str]:
    """Of a finished study: its kind, and where a sweep's trials are."""
    text = config.read_text(encoding="utf-8")
    kind = re.search(r"^kind: (\w+)$", text, re.MULTILINE)
    storage = re.search(r"^sweep:\n(?:  .*\n)*?  storage: (.*)$", text, re.MULTILINE)
    return kind[1] if kind else "", storage[1].strip("'\"") if storage else ""


def _sqlite_path(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def _sqlite_fault(path: Path, table: str) -> str | None:
    """Why a file is no database with that table."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            database.execute(f"SELECT count(*) FROM {table}").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        sys.exit(str(error))
