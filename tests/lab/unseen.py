"""A ladder climbed without MLflow, report or measurement: what is left are its looks, its rungs and its verdict."""

from __future__ import annotations

from rfcx_lab.config import Config
from rfcx_lab.engine.engine import InlineEngine
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.looks import Climbed, climb_looks
from rfcx_lab.lab.study import prepare_study
from tests.fakes import fake_fit


class Unseen:
    """A view that shows nothing."""

    def open_fit(self, spec) -> str:
        return ""

    def close_fit(self, spec, curves, verdict) -> None:
        pass

    def show_rungs(self, rungs) -> None:
        pass


def look(config: Config, fit=fake_fit) -> Climbed:
    study, view = prepare_study(config), Unseen()
    return climb_looks(study, Fitter(InlineEngine(), view, config, store=study.store, fit=fit), view, config)
