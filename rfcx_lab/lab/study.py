"""From a config to everything that is to be fitted: recordings, windows, splits, fits."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rfcx_lab.config import Config, RungConfig, signature
from rfcx_lab.console import say
from rfcx_lab.data.audit import Audit
from rfcx_lab.data.clips import Clips, load_clips, reject_rows
from rfcx_lab.data.splits import Split, make_splits
from rfcx_lab.engine.estimate import REPORT_BYTES, check_disk, fits_bytes
from rfcx_lab.engine.fits import FitSpec, FitStore
from rfcx_lab.features.cache import Mapper, WindowStore, ensure_windows, locate_windows
from rfcx_lab.features.segments import too_short
from rfcx_lab.features.spectral import input_shape
from rfcx_lab.lab.audit import audit_clips, say_audit
from rfcx_lab.lab.checks import check_config, pipeline_warnings, plan_of
from rfcx_lab.lab.sources import locate_data
from rfcx_lab.model.rung import trainable_parameters
from rfcx_lab.tracking.tracker import Tracker
from rfcx_lab.verdict import RungInfo

_log = logging.getLogger(__name__)

_FLOAT_BYTES = 4
_FIT_SEED = 2  # a stream of the study's seed, beside those of the splits


@dataclass(frozen=True)
class Layout:
    """Everything a study may fit; its windows need not be there yet. `fits` holds `repeats × rungs`, by repeat."""

    clips: Clips
    windows: WindowStore
    splits: list[Split]
    rungs: list[RungInfo]
    fits: list[FitSpec]
    store: Path
    warnings: list[str]
    key: str

    @property
    def validation_fraction(self) -> float:
        """Validation rows as a share of training and validation rows, averaged over the repeats."""
        return float(np.mean([split.validation_fraction for split in self.splits]))

    @property
    def input_shape(self) -> tuple[int, int]:
        """What a model is fed per window: (steps of the LSTM, numbers per step)."""
        frames, width = self.windows.load().shape[1:]
        return (frames, width) if self.fits[0].time_major else (width, frames)

    def missing(self) -> list[FitSpec]:
        """Fits that no run has finished yet."""
        store = FitStore(self.store)
        return [spec for spec in self.fits if store.find(spec) is None]


@dataclass(frozen=True)
class Study(Layout):
    """A study, ready to run: its windows are computed, and audited."""

    audit: Audit

    @property
    def climbed(self) -> list[RungConfig]:
        """The rungs' architectures, bottom to top."""
        return [spec.rung for spec in self.fits[: len(self.rungs)]]

    def up_to(self, repeats: int) -> Study:
        """The same study with its first `repeats` alone."""
        fits = [spec for spec in self.fits if spec.split.repeat < repeats]
        return replace(self, splits=self.splits[:repeats], fits=fits)

    def with_rung_below(self, rung: RungConfig) -> Study:
        """The same study with a rung more, at the bottom, over the same repeats."""
        added = [replace(spec, rung=rung) for spec in self.fits[:: len(self.rungs)]]
        info = _rung_info(rung, width=self.input_shape[1], classes=added[0].classes)
        fits = sorted([*added, *self.fits], key=lambda spec: spec.split.repeat)  # stable: within a repeat bottom to top
        return replace(self, rungs=[info, *self.rungs], fits=fits)


def plan_study(config: Config) -> Layout:
    """Read the data and lay out every fit: all that can be known of a study before anything is computed.

    Raises:
        LabError: the config or the data can't be used.
    """
    rungs = check_config(config)
    clips = load_clips(locate_data(config), config.data, seed=config.seed)
    clips = reject_rows(clips, too_short(clips, config.window), config=config.data, seed=config.seed)
    return _lay_out(clips, rungs, config, pipeline_warnings(config))


def prepare_study(config: Config, *, mapper: Mapper = map) -> Study:
    """Read the data, compute what features are missing (through `mapper`), audit them, and lay out every fit.

    Raises:
        LabError: the config or the data can't be used.
    """
    layout = plan_study(config)  # what makes a study impossible is said before hours of features
    for warning in layout.warnings:
        say(f"Warning: {warning}", style="yellow")
    clips = layout.clips
    _log.debug("data %s: fingerprint %s", clips.root, clips.fingerprint)
    _check_room(layout, config)
    if not config.audit.only:
        tracking = config.tracking  # can it be opened?
        Tracker(uri=tracking.uri, experiment=tracking.experiment, study_key=layout.key)
    _, unreadable = ensure_windows(
        clips, window=config.window, features=config.features, under=_features(config), mapper=mapper
    )
    if unreadable:
        clips = reject_rows(clips, unreadable, config=config.data, seed=config.seed)
        layout = _lay_out(clips, check_config(config), config, layout.warnings)
    _log.debug("study %s: windows %s, fits under %s", layout.key, layout.windows.path, layout.store)
    _say_data(clips)
    audit = audit_clips(clips, layout.splits, windows=layout.windows, config=config)
    say_audit(audit)
    return Study(**vars(layout), audit=audit)


def read_tables(config: Config) -> tuple[Clips, list[Split], Audit]:
    """A folder whose recordings are not there: its rows, their splits, and what an audit finds in the tables alone.

    Raises:
        LabError: the config or the tables can't be used.
    """
    check_config(config)
    clips = load_clips(locate_data(config), config.data, seed=config.seed, sound=False)
    _say_data(clips)
    splits = _draw_splits(clips, config)
    audit = audit_clips(clips, splits, windows=None, config=config)
    say_audit(audit)
    return clips, splits, audit


def _draw_splits(clips: Clips, config: Config) -> list[Split]:
    return make_splits(
        clips.labels,
        clips.groups(config.split.group),
        config=config.split,
        repeats=plan_of(config)[-1].repeats,
        seed=config.seed,
        species_names=clips.species_names,
    )


def _lay_out(clips: Clips, rungs: list[RungConfig], config: Config, warnings: list[str]) -> Layout:
    """Splits and fits for `clips`; their windows need not be there yet."""
    splits = _draw_splits(clips, config)
    windows = locate_windows(clips, window=config.window, features=config.features, under=_features(config))
    inputs = input_shape(config.window, config.features)[1]
    fits = [
        FitSpec(
            rung=rung,
            split=split,
            seed=fit_seed(config.seed, split.repeat),
            windows=windows,
            labels=clips.labels,
            classes=len(clips.species),
            time_major=config.features.time_major,
            training=config.training,
        )
        for split in splits
        for rung in rungs
    ]
    return Layout(
        clips=clips,
        windows=windows,
        splits=splits,
        rungs=[_rung_info(rung, width=inputs, classes=len(clips.species)) for rung in rungs],
        fits=fits,
        store=Path(config.runs_dir) / "fits",
        warnings=warnings,
        key=_study_key(config, fits),
    )


def _check_room(layout: Layout, config: Config) -> None:
    shape = input_shape(config.window, config.features)
    windows = 0 if layout.windows.path.exists() else _FLOAT_BYTES * len(layout.clips.table) * math.prod(shape)
    check_disk(
        Path(config.runs_dir), features=windows, fits=fits_bytes(layout.missing(), shape=shape), report=REPORT_BYTES
    )


def _features(config: Config) -> Path:
    return Path(config.runs_dir) / "features"


def _rung_info(rung: RungConfig, *, width: int, classes: int) -> RungInfo:
    return RungInfo(rung.name, rung.role, trainable_parameters(rung, width=width, classes=classes))


def fit_seed(seed: int, repeat: int) -> int:
    """The same on every rung, so that rungs are compared on the same terms."""
    return int(np.random.SeedSequence([seed, _FIT_SEED, repeat]).generate_state(1)[0] >> 1)


def _study_key(config: Config, fits: list[FitSpec]) -> str:
    """What makes two commands the same study: what may be fitted, how it is judged, and what it is called.

    Another number of repeats, or another `min` or `max` of them, is another study: its looks are at other places and
    spend a level of their own, which they keep only if nobody saw the outcome of others first. It has its own runs in
    MLflow, and the fits that both have in common, since repeat r is the same in each, are trained once. Rungs that are
    added follow from the fits, and are no part of it.
    """
    ladder, plan = config.ladder, plan_of(config)
    identity = [
        config.name,
        [(spec.key, spec.rung.name, spec.rung.role) for spec in fits],
        signature(config.onset),
        ladder.margin,
        *([] if len(plan) == 1 else [{"looks": [look.repeats for look in plan]}]),  # what is as ever keeps its key
        *([] if ladder.extend else [{"extend": False}]),
    ]
    return hashlib.blake2b(json.dumps(identity).encode(), digest_size=8).hexdigest()


def _say_data(clips: Clips) -> None:
    rows, recordings = len(clips.table), clips.table["recording_id"].nunique()
    say(f"Data: {rows} calls of {len(clips.species)} species in {recordings} recordings, {clips.root}")
    if len(clips.rejected):
        first = clips.rejected.iloc[0]
        say(
            f"Rejected: {len(clips.rejected)} rows, listed in rejected.csv; the first is line {first['line']} "
            f"({first['reason']}).",
            style="yellow",
        )
