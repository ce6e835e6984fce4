"""Writing files so that a killed process leaves them whole or not at all, and a full disk is told as what it is."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rfcx_lab.errors import LabError

_BESIDE = re.compile(r"\..+\.[0-9a-f]{8}(-journal)?")  # what `_beside` makes, and SQLite next to it
_STALE_SECONDS = 3600.0  # what is written beside is there for seconds; older, and its process was killed
_LONGEST_NAME, _SHOWN = 150, 40  # bytes, and characters that a sentence shows: files have 255, and endings
_MARKS = "?#%"  # what has a meaning of its own in a URL
_FULL = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT))
_FULL_DATABASE = "database or disk is full"  # SQLite


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill the folder this yields; it becomes `path` when the block ends well, and vanishes when it doesn't.

    Where another process has put `path` there meanwhile, its folder stays and this one is dropped.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    beside.mkdir()
    try:
        yield beside
        for file in beside.iterdir():
            _flush(file)
        try:
            beside.replace(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write the file this yields the path of; it becomes `path` when the block ends well."""
    beside = _beside(path)
    try:
        yield beside
        _flush(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path`, which is at no moment half there."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def sweep(folder: Path) -> None:
    """Remove what killed processes have left half written in `folder`, and nothing that one still writes.

    What the functions above write beside its place is taken after an hour; a `NAME.partial` at once, if nobody holds
    `NAME.lock`.
    """
    from filelock import FileLock, Timeout

    for path in folder.glob("*"):
        if path.suffix == ".partial":
            try:
                with FileLock(path.with_suffix(".lock"), timeout=0):
                    _remove(path)
            except Timeout:
                pass
        elif _BESIDE.fullmatch(path.name) and _age(path) > _STALE_SECONDS:
            _remove(path)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether `error`, or one it came from, says that no space is left: the machine's trouble, not the work's.

    Libraries wrap the system's error, and its number is lost on the way: HDF5, SQLite and MLflow leave only its words.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(error) for words in (*_FULL, _FULL_DATABASE)):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def full_disk_said(folder: Path, *, needed: int | None = None) -> Iterator[None]:
    """Turn a full disk into a sentence: `folder` is where most is written, `needed` the bytes that are to go there.

    Raises:
        LabError: no space is left.
    """
    try:
        yield
    except LabError:
        raise
    except Exception as error:
        if not is_disk_full(error):
            raise
        place = min((folder, Path(tempfile.gettempdir())), key=_free)  # the error rarely says where
        wanted = "" if needed is None else f", {needed / 1e6:.1f} MB needed"
        raise LabError(
            f"No space is left on the disk of {place.absolute()} ({_free(place) / 1e6:.1f} MB free{wanted}): make "
            "room, and the same command goes on from here; finished fits and features are kept."
        ) from error


def check_place(runs_dir: str) -> str:
    """`runs_dir` as it stands.

    Raises:
        LabError: it names no folder, and what is put under it would lie in the root; or the address of a database in
            it would end, or read otherwise, at one of its characters.
    """
    if not str(runs_dir).strip():
        raise LabError(f"runs_dir={runs_dir}: must be a folder; write runs_dir=. for the one you stand in.")
    mark = next((mark for mark in _MARKS if mark in str(runs_dir)), None)
    if mark is not None:
        raise LabError(f"runs_dir={runs_dir}: no address of a database can hold its {mark}; choose another folder.")
    return runs_dir


def check_name(text: str, key: str = "name") -> str:
    """`text` as it stands; LabError, naming `key`, where no folder can be called so."""
    plain = text.strip() not in {"", ".", ".."} and not set(text) & {"/", "\\", "\0"} and text.isprintable()
    if not plain or len(text.encode()) > _LONGEST_NAME:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise LabError(
            f"{key}={shown!r}: must be a plain name, fit for a folder, of at most {_LONGEST_NAME} bytes and without "
            "slashes."
        )
    return text


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def _flush(path: Path) -> None:
    """Bring a file to the disk before its name says that it is whole: a power cut must not leave it empty."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # its process was alive, and has just put it in its place
        return 0.0


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
