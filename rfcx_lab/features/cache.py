"""Windows as a memory-mapped array on disk, computed once.

The key hashes which stretches of which sound, and how they are turned into features; labels don't enter. A folder
appears whole (written beside, then renamed), and a lock lets one process compute while others wait for it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from rfcx_lab.console import track
from rfcx_lab.data.clips import Clips
from rfcx_lab.features.segments import Segment, plan_segments, read_segments
from rfcx_lab.features.spectral import FEATURES, frame_count, pad_or_cut, width

SCHEMA = 1  # raised when the numbers change for the same config
_LIBRARIES = ("librosa", "soxr", "numpy")
_ROWS_PER_TASK = 8  # small enough for a small data set to keep every worker busy

Windows = NDArray[np.float32]
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@dataclass(frozen=True)
class WindowStore:
    """A finished cache entry: `windows.npy`, `[N, T, F]` float32, a row per clip."""

    path: Path
    key: str

    def load(self) -> Windows:
        """Memory-map the windows."""
        return np.load(self.path / "windows.npy", mmap_mode="r")


def ensure_windows(
    clips: Clips, *, window: WindowConfig, features: FeatureConfig, under: Path, mapper: Mapper = map
) -> WindowStore:
    """Windows of every clip, from the cache under `under` or computed by `mapper` (an ordered, lazy `map`).

    Raises:
        LabError: a recording is too short for the window, or truncated.
    """
    segments = plan_segments(clips, window)
    store = _store(segments, window=window, features=features, under=under)
    if store.path.exists():
        return store
    under.mkdir(parents=True, exist_ok=True)
    with FileLock(under / f"{store.key}.lock"):
        if not store.path.exists():
            _compute(store, segments, window=window, features=features, mapper=mapper)
    return store


def extract(segments: Sequence[Segment], *, features: FeatureConfig, frames: int) -> Windows:
    """Features of segments, `[len(segments), frames, F]`; those of one recording must stand together."""
    compute = FEATURES[features.kind]
    rows = []
    for _, group in groupby(segments, key=lambda segment: segment.recording.path):
        for samples in read_segments(list(group), sample_rate=features.sample_rate):
            rows.append(pad_or_cut(compute(samples, features), frames))
    return np.asarray(rows, dtype=np.float32)


def _store(segments: Sequence[Segment], *, window: WindowConfig, features: FeatureConfig, under: Path) -> WindowStore:
    identity = {
        "schema": SCHEMA,
        "segments": [(s.recording.digest, round(s.start, 6), round(s.stop, 6)) for s in segments],
        "frames": frame_count(window, features),
        "features": signature(replace(features, time_major=True)),  # the axes are turned when a model is fed
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    key = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=8).hexdigest()
    return WindowStore(under / key, key)


def _compute(
    store: WindowStore,
    segments: Sequence[Segment],
    *,
    window: WindowConfig,
    features: FeatureConfig,
    mapper: Mapper,
) -> None:
    frames = frame_count(window, features)
    order = sorted(range(len(segments)), key=lambda i: segments[i].recording.path)
    tasks = [order[i : i + _ROWS_PER_TASK] for i in range(0, len(order), _ROWS_PER_TASK)]
    partial_path = store.path.with_name(f"{store.key}.partial")
    shutil.rmtree(partial_path, ignore_errors=True)  # what a killed process left; the lock is ours
    partial_path.mkdir()
    shape = (len(segments), frames, width(features))
    windows = np.lib.format.open_memmap(partial_path / "windows.npy", mode="w+", dtype=np.float32, shape=shape)
    work = partial(extract, features=features, frames=frames)
    results = mapper(work, [[segments[i] for i in task] for task in tasks])
    for task, rows in zip(tasks, track(results, "Features", total=len(tasks)), strict=True):
        windows[task] = rows
    windows.flush()
    partial_path.replace(store.path)
