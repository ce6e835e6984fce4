from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.lab.checks import check_config
from rfcx_lab.search.architectures import build_rung, check_sweep
from tests.conftest import compose_config


def sweep_of(*overrides: str):
    return compose_config("+experiment=sweep", *overrides).sweep


def test_the_plane_is_depth_times_width():
    config = sweep_of()
    space = check_sweep(config)
    rungs = [build_rung(config, cell) for cell in space.cells]
    assert len(rungs) == 24
    assert {(tuple(rung.lstm), len(rung.dense)) for rung in rungs} == {
        ((width,), depth) for width in (4, 8, 16, 32, 64, 128) for depth in range(4)
    }
    assert rungs[-1].name == "LSTM 128, Dense 64 + 64 + 64"
    assert all(rung.dense_dropout == [] and rung.lstm_dropout == 0 for rung in rungs)


def test_an_axis_exists_only_where_it_means_something():
    config = sweep_of("sweep=dropout")
    space = check_sweep(config)
    rungs = [build_rung(config, cell) for cell in space.cells]
    assert len(rungs) == 6 * (1 + 3 * 2)
    assert all(("dense_dropout" in cell) == (cell["dense_layers"] > 0) for cell in space.cells)
    assert next(rung.dense for rung in rungs if len(rung.dense) == 3) == [128, 64, 32]
    assert {tuple(rung.dense_dropout) for rung in rungs if len(rung.dense) == 2} == {(), (0.4, 0.4)}
    names = [replace(rung, name="") for rung in rungs]
    assert all(names.count(rung) == 1 for rung in names)


def test_grids_have_equal_ratios_or_equal_steps():
    log = check_sweep(sweep_of("sweep.space.lstm_width={values: [], low: 4, high: 100, log_steps: 4}"))
    assert log.axes[-1].values == (4, 12, 34, 100)
    step = check_sweep(
        sweep_of("sweep.along=dense_layers", "sweep.space.lstm_dropout={values: [], low: 0, high: 0.3, step: 0.1}")
    )
    assert step.axes[-1].values == (0.0, 0.1, 0.2, 0.3)
    rates = check_sweep(sweep_of("sweep.space.lstm_dropout={values: [], low: 0.05, high: 0.6, log_steps: 4}"))
    assert rates.axes[-1].values == (0.05, 0.1145, 0.2621, 0.6)  # shares are not rounded to whole numbers


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["sweep.space.lstm_width.values=[8]"], "sweep.along=lstm_width: must be an axis of the space"),
        (["sweep.space.lstm_width.values=[8]", "sweep.space.dense_layers.values=[1]"], "holds one architecture"),
        (["sweep.space.lstm_width.values=[]"], "sweep.space.lstm_width: is empty"),
        (["sweep.space.lstm_width.low=2"], "has values and a grid"),
        (["sweep.space.lstm_width.values=[8,4]"], "must grow"),
        (["sweep.space.lstm_width.values=[0,4]"], "must be whole numbers from 1"),
        (["sweep.space.lstm_width.values=[1.5,4]"], "must be whole numbers from 1"),
        (["sweep.space.lstm_dropout.values=[0,1]"], "dropout rates must lie from 0 to below 1"),
        (["sweep.space.lstm_width={values: [], low: 9, high: 4, step: 1}"], "low=9 must lie below high=4"),
        (["sweep.space.lstm_width={values: [], low: 4, high: 9}"], "either step or log_steps, not neither"),
        (["sweep.space.lstm_width={values: [], low: 4, high: 9, step: 0, log_steps: 2}"], "log_steps, not both"),
        (["sweep.space.lstm_width={values: [], low: 4, high: 9, step: 2}"], "no whole number of steps of 2"),
        (["sweep.space.lstm_width={values: [], low: 1, high: 4, log_steps: 9}"], "take fewer"),
        (["sweep.space.lstm_width={values: [], low: 1, high: 9999, step: 0.00001}"], "must be above 0, and at least"),
        (["sweep.space.dense_width.values=[8,16]", "sweep.space.dense_layers.values=[0]"], "no architecture has the 1"),
        (["sweep.space.dense_taper.values=[0.5,1.0]", "sweep.space.dense_layers.values=[0,1]"], "has the 2 dense"),
        (["sweep.along=depth"], "sweep.along=depth: must be an axis of the space on which models grow (dense_layers,"),
        (["sweep.along=dense_width", "sweep.space.dense_width.values=[8,16]"], "sweep.along=dense_width"),
        (["sweep.sampler=grid"], "the grid has 24 architectures and sweep.n_trials=13"),
        (["sweep.sampler=best"], "sweep.sampler=best: must be one of frontier, grid, random, tpe"),
        (["sweep.n_trials=0"], "sweep.n_trials=0: must be from 1"),
        (["sweep.repeats=1"], "sweep.repeats=1: must be 2 or more"),
        (["sweep.at_once=0"], "sweep.at_once=0"),
        (["sweep.confidence=1.0"], "sweep.confidence=1.0"),
        (["sweep.tolerance=0"], "sweep.tolerance=0"),
        (["sweep.space.lstm_width={values: [], low: 1, high: 2000, step: 1}"], "more than a frontier can be inferred"),
        (["sweep.space.lstm_width={values: [], low: 1, high: 9000, step: 1}"], "holds up to 36000 architectures"),
        (
            [
                "sweep.space.dense_layers.values=[2]",
                "sweep.space.dense_width.values=[2]",
                "sweep.space.dense_taper.values=[0.3,0.5]",
            ],
            "sweep.space.dense_taper: 0.3 and 0.5 give the same layers (LSTM 4, Dense 2 + 1)",
        ),
        (["training.epochs=9"], "training.epochs=9: a sweep needs a verdict on its fits, and with fewer than onset"),
        (["kind=both"], "kind=both: must be ladder, sweep, steps or length"),
    ],
)
def test_what_can_not_be_searched_is_said_in_one_sentence(overrides, sentence):
    with pytest.raises(LabError, match=re.escape(sentence)) as caught:
        check_config(compose_config("+experiment=sweep", *overrides))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
