"""The ladder from end to end: prepare, fit what is missing, judge, put on record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rfcx_lab.config import Config
from rfcx_lab.console import say
from rfcx_lab.files import full_disk_said
from rfcx_lab.lab.answer import build_answer, describe_test
from rfcx_lab.lab.checks import plan_of
from rfcx_lab.lab.engine import Engine, Failure, open_engine
from rfcx_lab.lab.fits import FitStore
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.lab.looks import climb_looks
from rfcx_lab.lab.study import Study, prepare_study
from rfcx_lab.lab.tracking_store import forgiving
from rfcx_lab.lab.upkeep import alone_on, clear_leftovers, write_circumstances
from rfcx_lab.lab.view import StudyView
from rfcx_lab.lab.work import FitFunction, Job, measure, warm_up
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.files import write_report
from rfcx_lab.verdict import LadderVerdict


@dataclass(frozen=True)
class Climb:
    """A finished study: its verdict, the whole document, and the files it was written to."""

    verdict: LadderVerdict
    document: dict[str, Any]
    files: list[Path]


def climb_ladder(config: Config, output: Path, *, fit: FitFunction = fit_rung) -> Climb:
    """Run the study of `config`, and leave its verdict in `output` and in MLflow.

    Fits that an earlier run has finished are taken from the store. `fit` is what trains a rung: all around it can be
    tried without Keras.

    Raises:
        LabError: the config, the data or the tracking store can't be used, and nothing was trained; or no space is
            left on the disk, and what was trained is kept.
    """
    runs = Path(config.runs_dir)
    with full_disk_said(runs), open_engine(config.engine) as engine:
        clear_leftovers(runs)
        study = prepare_study(config, mapper=engine.map)
        with alone_on(study.key, runs=runs):
            if study.up_to(plan_of(config)[0].repeats).missing():
                engine.prepare(partial(warm_up, fit))  # while this process opens MLflow
            view = StudyView(study, config)
            try:
                return _climb(study, Fitter(engine, view, config, store=study.store, fit=fit), view, config, output)
            except BaseException as error:
                engine.close()  # while the study is ours: another driver must not meet our workers
                with forgiving():
                    view.abandon(error)
                raise


def _climb(study: Study, fitter: Fitter, view: StudyView, config: Config, output: Path) -> Climb:
    climbed = climb_looks(study, fitter, view, config)
    test, model = _hold_out_figures(fitter.engine, climbed.study, climbed.verdict, config)
    document = build_answer(climbed, test=test)
    written = write_report(output, document, climbed.record, study.clips.rejected)
    with forgiving():
        for spec in climbed.study.fits:
            fitter.show(spec)
        view.close(document, files=[*written, *write_circumstances(config, output)], model=model)
    return Climb(climbed.verdict, document, written)


def _hold_out_figures(
    engine: Engine, study: Study, verdict: LadderVerdict, config: Config
) -> tuple[dict[str, Any] | None, Path | None]:
    """Test figures of the recommended rung, and the model to hand on: that of its best repeat."""
    rung = verdict.recommended.rung
    store = FitStore(study.store)
    specs = [s for s in study.fits if s.rung.name == rung and store.has_model(s.key)]
    jobs = [Job(s, fit_rung, study.store, config.tracking.uri, "") for s in specs if store.held_out(s) is None]
    for job, result in engine.run(measure, jobs):
        if isinstance(result, Failure):
            say(f"{rung}, repeat {job.spec.split.repeat}, not measured on the test part: {result.reason}", style="red")
    results = [measured for spec in specs if (measured := store.held_out(spec)) is not None]
    if not results or rung is None:
        return None, None
    best = min(specs, key=lambda spec: min(store.read_curves(spec).val_loss))
    described = describe_test(
        results,
        rung=rung,
        rows=len(best.split.test),
        kept_repeat=best.split.repeat,
        kept_epoch=store.best_epoch(best.key) or 0,
    )
    return described, store.best_model(best.key)
