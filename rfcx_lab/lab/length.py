"""Is it the length? Every pipeline on boxes that follow the species, then on swapped ones, and on white noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rfcx_lab.config import Config, NoiseData
from rfcx_lab.console import say
from rfcx_lab.data.telling import majority
from rfcx_lab.engine.engine import open_engine
from rfcx_lab.engine.fits import FitStore
from rfcx_lab.engine.work import FitFunction
from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.files import full_disk_said
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.ladder import Climb, climb_with
from rfcx_lab.lab.length_answer import build_length_answer, length_record
from rfcx_lab.lab.pages import write_length_page
from rfcx_lab.lab.series import open_series
from rfcx_lab.lab.sources import locate_data
from rfcx_lab.lab.steps import step_configs
from rfcx_lab.lab.study import plan_study
from rfcx_lab.lab.swapped import SwappedHits, draw_of, measure_swapped
from rfcx_lab.lab.upkeep import clear_leftovers, write_circumstances
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.report.commands import Next, next_of_length
from rfcx_lab.report.files import write_length
from rfcx_lab.verdict.length import SHARES, PipelineRecord
from rfcx_lab.verdict.record import LadderRecord


@dataclass(frozen=True)
class Measured:
    """A finished study of the length: the whole document, and the files it was written to."""

    document: dict[str, Any]
    files: list[Path]
    following: Next | None  # what to run next


def measure_length(
    config: Config, output: Path, *, fit: FitFunction = fit_rung, command: Sequence[str] = ()
) -> Measured:
    """Fit every step of `config.steps` on the data and on noise, test it on swapped lengths, and say what it reads.

    A step is one pipeline, on top of those before it. Everything is checked, and the whole told what it will cost,
    before anything is trained. Fits come from the one store, and so does what they say of swapped boxes.

    Raises:
        LabError: the config, a step or the data can't be used; or no space is left on the disk.
    """
    check_config(config)
    runs = Path(config.runs_dir)
    with full_disk_said(runs), open_engine(config.engine, tracking_uri=config.tracking.uri) as engine:
        clear_leftovers(runs)
        configs = step_configs(config)
        on_noise = noise_configs(config, configs)
        check_boxes(config, on_noise)
        each = f"Pipelines: {len(configs)}, each on the data and on noise"
        with open_series(each, config, [*configs, *on_noise], engine) as series:
            records, climbs = [], []
            for index, (one, noisy) in enumerate(zip(configs, on_noise, strict=True)):
                name = config.steps.steps[index].name
                say(f"\nPipeline {index} of {len(configs) - 1}: {name}", style="bold")
                folder, parent = f"{index}", series.run
                climb = climb_with(engine, one, output / "boxes" / folder, fit=fit, page=False, parent=parent)
                say(f"\nPipeline {index}, lengths swapped between species", style="bold")
                swapped = measure_swapped(engine, one, climb)
                say(f"\nPipeline {index}, on white noise", style="bold")
                noise = climb_with(engine, noisy, output / "noise" / folder, fit=fit, page=False, parent=parent)
                climbs.append((climb, noise))
                epochs = one.training.epochs, noisy.training.epochs
                records.append(_record(name, climb, noise, swapped=swapped, epochs=epochs, runs=runs))
            document = build_length_answer(config, climbs=climbs, records=records)
            named = [(one.name, climb, noise) for one, (climb, noise) in zip(records, climbs, strict=True)]
            measured = _write(document, length_record(named), config=config, output=output, command=command)
            series.close(document, files=measured.files, following=measured.following)
    return measured


def _write(
    document: dict[str, Any], record: LadderRecord, *, config: Config, output: Path, command: Sequence[str]
) -> Measured:
    told = [hide_password(override) for override in command]
    following = next_of_length(document, told) if told else None
    files = write_length(output, document, record)
    page = write_length_page(output, config, document=document, record=record, following=following, command=command)
    return Measured(document, [*files, page, *write_circumstances(config, output)], following)


def noise_configs(config: Config, configs: Sequence[Config]) -> list[Config]:
    """Each of the pipelines' `configs` on white noise under the boxes of `length.boxes`, or of the study's own data.

    Raises:
        LabError: `length` can't be, said by its key.
    """
    length, steps = config.length, config.steps.steps
    if len(length.epochs) != len(steps) or any(epochs < 1 for epochs in length.epochs):
        raise LabError(f"length.epochs={length.epochs}: must be {len(steps)} numbers above 0, one per step.")
    if length.repeats < 1:
        raise LabError(f"length.repeats={length.repeats}: must be 1 or more.")
    if length.boxes is not None and not (Path(length.boxes) / "train_tp.csv").is_file():
        raise LabError(f"length.boxes={length.boxes}: must be a folder with a train_tp.csv, and there is none.")
    noise = NoiseData(kind="noise", root=str(locate_data(config)) if length.boxes is None else length.boxes)
    return [
        replace(
            one,
            name=f"{config.name} noise {index} {step.name}",
            data=noise,
            ladder=replace(one.ladder, repeats=length.repeats),
            training=replace(one.training, epochs=epochs),
        )
        for index, (one, step, epochs) in enumerate(zip(configs, steps, length.epochs, strict=True))
    ]


def check_boxes(config: Config, on_noise: Sequence[Config]) -> None:
    """Raise LabError, by its key, where `length.boxes` can't be used: before the study's own data are made or read."""
    if config.length.boxes is None:
        return
    try:
        for one in on_noise:
            plan_study(one)
    except LabError as error:
        raise LabError(f"length.boxes={config.length.boxes}: {error}") from error


def _record(
    name: str, climb: Climb, noise: Climb, *, swapped: SwappedHits, epochs: tuple[int, int], runs: Path
) -> PipelineRecord:
    store, test, labels = FitStore(runs / "fits"), noise.specs[0].split.test, noise.specs[0].labels
    held = [one for spec in noise.specs if (one := store.held_out(spec)) is not None]
    frequent, share = majority(labels[test])
    named = np.array([one.probabilities.argmax(axis=1) for one in held]).reshape(len(held), len(test))
    right = named == labels[test]
    recordings = noise.clips.table["recording_id"].to_numpy()[test]
    [curves] = noise.record.curves.values()
    return PipelineRecord(
        name=name,
        epochs=epochs[0],
        noise_epochs=epochs[1],
        shares={each: swapped.shares(each) for each in SHARES},
        rows=len(swapped.within),
        within_rows=int(swapped.within.sum()),
        validation_fraction=climb.record.validation_fraction,
        noise=[float(each.mean()) for each in right],
        noise_rows=len(test),
        noise_fraction=noise.record.validation_fraction,
        majority=share,
        draws={
            **swapped.draws(),
            "noise": draw_of(right, recordings),
            "beats_majority": draw_of(right.astype(np.float64) - (labels[test] == frequent), recordings),
        },
        curves=curves,
    )
