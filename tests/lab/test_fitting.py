"""Fits as they are asked for: what a ladder does at once and a sweep would do one trial after the other."""

from __future__ import annotations

import math
from dataclasses import replace

from rfcx_lab.engine.engine import InlineEngine
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.study import prepare_study
from tests import fakes
from tests.lab.unseen import Unseen


def fitter_for(study, config, fit=fakes.fake_fit, view=None) -> Fitter:
    return Fitter(InlineEngine(), view or Unseen(), config, store=study.store, fit=fit)


def test_the_next_spec_is_asked_for_when_there_is_a_free_worker(planted, diary):
    config = planted({}, "ladder.repeats=2")
    study, asked = prepare_study(config), []
    specs = study.fits[:4]
    fitter_for(study, config).fit(specs[1:2])

    def ask():
        for spec in specs:
            asked.append(spec.key)
            yield spec

    came = []
    for spec, curves in fitter_for(study, config).stream(ask()):
        came.append((spec.key, curves.epochs, len(asked), len(diary.read_text().splitlines())))
    assert [key for key, *_ in came] == [spec.key for spec in specs]
    assert [epochs for _, epochs, *_ in came] == [12] * 4
    assert [there for *_, there, _ in came] == [1, 3, 3, 4]  # the second one was there: the third was asked for at once
    assert len(diary.read_text().splitlines()) == 4


def test_what_is_there_already_needs_no_worker(planted, diary):
    config = planted({}, "ladder.repeats=2")
    study = prepare_study(config)
    fitted = fitter_for(study, config).fit(study.fits)
    again = fitter_for(study, config, fit=None)
    assert again.missing(study.fits) == []
    assert again.fit(study.fits) == fitted
    assert [curves for _, curves in again.stream(study.fits)] == fitted
    assert [curves.repeat for curves in fitted] == [spec.split.repeat for spec in study.fits]


def test_fit_whose_record_is_damaged_is_said_and_made_again(planted, diary, capsys):
    config = planted({}, "ladder.repeats=1")
    study = prepare_study(config)
    fitted = fitter_for(study, config).fit(study.fits)
    record = study.store / study.fits[1].key / "fit.json"
    whole = record.read_bytes()
    for content in (b"", whole[:-9], b"\xff", b"[]", b"{}", whole.replace(b"val_loss", b"lost"), whole[1:]):
        record.write_bytes(content)
        diary.write_text("")
        assert study.missing() == [study.fits[1]]
        assert fitter_for(study, config).fit(study.fits) == fitted
        assert record.read_bytes() == whole
        said = capsys.readouterr().out
        assert said.count(f"{record} is damaged: that fit counts as missing, and is made again.") == 1
        assert len(diary.read_text().splitlines()) == 1


def fit_at_chance(rung, **options):
    """The loss bends as `fake_fit` has it bend, all of it above ln 3."""
    fit = fakes.fake_fit(rung, **options)
    fit.epochs = [replace(epoch, val_loss=epoch.val_loss + 1) for epoch in fit.epochs]
    return fit


def test_what_is_shown_of_a_fit_was_held_against_chance(planted):
    config = planted({}, "ladder.repeats=1", "training.epochs=30")
    study, shown = prepare_study(config), []

    class View(Unseen):
        def close_fit(self, spec, curves, verdict) -> None:
            shown.append((verdict.status, "a constant guess, 1.0" in verdict.reason, curves.chance_loss))

    fitter_for(study, config, fit=fit_at_chance, view=View()).fit(study.fits)
    chance = study.fits[0].chance_loss
    assert chance <= math.log(3)
    assert shown == [("not_learning", True, chance)] * len(study.fits)


def test_what_failed_is_told_and_tried_again_by_the_next_fitter_alone(planted, diary, capsys):
    config = planted({}, "ladder.repeats=1")
    study, shown = prepare_study(config), []

    class View(Unseen):
        def close_fit(self, spec, curves, verdict) -> None:
            shown.append((spec.rung.name, curves.failure))

    fitter = fitter_for(study, config, fakes.sometimes_failing_fit, View())
    for _ in range(2):
        failures = [curves.failure for curves in fitter.fit(study.fits)]
        assert failures == ["the loss is not finite after epoch 4", None, "out of memory"]
        assert fitter.missing(study.fits) == []
    assert capsys.readouterr().out.count("+ Dense 48, repeat 0: out of memory") == 1
    assert shown == [("LSTM 8", "the loss is not finite after epoch 4"), ("LSTM 32", None)]
    fitter.show(study.fits[2])
    assert shown[2:] == [("+ Dense 48", "out of memory")]
    assert [spec.rung.name for spec in fitter_for(study, config).missing(study.fits)] == ["+ Dense 48"]
