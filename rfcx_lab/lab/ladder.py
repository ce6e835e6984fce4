"""The ladder from end to end: prepare, fit what is missing, judge, put on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rfcx_lab.config import Config
from rfcx_lab.console import progress, say
from rfcx_lab.errors import LabError
from rfcx_lab.lab.answer import build_answer, describe_test
from rfcx_lab.lab.engine import Engine, Failure, open_engine
from rfcx_lab.lab.estimate import describe_cost
from rfcx_lab.lab.fits import FitSpec, FitStore
from rfcx_lab.lab.study import Study, prepare_study
from rfcx_lab.lab.view import StudyView
from rfcx_lab.lab.work import FitFunction, Job, measure, train
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.files import write_report
from rfcx_lab.verdict import Curves, JudgeConfig, LadderVerdict, find_onset, judge_ladder
from rfcx_lab.verdict.record import LadderRecord


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
        LabError: the config, the data or the tracking store can't be used; nothing was trained then.
    """
    with open_engine(config.engine) as engine:
        study = prepare_study(config, mapper=engine.map)
        view = StudyView(study, config)
        missing = study.missing()
        say(describe_cost(missing, total=len(study.fits), shape=study.input_shape, workers=engine.workers))
        jobs = [Job(s, fit, study.store, config.tracking.uri, view.open_fit(s)) for s in missing]
        failures = _fit_all(engine, jobs, study, view, config)
        record = _collect(study, failures, view, config)
        verdict = judge_ladder(
            record.curves,
            order=record.order,
            validation_fraction=record.validation_fraction,
            config=_judge(config),
        )
        test, model = _hold_out_figures(engine, study, verdict, config)
    document = build_answer(study, verdict, test=test)
    written = write_report(output, document, record, study.clips.rejected)
    view.close(verdict, files=[*written, *_write_circumstances(config, output)])
    if model is not None and test is not None:
        view.keep_model(model, rung=test["rung"], **test["model"])
    return Climb(verdict, document, written)


def _fit_all(engine: Engine, jobs: list[Job], study: Study, view: StudyView, config: Config) -> dict[str, Failure]:
    """Train every job; what gave no result is returned by run key, with its reason."""
    failures: dict[str, Failure] = {}
    if not jobs:
        return failures
    store = FitStore(study.store)
    with progress("Fits", total=len(jobs)) as bar:
        for job, result in engine.run(train, jobs):
            note = job.spec.rung.name
            if isinstance(result, Failure):
                failures[job.spec.key] = result
                say(f"{note}, repeat {job.spec.split.repeat}: {result.reason}", style="red")
            else:
                curves = store.read_curves(job.spec)
                _close_fit(view, job.spec, curves, config)
                note += f", val loss {min(curves.val_loss, default=float('nan')):.2f}"
            bar.advance(note=note)
    return failures


def _collect(study: Study, failures: Mapping[str, Failure], view: StudyView, config: Config) -> LadderRecord:
    """Curves per rung, in the order of the repeats; a fit without result stands there as failed, without curve."""
    store, curves = FitStore(study.store), defaultdict(list)
    for spec in study.fits:
        if spec.key in failures:
            fitted = Curves((), (), (), (), repeat=spec.split.repeat, failure=failures[spec.key].reason)
        else:
            fitted = store.read_curves(spec)
        _close_fit(view, spec, fitted, config)
        curves[spec.rung.name].append(fitted)
    if all(fitted.failure for rung in curves.values() for fitted in rung):
        raise LabError(f"Every fit failed, the first one because: {next(iter(curves.values()))[0].failure}.")
    return LadderRecord(curves, study.rungs, study.validation_fraction)


def _close_fit(view: StudyView, spec: FitSpec, curves: Curves, config: Config) -> None:
    view.close_fit(spec, curves, find_onset(curves.train_loss, curves.val_loss, config.onset))


def _hold_out_figures(
    engine: Engine, study: Study, verdict: LadderVerdict, config: Config
) -> tuple[dict[str, Any] | None, Path | None]:
    """Test figures of the recommended rung, and the model to hand on: that of its best repeat."""
    rung = verdict.recommended.rung
    store = FitStore(study.store)
    specs = [s for s in study.fits if s.rung.name == rung and store.has(s.key) and store.best_model(s.key).is_file()]
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


def _judge(config: Config) -> JudgeConfig:
    return JudgeConfig(margin=config.ladder.margin, onset=config.onset)


def _write_circumstances(config: Config, output: Path) -> list[Path]:
    """The resolved config, and every installed package with its version."""
    resolved, environment = output / "config.yaml", output / "environment.txt"
    resolved.write_text(OmegaConf.to_yaml(OmegaConf.structured(config)))
    packages = {f"{d.metadata['Name']}=={d.version}" for d in distributions()}
    environment.write_text("\n".join(sorted(packages, key=str.lower)) + "\n")
    return [resolved, environment]
