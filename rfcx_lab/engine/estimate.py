"""What a study will cost, said before it starts."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rfcx_lab.config import EngineConfig
from rfcx_lab.console import duration
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.errors import LabError
from rfcx_lab.model.compiled import MOST_KEPT
from rfcx_lab.model.fit import EVALUATION_BATCH
from rfcx_lab.model.rung import trainable_parameters

# Fitted to CPU seconds of one-thread fits of LSTM 8, 32 and 128 (300 windows of 32 frames); right to a factor of two.
_STEP_SECONDS = 1.8e-4  # per batch and frame: what a step costs however small the model
_WEIGHT_SECONDS = 1.8e-10  # per window, frame and weight
_TRACE_SECONDS = 0.9  # per rung and process, in its first fit there
_FIT_SECONDS = 0.4  # per fit, beside its epochs: a model is built, and the best one kept
_START_SECONDS = 8.0  # workers import Keras
REPORT_BYTES = 10_000_000  # the study's own files, its page above all, once more as artifacts, and MLflow's tables
_FIT_BYTES = 70_000  # what a fit takes that has neither weights nor epochs
_EPOCH_BYTES = 1_000  # its curves, and their rows in MLflow
_WEIGHT_BYTES = 4


def fits_seconds(specs: Sequence[FitSpec], *, shape: tuple[int, int], processes: int) -> float:
    """About how long fits take on one core altogether, for windows of `shape` (steps, width), in so many processes.

    A process traces a rung for the first of its fits alone (`model.compiled`), as long as it keeps that many models.
    """
    repeats = Counter(
        json.dumps([spec.rung.cell, spec.rung.lstm, spec.rung.dense, spec.rung.lstm_dropout]) for spec in specs
    )
    kept = len(repeats) <= MOST_KEPT
    traces = sum(min(count, processes) if kept else count for count in repeats.values())
    epochs = sum(spec.training.epochs * _epoch_seconds(spec, shape=shape) for spec in specs)
    return traces * _TRACE_SECONDS + len(specs) * _FIT_SECONDS + epochs


def _epoch_seconds(spec: FitSpec, *, shape: tuple[int, int]) -> float:
    steps, width = shape
    train, validation = len(spec.split.train), len(spec.split.validation)
    batches = train / spec.training.batch_size + (train + validation) / EVALUATION_BATCH
    weights = trainable_parameters(spec.rung, width=width, classes=spec.classes)
    return batches * steps * _STEP_SECONDS + train * steps * weights * _WEIGHT_SECONDS


def fits_bytes(specs: Sequence[FitSpec], *, shape: tuple[int, int]) -> int:
    """About how much disk fits take: kept weights, curves and MLflow's rows."""
    weights = sum(trainable_parameters(spec.rung, width=shape[1], classes=spec.classes) for spec in specs)
    epochs = sum(spec.training.epochs for spec in specs)
    return weights * _WEIGHT_BYTES + len(specs) * _FIT_BYTES + epochs * _EPOCH_BYTES


@dataclass(frozen=True)
class Cost:
    """What fits cost in a study: for windows of `shape` (steps, width), on so many workers of an engine."""

    shape: tuple[int, int]
    engine: EngineConfig
    workers: int

    def seconds(self, specs: Sequence[FitSpec]) -> float:
        """About how long the workers take for `specs`, once they are there."""
        lives = math.ceil(len(specs) / self.workers / self.engine.recycle_after)  # of a worker process, one by one
        return fits_seconds(specs, shape=self.shape, processes=self.workers * lives) / self.workers

    def describe(self, specs: Sequence[FitSpec]) -> str:
        """A phrase: how many fits are to do, and how long they will take."""
        if not specs:
            return "for which all fits are there"
        return f"{len(specs)} fits, about {duration(self.seconds(specs))} on {self.workers} worker(s)"


def describe_plan(missing: Sequence[Sequence[FitSpec]], fits: Sequence[FitSpec], *, cost: Cost) -> str:
    """One line: how many of a study's `fits` are to do, how long they will take, and the disk they need.

    `missing` are those up to each planned look, the last one's included: with several, the line tells the least and the
    most. Rungs that may be added are in neither.
    """
    least, most = missing[0], missing[-1]
    if not most:
        return f"Fits: all {len(fits)} are there from earlier runs."
    there = len(fits) - len(most)
    known = f" ({there} are there from earlier runs)" if there else ""
    if len(missing) == 1:
        return f"Fits: {len(most)} of {len(fits)} to do{known}, {_needs(most, cost)}."
    first = f"at least {len(least)}, {_needs(least, cost)}" if least else "those of the first look are there"
    return f"Fits: {first}; at most {len(most)} of {len(fits)}{known}, {_needs(most, cost)}."


def _needs(specs: Sequence[FitSpec], cost: Cost) -> str:
    time = duration(_START_SECONDS + cost.seconds(specs))
    return f"about {time} on {cost.workers} worker(s), {fits_bytes(specs, shape=cost.shape) / 1e6:.0f} MB of disk"


def check_disk(runs: Path, **needed: int) -> None:
    """Compare what a study will write under `runs`, in bytes by its name, with what is free there.

    Raises:
        LabError: it is more.
    """
    place = runs.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if sum(needed.values()) > free:
        parts = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in needed.items() if size)
        raise LabError(
            f"runs_dir={runs}: the study needs about {sum(needed.values()) / 1e6:.1f} MB of disk ({parts}) and "
            f"{free / 1e6:.1f} MB are free; make room, or set runs_dir to a folder on another disk."
        )
