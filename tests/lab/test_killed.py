"""Killed at any moment: the same command goes on, to the same verdict."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests import fakes
from tests.lab.driver import EPOCHS, REPEATS, Moment, said, start_driver
from tests.lab.interrupted import (
    FITS,
    MARKS,
    Life,
    assert_as_if_undisturbed,
    begun,
    document_of,
    finish,
    uri_of,
    wait_for,
    workers_of,
)
from tests.lab.outcome import assert_view_is_whole


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
