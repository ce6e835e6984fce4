"""A space of architectures: its cells, their place on the grid, and what can't be one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.search.space import Axis, Space

LSTM = Axis("lstm_width", (8, 32, 128), log=True)
LAYERS = Axis("dense_layers", (0, 1, 2))
DENSE = Axis("dense_width", (16, 64), log=True, parent="dense_layers", when=(1, 2))
SPACE = Space((LAYERS, DENSE, LSTM), along="lstm_width")


def test_cells_are_every_architecture_once() -> None:
    assert len(SPACE.cells) == 3 + 2 * 2 * 3
    assert [cell for cell in SPACE.cells if cell["dense_layers"] == 0] == [
        {"dense_layers": 0, "lstm_width": width} for width in (8, 32, 128)
    ]
    assert all(("dense_width" in cell) == (cell["dense_layers"] > 0) for cell in SPACE.cells)
    assert [SPACE.find(cell) for cell in SPACE.cells] == list(range(15))
    assert SPACE.find({"dense_layers": 0, "dense_width": 16, "lstm_width": 8}) is None
    assert SPACE.find({"dense_layers": 1, "dense_width": 17, "lstm_width": 8}) is None


def test_coordinates_follow_the_axes_and_columns_run_along_one_of_them() -> None:
    cell = SPACE.find({"dense_layers": 1, "dense_width": 64, "lstm_width": 32})
    np.testing.assert_allclose(SPACE.grid.points[cell], [0.5, 1.0, 0.5])
    lowest = SPACE.find({"dense_layers": 0, "lstm_width": 8})
    np.testing.assert_allclose(SPACE.grid.points[lowest], [0.0, 0.5, 0.0])  # the axis that is not there: the middle
    assert len(SPACE.grid.columns) == 1 + 2 * 2
    for column in SPACE.grid.columns:
        cells = [SPACE.cells[cell] for cell in column]
        assert [cell["lstm_width"] for cell in cells] == [8, 32, 128]
        assert len({SPACE.column_of(cell) for cell in cells}) == 1


def test_the_frontier_may_run_along_an_axis_that_is_not_everywhere() -> None:
    grid = Space((LAYERS, DENSE, LSTM), along="dense_width").grid
    assert sorted(map(len, grid.columns)) == [1, 1, 1, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize(("value", "nearest"), [(8, 8), (15, 8), (17, 32), (60, 32), (70, 128), (500, 128)])
def test_nearest_is_meant_on_the_axis(value: int, nearest: int) -> None:
    assert LSTM.nearest(value) == nearest


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ({"values": ()}, "must grow"),
        ({"values": (8, 8)}, "must grow"),
        ({"values": (32, 8)}, "must grow"),
        ({"values": (0, 8), "log": True}, "above 0"),
        ({"values": (1, 2.5)}, "whole numbers"),
        ({"values": (1.0, float("inf"))}, "finite"),
        ({"values": (1, 2), "parent": "dense_layers"}, "belong together"),
        ({"values": (1, 2), "when": (1,)}, "belong together"),
    ],
)
def test_an_axis_that_can_t_be_one_is_named(axis: dict[str, Any], said: str) -> None:
    with pytest.raises(LabError, match=f"Axis broken: .*{said}"):
        Axis("broken", **axis)


@pytest.mark.parametrize(
    ("axes", "along", "said"),
    [
        ((LSTM, LSTM), "lstm_width", "names of their own"),
        ((LSTM,), "depth", "along=depth"),
        ((DENSE, LAYERS), "dense_width", "before it"),
        ((Axis("dense_layers", (0, 1)), DENSE), "dense_width", "values of dense_layers"),
    ],
)
def test_a_space_that_can_t_be_one_is_refused(axes: tuple[Axis, ...], along: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        Space(axes, along=along)
