"""Where the fits that are under way stand: written by their workers after each epoch, read by the driver's progress.

A file of 60 bytes per fit beside the store, written over and over. MLflow is sent the same numbers, but asking it takes
its reader a hundred times as long. Nothing depends on a mark: without one, a line lacks its epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rfcx_lab.engine.estimate import fits_seconds
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.progress import Sight


@dataclass(frozen=True)
class Mark:
    """How far a fit has come: its last epoch (from 1), both losses after it, and the epoch of the lowest one so far."""

    epoch: int
    train_loss: float
    val_loss: float
    best_epoch: int
    best_loss: float


class Marker:
    """Keeps a fit's mark while it trains. Lives in the worker."""

    def __init__(self, store: Path, key: str) -> None:
        self._path = _path(store, key)
        self._best = (0, math.inf)  # epoch and validation loss
        remove_mark(store, key)  # of a fit that was killed

    def __call__(self, number: int, epoch: Any) -> None:
        """Mark epoch `number` (from 1) as the last one."""
        if epoch.val_loss < self._best[1]:
            self._best = (number, epoch.val_loss)
        fields = (number, epoch.train_loss, epoch.val_loss, *self._best)
        with suppress(OSError):  # a full disk is told by what matters; a worker elsewhere may not have this one at all
            self._path.write_text(" ".join(f"{field:.6g}" for field in fields) + "\n")


def in_turn(*listeners: Callable[[int, Any], None]) -> Callable[[int, Any], None]:
    """One listener to epochs that tells each of `listeners`."""

    def tell(number: int, epoch: Any) -> None:
        for listener in listeners:
            listener(number, epoch)

    return tell


def read_mark(store: Path, key: str) -> Mark | None:
    """Where a fit stands; None before its first epoch, or while the file is being written."""
    try:
        text = _path(store, key).read_text()
        epoch, train_loss, val_loss, best_epoch, best_loss = (float(field) for field in text.split())
    except (OSError, ValueError):
        return None
    return Mark(int(epoch), train_loss, val_loss, int(best_epoch), best_loss) if text.endswith("\n") else None


def remove_mark(store: Path, key: str) -> None:
    """Remove a fit's mark, if it is there."""
    with suppress(OSError):
        _path(store, key).unlink(missing_ok=True)


class Board:
    """A set of fits as progress shows it: how many are done, how much of the work that is, where each one stands."""

    def __init__(self, store: Path, specs: Iterable[FitSpec], *, done: int = 0) -> None:
        """`specs` are to be trained; `done` more are there already."""
        self._store, self._done = store, done
        self._work = {spec.key: _seconds(spec) for spec in specs}
        if self._work:
            with suppress(OSError):
                store.mkdir(parents=True, exist_ok=True)  # where the first marks go, before any fit is kept
        self._all = done + len(self._work)
        self._finished = 0.0  # seconds, by estimate
        self._running: dict[str, tuple[FitSpec, Mark | None]] = {}

    def begin(self, spec: FitSpec) -> None:
        """A worker is to be given `spec`; of an earlier try that was killed there may be a mark."""
        remove_mark(self._store, spec.key)
        self._running = {**self._running, spec.key: (spec, None)}  # a new one: `look` is called by another thread

    def end(self, spec: FitSpec) -> None:
        """`spec` is done, or has failed."""
        self._running = {key: value for key, value in self._running.items() if key != spec.key}
        self._done += 1
        self._finished += self._work.get(spec.key, 0.0)
        remove_mark(self._store, spec.key)

    def close(self) -> None:
        """No fit is under way any more."""
        for key in self._running:
            remove_mark(self._store, key)
        self._running = {}

    def look(self) -> Sight:
        """What there is to show now."""
        done, rows = self._finished, []
        for key, (spec, last) in self._running.items():
            mark = read_mark(self._store, key) or last
            if mark is not None:
                done += self._work.get(key, 0.0) * min(mark.epoch / spec.training.epochs, 1.0)
                if key in self._running:
                    self._running[key] = (spec, mark)
            rows.append(_describe(spec, mark))
        whole = sum(self._work.values())
        return Sight(f"{self._done} of {self._all}", min(done / whole, 1.0) if whole else 1.0, rows)


def _describe(spec: FitSpec, mark: Mark | None) -> tuple[str, ...]:
    if mark is None:
        return spec.title, "starting", "", "", ""
    return (
        spec.title,
        f"epoch {mark.epoch} of {spec.training.epochs}",
        f"val loss {mark.val_loss:.3f}",
        f"train {mark.train_loss:.3f}",
        f"lowest {mark.best_loss:.3f} at {mark.best_epoch}",
    )


def _seconds(spec: FitSpec) -> float:
    _, frames, width = spec.windows.load().shape
    shape = (frames, width) if spec.time_major else (width, frames)
    return fits_seconds([spec], shape=shape, processes=1)


def _path(store: Path, key: str) -> Path:
    return store / f".{key}.mark"
