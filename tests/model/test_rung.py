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
    [
        RungConfig("a", lstm=[3]),
        RungConfig("b", lstm=[6, 3], dense=[4, 2]),
        RungConfig("c", [8], [4], 0.1, [0.3]),
        RungConfig("d", lstm=[6, 3], dense=[4], cell="gru"),
    ],
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


@pytest.mark.parametrize("name", ["gru", "weight_decay"])
def test_ladders_of_other_rungs_can_be_climbed(name):
    ladder = compose_config("+experiment=ladder", f"ladder={name}").ladder
    assert len(ladder.rungs) == 4
    check_rungs(ladder.rungs)
    layers = [type(layer).__name__ for rung in ladder.rungs for layer in build(rung).layers]
    assert ("GRU" in layers, "LSTM" in layers) == ((True, False) if name == "gru" else (False, True))
    assert "Dropout" not in layers


def test_weight_decay_weighs_the_squares_of_every_kernel_and_no_bias():
    model = build(RungConfig("a", lstm=[6, 3], dense=[4], weight_decay=1e-2))
    kernels = [np.asarray(w) for w in model.trainable_weights if "bias" not in w.name]
    assert len(kernels) == 2 * 2 + 2
    penalty = sum(float(loss) for loss in model.losses)
    assert penalty == pytest.approx(1e-2 * sum(float((kernel**2).sum()) for kernel in kernels), rel=1e-5)
    assert not build(RungConfig("a", lstm=[6, 3], dense=[4])).losses


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
        ([RungConfig("a", [8], cell="rnn")], "cell=rnn must be lstm or gru"),
        ([RungConfig("a", [8], weight_decay=-0.1)], "weight_decay=-0.1"),
    ],
)
def test_impossible_rung_is_named(rungs, message):
    with pytest.raises(LabError, match=message):
        check_rungs(rungs)
