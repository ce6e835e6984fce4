"""The ladder from end to end: prepare, fit what is missing, judge, put on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rfcx_lab.config import Config
from rfcx_lab.files import full_disk_said
from rfcx_lab.lab.answer import build_answer
from rfcx_lab.lab.checks import plan_of
from rfcx_lab.lab.engine import open_engine
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.looks import climb_looks
from rfcx_lab.lab.pages import write_study_page
from rfcx_lab.lab.predict import measure_rung
from rfcx_lab.lab.study import Study, prepare_study
from rfcx_lab.lab.tracking_store import forgiving
from rfcx_lab.lab.upkeep import alone_on, clear_leftovers, write_circumstances
from rfcx_lab.lab.view import StudyView
from rfcx_lab.lab.work import FitFunction, warm_up
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.files import write_report
from rfcx_lab.verdict import LadderVerdict


@dataclass(frozen=True)
class Climb:
    """A finished study: its verdict, the whole document, and the files it was written to."""

    verdict: LadderVerdict
    document: dict[str, Any]
    files: list[Path]


def climb_ladder(config: Config, output: Path, *, fit: FitFunction = fit_rung, command: Sequence[str] = ()) -> Climb:
    """Run the study of `config`, and leave its verdict in `output` and in MLflow.

    Fits that an earlier run has finished are taken from the store. `fit` is what trains a rung: all around it can be
    tried without Keras. `command` is the overrides `config` was made from, for the report to quote.

    Raises:
        LabError: the config, the data or the tracking store can't be used, and nothing was trained; or no space is
            left on the disk, or a scheduler of `engine.address` goes away, and what was trained is kept.
    """
    runs = Path(config.runs_dir)
    with full_disk_said(runs), open_engine(config.engine, tracking_uri=config.tracking.uri) as engine:
        clear_leftovers(runs)
        study = prepare_study(config, mapper=engine.map)
        with alone_on(study.key, runs=runs):
            if study.up_to(plan_of(config)[0].repeats).missing():
                engine.prepare(partial(warm_up, fit))  # while this process opens MLflow
            view = StudyView(study, config)
            try:
                fitter = Fitter(engine, view, config, store=study.store, fit=fit)
                return _climb(study, fitter, view, config, output, command)
            except BaseException as error:
                engine.close()  # while the study is ours: another driver must not meet our workers
                with forgiving():
                    view.abandon(error)
                raise


def _climb(
    study: Study, fitter: Fitter, view: StudyView, config: Config, output: Path, command: Sequence[str]
) -> Climb:
    climbed = climb_looks(study, fitter, view, config)
    study, record = climbed.study, climbed.record
    measured = measure_rung(fitter.engine, study, climbed.verdict.recommended.rung, config)
    test, model = (measured.document, measured.model) if measured else (None, None)
    document = build_answer(climbed, test=test)
    written = write_report(output, document, record, study.clips.rejected)
    written.append(
        write_study_page(output, study, config, document=document, record=record, measured=measured, command=command)
    )
    with forgiving():
        for spec in study.fits:
            fitter.show(spec)
        view.close(document, files=[*written, *write_circumstances(config, output)], model=model)
    return Climb(climbed.verdict, document, written)
