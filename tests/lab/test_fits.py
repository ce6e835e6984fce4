"""Which record of a fit serves whom: whole ones and those that ended once their verdict was settled."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from rfcx_lab.config import Config
from rfcx_lab.engine.fits import FitSpec, FitStore
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.lab.sweep_plan import settled_rule
from tests import fakes
from tests.lab.test_fitting import fitter_for

EPOCHS = 30
DENSE = 2  # place of the toy's rung that overfits


@pytest.fixture
def config(planted) -> Config:
    return planted({}, f"training.epochs={EPOCHS}", "ladder.repeats=1", "sweep.end_settled=true")


@pytest.fixture
def specs(config) -> tuple[FitStore, FitSpec, FitSpec]:
    """The store, a fit that is to be whole, and the same that may end early."""
    study = prepare_study(config)
    whole = study.fits[DENSE]
    assert whole.settled is None
    return FitStore(study.store), whole, replace(whole, settled=settled_rule(config))


def fitted(spec: FitSpec, store: FitStore) -> str:
    fit = fakes.fake_fit(
        spec.rung, train=None, validation=None, classes=3, training=spec.training, seed=spec.seed,
        on_epoch=lambda number, epoch: None, settled=spec.settled,
    )  # fmt: skip
    return store.write(spec, fit)


def test_one_that_ended_early_is_the_beginning_of_the_whole_one_and_says_so(specs):
    store, whole, early = specs
    for spec in (early, whole):
        fitted(spec, store)
    short, full = (json.loads((store._root / spec.key / "fit.json").read_text()) for spec in (early, whole))
    assert 10 < short["epochs"] == len(short["curves"]["val_loss"]) < full["epochs"] == short["budget"] == EPOCHS
    assert short["curves"]["settled"]
    assert not full["curves"]["settled"]
    assert short["curves"]["val_loss"] == full["curves"]["val_loss"][: short["epochs"]]
    assert short["best_epoch"] == full["best_epoch"]


def test_what_a_fit_is_judged_against_follows_from_its_spec_and_stands_in_no_record(specs):
    store, whole, _ = specs
    fitted(whole, store)
    assert not {"chance_loss", "budget"} & set(json.loads((store._root / whole.key / "fit.json").read_text())["curves"])
    curves = store.read_curves(whole)
    assert (curves.chance_loss, curves.budget) == (pytest.approx(math.log(3), abs=0.02), EPOCHS)
    labels = whole.labels.copy()
    labels[whole.split.train[:-2]] = labels[whole.split.validation] = 0  # hardly another class is left
    assert replace(whole, labels=labels).chance_loss < 0.5


def test_one_that_ended_early_never_serves_a_ladder(specs):
    store, whole, early = specs
    assert fitted(early, store) == early.key != whole.key
    assert store.find(early) == early.key
    assert store.find(whole) is None
    with pytest.raises(FileNotFoundError):
        store.read_curves(whole)


def test_a_whole_one_serves_a_sweep_also_where_it_came_later(specs):
    store, whole, early = specs
    fitted(early, store)
    assert store.read_curves(early).epochs < EPOCHS
    assert fitted(whole, store) == whole.key
    assert store.find(early) == store.find(whole) == whole.key
    assert store.read_curves(early) == store.read_curves(whole)
    assert store.read_curves(early).epochs == EPOCHS


def test_one_that_might_have_ended_early_and_did_not_is_the_whole_one(config):
    study = prepare_study(config)
    store, whole = FitStore(study.store), study.fits[0]  # it does not overfit
    assert fitted(replace(whole, settled=settled_rule(config)), store) == whole.key
    assert store.read_curves(whole).epochs == EPOCHS
    assert not store.read_curves(whole).settled


@pytest.mark.parametrize(
    "override", ["sweep.settled.after=7", "sweep.settled.clearance=0.2", "ladder.margin=0.1", "onset.min_rise=0.06"]
)
def test_by_another_rule_it_is_another_fit(specs, planted, override):
    store, whole, early = specs
    fitted(early, store)
    other = replace(early, settled=settled_rule(planted({}, "sweep.end_settled=true", override)))
    assert store.find(other) is None
    assert other.whole.key == whole.key


def test_a_ladder_never_ends_a_fit_early(config, diary):
    study = prepare_study(config)
    assert [curves.epochs for curves in fitter_for(study, config).fit(study.fits)] == [EPOCHS] * 3


def test_a_damaged_record_of_one_that_ended_early_is_made_again(specs, config, diary, capsys):
    store, _, early = specs
    fitted(early, store)
    record = store._root / early.key / "fit.json"
    kept = record.read_bytes()
    record.write_bytes(kept[:-9])
    study = prepare_study(config)
    [curves] = fitter_for(study, config).fit([early])
    assert curves.settled
    assert record.read_bytes() == kept
    assert f"{record} is damaged" in capsys.readouterr().out
