from __future__ import annotations

import errno
import os
import time

import pytest
from filelock import FileLock

from rfcx_lab.errors import LabError
from rfcx_lab.files import full_disk_said, is_disk_full, sweep, whole_folder, write_whole


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "fit") as folder:
        (folder / "half").write_text("half")
        assert not (tmp_path / "fit").exists()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with whole_folder(tmp_path / "fit") as folder:
        (folder / "all").write_text("all")
    assert [path.name for path in tmp_path.rglob("*")] == ["fit", "all"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    write_whole(tmp_path / "record.json", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "record.json", "new, and not to be written: \ud800")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("record.json", "old")]


def test_sweeping_takes_what_killed_processes_left_and_nothing_else(tmp_path):
    kept = ["fit", ".hidden", ".gitignore", ".fit.0123abcd", "writing.partial", "writing.lock", "killed.lock"]
    stale = [".old.0123abcd", ".old.json.0123abcd", ".mlflow.db.0123abcd-journal", "killed.partial"]
    for name in (*kept, *stale):
        if name.endswith((".json.0123abcd", "journal", ".lock", "ignore")):
            (tmp_path / name).touch()
        else:
            (tmp_path / name).mkdir()
            (tmp_path / name / "half").touch()
    two_hours_ago = time.time() - 7200
    for name in {*kept, *stale} - {".fit.0123abcd"}:
        os.utime(tmp_path / name, (two_hours_ago, two_hours_ago))
    with FileLock(tmp_path / "writing.lock"):
        sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_full_disk_is_known_by_number_and_by_words():
    assert is_disk_full(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert is_disk_full(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)))
    assert is_disk_full(OSError("Can't write data (file write failed: error message = 'No space left on device')"))
    wrapped = RuntimeError("(sqlite3.OperationalError) something")
    wrapped.__cause__ = OSError(errno.ENOSPC, "")
    assert is_disk_full(wrapped)
    assert not is_disk_full(FileNotFoundError(errno.ENOENT, "gone"))
    assert not is_disk_full(MemoryError())


def test_only_a_full_disk_is_said_to_be_one(tmp_path):
    sentence = r"No space is left .* MB free, 3\.0 MB needed\): make room"
    with pytest.raises(LabError, match=sentence), full_disk_said(tmp_path / "not" / "there", needed=3_000_000):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError), full_disk_said(tmp_path):
        raise FileNotFoundError
