"""Ctrl-C and SIGTERM: a study ends within seconds, says what is kept, and leaves no process and no open run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from rfcx_lab.interrupt import STATUS, STOPPED, STOPPING
from tests import fakes
from tests.conftest import ROOT, TOY
from tests.lab.driver import EPOCHS, REPEATS, SIZE
from tests.lab.interrupted import begun, document_of, finish, uri_of, wait_for, workers_of
from tests.lab.outcome import assert_view_is_whole, runs_of


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
