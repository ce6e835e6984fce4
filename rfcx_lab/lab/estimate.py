"""What a study will cost, said before it starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from rfcx_lab.console import duration
from rfcx_lab.errors import LabError
from rfcx_lab.lab.fits import FitSpec
from rfcx_lab.model.fit import EVALUATION_BATCH
from rfcx_lab.model.rung import trainable_parameters

# Fitted to one-thread fits of LSTM 8, 32 and 128 (300 windows of 32 frames); right to a factor of about two.
_STEP_SECONDS = 2.7e-4  # per batch and frame: what a step costs however small the model
_WEIGHT_SECONDS = 2.0e-10  # per window, frame and weight
_COMPILE_SECONDS = 2.0  # per fit
_START_SECONDS = 8.0  # workers import Keras
REPORT_BYTES = 10_000_000  # the study's own files, its page above all, once more as artifacts, and MLflow's tables
_FIT_BYTES = 70_000  # what a fit takes that has neither weights nor epochs
_EPOCH_BYTES = 1_000  # its curves, and their rows in MLflow
_WEIGHT_BYTES = 4


def fit_seconds(spec: FitSpec, *, shape: tuple[int, int]) -> float:
    """About how long one fit takes on one core, for windows of `shape` (steps, width)."""
    steps, width = shape
    train, validation = len(spec.split.train), len(spec.split.validation)
    batches = train / spec.training.batch_size + (train + validation) / EVALUATION_BATCH
    weights = trainable_parameters(spec.rung, width=width, classes=spec.classes)
    epoch = batches * steps * _STEP_SECONDS + train * steps * weights * _WEIGHT_SECONDS
    return _COMPILE_SECONDS + spec.training.epochs * epoch


def fits_bytes(specs: Sequence[FitSpec], *, shape: tuple[int, int]) -> int:
    """About how much disk fits take: kept weights, curves and MLflow's rows."""
    weights = sum(trainable_parameters(spec.rung, width=shape[1], classes=spec.classes) for spec in specs)
    epochs = sum(spec.training.epochs for spec in specs)
    return weights * _WEIGHT_BYTES + len(specs) * _FIT_BYTES + epochs * _EPOCH_BYTES


def describe_cost(missing: Sequence[FitSpec], *, total: int, shape: tuple[int, int], workers: int) -> str:
    """One line: how many fits are to do, how long they will take, and the disk they need."""
    if not missing:
        return f"Fits: all {total} are there from earlier runs."
    seconds = _START_SECONDS + sum(fit_seconds(spec, shape=shape) for spec in missing) / workers
    known = f" ({total - len(missing)} are there from earlier runs)" if len(missing) < total else ""
    return (
        f"Fits: {len(missing)} of {total} to do{known}, about {duration(seconds)} on {workers} worker(s), "
        f"{fits_bytes(missing, shape=shape) / 1e6:.0f} MB of disk."
    )


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
