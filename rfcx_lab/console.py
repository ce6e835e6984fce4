"""What a person sees in the terminal: progress with the time left, and plain lines where there is no terminal.

The only owner of `rich`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

PLAIN_INTERVAL = 15.0
"""Seconds between two progress lines where the output is not a terminal."""

_PLAIN_WIDTH = 140  # columns for tables where there is no terminal to ask


class Bar(Protocol):
    """A running progress bar."""

    def advance(self, steps: float = 1.0, *, note: str | None = None) -> None:
        """Move on by `steps`; `note` replaces the text behind the bar."""


@cache
def console() -> Console:
    """The console all output goes through."""
    from rich.console import Console

    piped = not sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=piped, width=_PLAIN_WIDTH if piped else None)


def say(text: str, *, style: str | None = None) -> None:
    """Print one line as it stands (square brackets are text, not markup)."""
    console().print(text, style=style, markup=False)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, styles: Sequence[str | None] = ()) -> None:
    """Print a table, its first column to the left and the others to the right; `styles` are those of its rows."""
    from rich import box
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD)
    for i, name in enumerate(header):
        out.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row, style in zip_longest(rows, styles):
        out.add_row(*row, style=style)
    console().print(out, soft_wrap=False)


@contextmanager
def progress(description: str, *, total: float) -> Iterator[Bar]:
    """Show how far `total` steps have come and how long the rest will take."""
    if not console().is_terminal:
        yield _PlainBar(description, total=total)
        return
    from rich import progress as rich_progress

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("left"),
        rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
        rich_progress.TextColumn("{task.fields[note]}", style="dim"),
    )
    with rich_progress.Progress(*columns, console=console()) as live:
        yield _RichBar(live, live.add_task(description, total=total, note=""))


def track(items: Iterable[T], description: str, *, total: int) -> Iterator[T]:
    """Yield `items`, with a progress bar over them."""
    with progress(description, total=total) as bar:
        for item in items:
            yield item
            bar.advance()


class _RichBar:
    def __init__(self, live: object, task: object) -> None:
        self._live, self._task = live, task

    def advance(self, steps: float = 1.0, *, note: str | None = None) -> None:
        fields = {} if note is None else {"note": note}
        self._live.update(self._task, advance=steps, **fields)  # type: ignore[attr-defined]


class _PlainBar:
    """One line now and then: what a log file or a CI page can hold."""

    def __init__(self, description: str, *, total: float) -> None:
        self._description, self._total, self._done = description, total, 0.0
        self._start = self._printed = time.monotonic()

    def advance(self, steps: float = 1.0, *, note: str | None = None) -> None:
        self._done += steps
        now = time.monotonic()
        finished = self._done >= self._total
        if now - self._printed < PLAIN_INTERVAL and not (finished and self._printed > self._start):
            return
        self._printed = now
        left = (now - self._start) / self._done * (self._total - self._done) if self._done else 0.0
        note = f" · {note}" if note else ""
        say(f"{self._description}: {self._done:.0f} of {self._total:.0f}, {duration(left)} left{note}")


def duration(seconds: float) -> str:
    """`75` -> `1 min 15 s`, as a person says it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
