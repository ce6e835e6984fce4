"""The ladder from end to end: prepare, fit what is missing, judge, put on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rfcx_lab.config import Config
from rfcx_lab.data.clips import Clips
from rfcx_lab.engine.engine import Engine, open_engine
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.engine.work import FitFunction, warm_up
from rfcx_lab.errors import hide_password
from rfcx_lab.files import full_disk_said
from rfcx_lab.lab.answer import build_answer
from rfcx_lab.lab.checks import plan_of
from rfcx_lab.lab.evaluation import evaluate_shown
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.looks import climb_looks
from rfcx_lab.lab.pages import write_ladder_page
from rfcx_lab.lab.predict import measure_rung
from rfcx_lab.lab.study import Study, prepare_study
from rfcx_lab.lab.upkeep import alone_on, clear_leftovers, write_circumstances
from rfcx_lab.lab.view import StudyView
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.commands import Next, next_command
from rfcx_lab.report.files import write_report
from rfcx_lab.tracking.store import forgiving
from rfcx_lab.verdict import LadderVerdict
from rfcx_lab.verdict.record import LadderRecord


@dataclass(frozen=True)
class Climb:
    """A finished study: its verdict, the whole document, and the files it was written to."""

    verdict: LadderVerdict
    document: dict[str, Any]
    record: LadderRecord
    specs: list[FitSpec]
    clips: Clips
    files: list[Path]
    following: Next | None  # what to run next


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
        return climb_with(engine, config, output, fit=fit, command=command)


def climb_with(
    engine: Engine,
    config: Config,
    output: Path,
    *,
    fit: FitFunction = fit_rung,
    command: Sequence[str] = (),
    page: bool = True,
    parent: str | None = None,
) -> Climb:
    """`climb_ladder` on an engine that is open already, as one of several studies; on request without a page.

    `parent` is the run above the study's own in MLflow, if any.
    """
    study = prepare_study(config, mapper=engine.map)
    with alone_on(study.key, runs=Path(config.runs_dir)):
        if study.up_to(plan_of(config)[0].repeats).missing():
            engine.prepare(partial(warm_up, fit))  # while this process opens MLflow
        view = StudyView(study, config, parent=parent)
        try:
            fitter = Fitter(engine, view, config, store=study.store, fit=fit)
            return _climb(study, fitter, view, config, output, command if page else None)
        except BaseException as error:
            engine.close()  # while the study is ours: another driver must not meet our workers
            with forgiving():
                view.abandon(error)
            raise


def _climb(
    study: Study, fitter: Fitter, view: StudyView, config: Config, output: Path, command: Sequence[str] | None
) -> Climb:
    climbed = climb_looks(study, fitter, view, config)
    study, record = climbed.study, climbed.record
    measured = measure_rung(fitter.engine, study, climbed.verdict.recommended.rung, config)
    document = build_answer(climbed, test=measured.document if measured else None)
    written = write_report(output, document, record, study.clips.rejected)
    if command is not None:
        written.append(
            write_ladder_page(
                output, study, config, document=document, record=record, measured=measured, command=command
            )
        )
        written += evaluate_shown(fitter.engine, study, config, output)
    told = [hide_password(override) for override in command or ()]
    following = next_command(document, told) if told else None
    with forgiving():
        for spec in study.fits:
            fitter.show(spec)
        view.close(
            document,
            files=[*written, *write_circumstances(config, output)],
            model=measured,
            following=following,
        )
    return Climb(climbed.verdict, document, record, study.fits, study.clips, written, following)
