"""The benchmarks still run, at a size at which their timings mean nothing: what they count must hold all the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SCRIPTS = ("calibration", "features", "overhead", "scaling", "start", "throughput")


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / f"{script}.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_is_compared(script):
    assert f"python benchmarks/{script}.py" in run(script, "--help").stdout


def test_features_are_the_article_s_and_a_warm_run_opens_no_audio():
    said = run("features", "--recordings", "3", "--rounds", "1").stdout
    assert re.search(r"^audio files opened by a warm run: 0 .*: met$", said, re.MULTILINE)
    assert re.search(r"^largest difference of an MFCC: .*: met$", said, re.MULTILINE)


@pytest.mark.keras
def test_overhead_of_one_small_fit():
    finished = run("overhead", "--rows=32", "--epochs=2", "--rounds=1", "--repeats=1", "--fit-seconds=0.2")
    assert "harness against bare" in finished.stdout, finished.stderr
    for where in ("driver", "driver, in a terminal"):
        assert re.search(rf"^{where}: .* ms of CPU per fit", finished.stdout, re.MULTILINE), finished.stderr
    assert finished.returncode in (0, 1), finished.stderr  # 1: an aim is missed, as is to be expected here


@pytest.mark.keras
def test_scaling_tells_what_two_bare_processes_make_of_the_machine():
    finished = run("scaling", "--rungs", "LSTM 8", "--rows=32", "--epochs=1", "--rounds=1", "--fits=2")
    for what in ("2 workers against 1 worker", "two bare processes against one", "1 worker against 1 bare process"):
        [ratio] = re.findall(rf"^  LSTM 8   {what}: ([\d.]+)", finished.stdout, re.MULTILINE) or [finished.stderr]
        assert float(ratio) > 0
    assert finished.returncode in (0, 1), finished.stderr  # 1: the aim is missed, as it may be here


def test_help_loads_nothing_heavy_by_the_benchmark_s_own_count():
    said = run("start", "--rounds=1", "--study-rounds=0").stdout
    assert re.search(r"^heavy modules imported by --help .*: 0 .*: met$", said, re.MULTILINE), said
