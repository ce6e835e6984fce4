"""Drivers for tests to kill. They are forked from a process that is warm: a kill does not cost the import of MLflow.

`start_driver` runs the toy ladder in a process of its own, through `climb_ladder`, with a fake fit. On request it is
killed, by itself and with SIGKILL, right before the n-th thing it does to its files or to MLflow's tables after a mark.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rfcx_lab.engine import work
from rfcx_lab.errors import LabError
from rfcx_lab.lab import sources, study
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.sweep import run_sweep
from tests import fakes
from tests.conftest import TOY, compose_config

EPOCHS, REPEATS = 12, 2
SIZE = (f"training.epochs={EPOCHS}", f"ladder.repeats={REPEATS}", "split.test_fraction=0.3")
FILE_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "sqlite3.connect"}

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload(["tests.lab.warm"])


@dataclass(frozen=True)
class Moment:
    """Before event number `count`, from 0, among those that begin with the first one in which `mark` stands.

    `marked` counts only those in which it stands.
    """

    mark: str
    count: int
    marked: bool = False


def start_driver(
    runs: Path,
    *overrides: str,
    kill_at: Moment | None = None,
    environment: dict[str, str] | None = None,
    log: Path | None = None,
) -> multiprocessing.Process:
    """Start a driver on `runs`. What it says and does is written beside `log`: by default beside `runs`."""
    every = {**os.environ, **(environment or {})}
    driver = _forked.Process(target=drive, args=(runs, overrides, kill_at, every, log or runs))
    driver.start()
    return driver


def verdict_path(runs: Path) -> Path:
    return runs / "studies" / "out" / "verdict.json"


def said(log: Path) -> str:
    """What the latest driver wrote to stdout and stderr."""
    return log.with_suffix(".said").read_text()


def done(log: Path) -> list[str]:
    """What the latest driver did to its files and to MLflow's tables, event by event."""
    return log.with_suffix(".done").read_text().splitlines()


def drive(
    runs: Path, overrides: tuple[str, ...], kill_at: Moment | None, environment: dict[str, str], log: Path
) -> None:
    """Climb in this process, and end it as the command line does."""
    for name in set(os.environ) - set(environment):  # what all drivers are forked from may be older than a test's end
        del os.environ[name]
    os.environ.update(environment)
    output = os.open(log.with_suffix(".said"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    _watch(runs, _noter(log.with_suffix(".done"), kill_at))
    try:
        climb(runs, *overrides)
    except LabError as error:
        sys.exit(str(error))


def climb(runs: Path, *overrides: str) -> None:
    """The toy ladder, or sweep, with fits whose models are no models; what measures them is faked too."""
    work.load_model, work.predict = (lambda path: path.read_bytes()), fakes.fake_predict
    study.check_disk = sources.check_disk = lambda *folder, **needs: None  # disks are to be filled here
    config = compose_config(*TOY, *SIZE, "engine=inline", f"runs_dir={runs}", *overrides)
    if config.kind == "sweep":
        run_sweep(config, verdict_path(runs).parent, fit=fakes.fit_with_frontier)
    else:
        climb_ladder(config, verdict_path(runs).parent, fit=fakes.fit_with_model)


def _watch(runs: Path, note: Callable[[str], None]) -> None:
    """Note every event from here on."""

    def on_file(event: str, arguments: tuple) -> None:
        if event in FILE_EVENTS and str(arguments[0]).startswith(f"{runs}/"):
            note(f"{event} {str(arguments[0]).removeprefix(f'{runs}/')}")

    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "before_cursor_execute", lambda *seen: note("sql " + " ".join(seen[2].split()[:4])))
    event.listen(Engine, "commit", lambda connection: note("sql COMMIT"))
    sys.addaudithook(on_file)


def _noter(path: Path, kill_at: Moment | None) -> Callable[[str], None]:
    """Writes down what it is told, and ends the process at the moment asked for."""
    diary, left = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), kill_at.count if kill_at else -1
    reached = False

    def note(line: str) -> None:
        nonlocal reached, left
        os.write(diary, f"{line}\n".encode())
        if kill_at is None:
            return
        reached = kill_at.mark in line or (reached and not kill_at.marked)
        if reached and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= reached

    return note


def warm_up() -> None:
    """Import all that a climb imports, by climbing."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        climb(Path(folder) / "runs")
