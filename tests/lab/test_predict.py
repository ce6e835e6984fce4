"""What a study keeps of its recommended rung's predictions."""

from __future__ import annotations

import numpy as np
import pytest

from rfcx_lab.engine import work
from rfcx_lab.engine.engine import InlineEngine
from rfcx_lab.engine.fits import FitStore
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.predict import measure_rung
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.model.fit import Epoch, Fit, score
from tests import fakes

SIZE = ("training.epochs=12", "ladder.repeats=2", "split.test_fraction=0.3")


@pytest.fixture
def config(ready_config, tmp_path, monkeypatch):
    fakes.predict_by_fakes(monkeypatch)
    config = ready_config(*SIZE)
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


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_model_to_hand_on_is_the_best_by_the_epoch_that_was_kept(keep, toy_config, monkeypatch):
    """Of two repeats the one has the lowest loss of its whole curve, the other that of the last epoch."""
    fakes.predict_by_fakes(monkeypatch)
    config = toy_config(*SIZE, f"training.keep={keep}")
    study = prepare_study(config)
    store, specs = FitStore(study.store), [spec for spec in study.fits if spec.rung == study.fits[0].rung]
    for spec, losses in zip(specs, [(1.0, 0.2, 0.9), (1.0, 0.4, 0.5)], strict=True):
        epochs = [Epoch(loss, loss, train_accuracy=0.5, val_accuracy=0.5) for loss in losses]
        store.write(spec, Fit(epochs, best_epoch=3 if keep == "last" else 2, best_model=bytes(64)))
    measured = measure_rung(InlineEngine(), study, specs[0].rung.name, config)
    assert measured.fit.key == specs[keep == "last"].key
    assert measured.document["model"]["epoch"] == (3 if keep == "last" else 2)
