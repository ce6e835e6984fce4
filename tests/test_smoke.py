"""The smoke experiment with real fits: undisturbed, again, killed and stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rfcx_lab.interrupt import STOPPED, STOPPING
from rfcx_lab.lab.contract import check_document
from rfcx_lab.verdict.statements import split_answer
from tests.commandline import command, run
from tests.conftest import ROOT
from tests.lab.outcome import assert_view_is_whole

FITS = 6


def only_verdict(folder: Path) -> dict:
    [path] = folder.glob("studies/*/*/verdict.json")
    document = json.loads(path.read_text())
    check_document(document)
    return document


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The smoke experiment, run once and undisturbed: its runs folder, and what it said."""
    folder = tmp_path_factory.mktemp("smoke")
    finished = run("+experiment=smoke", f"runs_dir={folder}")
    assert finished.returncode == 0, finished.stderr
    return folder, finished


@pytest.mark.keras
def test_smoke_runs_to_a_verdict_and_again_from_the_store(smoke):
    folder, first = smoke
    document = only_verdict(folder)
    told = "\n- ".join(split_answer(document["answer"]))
    assert told in first.stdout
    assert [rung["repeats"] for rung in document["rungs"]] == [2, 2, 2]
    test = document["test"]
    assert test["rung"] == document["recommended"]["rung"]
    assert test["loss"][0] > 0
    assert 1 <= test["model"]["epoch"] <= 10
    [kept] = folder.glob("artifacts/smoke/*/artifacts/model/best.keras")
    assert zipfile.is_zipfile(kept)
    assert not list(folder.rglob("*.pkl"))
    assert "Traceback" not in first.stderr
    assert "cuda" not in first.stderr.lower()
    again = run("+experiment=smoke", f"runs_dir={folder}", f"hydra.run.dir={folder / 'again'}")
    assert f"all {FITS} are there from earlier runs" in again.stdout
    assert told in again.stdout


@pytest.mark.keras
def test_killed_and_stopped_while_training_is_resumed(smoke, tmp_path):
    """SIGKILL at three moments of real fits, and Ctrl-C at a fourth: the undisturbed verdict, and no fit done twice."""
    undisturbed, _ = smoke
    for made in ("soundscapes", "features"):
        shutil.copytree(undisturbed / made, tmp_path / made)
    kept = {}
    for finished, send in (
        (0, lambda driver: os.killpg(driver.pid, signal.SIGKILL)),  # while the first ones train
        (1, lambda driver: driver.kill()),  # it alone: its workers end by themselves
        (3, lambda driver: os.killpg(driver.pid, signal.SIGINT)),
        (5, lambda driver: os.killpg(driver.pid, signal.SIGKILL)),
    ):
        needed = min(2, FITS - finished)  # workers: for the last fit, another one would import Keras in vain
        stopped = interrupt(tmp_path, send, f"engine.workers={needed}", after=finished)
        assert not list(tmp_path.glob("studies/*/*/verdict.json"))
        assert stopped.returncode == -signal.SIGKILL or stopped.stderr == f"\n{STOPPING}\n{STOPPED}\n"
        for path in tmp_path.glob("fits/[!.]*/fit.json"):
            assert kept.setdefault(path, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    rerun = run("+experiment=smoke", f"runs_dir={tmp_path}", "engine.workers=1")
    assert rerun.returncode == 0, rerun.stderr
    assert "from earlier runs" in rerun.stdout
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    found, expected = only_verdict(tmp_path), only_verdict(undisturbed)
    found["data"]["root"] = expected["data"]["root"] = None
    assert found == expected
    assert found["recommended"]["rung"] is not None
    curves = [next(folder.glob("studies/*/*/curves.csv.gz")).read_bytes() for folder in (tmp_path, undisturbed)]
    assert curves[0] == curves[1]
    assert_view_is_whole(f"sqlite:///{tmp_path}/mlflow.db", repeats=2, epochs=10)


def interrupt(
    runs: Path, send: Callable[[subprocess.Popen[str]], None], *overrides: str, after: int
) -> subprocess.CompletedProcess[str]:
    """Run smoke until so many fits are finished and another one has logged an epoch, and interrupt it."""
    driver = subprocess.Popen(
        command("+experiment=smoke", f"runs_dir={runs}", *overrides),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    before, deadline = epochs_logged(runs), time.monotonic() + 200
    while len(list(runs.glob("fits/[!.]*/fit.json"))) < after or epochs_logged(runs) == before:
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.05)
    send(driver)
    _, errors = driver.communicate(timeout=60)
    return subprocess.CompletedProcess(driver.args, driver.returncode, "", errors)


def epochs_logged(runs: Path) -> int:
    if not (runs / "mlflow.db").exists():
        return 0
    with closing(sqlite3.connect(f"file:{runs}/mlflow.db?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM metrics WHERE key = 'loss/val'").fetchone()[0])
