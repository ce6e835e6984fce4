"""Values of several things side by side on axes they share: a dot per repeat, a bar and a band for what was judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rfcx_lab.report.exhibit import Tick, round_values


@dataclass(frozen=True)
class Strip:
    """Values on one axis, all as places from 0 to 1: a dot per repeat, and the judge's point and interval."""

    dots: tuple[float, ...]
    point: float | None
    band: tuple[float, float] | None  # to the axis' end where it has none of its own
    text: str


@dataclass(frozen=True)
class Row:
    """A strip per column, and what stands before and after them; `marks` are told by its name."""

    name: str
    note: str
    marks: tuple[str, ...]
    strips: tuple[Strip, ...]
    last: str
    stands_out: bool


@dataclass(frozen=True)
class Column:
    """An axis: what it measures, its ticks, and lines across all of its strips, by kind and place.

    `short` stands over every strip of a narrow page, where there is no room for a head.
    """

    title: str
    short: str
    ticks: tuple[Tick, ...]
    lines: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Strips:
    """The whole, from above; `first` and `last` are what the names and the last texts are headed by."""

    first: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    last: str


@dataclass(frozen=True)
class Axis:
    """From the lowest to the highest of what is drawn; a value has a place from 0 to 1."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a value stands; outside 0 to 1 where the axis does not reach it."""
        return (value - self.low) / (self.high - self.low)

    def within(self, value: float) -> float:
        """Where a value stands, or the edge beyond which it does."""
        return min(max(self.place(value), 0.0), 1.0)

    def band(self, low: float | None, high: float | None) -> tuple[float, float] | None:
        """An interval as places; none where neither end is known."""
        if low is None and high is None:
            return None
        return 0.0 if low is None else self.within(low), 1.0 if high is None else self.within(high)

    def ticks(self, *, times: float = 1.0) -> tuple[Tick, ...]:
        """Marks at round values, told as so many `times` the value."""
        values = round_values(times * self.low, times * self.high)
        return tuple(Tick(self.place(value / times), f"{value:g}".replace("-", "−")) for value in values)

    def strip(self, dots: Sequence[float], judged: Sequence[float | None] | None, text: str) -> Strip:
        """Repeats' values with `(point, low, high)` of what they come to, where that is known."""
        places = tuple(self.place(dot) for dot in dots)
        if judged is None or judged[0] is None:
            return Strip(places, None, None, text)
        return Strip(places, self.within(judged[0]), self.band(judged[1], judged[2]), text)
