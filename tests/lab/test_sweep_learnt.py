"""A sweep in which some architectures learn nothing, and what its recommended one does on the test part."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from rfcx_lab.config import Config
from rfcx_lab.engine import work
from rfcx_lab.engine.fits import FitStore
from rfcx_lab.errors import LabError
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.sweep_plan import plan_sweep
from tests import fakes
from tests.conftest import TOY, compose_config
from tests.lab.outcome import by_level, runs_of
from tests.lab.sweeps import REPEATS, SIZE, study_of, sweep


def fit_that_learns_shallow(rung, **options):
    """With three dense layers the loss drifts up from the first epoch on, by more than any margin."""
    fit = fakes.fit_with_frontier(rung, **options)
    if len(rung.dense) == 3:
        fit.epochs = [replace(epoch, val_loss=1.1 + 0.05 * n) for n, epoch in enumerate(fit.epochs)]
        fit.best_epoch = 1
    fit.best_model = np.random.default_rng([options["seed"], rung.lstm[0]]).bytes(64)
    return fit


@pytest.fixture(scope="module")
def shallow(prepared, tmp_path_factory) -> tuple[Config, dict]:
    """A sweep in which half of the architectures learn nothing."""
    runs = tmp_path_factory.mktemp("shallow") / "runs"
    shutil.copytree(prepared, runs)
    config = compose_config(*TOY, *SIZE, "engine=inline", f"runs_dir={runs}", "sweep.sampler=grid")
    with pytest.MonkeyPatch.context() as patch:
        fakes.predict_by_fakes(patch)
        return config, sweep(config, runs / "out", fit=fit_that_learns_shallow).document


def test_a_loss_that_drifts_up_without_anything_learnt_is_no_overfitting(shallow):
    config, document = shallow
    by_layers = {n: [c for c in document["architectures"] if c["values"]["dense_layers"] == n] for n in (0, 3)}
    assert [cell["learnt"] for cell in by_layers[0] + by_layers[3]] == [True] * 3 + [False] * 3
    assert not any(cell["in_doubt"] for cell in by_layers[3])
    assert [crossing["status"] for crossing in document["crossings"]][1] == "not_learnt"
    trials = [trial for trial in document["trials"] if trial["values"]["dense_layers"] == 3]
    assert len(trials) == 3
    for trial in trials:
        assert trial["state"] == "complete" and trial["margins"] is None and not trial["learnt"]
        assert "learnt nothing" in trial["reason"] and trial["statuses"] == {"not_learning": REPEATS}
        assert trial["value"] == pytest.approx(1.1)
    assert "with 3 dense layers nowhere, as none of these models has learnt anything" in document["answer"]
    assert "3 architectures have learnt nothing" in document["answer"]
    assert document["recommended"]["values"]["dense_layers"] == 0
    assert set(document["importance"]) == {"lstm_width"}  # what has learnt is all of one depth
    assert {t.state for t in study_of(config.sweep.storage).trials} == {TrialState.COMPLETE}


def test_where_nothing_learns_at_all_it_is_said_with_a_remedy(make_sweep_config, tmp_path):
    space = ("sweep.space.lstm_width.values=[4,16]", "sweep.space.dense_layers.values=[3]")
    with pytest.raises(LabError, match=r"none of the architectures .* has learnt anything .* training\.epochs\.$"):
        sweep(make_sweep_config(*space), tmp_path / "out", fit=fit_that_learns_shallow)


def test_the_recommended_architecture_is_measured_on_the_test_part_as_a_ladder_does_it(shallow, tmp_path, monkeypatch):
    config, document = shallow
    test, chosen = document["test"], document["recommended"]
    assert (test["rung"], test["repeats"]) == (chosen["architecture"], REPEATS)
    store, plan = FitStore(Path(config.runs_dir) / "fits"), plan_sweep(config)
    for cell in plan.space.cells:
        specs = plan.specs(plan.rung(cell), range(REPEATS))
        kept = [store.held_out(store.serving(spec) or spec) for spec in specs]
        assert all(kept) == any(kept) == (cell == chosen["values"])  # and no other one
        if all(kept):
            assert test["loss"][0] == pytest.approx(np.mean([each.loss for each in kept]))
            assert test["accuracy"][0] == pytest.approx(np.mean([each.accuracy for each in kept]))
            assert test["rows"] == len(kept[0].probabilities)
    [study] = by_level(runs_of(config.tracking.uri), "study")
    assert study.data.tags["model"].startswith(f"{chosen['architecture']}, repeat ")
    client = MlflowClient(tracking_uri=config.tracking.uri)
    assert [file.path for file in client.list_artifacts(study.info.run_id, "model")] == ["model/best.keras"]
    version = client.get_model_version_by_alias(f"rfcx_lab-{config.name}", "recommended")
    assert version.tags["rung"].endswith(f": {chosen['architecture']}")  # as its trial is shown

    rung = {"name": "a", "lstm": [chosen["values"]["lstm_width"]]}
    ladder = (f"ladder.rungs=[{{name: a, lstm: {rung['lstm']}}}]", f"ladder.repeats={REPEATS}", "ladder.extend=false")
    monkeypatch.setattr(work, "predict", None)  # what is kept is not predicted again
    own = compose_config(*TOY, *SIZE, "kind=ladder", "engine=inline", f"runs_dir={config.runs_dir}", "ladder.only=[]",
                         "name=ladder", *ladder)  # fmt: skip
    climbed = climb_ladder(own, tmp_path / "ladder", fit=fit_that_learns_shallow).document
    assert {**climbed["test"], "rung": ""} == {**test, "rung": ""}
