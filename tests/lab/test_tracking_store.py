from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from rfcx_lab.interrupt import STATUS, STOPPED, STOPPING
from rfcx_lab.tracking import store as tracking_store
from rfcx_lab.tracking.store import check_unlocked, forgiving, ready_store
from tests.conftest import ROOT


@pytest.fixture
def ctrl_c():
    """Python's own answer to Ctrl-C, which a process that runs tests for another one ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_stop_waits_until_mlflow_is_done_unless_it_is_repeated(ctrl_c):
    reached = []
    with pytest.raises(KeyboardInterrupt), forgiving():
        signal.raise_signal(signal.SIGINT)
        reached.append("the end")
    with pytest.raises(KeyboardInterrupt), forgiving():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        reached.append("nothing")
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("heard", "lines"),
    [
        ("with stops_waiting(): hit(); said('held')", [STOPPING, "held", "end"]),
        ("with stops_waiting(): hit(); hit(); said('nothing')", [STOPPING, STOPPED]),
        ("hit()", [STOPPING, "end"]),
        ("try: hit()\n    finally:\n        with stops_waiting(): hit(); said('nothing')", [STOPPING, STOPPED]),
    ],
)
def test_a_stop_is_said_at_once_and_a_second_one_ends_at_once(heard, lines):
    """Within MLflow's work, and while what is open is being ended."""
    code = (
        "import os, signal\n"
        "from rfcx_lab.interrupt import answer_with, stop\n"
        "from rfcx_lab.tracking.store import stops_waiting\n"
        "def hit(): signal.raise_signal(signal.SIGINT)\n"
        "def said(text): os.write(2, f'{text}\\n'.encode())\n"
        "answer_with(stop)\n"
        f"try:\n    {heard}\n"
        "except KeyboardInterrupt: said('end')\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert [line for line in finished.stderr.splitlines() if line] == lines
    assert finished.returncode == (STATUS if STOPPED in lines else 0)


def test_a_store_that_can_t_be_filled_is_not_there(tmp_path):
    with pytest.raises(RuntimeError), ready_store(f"sqlite:///{tmp_path}/mlflow.db", fill=half_filled):
        raise AssertionError("opened")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.lock"]


def test_a_locked_file_is_told_from_a_free_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking_store, "_PATIENCE", 0.1)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    check_unlocked(uri)  # not there: nothing to be locked
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE runs (id)")
        check_unlocked(uri)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            check_unlocked(uri)
    check_unlocked("http://127.0.0.1:1")  # a server's own affair


def half_filled(uri: str) -> None:
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
        database.execute("CREATE TABLE runs (id)")
    raise RuntimeError
