"""What a study keeps of its recommended rung's predictions."""

from __future__ import annotations

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
def config(ready_config, tmp_path, monkeypatch):
    monkeypatch.setattr(work, "load_model", lambda path: path.read_bytes())
    monkeypatch.setattr(work, "predict", fakes.fake_predict)
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
