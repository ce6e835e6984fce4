"""Is it the length? Every pipeline on boxes that follow the species, then on swapped ones, and on white noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rfcx_lab.config import Config, NoiseData
from rfcx_lab.console import say
from rfcx_lab.data.swap import Swapped, swap_lengths
from rfcx_lab.data.telling import majority
from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.features.cache import WindowStore, ensure_windows
from rfcx_lab.files import full_disk_said
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.engine import Engine, Failure, open_engine
from rfcx_lab.lab.fits import FitSpec, FitStore, HeldOut
from rfcx_lab.lab.ladder import Climb, climb_with
from rfcx_lab.lab.length_answer import build_length_answer, length_record
from rfcx_lab.lab.pages import write_length_page
from rfcx_lab.lab.series import open_series
from rfcx_lab.lab.sources import locate_data
from rfcx_lab.lab.steps import step_configs
from rfcx_lab.lab.upkeep import clear_leftovers, write_circumstances
from rfcx_lab.lab.work import FitFunction, Job, measure
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
        each = f"Pipelines: {len(configs)}, each on the data and on noise"
        with open_series(each, config, [*configs, *on_noise], engine) as series:
            records, climbs = [], []
            for index, (one, noisy) in enumerate(zip(configs, on_noise, strict=True)):
                name = config.steps.steps[index].name
                say(f"\nPipeline {index} of {len(configs) - 1}: {name}", style="bold")
                folder, parent = f"{index}", series.run
                climb = climb_with(engine, one, output / "boxes" / folder, fit=fit, page=False, parent=parent)
                say(f"\nPipeline {index}, lengths swapped between species", style="bold")
                shares, within = measure_swapped(engine, one, climb)
                say(f"\nPipeline {index}, on white noise", style="bold")
                noise = climb_with(engine, noisy, output / "noise" / folder, fit=fit, page=False, parent=parent)
                climbs.append((climb, noise))
                epochs = one.training.epochs, noisy.training.epochs
                records.append(_record(name, climb, noise, shares=shares, within=within, epochs=epochs, runs=runs))
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
    noise = NoiseData(kind="noise", root=length.boxes or str(locate_data(config)))
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


def measure_swapped(engine: Engine, config: Config, climb: Climb) -> tuple[dict[str, list[float]], int]:
    """Shares of the test calls per repeat, by `verdict.length.SHARES`, and how many lie within their swapped boxes.

    Raises:
        LabError: a swapped box reaches sound that can't be read.
    """
    swapped = swap_lengths(climb.clips)
    store = FitStore(Path(config.runs_dir) / "fits")
    windows, unreadable = ensure_windows(
        swapped.clips,
        window=config.window,
        features=config.features,
        under=Path(config.runs_dir) / "features",
        mapper=engine.map,
    )
    if unreadable:
        row, reason = next(iter(unreadable.items()))
        raise LabError(
            f"{climb.clips.root / 'train_tp.csv'}, line {climb.clips.table['line'].iloc[row]}: a box as long as "
            f"another species' can't be read ({reason}); mend the recording, or leave that row out."
        )
    specs = [spec for spec in climb.specs if store.has_model(spec.key)]
    _measure(engine, specs, windows, store=store, config=config)
    pairs = [(store.held_out(spec), store.held_out(spec, windows=windows)) for spec in specs]
    shares: dict[str, list[float]] = {name: [] for name in SHARES}
    for spec, (true, other) in zip(specs, pairs, strict=True):
        if true is not None and other is not None:
            for name, share in _shares(spec, true, other, swapped).items():
                shares[name].append(share)
    return shares, int(swapped.within[climb.specs[0].split.test].sum())


def _measure(
    engine: Engine, specs: Sequence[FitSpec], windows: WindowStore, *, store: FitStore, config: Config
) -> None:
    folder = Path(config.runs_dir) / "fits"
    jobs = [
        Job(replace(spec, windows=windows), fit_rung, folder, config.tracking.uri, "", trained=spec)
        for spec in specs
        if store.held_out(spec, windows=windows) is None
    ]
    for job, result in engine.run(measure, jobs):
        if isinstance(result, Failure):
            say(f"Repeat {job.spec.split.repeat}, not measured on swapped boxes: {result.reason}", style="red")


def _shares(spec: FitSpec, true: HeldOut, other: HeldOut, swapped: Swapped) -> dict[str, float]:
    test = spec.split.test
    labels, donor, within = spec.labels[test], swapped.donor[test], swapped.within[test]
    named, named_then = (held.probabilities.argmax(axis=1) for held in (true, other))
    hits = {
        "true": named == labels,
        "swapped": named_then == labels,
        "within_true": (named == labels)[within],
        "within_swapped": (named_then == labels)[within],
        "donor_true": named == donor,
        "donor_swapped": named_then == donor,
    }
    return {name: float(np.mean(hit)) if hit.size else 0.0 for name, hit in hits.items()}


def _record(
    name: str,
    climb: Climb,
    noise: Climb,
    *,
    shares: dict[str, list[float]],
    within: int,
    epochs: tuple[int, int],
    runs: Path,
) -> PipelineRecord:
    store, test = FitStore(runs / "fits"), noise.specs[0].split.test
    held = [store.held_out(spec) for spec in noise.specs]
    [curves] = noise.record.curves.values()
    return PipelineRecord(
        name=name,
        epochs=epochs[0],
        noise_epochs=epochs[1],
        shares=shares,
        rows=len(climb.specs[0].split.test),
        within_rows=within,
        validation_fraction=climb.record.validation_fraction,
        noise=[one.accuracy for one in held if one is not None],
        noise_rows=len(test),
        noise_fraction=noise.record.validation_fraction,
        majority=majority(noise.specs[0].labels[test])[1],
        curves=curves,
    )
