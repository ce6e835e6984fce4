"""Ctrl-C, and a cluster's SIGTERM: what a command does on the first, and on a second.

Nothing heavy is imported: a person may change their mind while libraries are still loading.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = "Stopping, which takes some seconds; a second Ctrl-C ends at once."
STOPPED = "Stopped. Finished fits and features are kept: the same command goes on from here."
STATUS = 130  # as shells report Ctrl-C
_announced: list[bool] = []
_voices: list[Callable[[str], None]] = []
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def answer_with(handler: Callable[[int, FrameType | None], None]) -> None:
    """Let `handler` (`stop` or `leave`) answer both signals from now on."""
    for each in SIGNALS:
        signal.signal(each, handler)


def stop(number: int, frame: FrameType | None) -> None:
    """End the workers and the open runs, and then the process; at once if repeated."""
    announce()
    answer_with(leave)
    raise KeyboardInterrupt


def announce() -> None:
    """Say, once, that the first signal was heard."""
    if _announced:
        return
    _announced.append(True)
    if _voices:
        try:
            _voices[-1](STOPPING)
            return
        except RuntimeError:  # the signal came amid the writing of a line
            pass
    os.write(2, f"\n{STOPPING}\n".encode())


@contextmanager
def spoken_by(voice: Callable[[str], None]) -> Iterator[None]:
    """Have `voice` say, within the block, that a signal was heard: what redraws the last lines would wipe it out."""
    _voices.append(voice)
    try:
        yield
    finally:
        _voices.remove(voice)


def was_heard() -> bool:
    """Whether a first signal was answered."""
    return bool(_announced)


def leave(number: int, frame: FrameType | None) -> None:
    """Wait for nothing: workers end when their driver is gone, and the next run mends what is open in MLflow."""
    show_cursor = "\x1b[?25h" if sys.stdout.isatty() else ""
    os.write(2, f"{show_cursor}\n{STOPPED}\n".encode())
    os._exit(STATUS)
