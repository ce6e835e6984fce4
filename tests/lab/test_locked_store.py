"""An SQLite store that another process keeps locked: told before anything is trained, and later no reason to stop."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer

import pytest
import sqlalchemy

from rfcx_lab.errors import LabError
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.tracking import store as tracking_store
from tests import fakes
from tests.lab.driver import EPOCHS, REPEATS, SIZE
from tests.lab.interrupted import FITS, begun, uri_of
from tests.lab.outcome import assert_view_is_whole, runs_of, without_root


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


def test_store_locked_at_the_start_is_said(ready_config, tmp_path, impatient, diary):
    config = ready_config(*SIZE)
    runs = Path(config.runs_dir)
    climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit)
    other = ready_config(*SIZE, "seed=1")
    with locked(runs / "mlflow.db"), pytest.raises(LabError, match=r"mlflow\.db can't be used \(database is locked\)"):
        climb_ladder(other, tmp_path / "out", fit=fakes.fake_fit)
    assert begun(diary) == FITS
    assert climb_ladder(other, tmp_path / "out", fit=fakes.fake_fit).document


@pytest.mark.parametrize("lasting", [False, True], ids=["for a while", "to the end"])
def test_store_locked_while_fits_run_costs_no_fit(
    lasting, undisturbed, ready_config, tmp_path, impatient, diary, capsys
):
    config = ready_config(*SIZE)
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
