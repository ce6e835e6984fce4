from __future__ import annotations

import math
import random
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest

from rfcx_lab.config import RungConfig, TrainingConfig
from rfcx_lab.model.fit import Part, evaluate, fit_rung, load_model, predict
from rfcx_lab.model.rung import build_model
from rfcx_lab.model.scaling import fit_scaling, normalise, of_all
from rfcx_lab.verdict.chance import chance_loss
from rfcx_lab.verdict.config import OnsetConfig, SettledConfig
from rfcx_lab.verdict.settled import SettledRule
from tests.conftest import ROOT

TRAINING = TrainingConfig(epochs=10, batch_size=16, learning_rate=0.01, shuffle=True)
RUNG = RungConfig("small", lstm=[8], dense=[6], lstm_dropout=0.2)


def part(seed: int, rows: int = 70) -> Part:
    """Three classes, told apart by the sign and the slope of the first coefficient."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, rows)
    windows = rng.normal(0, 0.5, (rows, 9, 4)).astype(np.float32)
    windows[:, :, 0] += np.array([-2.0, 0.0, 2.0])[labels, None]
    return Part(windows, labels)


def fit(**changes):
    options = {"train": part(0), "validation": part(1), "classes": 3, "training": TRAINING, "seed": 7, **changes}
    return fit_rung(options.pop("rung", RUNG), **options)


@pytest.fixture(scope="module")
def fitted():
    return fit()


def test_learns_and_hears_of_every_epoch():
    heard = []
    result = fit(on_epoch=lambda number, epoch: heard.append((number, epoch)))
    assert [number for number, _ in heard] == list(range(1, 11))
    assert [epoch for _, epoch in heard] == result.epochs
    assert result.epochs[-1].val_loss < 0.5 * math.log(3)
    assert result.epochs[-1].val_accuracy > 0.9
    assert result.failure is None


def test_same_seed_same_curve_bit_for_bit(fitted):
    fit(seed=8)  # what ran before in the process must not matter
    assert fit().epochs == fitted.epochs
    assert fit(seed=8).epochs != fitted.epochs


def test_other_threads_that_draw_random_numbers_change_nothing(fitted):
    """A Dask worker's event loop draws from Python's global generator while a fit is being built."""
    done = threading.Event()

    def draw():
        while not done.is_set():
            random.random()
            np.random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        assert fit().epochs == fitted.epochs
    finally:
        done.set()
        thread.join()


@pytest.fixture
def compiled(monkeypatch):
    """The models that are compiled, with none kept from another test."""
    import keras

    from rfcx_lab.model import compiled

    monkeypatch.setattr(compiled, "_kept", OrderedDict())
    seen, original = [], keras.Model.compile
    monkeypatch.setattr(keras.Model, "compile", lambda self, **k: (seen.append(self), original(self, **k))[1])
    return seen


def test_a_rung_is_compiled_once_and_starts_as_good_as_new(fitted, compiled):
    """Another seed, split and learning rate have moved every weight, dropout mask and moment meanwhile."""
    changed = TrainingConfig(epochs=3, batch_size=8, learning_rate=0.03, shuffle=False)
    expected = [fit(seed=8, train=part(5, rows=50), training=changed).epochs]
    assert fit().epochs == fitted.epochs
    expected.append(fit(seed=9, validation=part(6)).epochs)
    assert len(compiled) == 1
    last = compiled.pop()
    from rfcx_lab.model.compiled import _kept

    _kept.clear()
    assert fit(seed=9, validation=part(6)).epochs == expected.pop()
    assert fit(seed=8, train=part(5, rows=50), training=changed).epochs == expected.pop()
    assert len(compiled) == 1
    assert compiled[0] is not last


@pytest.mark.parametrize("rung", [RUNG, RungConfig("two", lstm=[5, 4])], ids=lambda rung: rung.name)
def test_curves_are_those_of_a_plain_keras_fit(rung):
    """Normalisation as the model's first layer, a model of its own, Keras's own loop: the same numbers bit for bit."""
    import keras

    fit(rung=rung, seed=8)  # a model is kept
    found = fit(rung=rung).epochs
    train, validation = part(0), part(1)
    keras.utils.set_random_seed(7)
    scaling = fit_scaling(train.windows)
    model = build_model(rung, input_shape=train.windows.shape[1:], classes=3, seed=7, scaling=scaling)
    model.compile(
        optimizer=keras.optimizers.Adam(TRAINING.learning_rate),
        loss="sparse_categorical_crossentropy",
        jit_compile=False,
    )
    plain = []
    measure = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: plain.append((*evaluate(model, train), *evaluate(model, validation)))
    )
    options = {"epochs": TRAINING.epochs, "batch_size": TRAINING.batch_size, "shuffle": True, "verbose": 0}
    model.fit(train.windows, train.labels, callbacks=[measure], **options)
    assert [(e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy) for e in found] == plain


def test_a_fit_that_raises_leaves_no_model_behind(fitted, compiled):
    def stop(number, epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(on_epoch=stop)
    assert fit().epochs == fitted.epochs
    assert len(compiled) == 2


def test_kept_models_are_bounded(compiled, monkeypatch):
    monkeypatch.setattr("rfcx_lab.model.compiled.MOST_KEPT", 1)
    short = TrainingConfig(epochs=1, batch_size=70, learning_rate=0.01, shuffle=True)
    one, other = RungConfig("one", lstm=[2]), RungConfig("other", lstm=[3])
    for rung in (one, other, other, one):
        fit(rung=rung, training=short)
    assert len(compiled) == 3


@pytest.mark.keras
def test_same_curve_in_another_process(fitted):
    code = (
        "from rfcx_lab.model.backend import prepare_process; prepare_process()\n"
        "from tests.model.test_fit import fit\n"
        "print([e.val_loss.hex() for e in fit().epochs])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip().splitlines()[-1] == str([e.val_loss.hex() for e in fitted.epochs])


def test_losses_are_those_of_the_saved_model_in_evaluation_mode(fitted, tmp_path):
    path = tmp_path / "best.keras"
    path.write_bytes(fitted.best_model)
    model = load_model(path)
    best = fitted.epochs[fitted.best_epoch - 1]
    assert evaluate(model, part(1)) == pytest.approx((best.val_loss, best.val_accuracy), rel=1e-6)
    assert evaluate(model, part(0)) == pytest.approx((best.train_loss, best.train_accuracy), rel=1e-6)
    assert min(e.val_loss for e in fitted.epochs) == best.val_loss


def test_evaluation_agrees_with_keras(fitted, tmp_path):
    path = tmp_path / "best.keras"
    path.write_bytes(fitted.best_model)
    model = load_model(path)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    many = part(2, rows=300)  # more than one evaluation batch
    assert evaluate(model, many) == pytest.approx(model.evaluate(many.windows, many.labels, verbose=0), rel=1e-5)
    assert predict(model, many.windows).shape == (300, 3)


def test_training_part_alone_decides_the_normalisation(fitted):
    shifted = Part(part(1).windows + 1000.0, part(1).labels)
    moved = fit(validation=shifted)
    assert [e.train_loss for e in moved.epochs] == [e.train_loss for e in fitted.epochs]


def test_diverging_fit_ends_with_its_reason():
    explosive = TrainingConfig(epochs=3, batch_size=16, learning_rate=1e38, shuffle=True)
    result = fit(rung=RungConfig("bare", lstm=[8]), training=explosive)
    assert result.failure == "the loss is not finite after epoch 1"
    assert len(result.epochs) == 1
    assert result.best_model is None


def test_weight_decay_keeps_weights_small_and_stands_in_no_curve(fitted):
    decayed = fit(rung=replace(RUNG, weight_decay=0.3))
    first, plain = decayed.epochs[0], fitted.epochs[0]
    assert first.train_loss == pytest.approx(plain.train_loss, abs=0.5)  # the penalty alone is beyond 3
    assert decayed.epochs[-1].train_loss > fitted.epochs[-1].train_loss


@pytest.mark.parametrize(
    ("name", "turned"),
    [("all_per_coefficient", False), ("train_per_coefficient", True), ("train_global", False), ("all_global", True)],
)
def test_a_saved_model_normalises_as_its_fit_did(tmp_path, name, turned):
    everything = np.concatenate([part(0).windows, 3 * part(1).windows])
    rows = everything if of_all(name) else part(0).windows
    scaling = fit_scaling(rows, name=name, turned=turned)

    def fed(one: Part) -> Part:
        return Part(one.windows.transpose(0, 2, 1) if turned else one.windows, one.labels)

    short = TrainingConfig(epochs=2, batch_size=16, learning_rate=0.01, shuffle=True)
    result = fit(train=fed(part(0)), validation=fed(part(1)), scaling=scaling, training=short)
    path = tmp_path / "best.keras"
    path.write_bytes(result.best_model)
    best = result.epochs[result.best_epoch - 1]
    assert evaluate(load_model(path), fed(part(1)))[0] == pytest.approx(best.val_loss, rel=1e-5)
    normalised = normalise(fed(Part(rows, part(0).labels)).windows, scaling)
    if name.endswith("_global"):
        assert normalised.min() == 0
        assert normalised.std() == pytest.approx(1, rel=1e-4)
    else:
        axes = (0, 2) if turned else (0, 1)
        np.testing.assert_allclose(normalised.mean(axis=axes), 0, atol=1e-4)
        np.testing.assert_allclose(normalised.std(axis=axes), 1, atol=1e-4)


def test_running_training_loss_is_keras_s_own():
    import keras

    training = replace(TRAINING, train_loss="running", epochs=3)
    found = fit(training=training)
    plain = fit(training=replace(TRAINING, epochs=3))
    assert [e.val_loss for e in found.epochs] == [e.val_loss for e in plain.epochs]
    assert fit(training=training).epochs == found.epochs  # by the model that was kept
    assert found.epochs[0].train_loss > plain.epochs[0].train_loss  # before the epoch's steps, and with dropout
    keras.utils.set_random_seed(7)
    train, scaling = part(0), fit_scaling(part(0).windows)
    model = build_model(RUNG, input_shape=(9, 4), classes=3, seed=7)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(normalise(train.windows, scaling), train.labels, epochs=3, batch_size=16, verbose=0).history
    assert [e.train_loss for e in found.epochs] == pytest.approx(history["loss"], rel=1e-6)
    assert [e.train_accuracy for e in found.epochs] == pytest.approx(history["accuracy"], rel=1e-6)


def test_last_epoch_is_kept_on_request(tmp_path):
    result = fit(training=replace(TRAINING, keep="last", learning_rate=0.1))
    assert result.best_epoch == TRAINING.epochs
    assert min(range(10), key=lambda i: result.epochs[i].val_loss) != 9  # where it makes a difference
    path = tmp_path / "last.keras"
    path.write_bytes(result.best_model)
    assert evaluate(load_model(path), part(1))[0] == pytest.approx(result.epochs[-1].val_loss, rel=1e-6)


def test_without_shuffling_rows_come_in_their_order():
    ordered = TrainingConfig(epochs=2, batch_size=16, learning_rate=0.01, shuffle=False)
    train = part(0)
    order = np.argsort(train.labels, kind="stable")
    resorted = Part(train.windows[order], train.labels[order])
    assert fit(training=ordered).epochs == fit(training=ordered).epochs
    assert fit(training=ordered).epochs != fit(training=ordered, train=resorted).epochs


def vague(seed: int, rows: int) -> Part:
    """As `part`, with so much noise that a model learns the rows by heart."""
    clear = part(seed, rows=rows)
    noise = np.random.default_rng(seed + 100).normal(0, 3.0, clear.windows.shape).astype(np.float32)
    return Part(clear.windows + noise, clear.labels)


def test_a_fit_that_ends_once_it_is_settled_is_the_beginning_of_the_whole_one():
    rule = SettledRule(margin=0.05, config=SettledConfig(), onset=OnsetConfig())
    training = TrainingConfig(epochs=40, batch_size=16, learning_rate=0.01, shuffle=True)
    options = {
        "rung": RungConfig("large", lstm=[16], dense=[16], lstm_dropout=0.2),
        "train": vague(0, 60),
        "validation": vague(1, 120),
        "training": training,
    }
    whole, heard = fit(**options), []
    early = fit(**options, settled=rule, on_epoch=lambda number, epoch: heard.append(number))
    assert early.settled
    assert not whole.settled
    ended = len(early.epochs)
    assert heard == list(range(1, ended + 1))
    assert 10 < ended < len(whole.epochs) == 40
    assert early.epochs == whole.epochs[:ended]
    assert (early.best_epoch, early.failure) == (whole.best_epoch, None)
    assert fit(**options).epochs == whole.epochs  # what ended early leaves nothing behind in the model that is kept


def test_a_fit_that_is_never_settled_is_whole(fitted, monkeypatch):
    rule = SettledRule(margin=0.05, config=SettledConfig(), onset=OnsetConfig())
    told = []
    follow = SettledRule.follow
    monkeypatch.setattr(
        SettledRule, "follow", lambda self, budget, **options: told.append(options) or follow(self, budget, **options)
    )
    result = fit(settled=rule)
    train, validation = part(0), part(1)
    assert told == [{"chance": chance_loss(train.labels, validation.labels, classes=3)}]
    assert not result.settled
    assert result.epochs == fitted.epochs
