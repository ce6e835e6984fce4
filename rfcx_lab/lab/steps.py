"""A pipeline mended one choice after another: every step fitted over the same repeats, and a ladder on what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rfcx_lab.config import Config, RungConfig
from rfcx_lab.console import duration, say
from rfcx_lab.errors import LabError
from rfcx_lab.features.spectral import input_shape
from rfcx_lab.files import check_name, full_disk_said
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.engine import Engine, open_engine
from rfcx_lab.lab.estimate import Cost
from rfcx_lab.lab.fits import FitSpec, FitStore
from rfcx_lab.lab.ladder import Climb, climb_with
from rfcx_lab.lab.steps_answer import build_steps_answer
from rfcx_lab.lab.study import plan_study
from rfcx_lab.lab.upkeep import clear_leftovers, write_circumstances
from rfcx_lab.lab.work import FitFunction
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.files import write_steps
from rfcx_lab.verdict.record import STEPS, LadderRecord
from rfcx_lab.verdict.steps import StepRecord

SECTIONS = ("window", "features", "split", "training")
"""What a step may change: the way from a recording to a curve."""


@dataclass(frozen=True)
class Mended:
    """A finished study of steps: the whole document, and the files it was written to."""

    document: dict[str, Any]
    files: list[Path]


def mend_pipeline(config: Config, output: Path, *, fit: FitFunction = fit_rung, command: Sequence[str] = ()) -> Mended:
    """Fit every step of `config.steps`, climb the ladder on the last one's config, and say which steps matter.

    Everything is checked, and the whole told what it will cost, before anything is trained. A step is a ladder of one
    rung and leaves what one does, in `steps/`; the ladder's own files lie in `ladder/`. Fits come from the one store:
    a step that was fitted under another order of those before it is not that step, any other is there already.

    Raises:
        LabError: the config, a step or the data can't be used; or no space is left on the disk.
    """
    check_config(config)
    configs = step_configs(config)
    ladder = replace(configs[-1], name=f"{config.name} ladder", ladder=config.ladder)
    runs = Path(config.runs_dir)
    with full_disk_said(runs), open_engine(config.engine, tracking_uri=config.tracking.uri) as engine:
        clear_leftovers(runs)
        each = f"Steps: {len(configs)} of {config.steps.repeats} fits each, and a ladder on the last"
        say_plan(each, [*configs, ladder], engine)
        climbs, records = [], []
        for index, (step, one) in enumerate(zip(config.steps.steps, configs, strict=True)):
            say(f"\nStep {index} of {len(configs) - 1}: {step.name}", style="bold")
            folder = output / "steps" / f"{index}"
            climb = climb_with(engine, one, folder, fit=fit, command=command, page=False)
            climbs.append(climb)
            records.append(_record(step.name, climb, one))
        say(f"\nThe ladder on the last step: {config.steps.steps[-1].name}", style="bold")
        climbed = climb_with(engine, ladder, output / "ladder", fit=fit, command=command)
    document = build_steps_answer(config, configs, climbs=climbs, records=records, ladder=climbed)
    rungs = [replace(climb.record.order[0], name=record.name) for climb, record in zip(climbs, records, strict=True)]
    fraction = sum(record.validation_fraction for record in records) / len(records)
    curves = {record.name: record.curves for record in records}
    files = write_steps(output, document, LadderRecord(curves, rungs, fraction, STEPS))
    return Mended(document, [*files, *write_circumstances(config, output), *climbed.files])


def step_configs(config: Config) -> list[Config]:
    """The config of each step: a ladder of its one rung, after all changes up to it.

    Raises:
        LabError: a step can't be, said by its name and key.
    """
    rung = _rung(config)
    names = [step.name for step in config.steps.steps]
    current, configs = config, []
    for index, step in enumerate(config.steps.steps):
        where = f"steps.steps[{index}], {step.name!r}"
        check_name(step.name, f"steps.steps[{index}].name")
        if names.count(step.name) > 1:
            raise LabError(f"{where}: the name stands there twice; give each step its own.")
        current = apply_change(current, step.change, where=where)
        ladder = replace(
            config.ladder, rungs=[rung], repeats=config.steps.repeats, only=[], extend=False, shown=rung.name
        )
        one = replace(current, kind="ladder", name=f"{config.name} {index} {step.name}", ladder=ladder)
        try:
            check_config(one)
        except LabError as error:
            raise LabError(f"{where}: {error}") from error
        configs.append(one)
    return configs


def apply_change(config: Config, change: Any, *, where: str) -> Config:
    """`config` with the keys of `change`, a mapping per section, at their new values; LabError, saying `where`."""
    if not isinstance(change, dict):
        raise LabError(
            f"{where}: change={change} must hold sections and their keys, as {{training: {{shuffle: true}}}}."
        )
    for section, values in change.items():
        if section not in SECTIONS:
            raise LabError(f"{where}: change has {section}; a step may change {', '.join(SECTIONS)}.")
        _check_keys(section, values, known=[field.name for field in fields(getattr(config, section))], where=where)
        try:
            node = OmegaConf.merge(OmegaConf.structured(getattr(config, section)), values)
            changed: dict[str, Any] = {section: OmegaConf.to_object(node)}
        except (OmegaConfBaseException, ValueError, TypeError) as error:
            said = str(error).strip().splitlines()[0]
            raise LabError(f"{where}: change.{section}={values}: {said}.") from error
        config = replace(config, **changed)
    return config


def _check_keys(section: str, values: Any, *, known: Sequence[str], where: str) -> None:
    if not isinstance(values, dict):
        raise LabError(f"{where}: change.{section}={values} must hold keys of {section} and their values.")
    for key in values:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            told = f"the nearest is {near[0]}" if near else f"{section} has {', '.join(known)}"
            raise LabError(f"{where}: change.{section} has {key}, and there is no such key; {told}.")


def _rung(config: Config) -> RungConfig:
    if config.steps.repeats < 1:
        raise LabError(f"steps.repeats={config.steps.repeats}: must be 1 or more.")
    names = [rung.name for rung in config.ladder.rungs]
    if not config.steps.steps:
        raise LabError(
            "steps.steps is empty; name the steps in a file of your own, as conf/experiment/mended.yaml does."
        )
    if config.steps.rung not in names:
        raise LabError(f"steps.rung={config.steps.rung}: must be a rung of the ladder: {', '.join(names)}.")
    found = config.ladder.rungs[names.index(config.steps.rung)]
    return replace(found, role="capacity")  # by itself it is no remedy of anything


def say_plan(what: str, configs: Sequence[Config], engine: Engine) -> None:
    """Of studies that follow each other, what there is to do, and how long it will take.

    All of it is laid out, and so checked, for that.
    """
    missing: dict[str, FitSpec] = {}
    seconds, total = 0.0, 0
    for config in configs:
        layout = plan_study(config)
        new = [spec for spec in layout.missing() if spec.key not in missing]
        missing |= {spec.key: spec for spec in new}
        total += len(layout.fits)
        cost = Cost(input_shape(config.window, config.features), config.engine, workers=engine.workers)
        seconds += cost.seconds(new) if new else 0.0
    say(
        f"{what}: {len(missing)} of {total} fits to do, about {duration(seconds)} on {engine.workers} worker(s), "
        "beside features."
    )


def _record(name: str, climb: Climb, config: Config) -> StepRecord:
    [rung] = climb.record.order
    store = FitStore(Path(config.runs_dir) / "fits")
    held = [store.held_out(spec) for spec in climb.specs]
    return StepRecord(
        name=name,
        curves=climb.record.curves[rung.name],
        test_accuracy=[one.accuracy for one in held if one is not None],
        validation_fraction=climb.record.validation_fraction,
        trainable_parameters=rung.trainable_parameters,
    )
