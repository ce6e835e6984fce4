"""The ladder from end to end: prepare, fit what is missing, judge, put on record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from rfcx_lab.config import Config
from rfcx_lab.console import progress, say
from rfcx_lab.errors import LabError
from rfcx_lab.files import full_disk_said, sweep
from rfcx_lab.lab.answer import build_answer
from rfcx_lab.lab.checks import judge_config
from rfcx_lab.lab.engine import Engine, Failure, open_engine
from rfcx_lab.lab.estimate import describe_cost
from rfcx_lab.lab.fits import FitSpec, FitStore
from rfcx_lab.lab.pages import write_study_page
from rfcx_lab.lab.predict import measure_rung
from rfcx_lab.lab.study import Study, prepare_study
from rfcx_lab.lab.tracking_store import forgiving
from rfcx_lab.lab.view import StudyView
from rfcx_lab.lab.work import FitFunction, Job, train, warm_up
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.files import write_report
from rfcx_lab.verdict import Curves, LadderVerdict, find_onset, judge_ladder
from rfcx_lab.verdict.record import LadderRecord


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
            left on the disk, and what was trained is kept.
    """
    runs = Path(config.runs_dir)
    with full_disk_said(runs), open_engine(config.engine) as engine:
        _sweep(runs)
        study = prepare_study(config, mapper=engine.map)
        with _alone_on(study):
            if study.missing():
                engine.prepare(partial(warm_up, fit))  # while this process opens MLflow
            view = StudyView(study, config)
            try:
                return _climb(engine, study, view, config, output, fit, command)
            except BaseException as error:
                engine.close()  # while the study is ours: another driver must not meet our workers
                with forgiving():
                    view.abandon(error)
                raise


def _climb(
    engine: Engine,
    study: Study,
    view: StudyView,
    config: Config,
    output: Path,
    fit: FitFunction,
    command: Sequence[str],
) -> Climb:
    failures = _fit_missing(engine, study, view, config, fit)
    record = _collect(study, failures)
    verdict = judge_ladder(
        record.curves,
        order=record.order,
        validation_fraction=record.validation_fraction,
        config=judge_config(config),
    )
    measured = measure_rung(engine, study, verdict.recommended.rung, config)
    test, model = (measured.document, measured.model) if measured else (None, None)
    document = build_answer(study, verdict, test=test, judge=judge_config(config))
    written = write_report(output, document, record, study.clips.rejected)
    written.append(
        write_study_page(output, study, config, document=document, record=record, measured=measured, command=command)
    )
    with forgiving():
        for spec in study.fits:
            _show_fit(view, spec, record.curves[spec.rung.name][spec.split.repeat], config)
        view.close(document, files=[*written, *_write_circumstances(config, output)], model=model)
    return Climb(verdict, document, written)


def _fit_missing(engine: Engine, study: Study, view: StudyView, config: Config, fit: FitFunction) -> dict[str, Failure]:
    """Train what no run has finished; what gave no result is returned by run key, with its reason."""
    store, missing = FitStore(study.store), study.missing()
    say(describe_cost(missing, total=len(study.fits), shape=study.input_shape, workers=engine.workers))
    if not missing:
        return {}

    def jobs() -> Iterator[Job]:
        for spec in missing:  # one by one, as workers get free: a run in MLflow begins when its training does
            run_id = ""
            with forgiving():
                run_id = view.open_fit(spec)
            yield Job(spec, fit, study.store, config.tracking.uri, run_id)

    failures: dict[str, Failure] = {}
    with progress("Fits", total=len(missing)) as bar:
        for job, result in engine.run(train, jobs()):
            note = job.spec.rung.name
            if isinstance(result, Failure):
                failures[job.spec.key] = result
                say(f"{note}, repeat {job.spec.split.repeat}: {result.reason}", style="red")
            else:
                curves = store.read_curves(job.spec)
                note += f", val loss {min(curves.val_loss, default=float('nan')):.2f}"
                with forgiving():
                    _show_fit(view, job.spec, curves, config)
            bar.advance(note=note)
    return failures


def _collect(study: Study, failures: Mapping[str, Failure]) -> LadderRecord:
    """Curves per rung, in the order of the repeats; a fit without result stands there as failed, without curve."""
    store, curves = FitStore(study.store), defaultdict(list)
    for spec in study.fits:
        if spec.key in failures:
            fitted = Curves((), (), (), (), repeat=spec.split.repeat, failure=failures[spec.key].reason)
        else:
            fitted = store.read_curves(spec)
        curves[spec.rung.name].append(fitted)
    if all(fitted.failure for rung in curves.values() for fitted in rung):
        raise LabError(f"Every fit failed, the first one because: {next(iter(curves.values()))[0].failure}.")
    return LadderRecord(curves, study.rungs, study.validation_fraction)


def _show_fit(view: StudyView, spec: FitSpec, curves: Curves, config: Config) -> None:
    view.close_fit(spec, curves, find_onset(curves.train_loss, curves.val_loss, config.onset))


def _sweep(runs: Path) -> None:
    """Remove what killed runs have left half written; the folders of studies are their owner's."""
    for folder in (runs, runs / "soundscapes", runs / "features", runs / "fits", *(runs / "fits").glob("*")):
        sweep(folder)


@contextmanager
def _alone_on(study: Study) -> Iterator[None]:
    """One driver per study: two would train every fit twice."""
    folder = study.store.parent / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{study.key}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LabError("This study is being run already, from the same runs_dir; wait for that run to end.") from None
    try:
        yield
    finally:
        lock.release()


def _write_circumstances(config: Config, output: Path) -> list[Path]:
    """The resolved config, and every installed package with its version."""
    resolved, environment = output / "config.yaml", output / "environment.txt"
    resolved.write_text(OmegaConf.to_yaml(OmegaConf.structured(config)))
    packages = {f"{d.metadata['Name']}=={d.version}" for d in distributions()}
    environment.write_text("\n".join(sorted(packages, key=str.lower)) + "\n")
    return [resolved, environment]
