"""A space of architectures to search: axes of capacity, some of which exist only where another has a certain value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.level_set import Grid

Number = int | float
Architecture = dict[str, Number]  # the value on every axis that exists there

_NOWHERE = 0.5  # coordinate on an axis that does not exist: as near to one value of it as to another


class Trial(Protocol):
    """What suggests values: Optuna's `Trial`."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Give a whole number."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Give a number."""


@dataclass(frozen=True)
class Axis:
    """One way in which models grow.

    Raises:
        LabError: the values don't grow, or can't stand on a logarithmic axis.
    """

    name: str
    values: tuple[Number, ...]  # smallest model first; all whole numbers or all floats
    log: bool = False  # equal ratios are equal steps, as widths want
    parent: str | None = None  # exists only where this earlier axis …
    when: tuple[Number, ...] = ()  # … has one of these values

    def __post_init__(self) -> None:
        """Check the values."""
        where = f"Axis {self.name}"
        if not self.values or any(not a < b for a, b in zip(self.values, self.values[1:], strict=False)):
            raise LabError(f"{where}: values={list(self.values)} must grow, from the smallest model to the largest.")
        if not all(math.isfinite(value) for value in self.values):
            raise LabError(f"{where}: values={list(self.values)} must be finite.")
        if len({type(value) for value in self.values}) > 1:
            raise LabError(f"{where}: values={list(self.values)} must all be whole numbers, or all have a point.")
        if self.log and self.values[0] <= 0:
            raise LabError(f"{where}: values={list(self.values)} must lie above 0 on a logarithmic axis.")
        if (self.parent is None) != (not self.when):
            raise LabError(f"{where}: parent and when belong together: the axis exists where parent has such a value.")

    def exists(self, architecture: Mapping[str, Number]) -> bool:
        """Whether an architecture, complete up to here, has this axis."""
        return self.parent is None or architecture.get(self.parent) in self.when

    def coordinate(self, value: Number) -> float:
        """Place from 0 to 1; .5 where the axis has one value."""
        low, high, here = (math.log(v) if self.log else v for v in (self.values[0], self.values[-1], value))
        return (here - low) / (high - low) if high > low else 0.5

    def nearest(self, value: Number) -> Number:
        """The value of the axis that is closest on it."""
        return min(self.values, key=lambda own: abs(self.coordinate(own) - self.coordinate(value)))

    def suggest(self, trial: Trial) -> Number:
        """Ask a trial for a value; from this project's samplers it is one of `values`."""
        low, high = self.values[0], self.values[-1]
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(self.name, low, high, log=self.log)
        return trial.suggest_float(self.name, low, high, log=self.log)


@dataclass(frozen=True)
class Space:
    """The architectures of a search. The frontier is sought along one axis, in columns of which the others are fixed.

    Raises:
        LabError: axes share a name, `along` is none of them, or a parent does not come first or lacks a value.
    """

    axes: tuple[Axis, ...]
    along: str

    def __post_init__(self) -> None:
        """Compare the axes."""
        names = [axis.name for axis in self.axes]
        if len(set(names)) < len(names):
            raise LabError(f"The axes of a search must have names of their own, not {names}.")
        if self.along not in names:
            raise LabError(f"along={self.along}: must be one of the axes {names}.")
        for place, axis in enumerate(self.axes):
            if axis.parent is None:
                continue
            parents = [other for other in self.axes[:place] if other.name == axis.parent]
            if not parents:
                raise LabError(f"Axis {axis.name}: parent={axis.parent} must be an axis before it, of {names[:place]}.")
            if not set(axis.when) <= set(parents[0].values):
                raise LabError(f"Axis {axis.name}: when={list(axis.when)} must be values of {axis.parent}.")

    @cached_property
    def cells(self) -> tuple[Architecture, ...]:
        """Every architecture once, in the order of the axes' values."""
        cells: list[Architecture] = [{}]
        for axis in self.axes:
            cells = [
                {**cell, axis.name: value} if axis.exists(cell) else cell
                for cell in cells
                for value in (axis.values if axis.exists(cell) else axis.values[:1])
            ]
        return tuple(cells)

    @cached_property
    def grid(self) -> Grid:
        """The cells as `verdict.level_set` wants them, in the same order."""
        points = np.full((len(self.cells), len(self.axes)), _NOWHERE)
        columns: dict[tuple[tuple[str, Number], ...], list[int]] = {}
        for index, cell in enumerate(self.cells):
            for place, axis in enumerate(self.axes):
                if axis.name in cell:
                    points[index, place] = axis.coordinate(cell[axis.name])
            columns.setdefault(self.column_of(cell), []).append(index)
        return Grid(points, tuple(tuple(self._ordered(column)) for column in columns.values()))

    def column_of(self, cell: Mapping[str, Number]) -> tuple[tuple[str, Number], ...]:
        """What the cells of a column share: names and values of the other axes."""
        return tuple((name, value) for name, value in cell.items() if name != self.along)

    def find(self, architecture: Mapping[str, object]) -> int | None:
        """Number of the cell that is exactly so; None where there is none."""
        return self._numbers.get(frozenset(architecture.items()))

    def suggest(self, trial: Trial) -> Architecture:
        """Ask a trial for an architecture, axis by axis, those that exist."""
        architecture: Architecture = {}
        for axis in self.axes:
            if axis.exists(architecture):
                architecture[axis.name] = axis.suggest(trial)
        return architecture

    @cached_property
    def _numbers(self) -> dict[frozenset[tuple[str, object]], int]:
        return {frozenset(cell.items()): number for number, cell in enumerate(self.cells)}

    def _ordered(self, column: Sequence[int]) -> list[int]:
        return sorted(column, key=lambda index: self.cells[index].get(self.along, 0))
