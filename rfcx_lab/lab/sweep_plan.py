"""What a sweep may fit: the rung and the repeats of every trial, over one study's data, splits and seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rfcx_lab.config import Config, RungConfig, signature
from rfcx_lab.data.splits import Split, make_splits
from rfcx_lab.engine.estimate import check_disk, fits_bytes
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.features.cache import Mapper
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.study import Study, fit_seed, prepare_study
from rfcx_lab.model.backend import versions
from rfcx_lab.model.rung import trainable_parameters
from rfcx_lab.search.architectures import AXES, axis_values, build_rung, check_sweep
from rfcx_lab.search.space import Number, Space
from rfcx_lab.verdict import RungInfo
from rfcx_lab.verdict.rungs import CAPACITY
from rfcx_lab.verdict.settled import SettledRule

_LATER = ("padding", "mel_rate", "row_seed", "scaling", "train_loss", "keep")


@dataclass(frozen=True)
class SweepPlan:
    """A sweep's study, ready to run. `study` holds no rung and no fit yet: each trial brings its own."""

    config: Config
    space: Space
    study: Study
    template: FitSpec  # of which only rung, split and seed change
    input_shape: tuple[int, int]  # (steps of the LSTM, numbers per step)
    identity: Mapping[str, Any]  # what must be alike for its trials to be compared

    @property
    def overlap(self) -> float:
        """Validation rows over training rows: what repeats have in common."""
        fraction = self.study.validation_fraction
        return fraction / (1 - fraction)

    def rung(self, architecture: Mapping[str, Number]) -> RungConfig:
        """The rung of an architecture."""
        return build_rung(self.config.sweep, architecture)

    def info(self, rung: RungConfig) -> RungInfo:
        """What a verdict needs to know of a rung."""
        parameters = trainable_parameters(rung, width=self.input_shape[1], classes=self.template.classes)
        return RungInfo(rung.name, CAPACITY, parameters)

    def specs(self, rung: RungConfig, repeats: Sequence[int]) -> list[FitSpec]:
        """A rung's fits over those repeats, which are the same on every rung, and on a ladder's."""
        splits = self._splits(max(repeats) + 1)
        return [
            replace(self.template, rung=rung, split=splits[repeat], seed=fit_seed(self.config.seed, repeat))
            for repeat in repeats
        ]

    def _splits(self, count: int) -> list[Split]:
        if count <= len(self.study.splits):
            return self.study.splits
        clips = self.study.clips
        return make_splits(
            clips.labels,
            clips.groups(self.config.split.group),
            config=self.config.split,
            repeats=count,
            seed=self.config.seed,
            species_names=clips.species_names,
        )


def plan_sweep(config: Config, *, mapper: Mapper = map) -> SweepPlan:
    """Read the data, compute features, audit them, and see how many architectures there are to try.

    Raises:
        LabError: the config or the data can't be used.
    """
    check_config(config)
    space = check_sweep(config.sweep)
    rungs = [build_rung(config.sweep, cell) for cell in space.cells]
    ladder = replace(config.ladder, rungs=rungs[-1:], repeats=config.sweep.repeats, only=[])
    study = prepare_study(replace(config, ladder=ladder), mapper=mapper)
    identity = identify(config, study)
    key = hashlib.blake2b(json.dumps([config.name, identity]).encode(), digest_size=8).hexdigest()
    shape, template = study.input_shape, study.fits[0]
    most = min(config.sweep.n_trials, len(space.cells)) * config.sweep.repeats
    largest = max(rungs, key=lambda rung: trainable_parameters(rung, width=shape[1], classes=template.classes))
    check_disk(Path(config.runs_dir), fits=fits_bytes([replace(template, rung=largest)] * most, shape=shape))
    return SweepPlan(
        config=config,
        space=space,
        study=replace(study, key=key, rungs=[], fits=[]),
        template=replace(template, settled=settled_rule(config)),
        input_shape=shape,
        identity=identity,
    )


def settled_rule(config: Config) -> SettledRule | None:
    """When a fit of the sweep may end before its budget; None: never, as where its last epoch is what is kept."""
    if not config.sweep.end_settled or config.training.keep == "last":
        return None
    return SettledRule(margin=config.ladder.margin, config=config.sweep.settled, onset=config.onset)


def identify(config: Config, study: Study) -> dict[str, Any]:
    """What must be alike for two trials to be compared, under the names the config has for it."""
    return {
        "sweep": {
            "space": {name: list(axis_values(getattr(config.sweep.space, name), name)) for name in AXES},
            "along": config.sweep.along,
            "repeats": config.sweep.repeats,
            **({} if settled_rule(config) is None else {"settled": asdict(config.sweep.settled)}),
        },
        "data": {"fingerprint": study.clips.fingerprint, "rows": len(study.clips.table)},
        "window": _stated(config.window),
        "features": {**_stated(config.features), "key": study.fits[0].windows.key},
        "split": _stated(config.split),
        "seed": config.seed,
        "training": _stated(config.training),
        "onset": signature(config.onset),
        "ladder.margin": config.ladder.margin,
        "versions": versions(),
    }


def _stated(node: Any) -> dict[str, Any]:
    """A config's values, without keys that came later and stand at the one way there was: stored studies go on."""
    known = signature(node)
    return {key: value for key, value in asdict(node).items() if key not in _LATER or key in known}
