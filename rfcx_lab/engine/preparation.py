"""What a worker does before its first item, beside whatever it is at: import what a fit will need.

It is no item of Dask's. Dask takes a worker for busy that prepares for seconds, and those that are ready for idle the
longer this lasts, whatever they have been given by then. So all first items went to the one worker that was ready, and
stayed there when the others were, too: nothing is taken from workers that count as idle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

_under_way: list[threading.Thread] = []  # of this process


def begin(function: Callable[[], None]) -> None:
    """On a worker, call `function`, and don't wait. What it raises is left to the items."""

    def prepare() -> None:
        with suppress(Exception):
            function()

    thread = threading.Thread(target=prepare, daemon=True)
    _under_way.append(thread)
    thread.start()


def await_end() -> None:
    """On a worker, wait until it is prepared: two threads that import the same modules meet them half imported."""
    for thread in list(_under_way):
        thread.join()
        with suppress(ValueError):  # another item was faster
            _under_way.remove(thread)
