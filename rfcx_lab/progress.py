"""How far something has come and how long the rest takes: live in a terminal, else in a plain line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from rfcx_lab.console import columns_that_fit, console, duration, say
from rfcx_lab.interrupt import spoken_by

if TYPE_CHECKING:
    from rich.console import RenderableType
T = TypeVar("T")

PLAIN_INTERVAL = 15.0
"""Seconds between the first progress lines where the output is not a terminal; later ones come less often."""

_PLAIN_GROWTH = 0.05  # a line when so much more time has gone by since the last: some 70 lines in an hour
_REFRESHES = 2.0  # a second: each takes 1.5 ms
_BAR = (8, 40)  # columns of a progress bar, at least and at most; no bar where there is no room for one
_INDENT = _GAP = 2  # columns
_ROOM_BELOW = 6  # lines of the terminal that what is under way leaves free


@dataclass(frozen=True)
class Sight:
    """How far something has come. `share` is of the work since it began to be watched, from 0 to 1."""

    count: str
    share: float
    under_way: Sequence[Sequence[str]] = ()  # a row of cells each; those to the right are left out first


class Bar(Protocol):
    """A running progress bar."""

    def advance(self, steps: float = 1.0) -> None:
        """Move on by `steps`."""


@contextmanager
def progress(description: str, *, total: float) -> Iterator[Bar]:
    """Show how far `total` steps have come and how long the rest will take."""
    steps = _Steps(total)
    with watch(description, steps.look):
        yield steps


def track(items: Iterable[T], description: str, *, total: int) -> Iterator[T]:
    """Yield `items`, with a progress bar over them."""
    with progress(description, total=total) as bar:
        for item in items:
            yield item
            bar.advance()


@contextmanager
def watch(description: str, look: Callable[[], Sight]) -> Iterator[None]:
    """Show what `look` sees, looking again now and then (in a thread of its own), until the block ends."""
    with (_LiveWatch if is_live() else _PlainWatch)(description, look).shown():
        yield


def is_live() -> bool:
    """Whether lines can be redrawn: in a terminal, and one that can move its cursor."""
    return sys.stdout.isatty() and not console().is_dumb_terminal


class _Steps:
    """A bar that is told of its steps."""

    def __init__(self, total: float) -> None:
        self._total, self._done = total, 0.0

    def advance(self, steps: float = 1.0) -> None:
        self._done += steps

    def look(self) -> Sight:
        share = self._done / self._total if self._total else 1.0
        return Sight(f"{self._done:.0f} of {self._total:.0f}", min(share, 1.0))


class _Watch:
    def __init__(self, description: str, look: Callable[[], Sight]) -> None:
        self._description, self._look = description, look
        self._start = time.monotonic()
        self._first: tuple[float, float] | None = None  # moment and share

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def _left(self, sight: Sight) -> str:
        """How long the rest takes if it goes on as it has since there was anything to see: workers start first."""
        now = time.monotonic()
        if self._first is None and sight.share > 0:
            self._first = (now, sight.share)
        if self._first is None or sight.share <= self._first[1]:
            return "…"
        begun, share = self._first
        return f"{duration((now - begun) / (sight.share - share) * (1 - sight.share))} left"


class _LiveWatch(_Watch):
    """A bar, and a line for each piece of work that is under way."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        from rich.live import Live

        self._over = False
        live = Live(get_renderable=self._render, console=console(), refresh_per_second=_REFRESHES)
        with live, spoken_by(say):
            try:
                yield
            finally:
                self._over = True

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        sight, width = self._look(), console().width
        time_said = f"after {duration(self._elapsed)}" if self._over else self._left(sight)
        texts = [self._description, sight.count, time_said]
        head = Table.grid(padding=(0, _GAP, 0, 0))
        room = min(width - sum(len(text) + _GAP for text in texts) - _GAP, _BAR[1])
        cells: list[RenderableType] = list(texts)
        if room >= _BAR[0]:
            cells.insert(1, ProgressBar(total=1.0, completed=sight.share, width=room))
        for _ in cells:
            head.add_column(no_wrap=True)
        head.add_row(*cells)
        return head if self._over else Group(head, *self._lines(sight.under_way, width))

    def _lines(self, rows: Sequence[Sequence[str]], width: int) -> list[RenderableType]:
        from rich.table import Table

        if not rows:
            return []
        most = max(console().height - _ROOM_BELOW, 1)
        shown = rows[:most]
        places = columns_that_fit(("",) * len(shown[0]), shown, (), width=width - _INDENT, gap=_GAP)
        lines = Table.grid(padding=(0, _GAP, 0, 0))
        for _ in range(len(places) + 1):
            lines.add_column(no_wrap=True, overflow="ellipsis", style="dim")
        for row in shown:
            lines.add_row("", *(row[place] for place in places))
        if len(rows) > most:
            lines.add_row("", f"and {len(rows) - most} more")
        return [lines]


class _PlainWatch(_Watch):
    """One line now and then, and one at the end if there was any: what a log file or a CI page can hold."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        over, self._printed = threading.Event(), 0.0
        thread = threading.Thread(target=self._print_now_and_then, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if self._printed:
            sight = self._look()
            say(f"{self._description}: {sight.count} after {duration(self._elapsed)}")

    def _print_now_and_then(self, over: threading.Event) -> None:
        while not over.wait(max(PLAIN_INTERVAL, _PLAIN_GROWTH * self._elapsed)):
            sight, self._printed = self._look(), self._elapsed
            parts = [f"{self._description}: {sight.count}, {self._left(sight)}"]
            parts += [" ".join(row[:3]) for row in sight.under_way]
            say(" · ".join(parts))
