"""What of a config can't be run, told before anything is read or trained."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import shorten

from rfcx_lab.config import Config, RungConfig, TrainingConfig, check_finite
from rfcx_lab.data.splits import ROW
from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.features.spectral import check_features, empty_mel_bands
from rfcx_lab.files import check_name, check_place
from rfcx_lab.model.rung import check_rungs
from rfcx_lab.model.scaling import check_scaling, of_all
from rfcx_lab.verdict import JudgeConfig
from rfcx_lab.verdict.looks import Look, plan_looks

FOLDERS = ("artifacts", "features", "fits", "locks", "optuna", "soundscapes", "studies")
"""What a study may make in `runs_dir`."""

_MOST_REPEATS = 1000
_LONGEST = 100  # characters of a value


def check_config(config: Config) -> list[RungConfig]:
    """The rungs to climb; LabError, naming the key, where the config can't be run."""
    check_finite(config)
    _check_places(config)
    if config.kind == "sweep":
        from rfcx_lab.search.architectures import check_sweep  # a ladder needs none of what it imports

        check_sweep(config.sweep)
        if 0 < config.training.epochs < config.onset.min_epochs:
            raise LabError(
                f"training.epochs={config.training.epochs}: a sweep needs a verdict on its fits, and with fewer than "
                f"onset.min_epochs={config.onset.min_epochs} epochs there is none; train longer."
            )
    elif config.kind not in ("ladder", "steps", "length"):
        raise LabError(f"kind={config.kind}: must be ladder, sweep, steps or length.")
    check_features(config.features, config.window)
    check_rungs(config.ladder.rungs)
    names = [rung.name for rung in config.ladder.rungs]
    for name in config.ladder.only:
        if name not in names:
            raise LabError(f"ladder.only: there is no rung {name!r}; there are {', '.join(names)}.")
    training = config.training
    _check_training(training)
    plan_of(config)
    for key, value in (
        ("training.epochs", training.epochs),
        ("training.batch_size", training.batch_size),
        ("look.calls", config.look.calls),
    ):
        if value < 1:
            raise LabError(f"{key}={value}: must be 1 or more.")
    for key, text in (("name", config.name), ("tracking.experiment", config.tracking.experiment)):
        check_name(text, key)
    if not training.learning_rate > 0:
        raise LabError(f"training.learning_rate={training.learning_rate}: must be above 0.")
    if config.seed < 0:
        raise LabError(f"seed={config.seed}: must be 0 or more.")
    if "://" not in config.tracking.uri and not config.tracking.uri.startswith("databricks"):
        raise LabError(
            f"tracking.uri={hide_password(config.tracking.uri)!r}: must be an address, as sqlite:///runs/mlflow.db or "
            "http://host:5000."
        )
    judge_config(config)
    if not 0 < config.audit.margin < 1:
        raise LabError(f"audit.margin={config.audit.margin}: must lie between 0 and 1.")
    climbed = [rung for rung in config.ladder.rungs if not config.ladder.only or rung.name in config.ladder.only]
    shown = config.ladder.shown
    if shown is not None and shown not in [rung.name for rung in climbed]:
        climbs = ", ".join(rung.name for rung in climbed)
        raise LabError(f"ladder.shown={shown}: that rung is not climbed; those that are: {climbs}.")
    if all(rung.role != "capacity" for rung in climbed):
        raise LabError("ladder.only: no capacity rung is left; only such a rung can be where overfitting begins.")
    return climbed


def _check_training(training: TrainingConfig) -> None:
    check_scaling(training.scaling)
    for key, known in (("train_loss", ("evaluated", "running")), ("keep", ("best", "last"))):
        value = getattr(training, key)
        if value not in known:
            raise LabError(f"training.{key}={value}: must be {' or '.join(known)}.")


def _check_places(config: Config) -> None:
    runs = Path(check_place(config.runs_dir))
    for folder in (runs, *(runs / name for name in FOLDERS)):
        if os.path.lexists(folder) and not folder.is_dir():
            raise LabError(f"{folder} is not a folder; move it away, or set runs_dir to another place.")


def feature_warnings(config: Config) -> list[str]:
    """What is odd about the features, but can be meant: sentences."""
    empty, n_fft = empty_mel_bands(config.features)
    if not empty:
        return []
    return [
        f"{empty} of {config.features.n_mels} mel bands are empty: features.n_fft={config.features.n_fft} is too short "
        f"for them; features.n_fft={n_fft} fills them all."
    ]


def pipeline_warnings(config: Config) -> list[str]:
    """What of the way from a recording to a curve is odd, but can be meant, as to do as others did: sentences."""
    features, training, least = config.features, config.training, config.onset.min_epochs
    wrong = {
        f"features.mel_rate={features.mel_rate}: the mel bands are laid out for that rate, not for "
        f"features.sample_rate={features.sample_rate}, and catch other frequencies than those they are named after.":
        features.mel_rate not in (None, features.sample_rate),
        "features.time_major=false: the LSTM walks along the coefficients, each with all its frames at once, not along "
        "time.": not features.time_major,
        "split.group=row: calls of one recording stand on two sides of the split.": config.split.group == ROW,
        f"training.scaling={training.scaling}: the windows are normalised by what the validation and the test part are "
        "like, too.": of_all(training.scaling),
        f"training.scaling={training.scaling}: one range for all coefficients leaves most of them nearly constant.":
        training.scaling.endswith("_global"),
        "training.shuffle=false: every epoch takes the same calls into the same batches.": not training.shuffle,
        f"training.epochs={training.epochs}: no fit can be judged on fewer than onset.min_epochs={least} epochs; train "
        "longer for a verdict.": training.epochs < least,
        "training.train_loss=running: the training curve is taken with dropout on, while the weights move; it can't be "
        "compared with the validation curve.": training.train_loss == "running",
    }  # fmt: skip
    return [*feature_warnings(config), *(sentence for sentence, holds in wrong.items() if holds)]


def plan_of(config: Config) -> tuple[Look, ...]:
    """At how many repeats the ladder is judged; LabError where `ladder.repeats` says nothing of the kind."""
    repeats = config.ladder.repeats
    spans = isinstance(repeats, dict) and set(repeats) == {"min", "max"}
    least, most = (repeats["min"], repeats["max"]) if spans else (repeats, repeats)
    try:
        least, most = (int(number) if isinstance(number, str) else number for number in (least, most))
    except ValueError:
        least = None
    if any(type(number) is not int for number in (least, most)):
        said = shorten(str(repeats), _LONGEST, placeholder=" …")
        raise LabError(f"ladder.repeats={said}: must be a whole number, or {{min: 4, max: 12}} with two of them.")
    for number in (least, most):
        if number < 1:
            raise LabError(f"ladder.repeats={number}: must be 1 or more.")
        if number > _MOST_REPEATS:
            raise LabError(f"ladder.repeats={number}: must be at most {_MOST_REPEATS}.")
    try:
        return plan_looks(least, most)
    except LabError as error:
        raise LabError(f"ladder.repeats={repeats}: {error}") from error


def judge_config(config: Config, look: Look | None = None, *, nothing_smaller: bool = False) -> JudgeConfig:
    """How the ladder is judged, at a look; LabError, naming the key, where it can't be."""
    if config.ladder.margin < 0:
        raise LabError(f"ladder.margin={config.ladder.margin}: must not be negative.")
    if config.onset.mode != "min":
        raise LabError(f"onset.mode={config.onset.mode}: a ladder is judged by losses, where lower is better: min.")
    plan = plan_of(config)
    return JudgeConfig(
        margin=config.ladder.margin,
        alpha=(look or plan[-1]).alpha,
        planned_repeats=plan[-1].repeats if len(plan) > 1 else None,
        nothing_smaller=nothing_smaller,
        onset=config.onset,
    )
