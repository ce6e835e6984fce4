"""What of a config can't be run, told before anything is read or trained."""

from __future__ import annotations

from pathlib import Path

from rfcx_lab.config import Config, RungConfig, check_finite
from rfcx_lab.errors import LabError
from rfcx_lab.features.spectral import check_features
from rfcx_lab.model.rung import check_rungs
from rfcx_lab.verdict import JudgeConfig

_MOST_REPEATS = 1000


def check_config(config: Config) -> list[RungConfig]:
    """The rungs to climb; LabError, naming the key, where the config can't be run."""
    check_finite(config)
    check_features(config.features, config.window)
    check_rungs(config.ladder.rungs)
    names = [rung.name for rung in config.ladder.rungs]
    for name in config.ladder.only:
        if name not in names:
            raise LabError(f"ladder.only: there is no rung {name!r}; there are {', '.join(names)}.")
    training, repeats = config.training, config.ladder.repeats
    for key, value in (
        ("ladder.repeats", repeats),
        ("training.epochs", training.epochs),
        ("training.batch_size", training.batch_size),
        ("look.calls", config.look.calls),
    ):
        if value < 1:
            raise LabError(f"{key}={value}: must be 1 or more.")
    if repeats > _MOST_REPEATS:
        raise LabError(f"ladder.repeats={repeats}: must be at most {_MOST_REPEATS}.")
    for key, text in (("name", config.name), ("tracking.experiment", config.tracking.experiment)):
        if not text.strip() or Path(text).name != text or not text.isprintable():
            raise LabError(f"{key}={text!r}: must be a plain name, fit for a folder.")
    if not training.learning_rate > 0:
        raise LabError(f"training.learning_rate={training.learning_rate}: must be above 0.")
    if config.seed < 0:
        raise LabError(f"seed={config.seed}: must be 0 or more.")
    if "://" not in config.tracking.uri and not config.tracking.uri.startswith("databricks"):
        raise LabError(
            f"tracking.uri={config.tracking.uri!r}: must be an address, as sqlite:///runs/mlflow.db or http://host:5000."
        )
    judge_config(config)
    if not 0 < config.audit.margin < 1:
        raise LabError(f"audit.margin={config.audit.margin}: must lie between 0 and 1.")
    climbed = [rung for rung in config.ladder.rungs if not config.ladder.only or rung.name in config.ladder.only]
    if all(rung.role != "capacity" for rung in climbed):
        raise LabError("ladder.only: no capacity rung is left; only such a rung can be where overfitting begins.")
    return climbed


def judge_config(config: Config) -> JudgeConfig:
    """How the ladder is judged; LabError, naming the key, where it can't be."""
    if config.ladder.margin < 0:
        raise LabError(f"ladder.margin={config.ladder.margin}: must not be negative.")
    if config.onset.mode != "min":
        raise LabError(f"onset.mode={config.onset.mode}: a ladder is judged by losses, where lower is better: min.")
    return JudgeConfig(margin=config.ladder.margin, onset=config.onset)
