"""What a person sees in the terminal: lines and tables, as wide as it is. Progress is in `progress`."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 140  # columns for tables where there is no terminal to ask
_TABLE_GAP = 3  # columns between two of a table
_FOLDED = 32  # columns at which the names in a table's first column are folded, rather than leave out others


@cache
def console() -> Console:
    """The console all output goes through."""
    from rich.console import Console

    piped = not sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=piped, width=_PLAIN_WIDTH if piped else None)


def say(text: str, *, style: str | None = None, whole: bool = False) -> None:
    """Print one line as it stands (square brackets are text, not markup).

    `whole` leaves it to the terminal to wrap it, so that a path or a command can be copied in one piece.
    """
    console().print(text, style=style, markup=False, soft_wrap=True if whole else None)


def say_item(text: str) -> None:
    """Print an item of a list: further lines, where there is a terminal to wrap it, are indented as the first one."""
    out, mark = console(), "- "
    if out.soft_wrap:
        say(f"{mark}{text}")
        return
    width = max(out.width, len(mark) + 1)
    say(textwrap.fill(text, width, initial_indent=mark, subsequent_indent=" " * len(mark)))


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    styles: Sequence[str | None] = (),
    least: Sequence[str] = (),
) -> None:
    """Print a table, its first column to the left and the others to the right; `styles` are those of its rows.

    Where it is wider than the terminal, columns are left out in the order of `least`, and named below it.
    """
    from rich import box
    from rich.table import Table

    rows = [tuple(row) for row in rows]
    shown = columns_that_fit(header, rows, least, width=console().width, gap=_TABLE_GAP)
    out = Table(box=box.SIMPLE_HEAD)
    out.add_column(header[0], overflow="fold")
    for column in shown[1:]:
        out.add_column(header[column], justify="right", no_wrap=True)
    for row, style in zip_longest(rows, styles):
        out.add_row(*(row[column] for column in shown), style=style)
    console().print(out, soft_wrap=False)
    left_out = [name for i, name in enumerate(header) if i not in shown]
    if left_out:
        say(f"Too wide for this terminal, and left out: {', '.join(left_out)}.", style="dim")


def duration(seconds: float) -> str:
    """`75` -> `1 min 15 s`, as a person says it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class LogHandler(logging.Handler):
    """Has log records said like everything else: above a progress bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record."""
        say(self.format(record), style="dim", whole=True)


def columns_that_fit(
    header: Sequence[str], rows: Sequence[Sequence[str]], least: Sequence[str], *, width: int, gap: int
) -> list[int]:
    """Places of the columns that `width` has room for, `gap` apart.

    Those in `least` are left out, in that order, as far as they must; where no column has a name, the last ones are.
    """
    shown = list(range(len(header)))
    widths = [max([len(name), *(len(row[i]) for row in rows)]) + gap for i, name in enumerate(header)]
    widths[0] = min(widths[0], _FOLDED + gap)
    order = [header.index(name) for name in least] if least or any(header) else shown[:0:-1]
    for place in order:
        if sum(widths[i] for i in shown) <= width:
            break
        shown.remove(place)
    return shown
