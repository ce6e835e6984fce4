"""The command in a real terminal: what a person sees while it trains, on Ctrl-C, and at the end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rfcx_lab.interrupt import STATUS, STOPPED, STOPPING
from rfcx_lab.report.commands import NEXT
from rfcx_lab.verdict.statements import split_answer
from tests import fakes
from tests.conftest import ROOT, TOY
from tests.lab.driver import EPOCHS, REPEATS, SIZE
from tests.lab.outcome import RUNGS, by_level, runs_of

FITS = REPEATS * len(RUNGS)
CODES = re.compile(r"\x1b\[[\d;?]*([A-Za-z])")
NOISE = ("WARNING", "Warning", "Traceback", "alembic", "absl", "cuda", "oneDNN", "E0000", "INFO")


def in_terminal(
    runs: Path, *overrides: str, columns: int, environment: dict[str, str], until: Callable[[str], bool] | None = None
) -> tuple[str, int]:
    """Run the command, with fake fits, in a terminal of its own; Ctrl-C is typed once `until` likes what is there.

    Returns all that was written, and the exit status.
    """
    inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}  # of pytest-xdist
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.command", *TOY, *SIZE, f"runs_dir={runs}", *overrides],
        cwd=ROOT,
        env={**inherited, "TERM": "xterm-256color", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + 200
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                seen += os.read(ours, 1 << 16)
            except OSError:  # the terminal's other end is closed
                break
            if until is not None and until(seen.decode(errors="ignore")):
                os.write(ours, b"\x03")
                until = None
        return seen.decode(), process.wait(60)
    finally:
        os.close(ours)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def runs(prepared, tmp_path) -> Path:
    return shutil.copytree(prepared, tmp_path / "runs")


def plain(text: str) -> str:
    return CODES.sub("", text).replace("\r", "\n")


def test_fits_under_way_are_seen_and_ctrl_c_ends_in_a_sentence(runs):
    slow = {fakes.SECONDS_PER_EPOCH: "0.2"}

    def two_are_far(text: str) -> bool:
        return all(re.search(rf"{rung} · 0 +epoch [3-9] of {EPOCHS} +val loss", plain(text)) for rung in RUNGS[:2])

    text, status = in_terminal(runs, "engine.workers=2", columns=80, environment=slow, until=two_are_far)
    assert status == STATUS
    said = plain(text)
    assert re.search(rf"Fits +━.* 0 of {FITS} +\d+ s left", said)
    assert re.search(r"LSTM 8 · 0 +starting", said)
    assert not [word for word in NOISE if word in text]
    end = said[said.index(STOPPING) :]
    assert end.count(STOPPED) == 1 and end.strip().endswith(STOPPED)
    assert "epoch" not in end.split("\nFits ")[-1]
    assert re.findall(r"\x1b\[\?25([hl])", text)[-1] == "h"  # the cursor is there again
    assert_nothing_is_redrawn_above(text[text.index(STOPPING) :])


def assert_nothing_is_redrawn_above(text: str) -> None:
    """What the first line says is not wiped out by what redraws the lines below it."""
    lines_below, highest = 0, 0
    for piece in re.split(r"(\n|\x1b\[\d*A)", text):
        if piece == "\n":
            lines_below += 1
        elif re.fullmatch(r"\x1b\[\d*A", piece):
            lines_below -= int(piece[2:-1] or 1)
            highest = min(highest, lines_below - 1)
    assert highest >= 0


def test_it_ends_with_the_verdict_uncoloured_and_verbose_where_that_is_wanted(runs):
    fast = {fakes.SECONDS_PER_EPOCH: "0.02", "NO_COLOR": "1"}
    text, status = in_terminal(runs, "engine=inline", "hydra.verbose=true", columns=60, environment=fast)
    said = plain(text)
    assert status == 0
    assert not [word for word in NOISE if word in text]
    assert not re.findall(r"\x1b\[(?:[\d;]*;)?[349]\dm", text)
    assert f"{FITS} of {FITS}" in said
    bars = [line for line in said.split("\n") if "━" in line]
    assert bars and max(map(len, bars)) <= 60, max(bars, key=len)
    table, _, end = said.rpartition("left out: ")
    assert re.search(r"Rung +Overfit +Onset epoch", table)
    words = " ".join(end.split())
    [verdict] = runs.glob("studies/*/*/verdict.json")
    first, *others = split_answer(json.loads(verdict.read_text())["answer"])
    assert first in words
    assert others and all(f" - {statement} " in words for statement in others)
    [study] = by_level(runs_of(f"sqlite:///{runs}/mlflow.db"), "study")
    asked, command = end.split(f"{NEXT} ")[1].split("\n\n")[:2]
    assert f"**{NEXT}** {asked} `{command}`" in study.data.tags["mlflow.note.content"]
    assert not list(runs.glob("fits/.*.mark"))
    [report] = runs.glob("studies/*/*/report.html")
    assert str(report) in said  # in one piece, though it is longer than a line
    loggers = re.findall(r"^\[[\d :,-]+\]\[([\w.]+)\]\[DEBUG\] - ", said, re.MULTILINE)
    assert {"rfcx_lab.lab.fitting", "rfcx_lab.lab.study", "rfcx_lab.features.cache"} <= set(loggers)
    assert all(name.split(".")[0] in ("rfcx_lab", "hydra") for name in loggers), set(loggers)
