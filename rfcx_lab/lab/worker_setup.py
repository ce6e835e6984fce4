"""Loaded by every local worker process as it starts (a Dask preload)."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C, which the terminal sends to every process, to the driver: it ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
