"""Schemas of what is climbed: a ladder's rungs, and the steps of a pipeline, mended or asked what it listens to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class RungConfig:
    """One architecture: recurrent layers, dense layers, a softmax over the species on top."""

    name: str = MISSING
    lstm: list[int] = MISSING  # widths, bottom to top; each but the last hands on its whole sequence
    dense: list[int] = field(default_factory=list)  # widths of relu layers; [] means none
    lstm_dropout: float = 0.0  # after each LSTM layer
    dense_dropout: list[float] = field(default_factory=list)  # one per dense layer; [] means none
    role: str = "capacity"  # "capacity", or "remedy": compared with the full stack, never the answer
    cell: str = "lstm"  # of the recurrent layers; or "gru"
    weight_decay: float = 0.0  # times the squared weights of every kernel, added to the loss that is trained on


@dataclass
class LadderConfig:
    """The rungs, bottom to top, one change at a time, and how often each is climbed."""

    rungs: list[RungConfig] = MISSING
    repeats: Any = MISSING  # a whole number; or {min: 4, max: 12}: judged on the way too, and stopped once settled
    only: list[str] = field(default_factory=list)  # climb these rungs alone, by name
    extend: bool = True  # where the lowest rung overfits, add smaller ones below it
    margin: float = 0.05  # a rise of the validation loss by less than this share is no overfitting
    shown: str | None = None  # a rung that is measured on the test part and shown by itself, whatever is recommended


@dataclass
class StepConfig:
    """One correction of a pipeline."""

    name: str = MISSING
    change: Any = field(default_factory=dict)  # keys of the config and their new values, nested; {}: as it stands


@dataclass
class StepsConfig:
    """A pipeline that is mended one choice after another, each on top of those before."""

    rung: str | None = None  # of the ladder's; fitted after every step
    repeats: int = 6  # paired over all steps
    steps: list[StepConfig] = field(default_factory=list)  # the first is the pipeline as it stands


@dataclass
class LengthConfig:
    """How much of an accuracy the boxes' length gives: every step with true and swapped boxes, and on white noise."""

    boxes: str | None = None  # a folder with the train_tp.csv that the noise has its boxes from; none: the study's own
    repeats: int = 3  # on noise
    epochs: list[int] = field(default_factory=list)  # on noise, one number per step
