"""Interrupted anywhere: killed, stopped, out of disk, locked out. The same command goes on, to the same verdict."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import psutil
import pytest
import sqlalchemy

from rfcx_lab.errors import LabError
from rfcx_lab.interrupt import STATUS, STOPPED, STOPPING
from rfcx_lab.lab import tracking_store
from rfcx_lab.lab.ladder import climb_ladder
from tests import fakes
from tests.conftest import ROOT, TOY
from tests.lab.driver import EPOCHS, REPEATS, SIZE, Moment, done, said, start_driver, verdict_path
from tests.lab.outcome import RUNGS, assert_one_model_is_registered, assert_view_is_whole, runs_of, without_root

FITS = REPEATS * len(RUNGS)
MARKS = (
    "soundscapes/",
    "sql CREATE TABLE",  # MLflow's store is made,
    "sql DROP TABLE",  # and migrated: not in one transaction
    "features/",
    "sql INSERT INTO runs",  # the study's runs are opened
    "fits/.",  # fits
    "held_out",  # the recommended rung is measured, after the ladder was judged
    "studies/out",  # the report
    "open studies/out/verdict.json",  # what MLflow keeps of it is read
    "/model",  # and the model, which is registered
)
"""Where a stage of a run's life begins, in their order, among what `done` lists."""


@dataclass(frozen=True)
class Life:
    """A run that nothing disturbed: its verdict, what it did, how long it took, and the bytes of its soundscapes."""

    document: dict
    events: list[str]
    seconds: float
    soundscapes: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Life:
    runs = tmp_path_factory.mktemp("undisturbed") / "runs"
    start_driver(runs).join()  # also makes what drivers are forked from
    shutil.rmtree(runs)
    start = time.monotonic()
    finish(runs)
    seconds = time.monotonic() - start
    sounds = sum(path.stat().st_size for path in runs.glob("soundscapes/*/train/*"))
    return Life(document_of(runs), done(runs), seconds, sounds)


def finish(runs: Path, **options) -> None:
    """Run a driver to its end."""
    driver = start_driver(runs, **options)
    driver.join(120)
    assert driver.exitcode == 0, said(runs)


def document_of(runs: Path) -> dict:
    return without_root(json.loads(verdict_path(runs).read_text()))


def uri_of(runs: Path) -> str:
    return f"sqlite:///{runs}/mlflow.db"


def assert_as_if_undisturbed(runs: Path, life: Life) -> None:
    """The verdict, every fit, MLflow's runs, epochs and artifacts; and nothing half done lies about."""
    assert document_of(runs) == life.document
    assert len(list(runs.glob("fits/[!.]*/fit.json"))) == FITS
    assert_view_is_whole(uri_of(runs), repeats=REPEATS, epochs=EPOCHS)
    [kept] = runs.glob("artifacts/smoke/*/artifacts/verdict.json")
    assert without_root(json.loads(kept.read_text())) == life.document
    assert len(list(runs.glob("artifacts/smoke/[!m]*/artifacts/model/best.keras"))) == 1
    assert_one_model_is_registered(uri_of(runs))


# Killed


def moments(events: list[str], seed: int) -> list[Moment]:
    """A moment at random in every stage of a run's life, and one that is known to be bad: between two migrations."""
    begins = [next(i for i, event in enumerate(events) if mark in event) for mark in MARKS]
    assert begins == sorted(begins)
    dice = random.Random(seed)
    ends = [*begins[1:], len(events)]
    drawn = [Moment(mark, dice.randrange(end - start)) for mark, start, end in zip(MARKS, begins, ends, strict=True)]
    migrating = MARKS.index("sql DROP TABLE")
    return [*drawn[:migrating], Moment("sql DROP TABLE", 0), *drawn[migrating:]]


def kill_at_moments(runs: Path, life: Life, seed: int) -> int:
    """Kill at a moment in every stage, all in one folder; returns how many kills there were."""
    killed = 0
    for moment in moments(life.events, seed):
        driver = start_driver(runs, kill_at=moment, environment={fakes.DIARY: str(runs.with_suffix(".diary"))})
        driver.join(120)
        assert driver.exitcode in (0, -signal.SIGKILL), said(runs)
        killed += driver.exitcode != 0
    return killed


def kill_at_times(runs: Path, life: Life, seed: int) -> int:
    """Kill from outside, after a time at random that is no longer than an undisturbed run takes."""
    dice, killed = random.Random(seed), 0
    for _ in range(6):
        driver = start_driver(runs, environment={fakes.DIARY: str(runs.with_suffix(".diary"))})
        driver.join(dice.uniform(0, life.seconds))
        driver.kill()
        driver.join()
        killed += driver.exitcode != 0
    return killed


def make_old(runs: Path) -> list[Path]:
    """As if two hours had gone by: what was left half written."""
    left = [path for path in runs.rglob("*") if re.fullmatch(r"\..+\.[0-9a-f]{8}(-journal)?|.+\.partial", path.name)]
    for path in left:
        os.utime(path, (time.time() - 7200,) * 2)
    return left


def test_sigkill_at_any_moment(undisturbed, tmp_path):
    """In four folders, in every stage of a run's life; whatever is not finished is begun again, and only that."""
    ways = [(kill_at_moments, 1), (kill_at_moments, 2), (kill_at_moments, 3), (kill_at_times, 4)]
    folders = [tmp_path / f"runs{seed}" for _, seed in ways]
    with ThreadPoolExecutor(2) as two:
        tasks = [two.submit(way, runs, undisturbed, seed) for runs, (way, seed) in zip(folders, ways, strict=True)]
        kills = [task.result() for task in tasks]
    assert sum(kills[:3]) > 30, kills  # a moment drawn late may find that stage over, and the run at its end
    for runs, killed in zip(folders, kills, strict=True):
        make_old(runs)
        finish(runs, environment={fakes.DIARY: str(runs.with_suffix(".diary"))})
        assert_as_if_undisturbed(runs, undisturbed)
        assert not [path for path in make_old(runs) if "studies" not in path.parts]
        times = Counter(runs.with_suffix(".diary").read_text().splitlines())
        assert len(times) == FITS
        assert sum(times.values()) <= FITS + killed


def test_sigkill_of_a_worker_and_of_the_driver_over_workers(undisturbed, tmp_path, diary):
    """Killed from outside, in the middle of fits. The driver is the workers' nanny: they go when it goes."""
    runs = tmp_path / "runs"
    local = ("engine=local", "engine.workers=2")
    driver = start_driver(runs, *local, environment={fakes.SECONDS_PER_EPOCH: "0.1"})
    wait_for(lambda: begun(diary) >= 1, driver)
    victim, *_ = workers_of(driver.pid)
    victim.kill()
    wait_for(lambda: victim not in workers_of(driver.pid) and begun(diary) >= 4, driver)
    workers = workers_of(driver.pid)
    assert len(workers) == 2
    driver.kill()
    driver.join()
    assert not psutil.wait_procs(workers, timeout=20)[1]
    finish(runs)
    assert document_of(runs) == undisturbed.document
    assert_view_is_whole(uri_of(runs), repeats=REPEATS, epochs=EPOCHS)
    assert FITS <= begun(diary) <= FITS + 1 + 2


def begun(diary: Path) -> int:
    return len(diary.read_text().splitlines())


def wait_for(happened: Callable[[], bool], driver) -> None:
    deadline = time.monotonic() + 120
    alive = driver.is_alive if hasattr(driver, "is_alive") else lambda: driver.poll() is None
    while not happened():
        assert alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def workers_of(pid: int) -> list[psutil.Process]:
    """Dask's worker processes under a driver."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()) or "Dask Worker" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


# A full disk


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[int], Path]]:
    """Called with a number of bytes, gives a file system of that size; called again, makes it larger."""
    place = tmp_path / "disk"
    place.mkdir()

    def resize(size: int) -> Path:
        options = f"size={size}" + (",remount" if place.is_mount() else "")
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True
        )
        if mounted.returncode:
            pytest.skip("a tmpfs can't be mounted here")
        return place

    yield resize
    if place.is_mount():
        subprocess.run(["umount", "--lazy", place], check=True)


def test_full_disk_stops_with_a_sentence_and_space_lets_it_go_on(undisturbed, small_disk, tmp_path):
    """Too little space in one stage after another, then a little more, until it is enough."""
    log, size, stopped = tmp_path / "runs", undisturbed.soundscapes - (128 << 10), []
    runs = small_disk(size) / "runs"
    for _ in range(80):
        driver = start_driver(runs, log=log)
        driver.join(120)
        text = said(log)
        assert "Traceback" not in text
        if driver.exitcode == 0 and "MLflow:" not in text:
            break
        if driver.exitcode:
            assert driver.exitcode == 1
            sentence = r"No space is left on the disk of \S+ \(0\.\d MB free.*\): make room, and the same command"
            assert re.search(sentence, text)
            stopped.append(last_stage(log))
        else:  # the verdict is there; only MLflow lacks what did not go in
            assert "MLflow: no space is left on its disk. Results are kept" in text
            assert document_of(runs) == undisturbed.document
        size += 64 << 10
        small_disk(size)
    assert driver.exitcode == 0
    assert {"soundscapes/", "features/", "sql DROP TABLE", "studies/out"} <= set(stopped), stopped
    assert_as_if_undisturbed(runs, undisturbed)


def last_stage(log: Path) -> str:
    """The stage in which the latest driver ended."""
    events = done(log)
    return [mark for mark in MARKS if any(mark in event for event in events)][-1]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_full_disk_under_a_fit_is_no_failed_fit(engine, undisturbed, small_disk, toy_config, tmp_path, monkeypatch):
    runs = small_disk(16 << 20) / "runs"
    ballast = runs.parent / "ballast"
    monkeypatch.setenv(fakes.BALLAST, str(ballast))
    config = toy_config(*SIZE, f"engine={engine}", f"runs_dir={runs}")
    with pytest.raises(LabError, match=rf"No space is left on the disk of {runs} \(0\.0 MB free\): make room, and"):
        climb_ladder(config, tmp_path / "out", fit=fakes.fit_that_fills_the_disk)
    finished = {path: path.read_bytes() for path in runs.glob("fits/[!.]*/fit.json")}
    assert 0 < len(finished) < FITS
    ballast.unlink()
    document = climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit).document
    assert without_root({**document, "test": undisturbed.document["test"]}) == undisturbed.document
    assert all(path.read_bytes() == record for path, record in finished.items())
    assert_view_is_whole(uri_of(runs), repeats=REPEATS, epochs=EPOCHS)


# A locked store


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process's write lock on an SQLite file; for its locks, a connection is as good as a process."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield database


@pytest.fixture
def impatient(monkeypatch) -> Iterator[None]:
    """Our patience with a locked file, and MLflow's, as short as a test's."""
    monkeypatch.setattr(tracking_store, "_PATIENCE", 0.3)

    def shorten(connection, cursor, statement, parameters, context, executemany):
        return re.sub(r"busy_timeout = \d+", "busy_timeout = 300", statement), parameters

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", shorten, retval=True)
    yield
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", shorten)


def test_store_locked_at_the_start_is_said(toy_config, tmp_path, impatient, diary):
    config = toy_config(*SIZE)
    runs = Path(config.runs_dir)
    climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit)
    other = toy_config(*SIZE, "seed=1")
    with locked(runs / "mlflow.db"), pytest.raises(LabError, match=r"mlflow\.db can't be used \(database is locked\)"):
        climb_ladder(other, tmp_path / "out", fit=fakes.fake_fit)
    assert begun(diary) == FITS
    assert climb_ladder(other, tmp_path / "out", fit=fakes.fake_fit).document


@pytest.mark.parametrize("lasting", [False, True], ids=["for a while", "to the end"])
def test_store_locked_while_fits_run_costs_no_fit(lasting, undisturbed, toy_config, tmp_path, impatient, diary, capsys):
    config = toy_config(*SIZE)
    runs = Path(config.runs_dir)
    lock = locked(runs / "mlflow.db")

    def locking_fit(rung, **options):
        if begun(diary) == 2:
            held = lock.__enter__()
            if not lasting:
                Timer(0.1, held.execute, ["ROLLBACK"]).start()
        return fakes.fake_fit(rung, **options)

    document = climb_ladder(config, tmp_path / "out", fit=locking_fit).document
    lock.__exit__(None, None, None)
    assert without_root({**document, "test": undisturbed.document["test"]}) == undisturbed.document
    said_so = "MLflow: database is locked. Results are kept; the same command, run again, completes MLflow."
    assert (said_so in capsys.readouterr().out) == lasting
    if lasting:
        assert "RUNNING" in {run.info.status for run in runs_of(uri_of(runs))}
        assert climb_ladder(config, tmp_path / "again", fit=fakes.fake_fit).document == document
    assert_view_is_whole(uri_of(runs), repeats=REPEATS, epochs=EPOCHS)
    assert begun(diary) == FITS


# Stopped


def test_ctrl_c_and_sigterm_stop_with_a_sentence(undisturbed, tmp_path, diary):
    """As a terminal sends it: to the driver and its workers alike. In one folder, from one stage to the next."""
    runs = tmp_path / "runs"

    def to_the_group(process: subprocess.Popen) -> None:
        os.killpg(process.pid, signal.SIGINT)

    def twice(process: subprocess.Popen) -> None:
        to_the_group(process)
        time.sleep(1.0)
        to_the_group(process)

    def features(process: subprocess.Popen) -> bool:
        return bool(list(runs.glob("features/*.partial")) and workers_of(process.pid))  # which are importing still

    def fits(process: subprocess.Popen) -> bool:
        return begun(diary) >= 3

    def report(process: subprocess.Popen) -> bool:
        return bool(list(runs.glob("studies/*/*/verdict.json")))

    stop(runs, to_the_group, when=features)
    stop(runs, twice, when=fits)
    diary.write_text("")
    stop(runs, lambda process: process.terminate(), when=fits)
    assert "RUNNING" not in {run.info.status for run in runs_of(uri_of(runs))}
    stop(runs, to_the_group, "engine=inline", when=report, seconds_per_epoch=0)
    assert "RUNNING" not in {run.info.status for run in runs_of(uri_of(runs))}
    finish(runs)
    assert {**document_of(runs), "test": None} == {**undisturbed.document, "test": None}
    assert_view_is_whole(uri_of(runs), repeats=REPEATS, epochs=EPOCHS)


def stop(runs: Path, send: Callable[[subprocess.Popen], None], *overrides: str, when, seconds_per_epoch=0.3) -> None:
    """Run the command line in a process group of its own, stop it, and read what it leaves."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.command", *TOY, *SIZE, f"runs_dir={runs}", "engine.workers=2", *overrides],
        cwd=ROOT,
        env={**os.environ, fakes.SECONDS_PER_EPOCH: str(seconds_per_epoch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: when(process), process)
    family = psutil.Process(process.pid).children(recursive=True)
    send(process)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == STATUS
    said = [line for line in errors.split("\n") if line]
    assert (said[0], said[-1]) == (STOPPING, STOPPED)
    assert len(said) == 2 or said[1].startswith("Exception ignored"), errors  # Python's word for one it dropped
    assert not psutil.wait_procs(family, timeout=20)[1]
