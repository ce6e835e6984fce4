from __future__ import annotations

import numpy as np
import pytest

from rfcx_lab.config import RungConfig
from rfcx_lab.errors import LabError
from rfcx_lab.model.rung import build_model, check_rungs, trainable_parameters
from rfcx_lab.model.scaling import Scaling, fit_scaling
from tests.conftest import compose_config

SCALING = Scaling(np.zeros(5, np.float32), np.ones(5, np.float32))
ARTICLE = ["Normalization", "LSTM", "Dropout", "Dense", "Dense", "Dropout", "Dense", "Dropout", "Dense"]


def build(rung: RungConfig):
    return build_model(rung, input_shape=(7, 5), classes=4, scaling=SCALING, seed=0)


@pytest.mark.parametrize(
    "rung",
    [RungConfig("a", lstm=[3]), RungConfig("b", lstm=[6, 3], dense=[4, 2]), RungConfig("c", [8], [4], 0.1, [0.3])],
    ids=lambda rung: rung.name,
)
def test_parameters_are_counted_as_keras_counts_them(rung):
    counted = sum(int(np.prod(w.shape)) for w in build(rung).trainable_weights)
    assert trainable_parameters(rung, width=5, classes=4) == counted


def test_top_of_the_ladder_is_the_article_s_stack():
    top = compose_config("+experiment=ladder").ladder.rungs[-1]
    layers = build(top).layers
    assert [type(layer).__name__ for layer in layers] == ARTICLE
    assert [layer.units for layer in layers if hasattr(layer, "units")] == [128, 128, 64, 48, 4]
    assert [layer.rate for layer in layers if hasattr(layer, "rate")] == pytest.approx([0.2, 0.4, 0.4])


def test_ladder_grows_by_one_change_at_a_time():
    rungs = compose_config("+experiment=ladder").ladder.rungs
    sizes = [trainable_parameters(rung, width=40, classes=24) for rung in rungs if rung.role == "capacity"]
    assert sizes == sorted(set(sizes))
    assert [rung.role for rung in rungs] == ["capacity"] * 6 + ["remedy"] * 2


def test_model_normalises_by_what_training_showed():
    rng = np.random.default_rng(0)
    train = rng.normal([3, -2, 0, 100, 7], [1, 2, 3, 4, 0], size=(50, 7, 5)).astype(np.float32)
    scaling = fit_scaling(train)
    normalise = build_model(RungConfig("a", [3]), input_shape=(7, 5), classes=4, scaling=scaling, seed=0).layers[0]
    normalised = np.asarray(normalise(train))
    np.testing.assert_allclose(normalised.mean(axis=(0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(normalised.std(axis=(0, 1)), [1, 1, 1, 1, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("rungs", "message"),
    [
        ([], "ladder.rungs is empty"),
        ([RungConfig("a", [8]), RungConfig("a", [9])], "'a': the name stands there twice"),
        ([RungConfig("a", [])], r"'a': lstm=\[\]"),
        ([RungConfig("a", [8], [0])], r"'a': dense=\[0\]"),
        ([RungConfig("a", [8], [4], 0.0, [0.1, 0.2])], "one rate per dense layer"),
        ([RungConfig("a", [8], lstm_dropout=1.0)], "dropout rates"),
        ([RungConfig("a", [8], role="boss")], "role=boss"),
    ],
)
def test_impossible_rung_is_named(rungs, message):
    with pytest.raises(LabError, match=message):
        check_rungs(rungs)
