"""What tests that interrupt a study share: a run that nothing disturbed to compare with, and ways to wait and look."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.lab.driver import EPOCHS, REPEATS, done, said, start_driver, verdict_path
from tests.lab.outcome import RUNGS, assert_one_model_is_registered, assert_view_is_whole, without_root

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


def live(runs: Path) -> Life:
    """Run a driver on `runs` to its end, and undisturbed."""
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
