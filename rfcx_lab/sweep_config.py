"""Schemas of a sweep's config."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from rfcx_lab.verdict.config import SettledConfig


@dataclass
class AxisConfig:
    """The values of one way in which architectures grow: listed, or a grid from `low` to `high`. One value: fixed."""

    values: list[float] = field(default_factory=list)  # smallest model first
    low: float | None = None
    high: float | None = None
    step: float | None = None  # between neighbours: equal differences
    log_steps: int | None = None  # so many values: equal ratios, rounded: to whole numbers, or to four digits


@dataclass
class SpaceConfig:
    """The architectures of a sweep: what an axis needs to exist (a dense layer, for a dense width) is seen to."""

    lstm_layers: AxisConfig = MISSING
    dense_layers: AxisConfig = MISSING
    lstm_width: AxisConfig = MISSING  # of every LSTM layer
    dense_width: AxisConfig = MISSING  # of the lowest dense layer
    dense_taper: AxisConfig = MISSING  # a dense layer's width over that of the one below
    lstm_dropout: AxisConfig = MISSING  # after each LSTM layer
    dense_dropout: AxisConfig = MISSING  # after each dense layer


@dataclass
class SweepConfig:
    """A search of a space of architectures for the frontier beyond which they overfit."""

    sampler: str = MISSING  # "frontier", "tpe", "random" or "grid"
    n_trials: int = MISSING  # in all, those of earlier runs included
    repeats: int = MISSING  # paired fits of a trial
    at_once: int = MISSING  # trials asked for before the first of them is told
    along: str = MISSING  # the axis on which the frontier is sought, in every combination of the others
    storage: str = MISSING  # a file, or the URL of a database
    patience: float = 180.0  # seconds for which a sweep waits for a database or an MLflow server that has gone
    confidence: float = 0.95  # probability of its side from which an architecture is no longer in doubt
    tolerance: int = 1  # architectures on either side of the frontier that may stay in doubt when it counts as known
    space: SpaceConfig = MISSING
    end_settled: bool = False  # end a fit once its verdict is settled; no ladder's, and none with training.keep=last
    settled: SettledConfig = field(default_factory=SettledConfig)  # when that is
