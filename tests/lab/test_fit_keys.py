"""A fit's key: what is added to the config later must not make known fits unknown."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from rfcx_lab.data.recordings import Recording
from rfcx_lab.data.splits import Split
from rfcx_lab.engine import fits
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.features import cache
from rfcx_lab.features.cache import WindowStore
from rfcx_lab.features.segments import Segment
from rfcx_lab.model import backend
from tests.conftest import compose_config

KNOWN = {  # as they were before rungs had cells and weight decay, and training a scaling of its own
    "LSTM 8": "80060c60fcf4cafb",
    "LSTM 32": "a512809fb5c7568b",
    "LSTM 128": "7f058ecec46b7d66",
    "+ Dense 128": "ac6ca6c47c872a36",
    "+ Dense 64": "e85be22c3e04dcc0",
    "+ Dense 48": "e0ac216370e8eb96",
    "+ head dropout": "98fb9a5f061c9701",
    "+ LSTM dropout": "f31b4820b454e64a",
}


@pytest.fixture
def spec(monkeypatch) -> FitSpec:
    monkeypatch.setattr(fits, "versions", lambda: {"keras": "3"})
    config, rows = compose_config("+experiment=ladder"), np.arange(4)
    return FitSpec(
        rung=config.ladder.rungs[0],
        split=Split(0, rows, rows + 4, rows + 8),
        seed=7,
        windows=WindowStore(Path("x"), "w"),
        labels=rows,
        classes=4,
        time_major=True,
        training=config.training,
    )


def test_default_ladder_s_fits_are_found_under_their_old_keys(spec):
    rungs = compose_config("+experiment=ladder").ladder.rungs
    assert {rung.name: replace(spec, rung=rung).key for rung in rungs} == KNOWN


def test_versions_are_read_once_in_a_process(monkeypatch):
    """A driver asks a fit for its key some thirty times."""
    known = backend.versions()
    monkeypatch.setattr(metadata, "version", lambda name: pytest.fail(f"{name} is asked for again"))
    assert backend.versions() == known


def test_default_features_are_found_under_their_old_key(monkeypatch):
    monkeypatch.setattr(cache, "version", lambda name: "1")
    config = compose_config("+experiment=ladder")
    segment = Segment(Recording(Path("a"), 32000, 64000, "d"), 0.0, 2.0)
    store = cache._store([segment], window=config.window, features=config.features, under=Path("u"))
    assert store.key == "3dc3be59d3770e77"


@pytest.mark.parametrize(
    "change", [{"cell": "gru"}, {"weight_decay": 1e-3}, {"lstm": [9]}, {"lstm_dropout": 0.1}], ids=str
)
def test_another_architecture_has_another_key(spec, change):
    assert replace(spec, rung=replace(spec.rung, **change)).key != spec.key


@pytest.mark.parametrize(
    "change", [{"scaling": "all_global"}, {"train_loss": "running"}, {"keep": "last"}, {"shuffle": False}], ids=str
)
def test_another_training_has_another_key(spec, change):
    assert replace(spec, training=replace(spec.training, **change)).key != spec.key


def test_a_name_or_a_role_changes_no_key(spec):
    assert replace(spec, rung=replace(spec.rung, name="a", role="remedy")).key == spec.key
