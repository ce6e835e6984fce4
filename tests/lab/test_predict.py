"""What a study keeps of its recommended rung's predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rfcx_lab.lab import work
from rfcx_lab.lab.engine import InlineEngine
from rfcx_lab.lab.fits import FitStore
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.predict import measure_rung
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.model.fit import score
from tests import fakes

SIZE = ("training.epochs=12", "ladder.repeats=2", "split.test_fraction=0.3")


@pytest.fixture
def config(toy_config, tmp_path, monkeypatch):
    fakes.predict_by_fakes(monkeypatch)
    config = toy_config(*SIZE)
    climb_ladder(config, tmp_path / "out", fit=fakes.fit_with_model)
    return config


def test_predictions_are_kept_and_agree_with_the_figures(config, monkeypatch):
    study = prepare_study(config)
    monkeypatch.setattr(work, "predict", None)  # what is kept is not predicted again
    rung = next(spec.rung.name for spec in study.fits if FitStore(study.store).held_out(spec) is not None)
    measured = measure_rung(InlineEngine(), study, rung, config)
    test = study.splits[0].test
    assert measured.probabilities.shape == (2, len(test), 3)
    assert list(measured.rows) == list(test)
    figures = [score(probabilities, study.clips.labels[test]) for probabilities in measured.probabilities]
    assert measured.document["loss"][0] == pytest.approx(np.mean([loss for loss, _ in figures]))
    assert measured.document["accuracy"][0] == pytest.approx(np.mean([accuracy for _, accuracy in figures]))


def test_other_rungs_are_not_measured(config):
    study, kept = prepare_study(config), FitStore(prepare_study(config).store)
    rungs = {spec.rung.name for spec in study.fits if kept.held_out(spec) is not None}
    assert len(rungs) == 1
    assert measure_rung(InlineEngine(), study, None, config) is None


def fit_with_a_turn(rung, **options):
    """Repeat by repeat the validation loss turns, so that the lowest curve ends highest."""
    fit = fakes.fit_with_model(rung, **options)
    low = np.random.default_rng(options["seed"]).uniform(0.5, 1.0)
    fit.epochs = [replace(epoch, val_loss=low) for epoch in fit.epochs[:-1]]
    fit.epochs.append(replace(fit.epochs[-1], val_loss=2 - low))
    if options["training"].keep == "last":
        fit.best_epoch = len(fit.epochs)
    return fit


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_model_to_hand_on_is_the_best_by_the_epoch_that_was_kept(keep, toy_config, tmp_path, monkeypatch):
    fakes.predict_by_fakes(monkeypatch)
    config = toy_config(*SIZE, f"training.keep={keep}", "ladder.shown=LSTM 8")
    climb_ladder(config, tmp_path / "out", fit=fit_with_a_turn)
    study = prepare_study(config)
    measured = measure_rung(InlineEngine(), study, None, config)
    specs = [spec for spec in study.fits if spec.rung.name == "LSTM 8"]
    store = FitStore(study.store)
    by_lowest = sorted(specs, key=lambda spec: min(store.read_curves(spec).val_loss))
    assert measured.fit.key == (by_lowest[0] if keep == "best" else by_lowest[-1]).key
    assert measured.document["model"]["epoch"] == store.best_epoch(measured.fit.key)
