"""Windows as a memory-mapped array on disk, computed once.

The key hashes which stretches of which sound, and how they are turned into features; labels don't enter. A folder
appears whole (written beside, then renamed), and a lock lets one process compute while others wait for it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from rfcx_lab.config import FeatureConfig, WindowConfig, signature
from rfcx_lab.data.clips import Clips
from rfcx_lab.features.segments import Segment, Unreadable, plan_segments, read_segments
from rfcx_lab.features.spectral import FEATURES, Frames, frame_count, pad_or_cut, width
from rfcx_lab.files import full_disk_said, whole_folder, write_whole
from rfcx_lab.progress import track

_log = logging.getLogger(__name__)

SCHEMA = 1  # raised when the numbers change for the same config
_LIBRARIES = ("librosa", "soxr", "numpy")
_ROWS_PER_TASK = 8  # small enough for a small data set to keep every worker busy
WINDOWS_FILE = "windows.npy"  # of a finished entry
_QUIETLY_HASHED = 2**28  # bytes that take no longer than anyone waits without a word: a second or two

Windows = NDArray[np.float32]
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@dataclass(frozen=True)
class WindowStore:
    """A finished cache entry: `windows.npy`, `[N, T, F]` float32, a row per clip."""

    path: Path
    key: str

    def load(self) -> Windows:
        """Memory-map the windows."""
        return np.load(self.path / WINDOWS_FILE, mmap_mode="r")

    def prints(self) -> NDArray[np.str_]:
        """A hash per window `[N]`: two are equal where the model is shown the same numbers."""
        windows = self.load()
        rows: Iterable[int] = range(len(windows))
        if windows.nbytes > _QUIETLY_HASHED:
            rows = track(rows, "Comparing windows", total=len(windows))
        return np.array([hashlib.blake2b(windows[row].tobytes(), digest_size=16).hexdigest() for row in rows])


def locate_windows(clips: Clips, *, window: WindowConfig, features: FeatureConfig, under: Path) -> WindowStore:
    """Where the windows of `clips` are or will be kept under `under`; reads no audio.

    Raises:
        LabError: a recording is too short for the window.
    """
    return _store(plan_segments(clips, window), window=window, features=features, under=under)


def ensure_windows(
    clips: Clips, *, window: WindowConfig, features: FeatureConfig, under: Path, mapper: Mapper = map
) -> tuple[WindowStore, dict[int, str]]:
    """Windows of every clip, from the cache under `under` or computed by `mapper` (an ordered, lazy `map`).

    Also returned: the rows of `clips`, by position, whose sound can't be read, each with a phrase why. The store then
    holds the windows of the other rows alone, under the key that it has for `clips` without them.

    Raises:
        LabError: a recording is too short for the window, or no space is left on the disk.
    """
    segments = plan_segments(clips, window)
    at = partial(_store, window=window, features=features, under=under)
    store = at(segments)
    if store.path.exists():
        _log.debug("features %s: there from an earlier run", store.key)
        return store, {}
    _log.debug("features %s: %d windows to compute", store.key, len(segments))
    under.mkdir(parents=True, exist_ok=True)
    with FileLock(under / f"{store.key}.lock"):
        if store.path.exists():
            return store, {}
        noted = _still_unreadable(store, segments, features=features)
        readable = at(_without(segments, noted))
        if not noted or not readable.path.exists():
            noted = _compute(store, segments, at, window=window, features=features, mapper=mapper)
        return at(_without(segments, noted)), noted


def extract(
    segments: Sequence[Segment], *, features: FeatureConfig, frames: int, padding: str = "end"
) -> list[Frames | Unreadable]:
    """Features `[frames, F]` of each segment; those of one recording must stand together."""
    compute = FEATURES[features.kind]
    rows: list[Frames | Unreadable] = []
    for _, group in groupby(segments, key=lambda segment: segment.recording.path):
        for samples in read_segments(list(group), sample_rate=features.sample_rate):
            if isinstance(samples, Unreadable):
                rows.append(samples)
            else:
                rows.append(pad_or_cut(compute(samples, features), frames, padding=padding))
    return rows


def _store(segments: Sequence[Segment], *, window: WindowConfig, features: FeatureConfig, under: Path) -> WindowStore:
    identity = {
        "schema": SCHEMA,
        "segments": [(s.recording.digest, round(s.start, 6), round(s.stop, 6)) for s in segments],
        "frames": frame_count(window, features),
        "features": signature(replace(features, time_major=True)),  # the axes are turned when a model is fed
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    if window.kind == "crop":  # since then both of its ends are rounded, and it has a say in where it is padded
        identity |= {"cut": True, "padding": window.padding}
    key = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=8).hexdigest()
    return WindowStore(under / key, key)


def _compute(
    store: WindowStore,
    segments: Sequence[Segment],
    at: Callable[[Sequence[Segment]], WindowStore],
    *,
    window: WindowConfig,
    features: FeatureConfig,
    mapper: Mapper,
) -> dict[int, str]:
    """Fill `store`, or, where a segment can't be read, the store of the others; returns which, and why."""
    frames = frame_count(window, features)
    order = sorted(range(len(segments)), key=lambda i: segments[i].recording.path)
    tasks = [order[i : i + _ROWS_PER_TASK] for i in range(0, len(order), _ROWS_PER_TASK)]
    partial_path = store.path.with_name(f"{store.key}.partial")
    shutil.rmtree(partial_path, ignore_errors=True)  # what a killed process left; the lock is ours
    partial_path.mkdir()
    shape = (len(segments), frames, width(features))
    work = partial(extract, features=features, frames=frames, padding=window.padding)
    results = mapper(work, [[segments[i] for i in task] for task in tasks])
    unreadable: dict[int, str] = {}
    blocks = zip(tasks, track(results, "Features", total=len(tasks)), strict=True)
    with full_disk_said(store.path.parent, needed=4 * math.prod(shape)):
        _write_rows(partial_path / WINDOWS_FILE, _readable(blocks, unreadable), shape=shape)
        if unreadable:
            windows = np.load(partial_path / WINDOWS_FILE, mmap_mode="r")
            with whole_folder(at(_without(segments, unreadable)).path) as folder:
                np.save(folder / WINDOWS_FILE, _without(windows, unreadable))
            write_whole(_note(store), json.dumps(unreadable))
            shutil.rmtree(partial_path)
        else:
            partial_path.replace(store.path)
    return unreadable


def _readable(
    blocks: Iterable[tuple[list[int], list[Frames | Unreadable]]], unreadable: dict[int, str]
) -> Iterator[tuple[list[int], list[Frames]]]:
    """Blocks of numbered rows without those that can't be read, whose reasons are put into `unreadable`."""
    for numbers, rows in blocks:
        unreadable.update({i: row.reason for i, row in zip(numbers, rows, strict=True) if isinstance(row, Unreadable)})
        kept = [i for i in numbers if i not in unreadable]
        if kept:
            yield kept, [row for row in rows if not isinstance(row, Unreadable)]


def _still_unreadable(store: WindowStore, segments: Sequence[Segment], *, features: FeatureConfig) -> dict[int, str]:
    """What an earlier computation could not read, tried again: the key doesn't tell a whole file from a cut one."""
    if not _note(store).is_file():
        return {}
    noted = [int(i) for i in json.loads(_note(store).read_text())]
    tried = [(i, read_segments([segments[i]], sample_rate=features.sample_rate)[0]) for i in noted]
    return {i: samples.reason for i, samples in tried if isinstance(samples, Unreadable)}


def _note(store: WindowStore) -> Path:
    return store.path.with_name(f"{store.key}.unreadable.json")


def _without(rows: Any, positions: Collection[int]) -> Any:
    kept = [i for i in range(len(rows)) if i not in positions]
    return rows[kept] if isinstance(rows, np.ndarray) else [rows[i] for i in kept]


def _write_rows(
    path: Path, blocks: Iterable[tuple[Sequence[int], Sequence[Frames]]], *, shape: tuple[int, ...]
) -> None:
    """Write an .npy file from blocks of rows that come in any order.

    Not through a memory map: where the disk is full, touching a page of one ends the process without a word.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    row_bytes = 4 * math.prod(shape[1:])
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for numbers, rows in blocks:
            for number, row in zip(numbers, rows, strict=True):
                file.seek(start + number * row_bytes)
                file.write(np.ascontiguousarray(row, dtype=np.float32).tobytes())
        file.truncate(start + shape[0] * row_bytes)  # rows that can't be read may be the last
        file.flush()
        os.fsync(file.fileno())
