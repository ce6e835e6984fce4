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
from rfcx_lab.console import say
from rfcx_lab.engine.engine import open_engine
from rfcx_lab.engine.fits import FitStore
from rfcx_lab.engine.work import FitFunction
from rfcx_lab.errors import LabError
from rfcx_lab.files import check_name, full_disk_said
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.ladder import Climb, climb_with
from rfcx_lab.lab.pages import write_steps_page
from rfcx_lab.lab.series import open_series
from rfcx_lab.lab.steps_answer import build_steps_answer
from rfcx_lab.lab.upkeep import clear_leftovers, write_circumstances
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.commands import Next, spell_change, spell_value, with_own
from rfcx_lab.report.files import write_steps
from rfcx_lab.report.steps_page import Ladder
from rfcx_lab.verdict.record import STEPS, LadderRecord
from rfcx_lab.verdict.steps import StepRecord

SECTIONS = ("window", "features", "split", "training")
"""What a step may change: the way from a recording to a curve."""


@dataclass(frozen=True)
class Mended:
    """A finished study of steps: the whole document, and the files it was written to."""

    document: dict[str, Any]
    files: list[Path]
    following: Next | None  # what to run next


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
        with open_series(each, config, [*configs, ladder], engine) as series:
            climbs, records = [], []
            for index, (step, one) in enumerate(zip(config.steps.steps, configs, strict=True)):
                say(f"\nStep {index} of {len(configs) - 1}: {step.name}", style="bold")
                folder = output / "steps" / f"{index}"
                climb = climb_with(engine, one, folder, fit=fit, page=False, parent=series.run)
                climbs.append(climb)
                records.append(_record(step.name, climb, one))
            say(f"\nThe ladder on the last step: {config.steps.steps[-1].name}", style="bold")
            alone = ladder_command(config, command)
            climbed = climb_with(engine, ladder, output / "ladder", fit=fit, command=alone, parent=series.run)
            document = build_steps_answer(config, configs, climbs=climbs, records=records, ladder=climbed)
            files = _write(document, records, climbs, climbed, config=config, output=output, command=command)
            told = climbed.document["recommended"]
            series.close(document, files=files, following=climbed.following, recommended=told["rung"])
    return Mended(document, [*files, *climbed.files], climbed.following)


def _write(
    document: dict[str, Any],
    records: Sequence[StepRecord],
    climbs: Sequence[Climb],
    climbed: Climb,
    *,
    config: Config,
    output: Path,
    command: Sequence[str],
) -> list[Path]:
    rungs = [replace(climb.record.order[0], name=record.name) for climb, record in zip(climbs, records, strict=True)]
    fraction = sum(record.validation_fraction for record in records) / len(records)
    record = LadderRecord({one.name: one.curves for one in records}, rungs, fraction, STEPS)
    files = write_steps(output, document, record)
    page = write_steps_page(
        output,
        config,
        document=document,
        record=record,
        ladder=Ladder(climbed.document, climbed.record.curves, page="ladder/report.html"),
        following=climbed.following,
        command=command,
    )
    return [*files, page, *write_circumstances(config, output)]


def ladder_command(config: Config, command: Sequence[str]) -> list[str]:
    """Overrides that climb the ladder on the last step by itself, from those of the whole; none where it has none."""
    if not command:
        return []
    changes = {key: value for step in config.steps.steps for key, value in spell_change(step.change).items()}
    own = {
        "kind": "ladder",
        "name": spell_value(f"{config.name} ladder"),
        "tracking.experiment": spell_value(config.tracking.experiment),
    }
    return with_own(command, own | changes)


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
